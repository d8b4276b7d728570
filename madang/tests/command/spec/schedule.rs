//! Datasets that run by themselves (spec-store.md 2.6): each moment once, however long nobody looked.

use std::fs;

use serde_json::{Value, json};

use super::{EXTERNAL, Owner, finished, seven, tell, until};
use crate::{
    databases::Databases,
    hub::{Hub, Place},
};

const HOUR: i64 = 3_600_000;

async fn triggers(owner: &Owner<'_>, dataset: &str) -> Vec<Value> {
    let list = owner.read(&format!("{}/{dataset}", owner.id)).await;
    list["revisions"].as_array().expect("a list").iter().rev().map(|line| line["trigger"].clone()).collect()
}

async fn finish(hub: &Hub, flow: &str, dataset: &str) {
    for pipeline in seven(dataset) {
        tell(hub, flow, &pipeline, finished()).await;
    }
}

async fn each_moment_once(place: Place) {
    let file = place.path("offset");
    let name = file.display().to_string();
    // Time passes by days here, and nothing is to end because of it.
    let patient = ("MADANG_SPEC_STORE_STALE_SECONDS", "100000000");
    let variables = [EXTERNAL, patient, ("MADANG_CLOCK_OFFSET_FILE", name.as_str())];
    let set = |hours: i64| fs::write(&file, (hours * HOUR).to_string()).expect("the offset");
    set(0);
    let mut hub = place.up_with(&[], &variables).await;
    let owner = Owner::of(&hub);
    let mut spec = owner.spec("daily");
    spec["schedule"] = json!("every 24h");
    let first = owner.flow(&spec).await;
    finish(&hub, &first, "daily").await;
    let next_run = owner.read(&format!("{}/daily", owner.id)).await["dataset"]["next_run"].clone();
    assert!(next_run.is_string());

    set(25);
    until(async || triggers(&owner, "daily").await == ["upload", "schedule"]).await;
    // The scheduled run is open: what comes due is passed over.
    set(49);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(triggers(&owner, "daily").await, ["upload", "schedule"]);
    finish(&hub, &format!("{}/daily/2", owner.id), "daily").await;

    // Days without a hub are one run.
    hub.kill().await;
    set(24 * 9 + 1);
    let mut hub = place.up_with(&[], &variables).await;
    let owner = Owner::of(&hub);
    until(async || triggers(&owner, "daily").await.len() == 3).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(triggers(&owner, "daily").await, ["upload", "schedule", "schedule"]);
    let read = owner.read(&format!("{}/daily/3", owner.id)).await;
    assert_eq!((&read["state"], &read["spec_contents"]["schedule"]), (&json!("QUEUED"), &json!("every 24h")));

    // An upload without a schedule ends it.
    owner.flow(&owner.spec("daily")).await;
    assert_eq!(owner.read(&format!("{}/daily", owner.id)).await["dataset"]["next_run"], Value::Null);
    hub.kill().await;
}

#[tokio::test]
async fn each_moment_once_on_sqlite() {
    each_moment_once(Place::new()).await;
}

#[tokio::test]
async fn each_moment_once_on_postgres() {
    let Some(databases) = Databases::new().await else { return };
    each_moment_once(Place::with(databases.variables())).await;
    databases.remove().await;
}
