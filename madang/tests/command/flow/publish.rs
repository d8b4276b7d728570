//! Kills while a job reads and overwrites one prefix: at any moment the objects of both its targets are the old ones or the new ones, and
//! what was decided is finished by whoever comes next.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use serde_json::{Value, json};

use super::{BEGIN, Client, MINUTE, id};
use crate::{databases::Databases, hub::Place, watch::Yard};

const ROWS: usize = 20_000;
const ROUNDS: u64 = 10;

#[tokio::test]
async fn objects_are_exchanged_whole_across_kills_on_sqlite() {
    objects_are_exchanged_whole(Place::new()).await;
}

#[tokio::test]
async fn objects_are_exchanged_whole_across_kills_on_postgres() {
    let Some(databases) = Databases::new().await else { return };
    objects_are_exchanged_whole(Place::with(databases.variables())).await;
    databases.remove().await;
}

async fn objects_are_exchanged_whole(place: Place) {
    let watch = Yard::in_place(place, BEGIN);
    let mut hub = watch.up().await;
    let mut client = Client::of(&hub);
    let bucket = hub.data.join("objects/data");
    fs::create_dir_all(bucket.join("rows")).expect("a folder");
    fs::write(bucket.join("rows/1.csv"), format!("n\n{}", "0\n".repeat(ROWS))).expect("rows");
    let job = id(&client.post(&watch, "/api/v1/jobs", &json!({"name": "count_up", "nodes": nodes()})).await, "jobId");
    let (mut completed, mut failed) = (0, 0);
    for round in 0..ROUNDS {
        let made = client.post(&watch, &format!("/api/v1/jobs/{job}/executions"), &json!({})).await;
        let target = format!("/api/v1/jobs/{job}/executions/{}", id(&made, "jobExecutionId"));
        tokio::time::sleep(Duration::from_millis(20 + round * 60)).await;
        hub.kill().await;
        watch.set(watch.now() + MINUTE); // its lease has run out
        hub = watch.up().await;
        client = Client::of(&hub);
        let ended = client.until(&watch, &target, |look| !matches!(look["status"].as_str(), Some("READY" | "RUNNING"))).await;
        if ended["status"] == "COMPLETED" {
            completed += 1;
        } else {
            failed += 1;
        }
        let value = only_value(&bucket.join("rows"), ROWS).expect("rows");
        assert!((completed..=completed + failed).contains(&value), "{value} after {completed} completed and {failed} failed: {ended}");
        if completed > 0 {
            assert_eq!(only_value(&bucket.join("copy"), ROWS), Some(value), "both targets, or none: {ended}");
        }
    }
    assert!(completed > 0, "no execution came through");
    let left: Vec<_> = fs::read_dir(hub.data.join("staging")).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// One more in each row, over the old rows and beside them.
fn nodes() -> Value {
    let object = |kind: &str, number: i64, prefix: &str, parents: Value| {
        json!({"type": kind, "id": number, "name": "n", "parentNodeIds": parents, "regionNo": "1", "bucketName": "data", "prefix": prefix, "dataType": "CSV",
               "fieldList": [{"name": "n", "type": "bigint"}]})
    };
    let mut rows = object("TARGET_OBS", 3, "rows", json!([2]));
    rows["coalesce"] = 5.into();
    json!([
        object("SOURCE_OBS", 1, "rows", json!([])),
        {"type": "TRANSFORM_SQL", "id": 2, "name": "sql", "parentNodeIds": [1], "sourceNameList": [{"parentId": 1, "newName": "t"}],
         "sql": "SELECT n + 1 AS n FROM t"},
        rows,
        object("TARGET_OBS", 4, "copy", json!([2])),
    ])
}

/// The value of all rows under a prefix.
fn only_value(folder: &Path, rows: usize) -> Option<u64> {
    let mut found = BTreeSet::new();
    let mut count = 0;
    for file in fs::read_dir(folder).ok()? {
        let text = fs::read_to_string(file.expect("a file").path()).expect("a text");
        for line in text.lines().filter(|line| *line != "n") {
            found.insert(line.parse::<u64>().expect("a number"));
            count += 1;
        }
    }
    assert_eq!((found.len(), count), (1, rows), "{}: {found:?}", folder.display());
    found.into_iter().next()
}
