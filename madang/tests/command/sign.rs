//! `madang sign`: the vectors of dataflow.md 1.4, and a signature that really opens the gate.

use crate::{
    hub::{Place, json_of},
    program::{madang, run, text},
};

const DEMO: (&str, &str) = ("AKDEMO0000000000TEST", "sk-demo-9f2c41aa7b6e4d0c8a35");
const OTHER: (&str, &str) = ("ncp_iam_BPKRSAMPLE01", "B64+like/Secret=Key0123456789abcdefXYZ");
const STATS: &str = "/api/v1/stats/executions?startDate=2026-03-01T00%3A00%3A00&endDate=2026-03-02T23%3A59%3A59";
const KOREAN: &str = "/api/v1/triggers?name=%EB%A7%A4%EC%B6%9C%20%EC%A7%91%EA%B3%84&page=0";
const EXECUTION: &str = "/api/v1/jobs/5Yns7JgRt25f/executions?workflowId=pJ1HCEI7L9ha&triggerId=T63391JxQHNj";

/// Method, target, timestamp, key, signature.
type Vector = (&'static str, &'static str, &'static str, (&'static str, &'static str), &'static str);

/// V1 to V8.
const VECTORS: [Vector; 8] = [
    ("GET", "/api/v1/jobs", "1700000000000", DEMO, "52IvgQ9dXAodmPqvfy+opW7I1y4cgz5eawwszTZ2jYc="),
    ("GET", "/api/v1/jobs?page=0&limit=1000", "1700000000000", DEMO, "tuZKygwbuRPlWndv3nXUIrRamnBHwfPbfJHWCT7zDpY="),
    ("GET", STATS, "1772400000123", DEMO, "O+EBOw1HzS7EUKJNsy3/vEG6JeMbgzp4csuJZpR6r84="),
    ("GET", KOREAN, "1772400000123", DEMO, "O0aYFS1zsPh/se1nIzRB5/EWO3mV/NrjaYEHv/vAy3I="),
    ("POST", "/api/v1/jobs/verify", "1772400000456", DEMO, "i0+NYlf+RSVIMYEfnjB1a6DiouZkyi6RnepfqDsZ5oI="),
    ("POST", EXECUTION, "1772400000456", OTHER, "+RL5c+mRvKw5zRTl/inXnqp3vHe0zCyKph3vdfm+nPI="),
    ("DELETE", "/api/v1/triggers/T63391JxQHNj", "1772400000789", OTHER, "MLv7i6CvMm6rsgdhzz6Y86nTkTW0d5RyI+iAWygUWsw="),
    ("GET", "/photos/puppy.jpg?query1=&query2", "1505290625682", DEMO, "IvkWImgt2WjJ/bXYckjSiBZ/SwtLbqpHBtBg721NU5E="),
];

#[tokio::test]
async fn the_vectors_come_out_alone_on_their_line() {
    for (method, target, timestamp, (access_key, secret_key), signature) in VECTORS {
        let keys = ["--access-key", access_key, "--secret-key", secret_key];
        let output = run(madang(&["sign", "--method", method, "--target", target, "--timestamp", timestamp]).args(keys)).await;
        assert!(output.status.success(), "{target}: {}", text(&output.stderr));
        assert_eq!((text(&output.stdout), text(&output.stderr)), (format!("{signature}\n"), String::new()), "{method} {target}");
    }
}

/// Without a timestamp it takes the present one and tells it, because the request must carry the same.
#[tokio::test]
async fn a_signature_of_this_moment_opens_the_gate() {
    let place = Place::new();
    let hub = place.up().await;
    let credentials = hub.credentials();
    let key = |name: &str| credentials[name].as_str().unwrap_or_default().to_owned();
    let (target, access_key) = ("/madang/v1/whoami?a=1&b=%20", key("access_key"));
    let mut sign = madang(&["sign", "--method", "get", "--target", target]);
    let output = run(sign.args(["--access-key", &access_key, "--secret-key", &key("secret_key")])).await;
    let told = text(&output.stderr);
    let timestamp = told.trim().strip_prefix("x-ncp-apigw-timestamp: ").expect("the timestamp");
    let request = hub.get(target).header("x-ncp-apigw-timestamp", timestamp).header("x-ncp-iam-access-key", access_key);
    let request = request.header("x-ncp-apigw-signature-v2", text(&output.stdout).trim());
    assert_eq!(json_of(request).await["scheme"], "ncp-signature-v2");
}

#[tokio::test]
async fn a_target_without_its_slash_is_refused() {
    let keys = ["--access-key", DEMO.0, "--secret-key", DEMO.1];
    for target in ["api/v1/jobs", "https://host/api/v1/jobs", ""] {
        let output = run(madang(&["sign", "--method", "GET", "--target", target]).args(keys)).await;
        assert!(!output.status.success() && output.stdout.is_empty(), "{target}");
        assert!(text(&output.stderr).contains("target"), "{target}: {}", text(&output.stderr));
        assert!(!text(&output.stderr).contains(DEMO.1), "the secret is not repeated");
    }
}
