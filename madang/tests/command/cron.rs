//! Schedules, with the clock in our hand: each moment once, also across restarts; what was missed is not made up for.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::{
    hub::{Hub, json_of},
    watch::Yard,
};

const MINUTE: i64 = 60_000;
/// 2026-03-12T09:00:30Z, in milliseconds.
const BEGIN: i64 = 1_773_306_030_000;
/// How soon after its moment a run must be there.
const SOON: Duration = Duration::from_secs(10);

async fn pipeline(hub: &Hub, admin: &HeaderMap, body: Value) -> String {
    let made = json_of(hub.post("/api/v1/pipelines").headers(admin.clone()).json(&body)).await;
    made["id"].as_str().expect("an id").to_owned()
}

/// The moments that a schedule named, the oldest first.
async fn slots(hub: &Hub, pipeline: &str) -> Vec<Value> {
    let admin = hub.admin().await; // the token of a minute ago may be one of the future by now
    let told = json_of(hub.get(&format!("/api/v1/pipelines/{pipeline}/schedule")).headers(admin)).await;
    told["slots"].as_array().expect("slots").iter().rev().cloned().collect()
}

async fn until_slots(hub: &Hub, pipeline: &str, count: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let found = slots(hub, pipeline).await;
        if found.len() >= count {
            assert_eq!(found.len(), count, "{found:?}");
            return found;
        }
        assert!(began.elapsed() < SOON, "{found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn each_moment_is_fired_once_across_restarts() {
    let house = Yard::at(BEGIN);
    let mut hub = house.up().await;
    let admin = hub.admin().await;
    let body = json!({"name": "매분", "options": {"schedule": {"cron": "* * * * *"}}});
    let pipeline = pipeline(&hub, &admin, body).await;
    for minute in 1..=12_i64 {
        if minute % 4 == 0 {
            hub.kill().await;
            house.set(BEGIN + minute * MINUTE - 29_000); // a second after the moment
            hub = house.up().await;
        } else {
            house.set(BEGIN + minute * MINUTE - 29_990);
        }
        let found = until_slots(&hub, &pipeline, usize::try_from(minute).expect("small")).await;
        assert!(found.iter().all(|slot| slot["outcome"] == "fired"), "{found:?}");
    }
    let found = slots(&hub, &pipeline).await;
    let times: Vec<_> = found.iter().filter_map(|slot| slot["time"].as_str()).collect();
    assert_eq!((times.first(), times.last()), (Some(&"2026-03-12T09:01:00Z"), Some(&"2026-03-12T09:12:00Z")));
    let batches: BTreeSet<_> = found.iter().filter_map(|slot| slot["batch_id"].as_str()).collect();
    let traces = json_of(hub.get(&format!("/api/v1/traces?pipeline_id={pipeline}")).headers(hub.admin().await)).await;
    let traces = traces.as_array().expect("an array").clone();
    assert!(traces.iter().all(|trace| trace["trigger"] == "schedule"));
    assert_eq!(traces.iter().filter_map(|trace| trace["batch_id"].as_str()).collect::<BTreeSet<_>>(), batches);
    assert_eq!(batches.len(), 12);
}

#[tokio::test]
async fn missed_moments_are_not_made_up_for() {
    let house = Yard::at(BEGIN);
    let mut hub = house.up().await;
    let admin = hub.admin().await;
    let body = json!({"name": "매시", "options": {"schedule": {"cron": "0 * * * *"}}});
    let pipeline = pipeline(&hub, &admin, body).await;
    hub.kill().await;
    house.set(BEGIN + 3 * 60 * MINUTE); // half a minute after the third full hour: three were missed, or two of them
    let hub = house.up().await;
    let found = until_slots(&hub, &pipeline, 2).await;
    let told: Vec<_> = found.iter().map(|slot| (slot["time"].as_str().unwrap_or(""), slot["outcome"].as_str().unwrap_or(""))).collect();
    assert_eq!(told, [("2026-03-12T10:00:00Z", "missed"), ("2026-03-12T12:00:00Z", "fired")], "the last was half a minute ago");
    house.set(BEGIN + 5 * 60 * MINUTE + 10 * MINUTE);
    let found = until_slots(&hub, &pipeline, 3).await;
    assert_eq!((&found[2]["time"], &found[2]["outcome"]), (&json!("2026-03-12T13:00:00Z"), &json!("missed")));
    let next = json_of(hub.get(&format!("/api/v1/pipelines/{pipeline}/schedule")).headers(hub.admin().await)).await["next"].clone();
    assert_eq!(next, "2026-03-12T15:00:00Z");
}

#[tokio::test]
async fn a_moment_is_skipped_while_the_run_before_is_active() {
    let house = Yard::at(BEGIN);
    let hub = house.up().await;
    let admin = hub.admin().await;
    let (source, target) = (hub.dataset(&admin).await, hub.dataset(&admin).await);
    let rows = format!("n\n{}", "1\n".repeat(3_000));
    assert!(hub.upload(&admin, &source, &rows).send().await.expect("an answer").status().is_success());
    let query = "SELECT count(*) AS n FROM t a, t b, t c WHERE a.n + b.n + c.n = 0";
    let steps = json!([{"name": "느린", "script": "sql", "inputs": {"t": source}, "outputs": {"o": target}, "options": {"query": query}}]);
    let pipeline = pipeline(&hub, &admin, json!({"name": "p", "steps": steps, "options": {"schedule": {"cron": "* * * * *"}}})).await;
    house.set(BEGIN + 30_010);
    until_slots(&hub, &pipeline, 1).await;
    house.set(BEGIN + 90_010);
    let found = until_slots(&hub, &pipeline, 2).await;
    assert_eq!((&found[0]["outcome"], &found[1]["outcome"]), (&json!("fired"), &json!("skipped")));
    assert_eq!((&found[1]["batch_id"], &found[1]["comment"]), (&Value::Null, &json!("the run before is still active")));
}

#[tokio::test]
async fn a_schedule_can_rest_and_be_removed() {
    let house = Yard::at(BEGIN);
    let hub = house.up().await;
    let admin = hub.admin().await;
    let every = |enabled: bool| json!({"schedule": {"cron": "* * * * *", "enabled": enabled}});
    let resting = pipeline(&hub, &admin, json!({"name": "쉬는", "options": every(false)})).await;
    let removed = pipeline(&hub, &admin, json!({"name": "없앤", "options": every(true)})).await;
    let beating = pipeline(&hub, &admin, json!({"name": "뛰는", "options": every(true)})).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let put = client.put(format!("{}/api/v1/pipelines/{removed}", hub.http)).headers(admin.clone()).json(&json!({"options": {}}));
    json_of(put).await;
    house.set(BEGIN + 30_010);
    until_slots(&hub, &beating, 1).await;
    for pipeline in [&resting, &removed] {
        assert!(slots(&hub, pipeline).await.is_empty());
    }
}
