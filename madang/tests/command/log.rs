//! What the log must never hold: no secret, token, signature or personal value (design, invariant 7).

use std::fs;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::{
    hub::{Hub, Place, bearer, json_of, status_of, value},
    program::{madang, run, text},
};

/// Values that only these requests hold.
const WRONG_PASSWORD: &str = "guessed-pass-91c3";
const IN_QUERY: &str = "in-query-77d0";
const IN_CELL: &str = "in-cell-900101";
const IN_ROW: &str = "김데이터-9f21";
const IN_BODY: &str = "in-body-a41f";
const FORGED: &str = "forged-0b77";

#[tokio::test]
async fn no_secret_reaches_the_log() {
    for filter in ["warn,madang=info", "trace"] {
        let place = Place::new();
        let hub = place.up_with(&[], &[("MADANG_LOG", filter)]).await;
        let mut secrets = work(&hub).await;
        secrets.extend(of_credentials(&hub));
        secrets.extend(of_secrets(&hub));
        let (log, output) = (hub.log.clone(), hub.output.clone());
        hub.stop().await;
        let told = fs::read_to_string(&log).expect("the log") + &fs::read_to_string(&output).expect("the output");
        assert!(told.contains("/api/v1/auth/login"), "requests are logged: {told}");
        let leaks: Vec<_> = secrets.iter().filter_map(|(about, secret)| leak(&told, about, secret)).collect();
        assert!(leaks.is_empty(), "with the filter {filter}:\n{}", leaks.join("\n"));
    }
}

/// The first line with this secret.
fn leak(told: &str, about: &str, secret: &str) -> Option<String> {
    assert!(secret.len() >= 6, "{about} is too short to look for");
    told.lines().find(|line| line.contains(secret)).map(|line| format!("{about}: {line}"))
}

/// Good and bad requests of every kind; gives the secrets that they held.
async fn work(hub: &Hub) -> Vec<(String, String)> {
    let credentials = hub.credentials();
    let tokens = hub.log_in().await;
    let admin = bearer(&tokens["access_token"]);
    let login = json!({"username": credentials["email"], "password": WRONG_PASSWORD});
    assert_eq!(status_of(hub.post("/api/v1/auth/login").json(&login)).await, 401);
    let refreshed = json_of(hub.post("/api/v1/auth/refresh").json(&json!({"refresh_token": tokens["refresh_token"]}))).await;
    write(hub, &admin).await;
    over_http_2(hub, &admin).await;
    let signature = present(hub, &credentials).await;
    assert_eq!(status_of(hub.post("/api/v1/auth/logout").headers(admin)).await, 200);

    let given = [WRONG_PASSWORD, IN_QUERY, IN_CELL, IN_ROW, IN_BODY, FORGED].map(|text| (text.to_owned(), text.to_owned()));
    let mut secrets = vec![("the signature".to_owned(), signature)];
    for (name, tokens) in [("a token", tokens), ("a renewed token", refreshed)] {
        for key in ["access_token", "refresh_token"] {
            let token = tokens[key].as_str().unwrap_or_default();
            secrets.extend(token.split('.').skip(1).map(|part| (format!("{name}: {key}"), part.to_owned())));
        }
    }
    secrets.extend(given);
    secrets
}

