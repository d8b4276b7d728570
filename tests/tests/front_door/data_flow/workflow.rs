//! Workflows: a graph of jobs behind a trigger, started by hand.

use madang_tests::on_every_hub;
use serde_json::{Value, json};

use super::{Flow, demand_problem, job, name};

async fn trigger(flow: &Flow, kind: &str, rule: Value) -> String {
    let body = json!({"name": name("start"), "type": kind, "triggerRule": rule});
    flow.client.post("/api/v1/triggers").json(&body).send().await.is(201).text_of("triggerId")
}

async fn by_hand(flow: &Flow) -> String {
    trigger(flow, "NONE", json!({"type": "NONE"})).await
}

fn start_node(id: &str) -> Value {
    json!({"id": id, "name": "anything", "type": "TRIGGER", "parentNodeIds": [], "triggerRule": "NONE"})
}

fn job_node(id: &str, parents: &[&str]) -> Value {
    json!({"id": id, "name": "anything", "type": "JOB", "parentNodeIds": parents, "jobCondition": {"numWorker": 2, "timeout": 60}})
}

async fn workflow(flow: &Flow, nodes: Value) -> Value {
    flow.client.post("/api/v1/workflows").json(&json!({"name": name("flow"), "nodes": nodes})).send().await.is(201).json()
}

fn id(workflow: &Value) -> String {
    workflow["workflowId"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn each_job_starts_once_all_before_it_have_completed() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let start = by_hand(&flow).await;
        let mut jobs = Vec::new();
        for _ in 0..4 {
            let other = Flow::new(&hub).await;
            jobs.push(job(&flow.client, json!({"nodes": other.copy()})).await);
        }
        let nodes = json!([
            start_node(&start),
            job_node(&jobs[0], &[&start]),
            job_node(&jobs[1], &[&start]),
            job_node(&jobs[2], &[&jobs[0], &jobs[1]]),
            job_node(&jobs[3], &[&jobs[2], &start]),
        ]);
        let made = workflow(&flow, nodes).await;
        assert!(made["nodes"].as_array().expect("nodes").iter().all(|node| node["isValid"] == true), "{made}");
        assert_eq!(made["nodes"][0]["triggerRule"], "NONE");
        assert_ne!(made["nodes"][1]["name"], "anything", "names are those of the jobs");
        let executions = format!("/api/v1/workflows/{}/executions", id(&made));
        let accepted = flow.client.post(&executions).send().await.is(202).json();
        assert_eq!(
            (&accepted["workflowId"], &accepted["triggerId"], &accepted["status"]),
            (&made["workflowId"], &json!(start), &json!("ACCEPTED"))
        );
        let done = |look: &Value| {
            // Counted is after listed, and one may be made between.
            look["list"].as_array().is_some_and(|list| list.len() == 4 && list.iter().all(|one| one["status"] == "COMPLETED"))
        };
        let found = flow.until(&executions, done).await;
        let list = found["list"].as_array().expect("a list");
        let when = |job: &str, key: &str| {
            let one = list.iter().find(|one| one["jobId"] == job).unwrap_or_else(|| panic!("no execution of {job}: {found}"));
            assert_eq!((&one["workflowId"], &one["triggerId"]), (&made["workflowId"], &json!(start)));
            assert_eq!(one["workflowExecutionId"], accepted["workflowExecutionId"]);
            assert_eq!(one["jobCondition"]["timeout"], 60);
            one[key].as_str().expect("a date").to_owned()
        };
        for parent in [&jobs[0], &jobs[1]] {
            assert!(when(parent, "endDate") <= when(&jobs[2], "createdDate"));
        }
        assert!(when(&jobs[2], "endDate") <= when(&jobs[3], "createdDate"));
        let listed =
            flow.client.get(&format!("/api/v1/workflows?name={}", made["name"].as_str().expect("a name"))).send().await.is(200).json();
        let one = &listed["list"][0];
        assert_eq!((&listed["count"], &one["triggerRuleType"], &one["disabled"]), (&json!(1), &json!("NONE"), &json!(false)));
        assert!(one["lastExecutionDate"].is_string() && one["nodes"].is_array(), "{one}");
        let filtered = flow.client.get(&format!("{executions}?filter=nobody")).send().await.is(200).json();
        assert_eq!(filtered["count"], 0);
    })
    .await;
}

