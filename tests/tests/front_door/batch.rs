//! Batches and traces in all their forms (dhub.md sections 8 and 9), and stopping.

use std::time::{Duration, Instant};

use madang_tests::{Client, on_every_hub, work};
use serde_json::{Value, json};

/// A pipeline of two steps of which the second fails, if it is to.
async fn two_steps(client: &Client, second: &str) -> String {
    let (source, middle, last) = (work::dataset(client).await, work::dataset(client).await, work::dataset(client).await);
    work::upload(client, &source, "n\n1\n2\n").await.is(200);
    let first = work::sql_step("추출", "SELECT n FROM daily", &source, &[&middle], "overwrite");
    let second = work::sql_step("적재", second, &middle, &[&last], "overwrite");
    work::pipeline(client, json!([first, second])).await
}

/// A pipeline that computes for longer than anybody waits.
async fn slow(client: &Client) -> String {
    let (source, target) = (work::dataset(client).await, work::dataset(client).await);
    let text = format!("n\n{}", "1\n".repeat(3_000));
    work::upload(client, &source, &text).await.is(200);
    let query = "SELECT count(*) AS n FROM daily a, daily b, daily c WHERE a.n + b.n + c.n = 0";
    work::pipeline(client, json!([work::sql_step("느린", query, &source, &[&target], "append")])).await
}

async fn get(client: &Client, target: &str) -> Value {
    client.get(target).send().await.is(200).json()
}

#[tokio::test]
async fn every_form_tells_the_same_batch() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        for (second, status, state, trace_state, step_state, trace_step) in [
            ("SELECT n FROM daily", "completed", "stop", "completed", "success", "completed"),
            ("SELECT n / 0 AS n FROM daily", "failed", "stop", "failed", "failed", "failed"),
        ] {
            let pipeline = two_steps(&admin, second).await;
            let item = admin.post(&format!("/api/v1/batches/{pipeline}")).send().await.is(200);
            assert_eq!(item.keys(), ["item"]);
            let batch = item.text_of("item");
            let ended = work::ended(&admin, &batch).await;
            assert_eq!(ended.keys(), ["id", "pipeline_id", "status", "started_at", "finished_at"]);
            assert_eq!(ended.text_of("status"), status);

            let one = admin.get(&format!("/api/v1/batches/{pipeline}/{batch}")).send().await.is(200);
            assert_eq!(one.keys(), ["id", "name", "deployment", "state"]);
            let body = one.json();
            assert_eq!((&body["id"], &body["deployment"]), (&json!(batch), &json!("run-pipeline/집계")));
            assert_eq!(body["state"]["state"], state);
            assert_eq!(body["state"]["steps"]["추출"], json!({"state": "success", "offsets": {"records": 2}}));
            assert_eq!(body["state"]["steps"]["적재"]["state"], step_state);
            assert_eq!(get(&admin, &format!("/api/v1/batches/{pipeline}")).await, body, "the latest");
            let list = get(&admin, &format!("/api/v1/batches/{pipeline}/")).await;
            let listed: Value = serde_json::from_str(list["items"][&batch].as_str().expect("a text")).expect("JSON");
            assert_eq!((listed, &list["token"]), (body, &Value::Null));

            let full = work::trace(&admin, &batch).await;
            assert_eq!(full["state"]["state"], trace_state);
            assert_eq!(full["state"]["steps"]["적재"]["state"], trace_step);
            assert_eq!(full["trigger"], "manual");
            let short = admin.get(&format!("/api/v1/traces/pipelines/{pipeline}/{batch}")).send().await.is(200);
            assert_eq!(short.keys(), ["id", "name", "deployment", "state", "start_time", "end_time"]);
            assert_eq!(short.json()["state"], full["state"]);
            assert_eq!(get(&admin, &format!("/api/v1/traces/pipelines/{pipeline}")).await, short.json());
            assert_eq!(
                get(&admin, &format!("/api/v1/traces/pipelines/{pipeline}/?limit=1000")).await,
                json!({"items": {batch.clone(): short.json()}})
            );
            let steps = get(&admin, &format!("/api/v1/traces/steps/{batch}")).await;
            assert_eq!(steps, json!({"items": full["state"]["steps"]}));
            let keys: Vec<_> = steps["items"]["추출"].as_object().expect("a step").keys().cloned().collect();
            assert_eq!(keys, ["state", "offsets", "comment", "stacktrace", "start_time", "end_time"]);
        }
    })
    .await;
}

