//! Incremental reads (dhub.md section 8, `read_mode`): only what came since the step last published, exactly once.

use std::fmt::Write;

use madang_tests::{Client, on_every_hub, work};
use serde_json::{Value, json};

fn reading(mode: &str, write: &str, from: &str, to: &str) -> Value {
    let options = json!({"query": "SELECT n, n * 2 AS twice FROM t WHERE n % 3 <> 0", "read_mode": mode, "write_mode": write});
    json!([{"name": "s", "script": "sql", "inputs": {"t": from}, "outputs": {"o": to}, "options": options}])
}

async fn sorted(client: &Client, dataset: &str) -> Vec<i64> {
    let mut rows: Vec<i64> = work::rows(client, dataset).await.iter().map(|row| row[0].as_i64().expect("a number")).collect();
    rows.sort_unstable();
    rows
}

/// Fed by ten uploads, with runs in between, an incremental pipeline has what one full run gives.
#[tokio::test]
async fn ten_uploads_give_what_one_full_run_gives() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (source, step_by_step, at_once) = (work::dataset(&admin).await, work::dataset(&admin).await, work::dataset(&admin).await);
        let incremental = work::pipeline(&admin, reading("cdc", "append", &source, &step_by_step)).await;
        for upload in 0..10 {
            let mut text = "n\n".to_owned();
            (0..50).for_each(|row| writeln!(text, "{}", upload * 50 + row).expect("a text"));
            work::upload(&admin, &source, &text).await.is(200);
            if upload % 3 != 1 {
                work::run_well(&admin, &incremental).await;
            }
        }
        work::run_well(&admin, &incremental).await;
        let full = work::pipeline(&admin, reading("full", "overwrite", &source, &at_once)).await;
        work::run_well(&admin, &full).await;
        let (found, expected) = (sorted(&admin, &step_by_step).await, sorted(&admin, &at_once).await);
        assert_eq!(found, expected);
        assert_eq!(found.len(), 333);
    })
    .await;
}

/// A run without anything new makes no version and says so.
#[tokio::test]
async fn nothing_new_makes_no_version() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (source, result) = (work::dataset(&admin).await, work::dataset(&admin).await);
        work::upload(&admin, &source, "n\n1\n2\n").await.is(200);
        let pipeline = work::pipeline(&admin, reading("cdc", "append", &source, &result)).await;
        work::run_well(&admin, &pipeline).await;
        let versions = async || admin.get(&format!("/api/v1/tables/{result}/versions")).send().await.is(200).json();
        let before = versions().await;
        let batch = work::run_well(&admin, &pipeline).await;
        assert_eq!(versions().await, before);
        let trace = work::trace(&admin, &batch).await;
        assert!(trace["logs"][0]["message"].as_str().is_some_and(|text| text.contains("nothing new")), "{trace}");
    })
    .await;
}

/// A failed run moves no checkpoint; a run that replaces the source is new as a whole.
#[tokio::test]
async fn a_failed_run_is_made_up_for() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (source, result) = (work::dataset(&admin).await, work::dataset(&admin).await);
        work::upload(&admin, &source, "n\n1\n").await.is(200);
        let pipeline = work::pipeline(&admin, reading("cdc", "append", &source, &result)).await;
        work::run_well(&admin, &pipeline).await;
        work::upload(&admin, &source, "n\n2\n").await.is(200);
        let mut steps = reading("cdc", "append", &source, &result);
        steps[0]["options"]["query"] = json!("SELECT n, n / 0 AS twice FROM t");
        let place = format!("/api/v1/pipelines/{pipeline}");
        admin.call("PUT", &place).json(&json!({"steps": steps})).send().await.is(200);
        let (_, ended) = work::run(&admin, &pipeline).await;
        assert_eq!(ended.text_of("status"), "failed");
        admin.call("PUT", &place).json(&json!({"steps": reading("cdc", "append", &source, &result)})).send().await.is(200);
        work::run_well(&admin, &pipeline).await;
        assert_eq!(sorted(&admin, &result).await, [1, 2]);

        let overwrite = admin.post(&format!("/api/v1/tables/{source}/upload?mode=overwrite"));
        overwrite.form(&[madang_tests::FilePart::csv("rows.csv", "n\n2\n4\n")]).send().await.is(200);
        work::run_well(&admin, &pipeline).await;
        assert_eq!(sorted(&admin, &result).await, [1, 2, 2, 4], "a replaced table holds new rows only");
    })
    .await;
}

/// Changes that reach the writing step through others count as read when that one has published.
#[tokio::test]
async fn changes_flow_through_steps() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (source, result) = (work::dataset(&admin).await, work::dataset(&admin).await);
        let steps = json!([
            {"name": "new", "script": "copy", "inputs": {"t": source}, "outputs": {"rows": {}}, "options": {"read_mode": "cdc"}},
            {"name": "write", "script": "sql", "inputs": {"t": {"step": "new", "output": "rows"}}, "outputs": {"o": result},
             "options": {"query": "SELECT count(*) AS n FROM t"}},
        ]);
        let pipeline = work::pipeline(&admin, steps).await;
        for (upload, expected) in [(Some("n\n1\n2\n"), json!([[2]])), (Some("n\n3\n"), json!([[2], [1]])), (None, json!([[2], [1]]))] {
            if let Some(text) = upload {
                work::upload(&admin, &source, text).await.is(200);
            }
            work::run_well(&admin, &pipeline).await;
            assert_eq!(json!(work::rows(&admin, &result).await), expected, "{upload:?}");
        }
    })
    .await;
}

/// A merge into the source gives the rows that it changed and added, and no others; merged on, they end up once.
#[tokio::test]
async fn a_merge_gives_the_rows_that_it_changed() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (source, log, mirror) = (work::dataset(&admin).await, work::dataset(&admin).await, work::dataset(&admin).await);
        work::upload(&admin, &source, "k,v\n1,a\n2,b\n3,c\n").await.is(200);
        let copy = |name: &str, to: &str, options: Value| json!({"name": name, "script": "copy", "inputs": {"t": source}, "outputs": {"o": to}, "options": options});
        let pipeline = work::pipeline(
            &admin,
            json!([
                copy("log", &log, json!({"read_mode": "cdc"})),
                copy("mirror", &mirror, json!({"read_mode": "cdc", "write_mode": "merge", "merge_keys": ["k"]})),
            ]),
        )
        .await;
        work::run_well(&admin, &pipeline).await;
        let merge = admin.post(&format!("/api/v1/tables/{source}/upload?mode=merge&keys=k"));
        merge.form(&[madang_tests::FilePart::csv("rows.csv", "k,v\n2,B\n3,c\n4,d\n")]).send().await.is(200);
        work::run_well(&admin, &pipeline).await;
        let rows = json!(work::rows(&admin, &log).await);
        assert_eq!(rows, json!([[1, "a"], [2, "b"], [3, "c"], [2, "B"], [4, "d"]]), "an unchanged row is no change");
        let mut mirrored = work::rows(&admin, &mirror).await;
        mirrored.sort_by_key(|row| row[0].as_i64());
        assert_eq!(json!(mirrored), json!([[1, "a"], [2, "B"], [3, "c"], [4, "d"]]));
    })
    .await;
}