#[tokio::test]
async fn nothing_starts_after_a_failure() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let start = by_hand(&flow).await;
        let failing = flow.job(flow.statement("SELECT n / (n - 2) AS n FROM t")).await;
        let after = flow.job(flow.copy()).await;
        let made = workflow(&flow, json!([start_node(&start), job_node(&failing, &[&start]), job_node(&after, &[&failing])])).await;
        let executions = format!("/api/v1/workflows/{}/executions", id(&made));
        flow.client.post(&executions).send().await.is(202);
        flow.until(&executions, |look| look["list"][0]["status"] == "FAILED").await;
        tokio::time::sleep(std::time::Duration::from_secs(3)).await; // longer than anybody waits for a follow-up
        let found = flow.client.get(&executions).send().await.is(200).json();
        assert_eq!(
            (&found["count"], &found["list"][0]["jobId"]),
            (&json!(1), &json!(failing)),
            "no record is made for what was not started"
        );
    })
    .await;
}

/// A start beyond `maxConcurrentRuns`, or of a draft, is told as a failure instead of being lost.
#[tokio::test]
async fn what_can_not_start_is_recorded_as_failed() {
    on_every_hub(|hub| async move {
        let flow = Flow::slow(&hub).await;
        let start = by_hand(&flow).await;
        let busy = flow.job(flow.endless()).await;
        let draft = job(&flow.client, json!({"isTemp": true, "nodes": []})).await;
        let after = job(&flow.client, json!({"nodes": flow.copy()})).await;
        let running = flow.start(&busy).await;
        let nodes = json!([start_node(&start), job_node(&busy, &[&start]), job_node(&draft, &[&start]), job_node(&after, &[&draft])]);
        let made = workflow(&flow, nodes).await;
        let executions = format!("/api/v1/workflows/{}/executions", id(&made));
        flow.client.post(&executions).send().await.is(202);
        let found = flow.client.get(&executions).send().await.is(200).json();
        let list = found["list"].as_array().expect("a list");
        assert_eq!(list.len(), 2, "{found}");
        for (job, word) in [(&busy, "maxConcurrentRuns"), (&draft, "DRAFT")] {
            let one = list.iter().find(|one| one["jobId"] == **job).expect("a record");
            assert_eq!(one["status"], "FAILED");
            assert!(one["message"].as_str().is_some_and(|message| message.contains(word)), "{one}");
            assert!(one.get("startDate").is_none(), "{one}");
        }
        flow.client.post(&format!("/api/v1/jobs/{busy}/executions/{running}/cancel")).send().await.is(200);
    })
    .await;
}

#[tokio::test]
async fn a_workflow_without_its_trigger_stays_readable_and_can_not_start() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let (start, one) = (by_hand(&flow).await, flow.job(flow.copy()).await);
        let made = workflow(&flow, json!([start_node(&start), job_node(&one, &[&start])])).await;
        let target = format!("/api/v1/workflows/{}", id(&made));
        flow.client.call("DELETE", &format!("/api/v1/triggers/{start}")).send().await.is_exactly(200, "true");
        let read = flow.client.get(&target).send().await.is(200).json();
        assert_eq!((&read["nodes"][0]["isValid"], &read["nodes"][1]["isValid"]), (&json!(false), &json!(true)));
        assert_eq!(read["nodes"][0]["id"], json!(start));
        demand_problem(&flow.client.post(&format!("{target}/executions")).send().await, 400, "bad-state", "trigger");

        let start = by_hand(&flow).await;
        let body = json!({"name": made["name"], "nodes": [start_node(&start), job_node(&one, &[&start])]});
        let mended = flow.client.call("PUT", &target).json(&body).send().await.is(200).json();
        assert_eq!(mended["nodes"][0]["isValid"], true);
        flow.client.call("DELETE", &format!("/api/v1/jobs/{one}")).send().await.is_exactly(200, "true");
        let read = flow.client.get(&target).send().await.is(200).json();
        assert_eq!((&read["nodes"][0]["isValid"], &read["nodes"][1]["isValid"]), (&json!(true), &json!(false)));
        demand_problem(&flow.client.post(&format!("{target}/executions")).send().await, 400, "bad-state", &one);
        flow.client.call("DELETE", &target).send().await.is_exactly(200, "true");
        demand_problem(&flow.client.get(&target).send().await, 404, "resource-not-found/WORKFLOW", &id(&made));
    })
    .await;
}

