//! Timeouts, restarts while something runs, and kills between the jobs of a workflow.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};

use super::{BEGIN, Client, MINUTE, SECOND, chain, id};
use crate::{databases::Databases, hub::Place, watch::Yard};

async fn start(client: &Client, watch: &Yard, job: &str, timeout: u32) -> String {
    let body = json!({"jobCondition": {"timeout": timeout}});
    let made = client.post(watch, &format!("/api/v1/jobs/{job}/executions"), &body).await;
    format!("/api/v1/jobs/{job}/executions/{}", id(&made, "jobExecutionId"))
}

#[tokio::test]
async fn a_timeout_of_a_minute_ends_an_execution() {
    let watch = Yard::at(BEGIN);
    let hub = watch.up().await;
    let client = Client::of(&hub);
    let job = client.job(&watch, "slow", true, 1).await;
    let target = start(&client, &watch, &job, 1).await;
    client.until(&watch, &target, |look| look["status"] == "RUNNING").await;
    watch.set(BEGIN + 50 * SECOND);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(client.get(&watch, &target).await["status"], "RUNNING", "not yet");
    watch.set(watch.now() + 15 * SECOND);
    let ended = client.until(&watch, &target, |look| look["status"] != "RUNNING").await;
    assert_eq!(ended["status"], "FAILED", "{ended}");
    assert!(ended["message"].as_str().is_some_and(|message| message.starts_with("timeout")), "{ended}");
}

/// Taken up again once, then failed.
#[tokio::test]
async fn a_restart_takes_an_execution_up_once() {
    let watch = Yard::at(BEGIN);
    let mut hub = watch.up().await;
    let client = Client::of(&hub);
    let job = client.job(&watch, "slow", true, 1).await;
    let target = start(&client, &watch, &job, 600).await;
    client.until(&watch, &target, |look| look["status"] == "RUNNING").await;
    hub.kill().await;
    watch.set(watch.now() + MINUTE); // its lease has run out
    hub = watch.up().await;
    let client = Client::of(&hub);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let again = client.get(&watch, &target).await;
    assert_eq!(again["status"], "RUNNING", "{again}");
    hub.kill().await;
    watch.set(watch.now() + MINUTE);
    hub = watch.up().await;
    let client = Client::of(&hub);
    let ended = client.until(&watch, &target, |look| look["status"] == "FAILED").await;
    assert!(ended["message"].as_str().is_some_and(|message| message.contains("worker")), "{ended}");
    let job = client.get(&watch, &format!("/api/v1/jobs/{job}")).await;
    assert_eq!((&job["status"], &job["lastExecutionStatus"]), (&json!("RUNNABLE"), &json!("FAILED")));
}

#[tokio::test]
async fn jobs_follow_each_other_once_across_kills_on_sqlite() {
    jobs_follow_each_other_once(Place::new()).await;
}

#[tokio::test]
async fn jobs_follow_each_other_once_across_kills_on_postgres() {
    let Some(databases) = Databases::new().await else { return };
    jobs_follow_each_other_once(Place::with(databases.variables())).await;
    databases.remove().await;
}

/// Whatever moment a kill falls into: no job of a start runs twice, and each that should follow does.
async fn jobs_follow_each_other_once(place: Place) {
    let watch = Yard::in_place(place, BEGIN);
    let mut hub = watch.up().await;
    let mut client = Client::of(&hub);
    let mut jobs = Vec::new();
    for name in ["first", "second", "third"] {
        jobs.push(client.job(&watch, name, false, 100).await);
    }
    let names: Vec<&str> = jobs.iter().map(String::as_str).collect();
    let trigger = client.trigger(&watch, "by_hand", json!({"type": "NONE"})).await;
    let workflow = id(&client.post(&watch, "/api/v1/workflows", &chain("chain", &trigger, &names)).await, "workflowId");
    let target = format!("/api/v1/workflows/{workflow}/executions");
    let mut started = Vec::new();
    for round in 0..6_u64 {
        for _ in 0..3 {
            let accepted = client.call(&watch, Method::POST, &target, None).await;
            started.push(id(&accepted, "workflowExecutionId"));
        }
        tokio::time::sleep(Duration::from_millis(20 + round * 90)).await;
        hub.kill().await;
        watch.set(watch.now() + MINUTE); // leases have run out
        hub = watch.up().await;
        client = Client::of(&hub);
    }
    let list = settled(&client, &watch, &target).await;
    let mut seen: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for one in &list {
        let text = |key: &str| one[key].as_str().expect("a text");
        let twice = seen.entry(text("workflowExecutionId")).or_default().insert(text("jobId"), text("status"));
        assert!(twice.is_none(), "a job ran twice in one start: {one}");
    }
    assert_eq!(seen.len(), started.len(), "every start that was accepted began");
    for (start, of_jobs) in &seen {
        let states: Vec<Option<&&str>> = names.iter().map(|job| of_jobs.get(job)).collect();
        for pair in states.windows(2) {
            assert_eq!(pair[0] == Some(&"COMPLETED"), pair[1].is_some(), "{start}: {states:?}");
        }
    }
    let completed = seen.values().filter(|jobs| jobs.len() == 3 && jobs.values().all(|state| *state == "COMPLETED")).count();
    assert!(completed >= started.len() / 2, "{completed} of {} came through", started.len());
}

/// The executions once none is open and none is added any more.
async fn settled(client: &Client, watch: &Yard, target: &str) -> Vec<Value> {
    let began = Instant::now();
    let (mut before, mut calm) = (0, 0);
    loop {
        let look = client.get(watch, target).await;
        let list = look["list"].as_array().expect("a list").clone();
        let open = list.iter().any(|one| matches!(one["status"].as_str(), Some("READY" | "RUNNING")));
        calm = if open || list.len() != before { 0 } else { calm + 1 };
        before = list.len();
        if calm > 30 {
            return list;
        }
        assert!(began.elapsed() < Duration::from_mins(2), "{look}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