#[tokio::test]
async fn history_is_paged_newest_first() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let pipeline = work::pipeline(&admin, json!([])).await;
        let mut batches = Vec::new();
        for _ in 0..5 {
            batches.insert(0, work::run_well(&admin, &pipeline).await);
        }
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let page = get(&admin, &format!("/api/v1/batches/{pipeline}/?limit=2{token}")).await;
            seen.extend(page["items"].as_object().expect("items").keys().cloned());
            match page["token"].as_str() {
                Some(next) => token = format!("&token={next}"),
                None => break,
            }
        }
        assert_eq!(seen, batches);
        let history = get(&admin, &format!("/api/v1/traces/pipelines/{pipeline}/?limit=3")).await;
        assert_eq!(history["items"].as_object().expect("items").keys().cloned().collect::<Vec<_>>(), batches[..3]);
        admin.get(&format!("/api/v1/traces/pipelines/{pipeline}/?limit=1001")).send().await.is(422);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (idle, busy) = (work::pipeline(&admin, json!([])).await, work::pipeline(&admin, json!([])).await);
        let batch = work::run_well(&admin, &busy).await;
        let (no_pipeline, no_batch) = ("pl-01h00000000000000000000000", "batch-01h00000000000000000000000");
        for target in [
            format!("batches/{idle}"),
            format!("batches/{no_pipeline}"),
            format!("batches/{no_pipeline}/"),
            format!("batches/{no_batch}"),
            format!("batches/{idle}/{batch}"),
            format!("batches/{busy}/{no_batch}"),
            "batches/ds-x".to_owned(),
            format!("traces/pipelines/{idle}"),
            format!("traces/pipelines/{no_pipeline}/"),
            format!("traces/pipelines/{idle}/{batch}"),
            format!("traces/steps/{no_batch}"),
        ] {
            admin.get(&format!("/api/v1/{target}")).send().await.is(404);
        }
        for (method, target) in [
            ("POST", format!("batches/{no_pipeline}")),
            ("POST", format!("batches/{no_batch}/cancel")),
            ("DELETE", format!("batches/{idle}/{batch}")),
            ("POST", format!("batches/{batch}")),
        ] {
            admin.call(method, &format!("/api/v1/{target}")).send().await.is(404);
        }
        assert_eq!(get(&admin, &format!("/api/v1/batches/{idle}/")).await, json!({"items": {}, "token": null}));
        admin.post(&format!("/api/v1/batches/{busy}")).json(&json!({"parameters": {"x": 1}})).send().await.is(422);
        admin.post(&format!("/api/v1/batches/{busy}")).json(&json!({"param": {}})).send().await.is(422);
    })
    .await;
}

/// A batch that waits has its words in each vocabulary (dhub.md section 8).
#[tokio::test]
async fn a_batch_that_waits_says_so() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let pipeline = slow(&admin).await;
        let working = admin.post(&format!("/api/v1/batches/{pipeline}")).send().await.is(200).text_of("item");
        until_running(&admin, &pipeline, &working).await;
        let started = admin.post(&format!("/api/v1/pipelines/{pipeline}/run")).send().await.is(200);
        assert_eq!(started.text_of("status"), "running");
        let batch = started.text_of("batch_id");
        let seed = get(&admin, &format!("/api/v1/batches/{batch}")).await;
        let wanted = json!({"id": batch, "pipeline_id": pipeline, "status": "running", "started_at": started.text_of("started_at"), "finished_at": null});
        assert_eq!(seed, wanted);
        let state = get(&admin, &format!("/api/v1/batches/{pipeline}/{batch}")).await["state"].clone();
        assert_eq!(state, json!({"state": "pending", "steps": {"느린": {"state": "pending", "offsets": {}}}}));
        assert_eq!(get(&admin, &format!("/api/v1/batches/{pipeline}")).await["state"], state, "it is the latest");
        let list = get(&admin, &format!("/api/v1/batches/{pipeline}/")).await;
        let listed = list["items"][&batch].as_str().map(|text| serde_json::from_str::<Value>(text).expect("JSON"));
        assert_eq!(listed.expect("listed")["state"], state);
        let trace = work::trace(&admin, &batch).await;
        assert_eq!((&trace["state"]["state"], &trace["state"]["steps"]["느린"]["state"]), (&json!("pending"), &json!("pending")));
        assert_eq!((&trace["end_time"], &trace["state"]["steps"]["느린"]["start_time"]), (&Value::Null, &Value::Null));
        for batch in [&batch, &working] {
            admin.post(&format!("/api/v1/batches/{batch}/cancel")).send().await.is(200);
        }
    })
    .await;
}

