//! A worker that is asked to stop gives its run back, and the next one goes on from where it got to.

use std::time::Duration;

use serde_json::json;

use super::{
    crew::Crew,
    load::{SOON, ended},
};

const SLOW: &str = "
import time
def run(t, options):
    time.sleep(max(0, options['parameters']['until'] - time.time()))
    return {'out': [{'n': 1}]}
";

/// The first step has carried rows over; what is added before the run goes on is left to the next run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_was_given_back_does_no_step_twice() {
    let mut crew = Crew::of_one(&[("MADANG_PIPELINE_PYTHON", "python3")]).await;
    let door = crew.door.clone();
    let code = door.make("/api/v1/codes", json!({"name": "slow", "type": "python"})).await;
    door.put_text(&format!("/api/v1/codes/{code}/file"), SLOW).await;
    let (source, copy, nothing) = (door.dataset().await, door.dataset().await, door.dataset().await);
    door.upload(&source, "n\n1\n2\n").await;
    let options = json!({"query": "SELECT n FROM t", "read_mode": "cdc"});
    let steps = json!([
        {"name": "carry", "script": "sql", "inputs": {"t": source}, "outputs": {"o": copy}, "options": options},
        {"name": "wait", "script": code, "inputs": {"t": copy}, "outputs": {"out": nothing}},
    ]);
    let pipeline = door.make("/api/v1/pipelines", json!({"name": "p", "steps": steps})).await;
    let run = async |seconds: i64| {
        let body = json!({"parameters": {"until": chrono::Utc::now().timestamp() + seconds}});
        let told = door.post(&format!("/api/v1/pipelines/{pipeline}/run"), body).await;
        told["batch_id"].as_str().expect("an id").to_owned()
    };
    let first = run(10).await;
    while door.get(&format!("/api/v1/traces/steps/{first}")).await["items"]["wait"]["state"] != "running" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    crew.members[0].process.signal("TERM").await;
    crew.members[0].process.ended().await;
    door.upload(&source, "n\n3\n4\n5\n").await;
    crew.start(0);
    assert_eq!(ended(&door, &first, SOON).await, "completed");
    assert_eq!(door.rows(&copy).await.len(), 2);
    assert_eq!(ended(&door, &run(0).await, SOON).await, "completed");
    let mut rows: Vec<i64> = door.rows(&copy).await.iter().filter_map(|row| row[0].as_i64()).collect();
    rows.sort_unstable();
    assert_eq!(rows, [1, 2, 3, 4, 5]);
    crew.leave().await;
}
