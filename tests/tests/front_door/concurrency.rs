//! Many at once: every acknowledged row is there once, and pages of a table that many wrote tell all of it in order.

use std::collections::{BTreeMap, HashSet};

use futures::future::join_all;
use madang_tests::{Client, FilePart, on_every_hub, work};
use serde_json::{Value, json};

const WRITERS: u64 = 8;
const ROWS: u64 = 250;

/// The rows of one writer: its number, and a number of the row.
fn rows_of(writer: u64) -> String {
    (0..ROWS).fold("writer,row\n".to_owned(), |text, row| format!("{text}{writer},{row}\n"))
}

async fn write_all(client: &Client, dataset: &str) {
    let files: Vec<String> = (0..WRITERS).map(rows_of).collect();
    for answer in join_all(files.iter().map(|text| work::upload(client, dataset, text))).await {
        answer.is_exactly(200, &format!(r#"{{"message":"Upload successful","rows":{ROWS},"columns":2}}"#));
    }
}

/// Every row of every writer `times` times, each writer's rows in their order.
fn assert_all_there(rows: &[Vec<Value>], times: usize) {
    let mut by_writer: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for row in rows {
        let number = |at: usize| row[at].as_u64().expect("a number");
        by_writer.entry(number(0)).or_default().push(number(1));
    }
    let once: Vec<u64> = (0..ROWS).collect();
    for writer in 0..WRITERS {
        assert_eq!(by_writer.get(&writer), Some(&once.repeat(times)), "writer {writer}");
    }
    assert_eq!(by_writer.len() as u64, WRITERS);
}

#[tokio::test]
async fn parallel_uploads_to_one_table_all_count() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        work::upload(&admin, &dataset, "writer,row\n99,0\n").await.is(200);
        write_all(&admin, &dataset).await;
        assert_eq!(work::total_rows(&admin, &dataset).await, 1 + WRITERS * ROWS);
        assert_all_there(&work::rows(&admin, &dataset).await[1..], 1);
    })
    .await;
}

/// Nobody has made the table yet; each of them may.
#[tokio::test]
async fn parallel_first_uploads_all_count() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        write_all(&admin, &dataset).await;
        assert_eq!(work::total_rows(&admin, &dataset).await, WRITERS * ROWS);
        assert_all_there(&work::rows(&admin, &dataset).await, 1);
        write_all(&admin, &dataset).await;
        assert_all_there(&work::rows(&admin, &dataset).await, 2);
    })
    .await;
}

/// Pages of any size cut the same list: ingestion order over uploads and their files.
#[tokio::test]
async fn pages_follow_ingestion_order_to_the_last_row() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        let mut next = 0_u64;
        let mut some = |rows: u64| {
            let text = (next..next + rows).fold("n\n".to_owned(), |text, n| format!("{text}{n}\n"));
            next += rows;
            text
        };
        for sizes in [vec![1], vec![7, 3], vec![0, 40], vec![1_000], vec![1, 1, 1]] {
            let texts: Vec<String> = sizes.into_iter().map(&mut some).collect();
            let files: Vec<_> = texts.iter().map(|text| FilePart::csv("rows.csv", text)).collect();
            work::upload_files(&admin, &dataset, &files).await.is(200);
        }
        let total = usize::try_from(next).expect("small");
        for size in [1_000, 333, 100, 10_000] {
            let mut read = Vec::new();
            for page in 1..=total.div_ceil(size) {
                let body = work::page(&admin, &dataset, page, size).await.json();
                assert_eq!(body["total_rows"], next);
                read.extend(body["data"].as_array().expect("rows").iter().map(|row| row[0].as_u64().expect("a number")));
            }
            assert_eq!(read, (0..next).collect::<Vec<_>>(), "pages of {size}");
            let past = work::page(&admin, &dataset, total.div_ceil(size) + 1, size).await;
            past.is_exactly(200, &format!(r#"{{"columns":["n"],"data":[],"total_rows":{next}}}"#));
        }
    })
    .await;
}

/// Ids of things made at the same time differ.
#[tokio::test]
async fn parallel_creations_make_as_many_things() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let ids: HashSet<String> = join_all((0..32).map(|_| work::collection(&admin))).await.into_iter().collect();
        assert_eq!(ids.len(), 32);
    })
    .await;
}

/// A pipeline that adds a row to its output at each run, and the output.
async fn adding_pipeline(client: &Client) -> (String, String) {
    let (source, output) = (work::dataset(client).await, work::dataset(client).await);
    work::upload(client, &source, "a\n1\n").await.is(200);
    let step = work::sql_step("s", "SELECT a FROM daily", &source, &[&output], "append");
    (work::pipeline(client, json!([step])).await, output)
}

/// When the only step of a batch began and ended.
async fn times(client: &Client, batch: &str) -> (i64, i64) {
    let trace = work::trace(client, batch).await;
    let time = |key: &str| trace["state"]["steps"]["s"][key].as_i64().expect("a time");
    (time("start_time"), time("end_time"))
}

/// Runs of one pipeline never overlap (dhub.md section 8), and each is done once.
#[tokio::test]
async fn parallel_runs_of_one_pipeline_follow_each_other() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (pipeline, output) = adding_pipeline(&admin).await;
        let batches = join_all((0..8).map(|_| work::run_well(&admin, &pipeline))).await;
        assert_eq!(work::total_rows(&admin, &output).await, 8);
        let mut spans = join_all(batches.iter().map(|batch| times(&admin, batch))).await;
        spans.sort_unstable();
        assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "two at once: {spans:?}");
    })
    .await;
}

/// They are worked off in the order in which they were asked for.
#[tokio::test]
async fn runs_of_one_pipeline_keep_their_order() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (pipeline, output) = adding_pipeline(&admin).await;
        let mut spans = Vec::new();
        let mut batches = Vec::new();
        for _ in 0..4 {
            let run = admin.post(&format!("/api/v1/pipelines/{pipeline}/run")).json(&json!({})).send().await.is(200);
            batches.push(run.text_of("batch_id"));
        }
        for batch in &batches {
            assert_eq!(work::ended(&admin, batch).await.text_of("status"), "completed");
            spans.push(times(&admin, batch).await);
        }
        assert!(spans.is_sorted(), "{spans:?}");
        assert_eq!(work::total_rows(&admin, &output).await, 4);
    })
    .await;
}