/// A run that works is stopped soon, one that waits at once; both end as the tutorial's client expects it.
#[tokio::test]
async fn runs_can_be_stopped() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let pipeline = slow(&admin).await;
        let start = async || admin.post(&format!("/api/v1/pipelines/{pipeline}/run")).send().await.is(200).text_of("batch_id");
        let (working, waiting, third) = (start().await, start().await, start().await);
        until_running(&admin, &pipeline, &working).await;
        let look = get(&admin, &format!("/api/v1/batches/{pipeline}/{waiting}")).await;
        assert_eq!((&look["state"]["state"], &look["state"]["steps"]["느린"]["state"]), (&json!("pending"), &json!("pending")));
        admin.call("DELETE", &format!("/api/v1/pipelines/{pipeline}")).send().await.is(409);

        let stopped = admin.post(&format!("/api/v1/batches/{waiting}/cancel")).send().await.is(200);
        assert_eq!((stopped.text_of("id"), stopped.text_of("status")), (waiting.clone(), "failed".to_owned()));
        let began = Instant::now();
        let stopped = admin.call("DELETE", &format!("/api/v1/batches/{pipeline}/{working}")).send().await.is(200);
        assert_eq!(stopped.text_of("status"), "failed", "{stopped}");
        assert!(began.elapsed() < Duration::from_secs(4), "stopped after {:?}", began.elapsed());
        until_running(&admin, &pipeline, &third).await;
        admin.post(&format!("/api/v1/batches/{third}/cancel")).send().await.is(200);
        for batch in [&working, &waiting, &third] {
            let ended = work::ended(&admin, batch).await;
            assert_eq!(ended.text_of("status"), "failed");
            assert_eq!(work::trace(&admin, batch).await["state"]["state"], "cancelled");
            let again = admin.post(&format!("/api/v1/batches/{batch}/cancel")).send().await.is(200);
            assert_eq!(again.text, ended.text, "an ended batch is left alone");
        }
        let step = get(&admin, &format!("/api/v1/batches/{pipeline}/{working}")).await["state"]["steps"]["느린"].clone();
        assert_eq!(step, json!({"state": "failed", "offsets": {}}));
        let never = get(&admin, &format!("/api/v1/batches/{pipeline}/{waiting}")).await["state"]["steps"]["느린"]["state"].clone();
        assert_eq!(never, "none");
        admin.call("DELETE", &format!("/api/v1/pipelines/{pipeline}")).send().await.is(200);
    })
    .await;
}

async fn until_running(client: &Client, pipeline: &str, batch: &str) {
    let began = Instant::now();
    while get(client, &format!("/api/v1/batches/{pipeline}/{batch}")).await["state"]["state"] != "running" {
        assert!(began.elapsed() < Duration::from_secs(30), "{batch} does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A run that takes longer than its pipeline allows is failed, and says why.
#[tokio::test]
async fn a_run_has_its_time() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let pipeline = slow(&admin).await;
        let options = json!({"options": {"timeout": 1}});
        admin.call("PUT", &format!("/api/v1/pipelines/{pipeline}")).json(&options).send().await.is(200);
        let (batch, ended) = work::run(&admin, &pipeline).await;
        assert_eq!(ended.text_of("status"), "failed");
        let trace = work::trace(&admin, &batch).await;
        assert_eq!(trace["state"]["steps"]["느린"]["comment"], "timeout: the run took longer than 1 seconds");
    })
    .await;
}
