//! Runs that were acknowledged end although the hub was killed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::hub::{Place, json_of};

/// Killed before it had begun or in its middle.
#[tokio::test]
async fn an_acknowledged_run_ends_after_a_kill() {
    let place = Place::new();
    let mut hub = place.up().await;
    let admin = hub.admin().await;
    let pipeline = json_of(hub.post("/api/v1/pipelines").headers(admin.clone()).json(&json!({"name": "p"}))).await;
    let run = format!("/api/v1/pipelines/{}/run", pipeline["id"].as_str().expect("an id"));
    let started = json_of(hub.post(&run).headers(admin.clone())).await;
    hub.kill().await;
    let hub = place.up().await;
    let batch = format!("/api/v1/batches/{}", started["batch_id"].as_str().expect("an id"));
    let began = Instant::now();
    loop {
        let look: Value = json_of(hub.get(&batch).headers(admin.clone())).await;
        match look["status"].as_str() {
            Some("completed") => return,
            Some("running") => assert!(began.elapsed() < Duration::from_secs(50), "{look}"),
            _ => unreachable!("{look}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
