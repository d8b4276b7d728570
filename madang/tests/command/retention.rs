//! Files that nobody needs any more go, others stay. The clock is moved by `MADANG_CLOCK_OFFSET_FILE`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};

use crate::hub::{Hub, Place, json_of, status_of};

const HOUR: i64 = 60 * 60 * 1_000;
const DAY: i64 = 24 * HOUR;
const WITHIN: Duration = Duration::from_secs(40);

/// The tables' folders.
fn tables(hub: &Hub) -> BTreeSet<PathBuf> {
    fs::read_dir(hub.data.join("lake"))
        .map_or_else(|_| BTreeSet::new(), |entries| entries.map(|entry| entry.expect("a folder").path()).collect())
}

/// The data files in a table's folder.
fn files(table: &Path) -> BTreeSet<PathBuf> {
    let Ok(entries) = fs::read_dir(table) else { return BTreeSet::new() };
    entries.map(|entry| entry.expect("a file").path()).filter(|path| path.is_file()).collect()
}

/// Waits for what the background does.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < WITHIN, "not yet: {what}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// A dataset with these options, two uploads and a delete; and the folder of its table.
async fn written(hub: &Hub, admin: &HeaderMap, options: Value) -> (String, PathBuf) {
    let before = tables(hub);
    let body = json!({"name": "표", "options": options});
    let made = json_of(hub.post("/api/v1/datasets").headers(admin.clone()).json(&body)).await;
    let dataset = made["id"].as_str().expect("an id").to_owned();
    for text in ["n\n1\n2\n", "n\n3\n"] {
        json_of(hub.upload(admin, &dataset, text)).await;
    }
    let delete = hub.call(Method::DELETE, &format!("/api/v1/tables/{dataset}?filter=n:eq:1")).headers(admin.clone());
    assert_eq!(json_of(delete).await["rows"], 1);
    let table = tables(hub).difference(&before).next().expect("a folder").clone();
    assert_eq!(files(&table).len(), 3);
    (dataset, table)
}

async fn version(hub: &Hub, admin: &HeaderMap, dataset: &str, version: i64) -> (u16, Value) {
    let answer = hub.get(&format!("/api/v1/tables/{dataset}?version={version}")).headers(admin.clone()).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn files_go_in_their_time() {
    let place = Place::new();
    let clock = place.path("offset");
    // started anew, because services hold on to assertions for a while that the turned clock has ended
    let up_at = async |milliseconds: i64| {
        fs::write(&clock, milliseconds.to_string()).expect("the offset");
        place.up_with(&[], &[("MADANG_CLOCK_OFFSET_FILE", &clock.display().to_string())]).await
    };
    let mut hub = up_at(0).await;
    let admin = hub.admin().await;
    let week = json!({"deleted_file_retention_duration": "interval 7 days"});
    let (limited, limited_table) = written(&hub, &admin, week).await;
    let (endless, endless_table) = written(&hub, &admin, json!({})).await;
    let (deleted, deleted_table) = written(&hub, &admin, json!({})).await;
    assert_eq!(status_of(hub.call(Method::DELETE, &format!("/api/v1/datasets/{deleted}")).headers(admin.clone())).await, 200);

    // litter: a staged file of a table, and one of a table that never came to be
    let lost = endless_table.join("part-01900000-0000-7000-8000-000000000000.parquet");
    fs::write(&lost, "lost").expect("a file");
    let never = hub.data.join("lake/01900000-0000-7000-8000-000000000001");
    fs::create_dir(&never).expect("a folder");
    fs::write(never.join("part-01900000-0000-7000-8000-000000000002.parquet"), "lost").expect("a file");
    let endless_files = files(&endless_table);

    hub.kill().await;
    hub = up_at(6 * DAY).await;
    let admin = hub.admin().await;
    until("litter is gone", async || !lost.exists() && files(&never).is_empty()).await;
    assert_eq!(version(&hub, &admin, &limited, 2).await.1["total_rows"], 3, "a week is not over");
    assert_eq!(files(&deleted_table).len(), 3);

    hub.kill().await;
    hub = up_at(8 * DAY).await;
    let admin = hub.admin().await;
    until("old versions are refused", async || version(&hub, &admin, &limited, 2).await.0 == 404).await;
    assert_eq!(version(&hub, &admin, &limited, 2).await.1["detail"], "version 2 is no longer kept");
    assert_eq!(version(&hub, &admin, &limited, 1).await.0, 404);
    assert_eq!(version(&hub, &admin, &limited, 3).await.1["data"], json!([[2], [3]]));
    assert_eq!(version(&hub, &admin, &limited, 0).await.0, 200, "it needs no file");
    assert_eq!(files(&limited_table).len(), 3, "who reads them at this moment has an hour");
    until("the deleted dataset's files are gone", async || files(&deleted_table).is_empty()).await;
    assert!(!deleted_table.join("_delta_log/00000000000000000000.json").exists());

    hub.kill().await;
    hub = up_at(8 * DAY + 2 * HOUR).await;
    let admin = hub.admin().await;
    until("the files are gone", async || files(&limited_table).len() == 2).await;
    assert_eq!(hub.rows(&admin, &limited).await, [[json!(2)], [json!(3)]]);
    let history = json_of(hub.get(&format!("/api/v1/tables/{limited}/versions")).headers(admin.clone())).await;
    assert_eq!(history.as_array().map(Vec::len), Some(4), "the history tells of all versions");

    // without the option everything stays
    let mut expected = endless_files;
    expected.remove(&lost);
    assert_eq!(files(&endless_table), expected);
    for (number, rows) in [(1, 2), (2, 3), (3, 2)] {
        assert_eq!(version(&hub, &admin, &endless, number).await.1["total_rows"], rows);
    }
    json_of(hub.upload(&admin, &limited, "n\n4\n")).await;
    assert_eq!(hub.rows(&admin, &limited).await.len(), 3);
}
