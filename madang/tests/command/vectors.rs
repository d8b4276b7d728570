//! The vectors of docs/samples through the front door, at their own time, with their own keys (dataflow.md section 7, check 1).

use std::{fs, path::Path, time::SystemTime};

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    hub::{Hub, Place},
    program::{madang, run, text},
};

const VECTORS: &str = include_str!("../../../docs/samples/vectors.json");
const REFUSED: &str = r#"{"error":{"errorCode":"200","message":"Authentication Failed","details":"Invalid authentication information."}}"#;
const MINUTES_5: i64 = 300_000;

#[derive(Deserialize)]
struct Vector {
    name: String,
    method: String,
    target: String,
    timestamp: String,
    access_key: String,
    secret_key: String,
    signature: String,
}

/// Sets the hub's clock to a vector's time and so much more.
fn set(clock: &Path, vector: &Vector, more: i64) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis();
    let timestamp: i64 = vector.timestamp.parse().expect("milliseconds");
    fs::write(clock, (timestamp + more - i64::try_from(now).expect("a time")).to_string()).expect("the offset");
}

async fn send(hub: &Hub, vector: &Vector, target: &str, signature: &str) -> (u16, String) {
    let request = hub.call(Method::from_bytes(vector.method.as_bytes()).expect("a method"), target);
    let request = request.header("x-ncp-apigw-timestamp", &vector.timestamp).header("x-ncp-iam-access-key", &vector.access_key);
    let answer = request.header("x-ncp-apigw-signature-v2", signature).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a body"))
}

#[tokio::test]
async fn they_open_the_gate_in_their_time_and_nothing_near_them_does() {
    let place = Place::new();
    let clock = place.path("offset");
    let mut vectors: Vec<Vector> = serde_json::from_str(VECTORS).expect("vectors");
    vectors.retain(|vector| vector.target.starts_with("/api/v1/"));
    vectors.sort_by_key(|vector| vector.timestamp.clone()); // a clock does not go back
    assert_eq!(vectors.len(), 7);
    bring_along(&place, &vectors).await;
    let first = &vectors[0];
    set(&clock, first, -MINUTES_5 - 5_000);
    let hub = place.up_with(&[], &[("MADANG_CLOCK_OFFSET_FILE", clock.to_str().expect("a path"))]).await;
    let opens = async |more: i64| {
        set(&clock, first, more);
        let (status, body) = send(&hub, first, &first.target, &first.signature).await;
        assert!(status == 200 || (status, body.as_str()) == (401, REFUSED), "{more}: {status} {body}");
        status == 200
    };
    assert!(!opens(-MINUTES_5 - 5_000).await && opens(-MINUTES_5).await);
    for vector in &vectors {
        set(&clock, vector, 0);
        let (status, body) = send(&hub, vector, &vector.target, &vector.signature).await;
        assert!(status != 401 && status < 500, "{}: {status} {body}", vector.name);
        for (target, signature) in near(vector) {
            let (status, body) = send(&hub, vector, &target, &signature).await;
            assert_eq!((status, body.as_str()), (401, REFUSED), "{}: {target} {signature}", vector.name);
        }
        if vector.target == first.target {
            assert!(opens(MINUTES_5 - 5_000).await && !opens(MINUTES_5 + 1).await);
        }
    }
}

/// Targets and signatures that differ in something small.
fn near(vector: &Vector) -> Vec<(String, String)> {
    let flipped = |at: usize| {
        let mut bytes = vector.signature.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("ASCII")
    };
    let newline = format!("{} {}\n{}\n{}\n", vector.method, vector.target, vector.timestamp, vector.access_key);
    let (method, rest) = newline.split_once(' ').expect("a blank");
    let (target, rest) = rest.split_once('\n').expect("a newline");
    let (timestamp, key) = rest.split_once('\n').expect("a newline");
    let with_newline = madang_gateway::sign(method, target, timestamp, key, &vector.secret_key);
    let mut near = vec![(vector.target.clone(), flipped(0)), (vector.target.clone(), flipped(20)), (vector.target.clone(), with_newline)];
    near.push((format!("{}{}x=1", vector.target, if vector.target.contains('?') { '&' } else { '?' }), vector.signature.clone()));
    if let Some((path, query)) = vector.target.split_once('?') {
        let mut pairs: Vec<&str> = query.split('&').collect();
        pairs.reverse();
        near.push((format!("{path}?{}", pairs.join("&")), vector.signature.clone()));
    }
    near
}

/// Both keys of the vectors, brought into a hub that was never started.
async fn bring_along(place: &Place, vectors: &[Vector]) {
    let data = place.path("data");
    assert!(run(madang(&["init", "--data-dir"]).arg(&data)).await.status.success());
    let mut keys: Vec<_> = vectors.iter().map(|vector| (&vector.access_key, &vector.secret_key)).collect();
    keys.sort();
    keys.dedup();
    for (access_key, secret_key) in keys {
        let file = place.path("secret");
        fs::write(&file, secret_key).expect("a file");
        let mut create = madang(&["key", "create", "--access-key", access_key, "--secret-file"]);
        let output = run(create.arg(&file).arg("--data-dir").arg(&data)).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        let made: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(made["access_key"], access_key.as_str());
    }
}
