//! Many small uploads: few files in the end, and nobody notices how.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use madang_tests::{Client, on_every_hub, work};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(500);

async fn versions(client: &Client, dataset: &str) -> Vec<Value> {
    let versions = client.get(&format!("/api/v1/tables/{dataset}/versions")).send().await.is(200).json();
    versions.as_array().expect("an array").clone()
}

/// Waits until there is a compaction among the versions.
async fn compacted(client: &Client, dataset: &str) -> Value {
    let began = Instant::now();
    loop {
        let versions = versions(client, dataset).await;
        if let Some(found) = versions.iter().find(|version| version["operation"] == "OPTIMIZE") {
            return found.clone();
        }
        assert!(began.elapsed() < WITHIN, "not compacted: {versions:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn small_uploads_are_put_together_unseen() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        work::upload(&admin, &dataset, "n\n0\n").await.is(200);
        let texts: Vec<String> = (1..24).map(|n| format!("n\n{n}\n")).collect();
        let uploads: Vec<_> = texts.iter().map(|text| work::upload(&admin, &dataset, text)).collect();
        let answers: Vec<_> = stream::iter(uploads).buffered(4).collect().await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        let before = work::rows(&admin, &dataset).await;
        let version = compacted(&admin, &dataset).await;
        assert_eq!(work::rows(&admin, &dataset).await, before);
        assert_eq!(work::total_rows(&admin, &dataset).await, 24);
        let page = work::page(&admin, &dataset, 3, 7).await.json();
        assert_eq!(page["data"], json!(before[14..21]));
        let rows_of = async |version: &Value| {
            let target = format!("/api/v1/tables/{dataset}?version={version}&page_size=100");
            admin.get(&target).send().await.is(200).json()["data"].clone()
        };
        let rows = rows_of(&version["version"]).await;
        assert_eq!(rows, rows_of(&version["readVersion"]).await);
        assert!(rows.as_array().is_some_and(|rows| rows.len() >= 8));
        work::upload(&admin, &dataset, "n\n24\n").await.is(200);
        assert_eq!(work::total_rows(&admin, &dataset).await, 25);
        let deleted = admin.call("DELETE", &format!("/api/v1/tables/{dataset}?filter=n:lt:20")).send().await.is(200);
        assert_eq!(deleted.json()["rows"], 20);
        assert_eq!(work::total_rows(&admin, &dataset).await, 5);
    })
    .await;
}