#[tokio::test]
async fn drafts_and_schedules_are_not_started_from_outside() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let one = flow.job(flow.copy()).await;
        let scheduled = trigger(&flow, "SCHEDULED", json!({"type": "ONE_TIME", "executionDate": "2099-01-01T00:00:00"})).await;
        let made = workflow(&flow, json!([start_node(&scheduled), job_node(&one, &[&scheduled])])).await;
        assert_eq!(made["nodes"][0]["triggerRule"], "ONE_TIME", "the trigger's own");
        let run = |workflow: &Value| flow.client.post(&format!("/api/v1/workflows/{}/executions", id(workflow)));
        demand_problem(&run(&made).send().await, 400, "bad-state", "schedule");
        let body = json!({"name": name("draft"), "isTemp": true, "nodes": [job_node("nobody", &["nothing"])]});
        let draft = flow.client.post("/api/v1/workflows").json(&body).send().await.is(201).json();
        assert_eq!((&draft["isTemp"], &draft["nodes"][0]["isValid"]), (&json!(true), &json!(false)));
        demand_problem(&run(&draft).send().await, 400, "bad-state", "draft");
        let event = trigger(&flow, "EVENT", json!({"type": "NONE"})).await;
        let body = json!({"name": draft["name"], "isTemp": false, "nodes": [start_node(&event), job_node(&one, &[&event])]});
        let target = format!("/api/v1/workflows/{}", id(&draft));
        flow.client.call("PUT", &target).json(&body).send().await.is(200);
        run(&draft).send().await.is(202);
    })
    .await;
}

#[tokio::test]
async fn graphs_that_can_not_run_are_refused() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let (start, other) = (by_hand(&flow).await, by_hand(&flow).await);
        let (a, b) = (flow.job(flow.copy()).await, flow.job(flow.copy()).await);
        for (nodes, word) in [
            (json!([]), "TRIGGER"),
            (json!([start_node(&start)]), "JOB"),
            (json!([job_node(&a, &[])]), "TRIGGER"),
            (json!([start_node(&start), start_node(&other), job_node(&a, &[&start])]), "one node of type TRIGGER"),
            (json!([start_node(&start), job_node(&a, &[])]), "path"),
            (json!([start_node(&start), job_node(&a, &[&b]), job_node(&b, &[&a])]), "path"),
            (json!([start_node(&start), job_node(&a, &["zzzzzzzzzzzz"])]), "unknown parent"),
            (json!([start_node(&start), job_node("zzzzzzzzzzzz", &[&start])]), "no job"),
            (json!([start_node("zzzzzzzzzzzz"), job_node(&a, &["zzzzzzzzzzzz"])]), "no trigger"),
            (json!([start_node(&start), job_node(&a, &[&start]), job_node(&a, &[&start])]), "two nodes"),
            (json!([{"id": start, "type": "START", "parentNodeIds": []}]), "type"),
            (json!([5]), "nodes.0"),
            (json!("none"), "nodes"),
        ] {
            let name = name("wrong");
            let answer = flow.client.post("/api/v1/workflows").json(&json!({"name": name, "nodes": nodes})).send().await;
            demand_problem(&answer, 400, "bad-parameter", "");
            let told = answer.json();
            assert!((told["detail"].to_string() + &told["errors"].to_string()).contains(word), "{word}: {told}");
            assert_eq!(flow.client.get(&format!("/api/v1/workflows?name={name}")).send().await.is(200).json()["count"], 0);
        }
    })
    .await;
}
