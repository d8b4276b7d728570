//! The tutorial's own programs, word for word: its cURL lines through curl, its Python program through Python.
//!
//! Filled in are host, user name, password and ids, as its reader would; the certificate authority is named in the programs' own
//! settings. The texts are `tutorial.sh` and `tutorial.py` beside this file.

use std::{collections::BTreeMap, path::Path, process::Stdio};

use madang_tests::{Hub, fixture, note, on_every_hub, work};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

const CURL: &str = include_str!("tutorial.sh");
const PYTHON: &str = include_str!("tutorial.py");

/// The end of the Python program, ours: it prints what it has read.
const PYTHON_END: &str = r#"
import json
print("RESULT " + json.dumps({"collection": collection, "upload": upload.json(), "table_data": table_data,
                              "run": run, "batch": batch, "traces": traces}, ensure_ascii=False))
"#;

/// Names under which the lines expect what earlier answers told, and the key in the answer.
const EXPORTS: [(&str, &str, &str); 5] = [
    ("auth/login", "TOKEN", "access_token"),
    ("collections", "COLLECTION_ID", "id"),
    ("datasets", "DATASET_ID", "id"),
    ("pipelines", "PIPELINE_ID", "id"),
    ("/run", "BATCH_ID", "batch_id"),
];

#[tokio::test]
async fn the_curl_lines_work() {
    if !runs("curl", &["--version"]).await {
        return note("curl is not installed: its lines were not tried");
    }
    on_every_hub(|hub| async move {
        curl(&hub, &hub.http).await;
        curl(&hub, &hub.https).await;
    })
    .await;
}

async fn curl(hub: &Hub, base: &str) {
    let folder = folder(hub, base);
    let mut exports: BTreeMap<&str, String> = BTreeMap::new();
    let mut answers = Vec::new();
    for line in CURL.split("\n\n").filter(|block| block.starts_with("curl ")) {
        let line = line.replace("https://{host}", base).replace("your-username", &hub.credentials().username);
        let line = line.replace("your-password", &hub.credentials().password);
        let target = line.lines().next().unwrap_or_default().to_owned();
        if target.contains("/batches/") {
            work::ended(&hub.admin().await, &exports["BATCH_ID"]).await;
        }
        let (status, body) = in_shell(&line, folder.path(), &exports).await;
        assert_eq!(status, "200", "{target}: {body}");
        let name = EXPORTS.iter().find(|(ending, ..)| target.trim_end_matches([' ', '\\']).ends_with(ending));
        if let Some((_, name, key)) = name {
            exports.insert(*name, body[*key].as_str().expect(key).to_owned());
        }
        answers.push(body);
    }
    assert_eq!(answers.len(), 9, "the tutorial has nine calls");
    assert_eq!(answers[3], serde_json::json!({"message": "Upload successful", "rows": 20, "columns": 8}));
    assert_eq!((answers[4]["total_rows"].as_u64(), &answers[4]["data"][0][1]), (Some(20), &Value::from("강남대로")));
    assert_eq!((&answers[6]["status"], &answers[7]["status"]), (&Value::from("running"), &Value::from("completed")));
    assert_eq!(answers[8][0]["batch_id"], answers[6]["batch_id"]);
}

/// The status and the JSON body that a line prints. The settings file adds the status at the end.
async fn in_shell(line: &str, folder: &Path, exports: &BTreeMap<&str, String>) -> (String, Value) {
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(folder).env("CURL_HOME", folder).envs(exports);
    let output = shell.output().await.expect("sh");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (body, status) = text.rsplit_once('\n').unwrap_or_default();
    let json = serde_json::from_str(body);
    assert!(json.is_ok(), "{line}\nprinted {text}\n{}", String::from_utf8_lossy(&output.stderr));
    (status.to_owned(), json.unwrap_or_default())
}

#[tokio::test]
async fn the_python_program_works() {
    if !runs("python3", &["-c", "import requests"]).await {
        return note("python3 or its requests is not installed: the program was not tried");
    }
    on_every_hub(|hub| async move {
        python(&hub, &hub.http).await;
        python(&hub, &hub.https).await;
    })
    .await;
}

async fn python(hub: &Hub, base: &str) {
    let folder = folder(hub, base);
    let credentials = hub.credentials();
    let program = PYTHON.replace("https://{host}", base).replace("your-username", &credentials.username);
    let program = program.replace("your-password", &credentials.password) + PYTHON_END;
    let mut python = Command::new("python3");
    python.args(["-c", &program]).current_dir(folder.path()).env("REQUESTS_CA_BUNDLE", &hub.ca).env("NO_PROXY", "*");
    let output = python.output().await.expect("python3");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{base}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find_map(|line| line.strip_prefix("RESULT ")).expect("a result");
    let result: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(result["collection"]["name"], "서울시 교통 분석");
    assert_eq!((result["upload"]["rows"].as_u64(), result["table_data"]["total_rows"].as_u64()), (Some(20), Some(20)));
    assert_eq!(result["batch"]["status"], "completed");
    assert_eq!(result["traces"][0]["batch_id"], result["run"]["batch_id"]);
}

/// A folder with the tutorial's file, and settings for curl.
fn folder(hub: &Hub, base: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("traffic_data.csv"), fixture("traffic_data.csv")).expect("the file");
    let authority = if base.starts_with("https") { format!("cacert = \"{}\"\n", hub.ca.display()) } else { String::new() };
    let settings = format!("silent\nshow-error\nnoproxy = \"*\"\nwrite-out = \"\\n%{{http_code}}\"\n{authority}");
    std::fs::write(folder.path().join(".curlrc"), settings).expect("curl's settings");
    folder
}

async fn runs(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    status.is_ok_and(|status| status.success())
}
