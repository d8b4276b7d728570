//! `madang explain`: captured requests, as a file or by parts; the secret is never printed.

use std::fs;

use crate::program::{madang, run, text};

const KEY: &str = "ncp_iam_BPKRSAMPLE01";
const SECRET: &str = "B64+like/Secret=Key0123456789abcdefXYZ";
const TARGET: &str = "/api/v1/jobs?page=0&limit=10";
const AT: &str = "1772400000456";

fn signature(method: &str, target: &str, timestamp: &str) -> String {
    madang_gateway::sign(method, target, timestamp, KEY, SECRET)
}

/// What it prints of a request with the secret in the environment.
async fn explained(arguments: &[&str]) -> (bool, String) {
    let output = run(madang(&["explain", "--received", AT]).args(arguments).env("MADANG_SECRET_KEY", SECRET)).await;
    let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(!told.contains(SECRET), "{told}");
    (output.status.success(), told)
}

fn parts<'a>(target: &'a str, timestamp: &'a str, key: &'a str, signature: &'a str) -> Vec<&'a str> {
    vec!["--method", "GET", "--target", target, "--timestamp", timestamp, "--access-key", key, "--signature", signature]
}

#[tokio::test]
async fn parts_of_a_request() {
    let good = signature("GET", TARGET, AT);
    let (holds, told) = explained(&parts(TARGET, AT, KEY, &good)).await;
    assert!(holds && told.starts_with("signature_holds: "), "{told}");
    assert!(!told.contains(&good), "{told}");
    let lines = format!("string to sign:\n  GET {TARGET}⏎\n  {AT}⏎\n  {KEY}\n");
    assert!(told.ends_with(&lines), "{told}");
    let hex = "0".repeat(64);
    let cases = [
        (parts(TARGET, AT, KEY, good.trim_end_matches('=')), "padding_lost"),
        (parts("/api/v1/jobs", AT, KEY, &good), "no_match"),
        (parts(TARGET, "1772400000457", KEY, &good), "two_clock_reads"),
        (parts(TARGET, AT, SECRET, &good), "access_key_and_secret_swapped"),
        (parts(TARGET, AT, KEY, &hex), "hex_digest"),
        (parts(TARGET, AT, KEY, SECRET), "header_malformed"),
    ];
    for (arguments, verdict) in cases {
        let (holds, told) = explained(&arguments).await;
        assert!(!holds && told.starts_with(&format!("{verdict}: ")), "{told}");
    }
    let query = signature("GET", "/api/v1/jobs", AT);
    let arguments = [parts(TARGET, AT, KEY, &query), vec!["--json"]].concat();
    let (_, told) = explained(&arguments).await;
    assert!(told.contains(r#""verdict": "query_missing""#), "{told}");
}

#[tokio::test]
async fn a_request_as_it_travelled() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("request");
    let secret = folder.path().join("secret");
    fs::write(&secret, format!("{SECRET}\n")).expect("the secret");
    let signature = signature("POST", "https://hub.example.com/api/v1/jobs", AT);
    let head = |mark: &str| {
        ["POST /api/v1/jobs HTTP/1.1", "Host: hub.example.com", "Cookie: a=b", "X-NCP-APIGW-Timestamp: 1772400000456"]
            .into_iter()
            .map(str::to_owned)
            .chain([format!("x-ncp-iam-access-key: {KEY}"), format!("x-ncp-apigw-signature-v2: {signature}"), String::new()])
            .fold(String::new(), |head, line| head + mark + &line + "\r\n")
    };
    for mark in ["", "> "] {
        fs::write(&file, head(mark) + "{\"name\": \"a\"}").expect("a file");
        let mut command = madang(&["explain", "--received", AT]);
        let output = run(command.arg(&file).arg("--secret-file").arg(&secret)).await;
        let told = text(&output.stdout);
        assert!(told.starts_with("host_in_target: 'https://hub.example.com/api/v1/jobs' was signed."), "{told} {}", text(&output.stderr));
        assert!(!told.contains(&signature) && !told.contains(SECRET), "{told}");
    }
}

#[tokio::test]
async fn what_is_missing_is_told() {
    let (_, told) = explained(&["--method", "GET", "--target", TARGET]).await;
    assert_eq!(told.matches("header_missing").count(), 2, "{told}"); // once as a verdict, once as the reason to fail
    for (arguments, word) in [(&["--target", TARGET][..], "method"), (&["--method", "GET"], "target"), (&["no-such-file"], "no-such-file")]
    {
        let (holds, told) = explained(arguments).await;
        assert!(!holds && told.contains(word), "{told}");
    }
    let output = run(&mut madang(&["explain", "--method", "GET", "--target", TARGET])).await;
    assert!(!output.status.success() && text(&output.stderr).contains("secret key is needed"), "{}", text(&output.stderr));
}
