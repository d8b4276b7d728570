//! `mode=merge`: rows are matched by keys, keep their place, and the rest is appended.

use futures::future::join_all;
use madang_tests::{Answer, Client, FilePart, on_every_hub, work};
use serde_json::{Value, json};

async fn merge(client: &Client, dataset: &str, keys: &str, text: &str) -> Answer {
    merge_files(client, dataset, keys, &[FilePart::csv("rows.csv", text)]).await
}

async fn merge_files(client: &Client, dataset: &str, keys: &str, files: &[FilePart<'_>]) -> Answer {
    client.post(&format!("/api/v1/tables/{dataset}/upload?mode=merge&keys={keys}")).form(files).send().await
}

async fn rows(client: &Client, dataset: &str) -> Value {
    json!(work::rows(client, dataset).await)
}

async fn versions(client: &Client, dataset: &str) -> Vec<Value> {
    let versions = client.get(&format!("/api/v1/tables/{dataset}/versions")).send().await.is(200).json();
    versions.as_array().expect("an array").clone()
}

/// Where a refusal says the fault is.
fn place(answer: &Answer) -> (String, String) {
    let problem = &answer.json()["detail"][0];
    (problem["loc"][0].as_str().unwrap_or_default().to_owned(), problem["loc"][1].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn matched_rows_keep_their_place() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        work::upload(&admin, &dataset, "id,이름,x\n1,가,1\n2,나,2\n3,다,3\n").await.is(200);
        work::upload(&admin, &dataset, "id,이름,x\n4,라,4\n").await.is(200);
        let merged = merge(&admin, &dataset, "id", "x,id\n20,2\n50,5\n21,2\n,3\n").await;
        merged.is_exactly(200, r#"{"message":"Upload successful","rows":4,"columns":2}"#);
        let expected = json!([[1, "가", 1], [2, "나", 21], [3, "다", null], [4, "라", 4], [5, null, 50]]);
        assert_eq!(rows(&admin, &dataset).await, expected);
        let newest = &versions(&admin, &dataset).await[0];
        assert_eq!((&newest["operation"], &newest["operationParameters"]), (&json!("MERGE"), &json!({"keys": "id"})));
        let old = newest["readVersion"].as_i64().expect("a number");
        let before = admin.get(&format!("/api/v1/tables/{dataset}?version={old}")).send().await.is(200).json();
        assert_eq!(before["data"], json!([[1, "가", 1], [2, "나", 2], [3, "다", 3], [4, "라", 4]]));
    })
    .await;
}

#[tokio::test]
async fn several_keys_and_the_other_path() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        let target = format!("/api/v1/datasets/{dataset}/upload?mode=merge&keys=day,road");
        let send = |text: &'static str| {
            let file = FilePart { part: "files", ..FilePart::csv("a.csv", text) };
            admin.post(&target).form(&[file]).send()
        };
        send("day,road,n\n2026-03-01,a,1\n2026-03-01,b,2\n2026-03-01,a,3\n").await.is(200);
        assert_eq!(rows(&admin, &dataset).await, json!([["2026-03-01", "b", 2], ["2026-03-01", "a", 3]]));
        send("day,road,n\n2026-03-02,a,4\n2026-03-01,a,5\n").await.is(200);
        assert_eq!(rows(&admin, &dataset).await, json!([["2026-03-01", "b", 2], ["2026-03-01", "a", 5], ["2026-03-02", "a", 4]]));
    })
    .await;
}

