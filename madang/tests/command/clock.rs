//! Time passes: tokens end and signatures grow stale. The clock is moved by `MADANG_CLOCK_OFFSET_FILE`.

use std::{fs, path::Path};

use serde_json::json;

use crate::{
    hub::{Place, bearer, json_of, status_of},
    program::{madang, run, text},
};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

fn set(file: &Path, milliseconds: i64) {
    fs::write(file, milliseconds.to_string()).expect("the offset");
}

#[tokio::test]
async fn tokens_end_in_their_time() {
    let place = Place::new();
    let file = place.path("offset");
    let hub = place.up_with(&[], &[("MADANG_CLOCK_OFFSET_FILE", &file.display().to_string())]).await;
    let tokens = hub.log_in().await;
    let me = |token: &serde_json::Value| hub.get("/api/v1/auth/me").headers(bearer(token));
    let refresh = |token: &serde_json::Value| hub.post("/api/v1/auth/refresh").json(&json!({"refresh_token": token}));
    assert_eq!(status_of(me(&tokens["access_token"])).await, 200);
    set(&file, 29 * MINUTE);
    assert_eq!(status_of(me(&tokens["access_token"])).await, 200);
    set(&file, 31 * MINUTE);
    assert_eq!(status_of(me(&tokens["access_token"])).await, 401, "an access token lives half an hour");
    let renewed = json_of(refresh(&tokens["refresh_token"])).await;
    assert_eq!(status_of(me(&renewed["access_token"])).await, 200);
    set(&file, 8 * DAY);
    assert_eq!(status_of(me(&renewed["access_token"])).await, 401);
    assert_eq!(status_of(refresh(&renewed["refresh_token"])).await, 401, "a refresh token lives a week");
    set(&file, -MINUTE * 5);
    assert_eq!(status_of(me(&renewed["access_token"])).await, 401, "a token of the future");
}

#[tokio::test]
async fn a_signature_grows_stale() {
    let place = Place::new();
    let file = place.path("offset");
    let hub = place.up_with(&[], &[("MADANG_CLOCK_OFFSET_FILE", &file.display().to_string())]).await;
    let credentials = hub.credentials();
    let key = |name: &str| credentials[name].as_str().unwrap_or_default().to_owned();
    let target = "/api/v1/auth/me";
    let mut sign = madang(&["sign", "--method", "GET", "--target", target]);
    let output = run(sign.args(["--access-key", &key("access_key"), "--secret-key", &key("secret_key")])).await;
    let timestamp = text(&output.stderr).trim().trim_start_matches("x-ncp-apigw-timestamp: ").to_owned();
    let request = || {
        let request = hub.get(target).header("x-ncp-apigw-timestamp", &timestamp).header("x-ncp-iam-access-key", key("access_key"));
        request.header("x-ncp-apigw-signature-v2", text(&output.stdout).trim())
    };
    for (offset, status) in [(0, 200), (4 * MINUTE, 200), (6 * MINUTE, 401), (-4 * MINUTE, 200), (-6 * MINUTE, 401)] {
        set(&file, offset);
        assert_eq!(status_of(request()).await, status, "{offset} ms later");
    }
}
