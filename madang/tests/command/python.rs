//! Python steps, with the interpreter of this machine: rows in and out, what a script says, and what it can't do.

use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::hub::{Hub, Place, json_of};

/// A hub with an interpreter, and a dataset to work on.
struct Lab {
    hub: Hub,
    admin: HeaderMap,
    source: String,
    _place: Place,
}

impl Lab {
    async fn new() -> Self {
        let place = Place::new();
        let hub = place.up_with(&[], &[("MADANG_PIPELINE_PYTHON", "python3"), ("MADANG_PIPELINE_PYTHON_SECONDS", "5")]).await;
        let admin = hub.admin().await;
        let source = hub.dataset(&admin).await;
        let rows = "n,name,x,ok,day\n1,\"쉼표, 따옴표\",1.5,true,2026-03-01\n2,,,false,\n";
        assert!(hub.upload(&admin, &source, rows).send().await.expect("an answer").status().is_success());
        Self { hub, admin, source, _place: place }
    }

    /// Runs a script with one output; gives the step's trace, the log and the rows of the output.
    async fn run(&self, script: &str, options: &Value) -> (Value, Vec<String>, Vec<Vec<Value>>) {
        let (hub, admin) = (&self.hub, &self.admin);
        let code = json_of(hub.post("/api/v1/codes").headers(admin.clone()).json(&json!({"name": "p", "type": "python"}))).await;
        let code = code["id"].as_str().expect("an id").to_owned();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let file = client.put(format!("{}/api/v1/codes/{code}/file", hub.http)).headers(admin.clone()).body(script.to_owned());
        json_of(file).await;
        let target = hub.dataset(admin).await;
        let steps = json!([{"name": "s", "script": code, "inputs": {"t": self.source}, "outputs": {"out": target}, "options": options}]);
        let made = json_of(hub.post("/api/v1/pipelines").headers(admin.clone()).json(&json!({"name": "p", "steps": steps}))).await;
        let run = format!("/api/v1/pipelines/{}/run", made["id"].as_str().expect("an id"));
        let started = json_of(hub.post(&run).headers(admin.clone()).json(&json!({"parameters": {"city": "서울"}}))).await;
        let batch = started["batch_id"].as_str().expect("an id").to_owned();
        let began = Instant::now();
        while json_of(hub.get(&format!("/api/v1/batches/{batch}")).headers(admin.clone())).await["status"] == "running" {
            assert!(began.elapsed() < Duration::from_secs(40), "the run does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let traces = json_of(hub.get(&format!("/api/v1/traces?batch_id={batch}")).headers(admin.clone())).await;
        let lines = traces[0]["logs"].as_array().expect("logs").iter().filter_map(|line| line["message"].as_str().map(str::to_owned));
        (traces[0]["state"]["steps"]["s"].clone(), lines.collect(), hub.rows(admin, &target).await)
    }
}

#[tokio::test]
async fn rows_go_in_and_come_out() {
    let lab = Lab::new().await;
    let script = "
import datetime
def run(t, options):
    rows = t if isinstance(t, list) else t.astype(object).where(t.notna(), None).to_dict('records')
    print('읽음', len(rows), type(rows[0]['n']).__name__, type(rows[0]['day']).__name__)
    return {'out': [dict(row, n=row['n'] * options['factor'], city=options['parameters']['city'], code='007') for row in rows]}
";
    let (step, lines, rows) = lab.run(script, &json!({"factor": 10})).await;
    assert_eq!((&step["state"], &step["offsets"]), (&json!("completed"), &json!({"records": 2})), "{step}");
    let expected = json!([[10, "쉼표, 따옴표", 1.5, true, "2026-03-01", "서울", "007"], [20, null, null, false, null, "서울", "007"],]);
    assert_eq!(json!(rows), expected);
    assert!(lines.iter().any(|line| line == "읽음 2 int date"), "{lines:?}");
}

#[tokio::test]
async fn a_script_that_fails_says_where() {
    let lab = Lab::new().await;
    for (script, comment, inside) in [
        ("def run(t, options):\n    return 1 / 0\n", "ZeroDivisionError: division by zero", "line 2, in run"),
        ("def run(t, options):\n    return 5\n", "TypeError: output 'out' is int", ""),
        ("print('no function')\n", "NameError: the script defines no function 'run'", ""),
        ("def run(t:\n", "SyntaxError: '(' was never closed", "line 1"),
        ("import sys\ndef run(t, options):\n    sys.exit(3)\n", "SystemExit: 3", "line 3, in run"),
    ] {
        let (step, _, rows) = lab.run(script, &json!({})).await;
        assert_eq!(step["state"], "failed", "{script}");
        let told = step["comment"].as_str().unwrap_or_default();
        assert!(!told.is_empty() && told.starts_with(comment), "{step}");
        assert!(step["stacktrace"].as_str().unwrap_or_default().contains(inside), "{step}");
        assert!(!step.to_string().contains("runner.py") && !step.to_string().contains("/tmp"), "{step}");
        assert!(rows.is_empty());
    }
}

/// Neither the hub's keys nor the network, neither endless time nor memory.
#[tokio::test]
async fn a_script_is_held_within_limits() {
    let lab = Lab::new().await;
    let secrets = lab.hub.data.join("secrets.toml").display().to_string();
    let (step, ..) = lab.run("def run(t, options):\n    return open(options['path']).read()\n", &json!({"path": secrets})).await;
    assert!(step["comment"].as_str().is_some_and(|text| text.starts_with("FileNotFoundError")), "{step}");
    let address = lab.hub.http.trim_start_matches("http://").to_owned();
    let script = "
import socket
def run(t, options):
    host, port = options['address'].split(':')
    socket.create_connection((host, int(port)), timeout=2)
";
    let (step, ..) = lab.run(script, &json!({"address": address})).await;
    assert!(step["comment"].as_str().is_some_and(|text| text.contains("Error")), "{step}");
    let (step, ..) = lab.run("def run(t, options):\n    return {'out': [{'x': len(bytearray(8 << 30))}]}\n", &json!({})).await;
    assert!(step["comment"].as_str().is_some_and(|text| text.starts_with("MemoryError")), "{step}");
    for endless in ["while True:\n        pass", "__import__('time').sleep(100)"] {
        let began = Instant::now();
        let (step, ..) = lab.run(&format!("def run(t, options):\n    {endless}\n"), &json!({})).await;
        assert!(step["comment"].as_str().is_some_and(|text| text.contains("limits")), "{step}");
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }
    // What it can't read itself, it can't make us read.
    let script = "
import json, os
def run(t, options):
    os.symlink(options['path'], 'out-0.csv')
    json.dump({'outputs': {'out': [{'name': 'x', 'type': 'string'}]}}, open('answer.json', 'w'))
    os._exit(0)
";
    let (step, _, rows) = lab.run(script, &json!({"path": secrets})).await;
    assert_eq!((&step["comment"], rows.len()), (&json!("the script left no such output"), 0), "{step}");
}
