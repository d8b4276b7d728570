//! Executions: started, read, stopped.

use base64::{Engine, engine::general_purpose::STANDARD};
use madang_tests::{on_every_hub, work};
use serde_json::{Value, json};

use super::{Flow, demand_problem, job};

#[tokio::test]
async fn an_execution_carries_rows_over_and_is_counted() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let id = flow.job(flow.statement("SELECT n * 10 AS n FROM t")).await;
        let day = chrono::Utc::now() + chrono::TimeDelta::hours(9);
        let stats = format!(
            "/api/v1/stats/executions?startDate={}&endDate={}",
            (day - chrono::TimeDelta::days(1)).format("%Y-%m-%dT%H%%3A%M%%3A%S"),
            (day + chrono::TimeDelta::days(1)).format("%Y-%m-%dT%H%%3A%M%%3A%S"),
        );
        let before = flow.client.get(&stats).send().await.is(200).json();
        let body = json!({"parameters": {"day": "d=${executionDate}", "n": 5}});
        let payload = STANDARD.encode(r#"{"cloudFunctions":{"actionName":"a","activationId":"b"}}"#);
        let started = flow.client.post(&format!("/api/v1/jobs/{id}/executions")).header("x-ncp-dataflow-payload", &payload).json(&body);
        let started = started.send().await.is(200);
        assert_eq!(started.keys(), ["jobExecutionId", "jobId", "status", "jobCondition", "createdDate"]);
        let started = started.json();
        assert_eq!((&started["status"], &started["jobId"]), (&json!("READY"), &json!(id)));
        assert_eq!(started["jobCondition"]["numWorker"], 2);
        assert!(started["jobCondition"]["nrn"].as_str().is_some_and(|nrn| nrn.starts_with("nrn:")), "the installation's own: {started}");

        let ended = flow.ended(&id, started["jobExecutionId"].as_str().expect("an id")).await;
        assert_eq!(ended["status"], "COMPLETED", "{ended}");
        let mut made: Vec<i64> = work::rows(&flow.client, &flow.target).await.iter().filter_map(|row| row[0].as_i64()).collect();
        made.sort_unstable();
        assert_eq!(made, [10, 20, 30], "OVERWRITE is the default");
        for key in ["waitingTime", "runningTime", "executorNum"] {
            assert!(ended[key].is_u64(), "{key}: {ended}");
        }
        for key in ["createdDate", "startDate", "endDate"] {
            assert!(ended[key].as_str().is_some_and(|date| date.ends_with("+09:00")), "{key}: {ended}");
        }
        assert_eq!(ended["parsedParameters"]["n"], "5");
        let day = ended["parsedParameters"]["executionDate"].as_str().expect("a day").to_owned();
        assert_eq!(ended["parsedParameters"]["day"], format!("d={day}"));
        assert!(ended["startDate"].as_str().is_some_and(|date| date.starts_with(&day)), "{ended}");
        assert_eq!(ended["origin"]["cloudFunctions"]["activationId"], "b");
        assert!(ended.get("workflowId").is_none(), "a direct start");
        assert!(ended["nodeStats"].as_array().is_some_and(|nodes| !nodes.is_empty()), "{ended}");

        let after = flow.client.get(&stats).send().await.is(200).json();
        let more = |key: &str| after[key].as_u64().unwrap_or_default() > before[key].as_u64().unwrap_or_default();
        assert!(more("totalCount") && more("completedCount"), "{before} {after}");
        let job = flow.client.get(&format!("/api/v1/jobs/{id}")).send().await.is(200).json();
        assert_eq!((&job["lastExecutionStatus"], &job["lastExecutionDate"]), (&json!("COMPLETED"), &ended["createdDate"]));
        let listed = flow.client.get(&format!("/api/v1/jobs/{id}/executions")).send().await.is(200).json();
        assert_eq!((&listed["count"], &listed["list"][0]["jobExecutionId"]), (&json!(1), &ended["jobExecutionId"]));
    })
    .await;
}

#[tokio::test]
async fn a_failure_says_why_and_leaves_the_target_alone() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let id = flow.job(flow.statement("SELECT n / (n - 2) AS n FROM t")).await;
        let execution = flow.start(&id).await;
        let ended = flow.ended(&id, &execution).await;
        assert_eq!(ended["status"], "FAILED", "{ended}");
        assert!(ended["message"].as_str().is_some_and(|message| !message.is_empty()), "{ended}");
        assert_eq!(work::rows(&flow.client, &flow.target).await, [vec![json!(0)]]);
        let job = flow.client.get(&format!("/api/v1/jobs/{id}")).send().await.is(200).json();
        assert_eq!((&job["status"], &job["lastExecutionStatus"]), (&json!("RUNNABLE"), &json!("FAILED")));
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_table_is_gone_has_to_be_edited() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let id = flow.job(flow.copy()).await;
        flow.client.call("DELETE", &format!("/api/v1/datasets/{}", flow.source)).send().await.is(200);
        let execution = flow.start(&id).await;
        let ended = flow.ended(&id, &execution).await;
        assert_eq!(ended["status"], "FAILED", "{ended}");
        assert!(ended["message"].as_str().is_some_and(|message| message.contains("not found")), "{ended}");
        let target = format!("/api/v1/jobs/{id}");
        let job = flow.client.get(&target).send().await.is(200).json();
        assert_eq!(job["status"], "EDITING", "{job}");
        demand_problem(&flow.client.post(&format!("{target}/executions")).json(&json!({})).send().await, 400, "bad-state", "EDITING");
        let again = flow.client.call("PUT", &target).json(&json!({"name": job["name"], "nodes": flow.copy()})).send().await;
        demand_problem(&again, 400, "client-resource-not-found", "table");
        let other = Flow::new(&hub).await;
        let mended = flow.client.call("PUT", &target).json(&json!({"name": job["name"], "nodes": other.copy()})).send().await.is(200);
        assert_eq!(mended.json()["status"], "RUNNABLE");
    })
    .await;
}

