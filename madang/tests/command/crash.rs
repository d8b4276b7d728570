//! Killed in the middle: what was acknowledged is there, and nothing twice.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::hub::{Hub, Place, json_of};

const WRITERS: u64 = 4;

/// What the writers know.
#[derive(Default)]
struct Told {
    sent: Mutex<BTreeSet<u64>>,
    acknowledged: Mutex<BTreeSet<u64>>,
    stop: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_rows_survive_a_kill() {
    let place = Place::new();
    let mut hub = place.up().await;
    let admin = hub.admin().await;
    let dataset = hub.dataset(&admin).await;
    let mut lasting = BTreeSet::new();
    for round in 0..3 {
        let told = Told::default();
        let writers = join_all((0..WRITERS).map(|writer| write(&hub, &admin, &dataset, &told, round * 1_000_000 + writer * 10_000)));
        let kill = kill_in_the_middle(&told, hub.pid());
        tokio::join!(writers, kill);
        hub.kill().await;
        hub = place.up().await;
        check(&numbers(&hub, &admin, &dataset).await, &mut lasting, &told);
    }
    json_of(hub.upload(&admin, &dataset, "n\n5000000\n")).await;
    assert_eq!(numbers(&hub, &admin, &dataset).await.last(), Some(&5_000_000), "it takes rows as before");
}

/// Uploads one row after another until the hub is gone.
async fn write(hub: &Hub, admin: &HeaderMap, dataset: &str, told: &Told, first: u64) {
    for number in first.. {
        if told.stop.load(Ordering::Relaxed) {
            return;
        }
        told.sent.lock().expect("a lock").insert(number);
        match hub.upload(admin, dataset, &format!("n\n{number}\n")).send().await {
            Ok(response) if response.status().is_success() => {
                told.acknowledged.lock().expect("a lock").insert(number);
            }
            Ok(response) => assert!(response.status().as_u16() == 409, "{response:?}"),
            Err(_) => return,
        }
    }
}

/// `kill -9` while all writers are at work.
async fn kill_in_the_middle(told: &Told, pid: u32) {
    let began = Instant::now();
    while told.acknowledged.lock().expect("a lock").len() < 20 {
        assert!(began.elapsed() < Duration::from_mins(1), "the writers get no answers");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let killed = tokio::process::Command::new("sh").args(["-c", "kill -s KILL \"$1\"", "sh", &pid.to_string()]).status().await;
    assert!(killed.expect("sh").success());
    told.stop.store(true, Ordering::Relaxed);
}

async fn numbers(hub: &Hub, admin: &HeaderMap, dataset: &str) -> Vec<u64> {
    hub.rows(admin, dataset).await.iter().map(|row| row[0].as_u64().expect("a number")).collect()
}

/// Everything acknowledged is there, nothing is there that was never sent, and nothing is there twice.
fn check(numbers: &[u64], lasting: &mut BTreeSet<u64>, told: &Told) {
    let there: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!(there.len(), numbers.len(), "a row is there twice");
    let (sent, acknowledged) = (told.sent.lock().expect("a lock"), told.acknowledged.lock().expect("a lock"));
    let lost: Vec<_> = acknowledged.union(lasting).filter(|number| !there.contains(number)).collect();
    assert!(lost.is_empty(), "lost: {lost:?} of {} acknowledged", acknowledged.len());
    let strange: Vec<_> = there.iter().filter(|number| !sent.contains(number) && !lasting.contains(number)).collect();
    assert!(strange.is_empty(), "never sent: {strange:?}");
    *lasting = there;
}

/// A run that was acknowledged ends although the hub was killed before it had begun or in its middle.
#[tokio::test]
async fn an_acknowledged_run_ends_after_a_kill() {
    let place = Place::new();
    let mut hub = place.up().await;
    let admin = hub.admin().await;
    let pipeline = json_of(hub.post("/api/v1/pipelines").headers(admin.clone()).json(&serde_json::json!({"name": "p"}))).await;
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
