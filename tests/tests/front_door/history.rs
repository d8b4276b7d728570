//! The versions of a table (dhub.md section 7): all of them, however many, or the wanted part.

use madang_tests::{Client, on_every_hub, work};
use serde_json::json;

/// More than the gateway asks for at once.
const UPLOADS: usize = 205;

async fn numbers(client: &Client, dataset: &str, query: &str) -> Vec<i64> {
    let versions = client.get(&format!("/api/v1/tables/{dataset}/versions{query}")).send().await.is(200).json();
    versions.as_array().expect("an array").iter().map(|version| version["version"].as_i64().expect("a number")).collect()
}

#[tokio::test]
async fn every_version_is_told() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        assert_eq!(numbers(&admin, &dataset, "").await, [] as [i64; 0]);
        for number in 0..UPLOADS {
            work::upload(&admin, &dataset, &format!("n\n{number}\n")).await.is(200);
        }
        let all = numbers(&admin, &dataset, "").await;
        assert!(all.len() > UPLOADS, "uploads and the first version: {}", all.len());
        assert_eq!(all, (0..=all[0]).rev().collect::<Vec<_>>(), "newest first, none left out");
        assert_eq!(numbers(&admin, &dataset, "?limit=3&before=5").await, [4, 3, 2]);
        assert_eq!(numbers(&admin, &dataset, "?before=2").await, [1, 0]);
        assert_eq!(numbers(&admin, &dataset, "?limit=201&before=203").await, (2..203).rev().collect::<Vec<_>>());
        assert_eq!(numbers(&admin, &dataset, "?before=0").await, [] as [i64; 0]);
        for (wrong, parameter) in [("limit=0", "limit"), ("limit=10001", "limit"), ("limit=x", "limit"), ("before=-1", "before")] {
            let refused = admin.get(&format!("/api/v1/tables/{dataset}/versions?{wrong}")).send().await.is(422).json();
            assert_eq!(refused["detail"][0]["loc"], json!(["query", parameter]), "{wrong}");
        }
    })
    .await;
}