#[tokio::test]
async fn a_running_job_is_guarded_and_can_be_stopped() {
    on_every_hub(|hub| async move {
        let flow = Flow::slow(&hub).await;
        let id = flow.job(flow.endless()).await;
        let (target, executions) = (format!("/api/v1/jobs/{id}"), format!("/api/v1/jobs/{id}/executions"));
        let execution = flow.start(&id).await;
        flow.until(&format!("{executions}/{execution}"), |look| look["status"] == "RUNNING").await;
        assert_eq!(flow.client.get(&target).send().await.is(200).json()["status"], "RUNNING");
        let second = flow.client.post(&executions).json(&json!({})).send().await;
        demand_problem(&second, 400, "bad-state", "maxConcurrentRuns");
        demand_problem(&flow.client.call("DELETE", &target).send().await, 400, "bad-state", "READY or RUNNING");
        let name = flow.client.get(&target).send().await.is(200).text_of("name");
        let put = flow.client.call("PUT", &target).json(&json!({"name": name, "nodes": flow.copy(), "isTemp": true})).send().await.is(200);
        assert_eq!(put.json()["status"], "RUNNING", "what runs goes on");

        let cancel = format!("{executions}/{execution}/cancel");
        flow.client.post(&cancel).send().await.is_exactly(200, "true");
        let ended = flow.ended(&id, &execution).await;
        assert_eq!(ended["status"], "CANCELED", "{ended}");
        demand_problem(&flow.client.post(&cancel).send().await, 400, "bad-state", "already");
        assert_eq!(work::rows(&flow.client, &flow.target).await, [vec![json!(0)]], "what was staged is gone");
        assert_eq!(flow.client.get(&target).send().await.is(200).json()["status"], "DRAFT", "as the update asked for");
    })
    .await;
}

#[tokio::test]
async fn what_waits_can_be_stopped_too() {
    on_every_hub(|hub| async move {
        let flow = Flow::slow(&hub).await;
        let body = json!({"nodes": flow.endless(), "maxConcurrentRuns": 2});
        let id = job(&flow.client, body).await;
        let first = flow.start(&id).await;
        let second = flow.start(&id).await;
        let third = flow.client.post(&format!("/api/v1/jobs/{id}/executions")).json(&json!({})).send().await;
        demand_problem(&third, 400, "bad-state", "maxConcurrentRuns");
        for execution in [&second, &first] {
            flow.client.post(&format!("/api/v1/jobs/{id}/executions/{execution}/cancel")).send().await.is_exactly(200, "true");
            assert_eq!(flow.ended(&id, execution).await["status"], "CANCELED");
        }
        assert_eq!(flow.client.get(&format!("/api/v1/jobs/{id}")).send().await.is(200).json()["status"], "RUNNABLE");
    })
    .await;
}

#[tokio::test]
async fn a_start_can_name_what_it_belongs_to() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let id = flow.job(flow.copy()).await;
        let body = json!({"name": super::name("by_hand"), "type": "NONE", "triggerRule": {"type": "NONE"}});
        let trigger = flow.client.post("/api/v1/triggers").json(&body).send().await.is(201);
        let query = format!("/api/v1/jobs/{id}/executions?triggerId={}", trigger.text_of("triggerId"));
        let started = flow.client.post(&query).json(&json!({})).send().await.is(200).text_of("jobExecutionId");
        let ended = flow.ended(&id, &started).await;
        assert_eq!((&ended["triggerId"], &ended["triggerName"]), (&trigger.json()["triggerId"], &trigger.json()["name"]));
        for (query, kind) in [("workflowId=zzzzzzzzzzzz", "WORKFLOW"), ("triggerId=aa", "TRIGGER")] {
            let answer = flow.client.post(&format!("/api/v1/jobs/{id}/executions?{query}")).json(&json!({})).send().await;
            demand_problem(&answer, 404, &format!("resource-not-found/{kind}"), "");
        }
        for (body, word) in [
            (json!({"parameters": []}), "parameters"),
            (json!({"parameters": {"a": {"b": 1}}}), "parameters.a"),
            (json!({"jobCondition": {"timeout": -1}}), "timeout"),
            (json!({"jobCondition": 5}), "jobCondition"),
        ] {
            let answer = flow.client.post(&format!("/api/v1/jobs/{id}/executions")).json(&body).send().await;
            demand_problem(&answer, 400, "bad-parameter", word);
        }
        let listed = flow.client.get(&format!("/api/v1/jobs/{id}/executions?limit=0")).send().await.is(200).json();
        assert_eq!((&listed["count"], &listed["list"]), (&json!(1), &Value::Array(Vec::new())), "no refused start left a record");
    })
    .await;
}