/// All files of one merge are one version; the last of all counts.
#[tokio::test]
async fn files_of_a_merge_go_together() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        work::upload(&admin, &dataset, "k,v,w\n1,1,1\n").await.is(200);
        let files = [FilePart::csv("one.csv", "k,v\n1,2\n2,2\n"), FilePart::csv("two.csv", "v,k\n3,1\n")];
        merge_files(&admin, &dataset, "k", &files).await.is_exactly(200, r#"{"message":"Upload successful","rows":3,"columns":2}"#);
        assert_eq!(rows(&admin, &dataset).await, json!([[1, 3, 1], [2, 2, null]]));
        let different = [FilePart::csv("one.csv", "k,v\n1,9\n"), FilePart::csv("two.csv", "k,w\n1,9\n")];
        let refused = merge_files(&admin, &dataset, "k", &different).await.is(422);
        assert_eq!(place(&refused), ("body".to_owned(), "file".to_owned()));
        assert_eq!(rows(&admin, &dataset).await, json!([[1, 3, 1], [2, 2, null]]));
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_named_and_changes_nothing() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        work::upload(&admin, &dataset, "k,v\n1,1\n").await.is(200);
        let before = versions(&admin, &dataset).await;
        let file = [FilePart::csv("rows.csv", "k,v\n1,2\n")];
        let upload = |query: &str| admin.post(&format!("/api/v1/tables/{dataset}/upload?{query}")).form(&file).send();
        for query in ["mode=merge", "mode=merge&keys=", "mode=merge&keys=k,", "keys=k", "mode=append&keys=k", "mode=overwrite&keys=k"] {
            assert_eq!(place(&upload(query).await.is(422)), ("query".to_owned(), "keys".to_owned()), "{query}");
        }
        for query in ["mode=merge&keys=x", "mode=merge&keys=k,k", "mode=merge&keys=K"] {
            assert_eq!(place(&upload(query).await.is(422)), ("query".to_owned(), "keys".to_owned()), "{query}");
        }
        assert_eq!(place(&upload("mode=upsert").await.is(422)), ("query".to_owned(), "mode".to_owned()));
        let told = |answer: &Answer| answer.json()["detail"][0]["msg"].as_str().unwrap_or_default().to_owned();
        let empty = merge(&admin, &dataset, "k", "k,v\n1,2\n,3\n").await.is(422);
        assert_eq!(told(&empty), "row 2, column 'k': it must not be empty");
        assert_eq!(told(&merge(&admin, &dataset, "k", "v\n1\n").await.is(422)), "the file lacks the key column 'k'");
        merge(&admin, &dataset, "k", "k,z\n1,2\n").await.is(422);
        merge(&admin, &dataset, "k", "k,v\n1,x\n").await.is(422);
        merge(&admin, "ds-01h00000000000000000000000", "k", "k,v\n1,2\n").await.is(404);
        assert_eq!(rows(&admin, &dataset).await, json!([[1, 1]]));
        assert_eq!(versions(&admin, &dataset).await, before);
    })
    .await;
}

/// First uploads too: a key that no column has, and a declared column that must not be empty.
#[tokio::test]
async fn a_first_merge_makes_the_table() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        merge(&admin, &dataset, "x", "k,v\n1,1\n").await.is(422);
        work::page(&admin, &dataset, 1, 10).await.is_exactly(200, r#"{"columns":[],"data":[],"total_rows":0}"#);
        merge(&admin, &dataset, "k", "k,v\n1,1\n2,2\n1,3\n").await.is(200);
        assert_eq!(rows(&admin, &dataset).await, json!([[2, 2], [1, 3]]));
        let operations: Vec<_> = versions(&admin, &dataset).await.iter().map(|version| version["operation"].clone()).collect();
        assert_eq!(operations, ["MERGE", "CREATE TABLE"]);
    })
    .await;
}

/// Writers of the same keys at the same time: none is lost, no key is there twice.
#[tokio::test]
async fn parallel_merges_leave_each_key_once() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        work::upload(&admin, &dataset, "k,v\n0,0\n").await.is(200);
        let texts: Vec<String> = (1..=4).map(|writer| format!("k,v\n0,{writer}\n{writer},{writer}\n9,{writer}\n")).collect();
        let answers = join_all(texts.iter().map(|text| merge(&admin, &dataset, "k", text))).await;
        let done: Vec<i64> = (1..=4).zip(&answers).filter(|(_, answer)| answer.status == 200).map(|(writer, _)| writer).collect();
        assert!(!done.is_empty() && answers.iter().all(|answer| [200, 409].contains(&answer.status)), "{answers:?}");
        let rows = work::rows(&admin, &dataset).await;
        let mut keys: Vec<i64> = rows.iter().map(|row| row[0].as_i64().expect("a key")).collect();
        keys.sort_unstable();
        let expected: Vec<i64> = [0].into_iter().chain(done.iter().copied()).chain([9]).collect();
        assert_eq!(keys, expected);
        assert_eq!(rows[0][0], 0, "it keeps its place");
        assert!(done.contains(&rows[0][1].as_i64().expect("a writer")));
    })
    .await;
}