/// Writes, and writes that are refused.
async fn write(hub: &Hub, admin: &HeaderMap) {
    let dataset = hub.dataset(admin).await;
    json_of(hub.upload(admin, &dataset, &format!("n,who\n1,{IN_ROW}\n"))).await;
    assert_eq!(status_of(hub.upload(admin, &dataset, &format!("n,who\n{IN_CELL},x\n"))).await, 422);
    let broken = format!(r#"{{"name": "{IN_BODY}", "#);
    assert_eq!(status_of(hub.post("/api/v1/collections").headers(admin.clone()).body(broken)).await, 422);
    let page = format!("/api/v1/tables/{dataset}?page={IN_QUERY}");
    assert_eq!(status_of(hub.get(&page).headers(admin.clone())).await, 422);
    let step = json!({"name": "s", "script": "sql", "inputs": {"t": dataset}, "outputs": {"o": dataset},
        "options": {"query": format!("SELECT CAST('{IN_CELL}' AS BIGINT) AS n, who FROM t"), "write_mode": "append"}});
    let pipeline = json_of(hub.post("/api/v1/pipelines").headers(admin.clone()).json(&json!({"name": "p", "steps": [step]}))).await;
    let run = format!("/api/v1/pipelines/{}/run", pipeline["id"].as_str().unwrap_or_default());
    let batch = json_of(hub.post(&run).headers(admin.clone())).await["batch_id"].as_str().unwrap_or_default().to_owned();
    while json_of(hub.get(&format!("/api/v1/batches/{batch}")).headers(admin.clone())).await["status"] == "running" {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// HTTP/2 packs headers in its own way; its library may have its own mind about logging them.
async fn over_http_2(hub: &Hub, admin: &HeaderMap) {
    let authority = reqwest::Certificate::from_pem(hub.read("tls/ca.pem").as_bytes()).expect("ca.pem");
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().expect("an HTTP client");
    let request = client.get(format!("{}/api/v1/auth/me?secret={IN_QUERY}", value(&hub.ready, "https"))).headers(admin.clone());
    let response = request.send().await.expect("an answer");
    assert_eq!((response.version(), response.status().as_u16()), (reqwest::Version::HTTP_2, 200));
}

/// Every scheme, good and bad; gives a good signature.
async fn present(hub: &Hub, credentials: &Value) -> String {
    let key = |name: &str| credentials[name].as_str().unwrap_or_default().to_owned();
    let target = format!("/madang/v1/whoami?secret={IN_QUERY}");
    let mut sign = madang(&["sign", "--method", "GET", "--target", &target]);
    let output = run(sign.args(["--access-key", &key("access_key"), "--secret-key", &key("secret_key")])).await;
    let (signature, timestamp) = (text(&output.stdout).trim().to_owned(), text(&output.stderr));
    let timestamp = timestamp.trim().trim_start_matches("x-ncp-apigw-timestamp: ").to_owned();
    for (target, status) in [(target.as_str(), 200), ("/madang/v1/whoami", 401)] {
        let request = hub.get(target).header("x-ncp-apigw-timestamp", &timestamp).header("x-ncp-iam-access-key", key("access_key"));
        assert_eq!(status_of(request.header("x-ncp-apigw-signature-v2", &signature)).await, status);
    }
    let whoami = || hub.get("/madang/v1/whoami");
    assert_eq!(status_of(whoami().basic_auth(key("space_id"), Some(key("api_key")))).await, 200);
    assert_eq!(status_of(whoami().basic_auth(key("space_id"), Some(FORGED))).await, 401);
    for (header, good) in [("x-ckan-api-key", "ckan_api_token"), ("authorization", "ckan_api_token"), ("auth-token", "spec_store_token")] {
        assert_eq!(status_of(whoami().header(header, key(good))).await, 200);
        assert_eq!(status_of(whoami().header(header, FORGED)).await, 401);
    }
    assert_eq!(status_of(whoami().bearer_auth(FORGED)).await, 401);
    signature
}

/// What `credentials.json` holds, identifiers left out.
fn of_credentials(hub: &Hub) -> Vec<(String, String)> {
    let credentials = hub.credentials();
    let secret = ["password", "email", "secret_key", "api_key", "hmac_key", "ckan_api_token", "spec_store_token"];
    secret.map(|name| (name.to_owned(), credentials[name].as_str().unwrap_or_default().to_owned())).to_vec()
}

/// Every value of `secrets.toml` but the public keys; a PEM by its lines.
fn of_secrets(hub: &Hub) -> Vec<(String, String)> {
    let mut table: toml::Table = hub.read("secrets.toml").parse().expect("TOML");
    let assertions = table.get_mut("assertions").and_then(toml::Value::as_table_mut).expect("assertions");
    assert!(assertions.remove("public").is_some());
    let mut found = Vec::new();
    collect("secrets.toml", &toml::Value::Table(table), &mut found);
    assert!(found.len() > 20, "{} values", found.len());
    found
}

fn collect(name: &str, value: &toml::Value, found: &mut Vec<(String, String)>) {
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(key, value)| collect(&format!("{name}: {key}"), value, found)),
        toml::Value::String(text) => {
            let lines = text.lines().filter(|line| line.len() > 10 && !line.starts_with("-----"));
            found.extend(lines.map(|line| (name.to_owned(), line.to_owned())));
        }
        _ => {}
    }
}
