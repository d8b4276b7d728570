//! What is refused is told in one of two shapes: the gateway's `error{}`, or the service's problem document.

use madang_tests::on_every_hub;
use serde_json::json;

use super::demand_problem;

/// The seed's own example.
#[tokio::test]
async fn an_unknown_workflow_is_told_as_the_document_does() {
    on_every_hub(|hub| async move {
        let answer = hub.signed().get("/api/v1/workflows/aa").send().await;
        let text = r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"{workflowId=aa}: Unable to find.","instance":"/dataflow/api/workflows/aa","errorType":"resource-not-found/WORKFLOW"}"#;
        answer.is_exactly(404, text);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_thing_can_be_absent() {
    on_every_hub(|hub| async move {
        let client = hub.signed();
        let job = super::job(&client, json!({"isTemp": true, "nodes": []})).await;
        let execution = format!("/api/v1/jobs/{job}/executions/zzzzzzzzzzzz");
        for (method, target, kind, field) in [
            ("GET", "/api/v1/jobs/zz9?x=1", "JOB", "jobId"),
            ("PUT", "/api/v1/jobs/zzzzzzzzzzzz", "JOB", "jobId"),
            ("PATCH", "/api/v1/jobs/zzzzzzzzzzzz", "JOB", "jobId"),
            ("DELETE", "/api/v1/jobs/zzzzzzzzzzzz", "JOB", "jobId"),
            ("GET", "/api/v1/jobs/zzzzzzzzzzzz/executions", "JOB", "jobId"),
            ("POST", "/api/v1/jobs/zzzzzzzzzzzz/executions", "JOB", "jobId"),
            ("GET", "/api/v1/jobs/zzzzzzzzzzzz/executions/zzzzzzzzzzzz", "JOB", "jobId"),
            ("GET", execution.as_str(), "JOB_EXECUTION", "jobExecutionId"),
            ("POST", &format!("{execution}/cancel"), "JOB_EXECUTION", "jobExecutionId"),
            ("GET", "/api/v1/workflows/zzzzzzzzzzzz", "WORKFLOW", "workflowId"),
            ("DELETE", "/api/v1/workflows/%EB%A7%A4", "WORKFLOW", "workflowId"),
            ("GET", "/api/v1/workflows/zzzzzzzzzzzz/executions", "WORKFLOW", "workflowId"),
            ("POST", "/api/v1/workflows/zzzzzzzzzzzz/executions", "WORKFLOW", "workflowId"),
            ("GET", "/api/v1/triggers/zzzzzzzzzzzz", "TRIGGER", "triggerId"),
            ("DELETE", "/api/v1/triggers/%00", "TRIGGER", "triggerId"),
        ] {
            let call = client.call(method, target);
            let call = if matches!(method, "PUT" | "PATCH") { call.json(&json!({"name": "abc", "isTemp": true})) } else { call };
            let answer = call.send().await;
            demand_problem(&answer, 404, &format!("resource-not-found/{kind}"), &format!("{{{field}="));
            let path = target.split('?').next().unwrap_or_default().trim_start_matches("/api/v1");
            assert_eq!(answer.json()["instance"], format!("/dataflow/api{path}"), "without the query");
        }
    })
    .await;
}

#[tokio::test]
async fn unknown_paths_and_methods_get_the_gateways_envelope() {
    let text = r#"{"error":{"errorCode":"300","message":"Not Found Exception","details":"URL not found."}}"#;
    on_every_hub(move |hub| async move {
        for client in [hub.signed(), hub.visitor()] {
            for (method, target) in [
                ("GET", "/api/v1/jobs/"),
                ("GET", "/api/v1/jobs/verify/more"),
                ("GET", "/api/v1/stats"),
                ("PUT", "/api/v1/triggers/zzzzzzzzzzzz"),
                ("DELETE", "/api/v1/jobs"),
                ("GET", "/api/v1/workflows/zzzzzzzzzzzz/execute-config"),
            ] {
                client.call(method, target).send().await.is_exactly(404, text);
            }
        }
        hub.signed().get("/api/v1/nothing").send().await.is_exactly(404, text);
        hub.visitor().get("/api/v1/nothing").send().await.is_exactly(404, r#"{"detail":"Not Found"}"#);
    })
    .await;
}

#[tokio::test]
async fn bodies_that_are_no_objects_are_refused() {
    on_every_hub(|hub| async move {
        let client = hub.signed();
        for (method, target) in
            [("POST", "/api/v1/jobs"), ("POST", "/api/v1/workflows"), ("POST", "/api/v1/triggers"), ("POST", "/api/v1/jobs/verify")]
        {
            for body in ["[]", "\"x\"", "{", "null", "\u{feff}{}", "{}"] {
                let answer = client.call(method, target).body("application/json", body).send().await;
                demand_problem(&answer, 400, "bad-parameter", "");
                assert_eq!(answer.json()["message"], "Check the parameters.");
            }
        }
        let large = format!("{{\"name\":\"{}\"}}", "a".repeat(1 << 20));
        let answer = client.post("/api/v1/jobs").body("application/json", large).send().await;
        answer.is_exactly(
            413,
            r#"{"error":{"errorCode":"430","message":"Request Entity Too Large","details":"The body is larger than it may be."}}"#,
        );
        let plain = client.post("/api/v1/triggers").body("text/plain", r#"{"name":"abc","type":"NONE","triggerRule":{"type":"NONE"}}"#);
        assert!(matches!(plain.send().await.status, 201 | 400), "whatever its type is called: JSON is JSON, and the name may be taken");
    })
    .await;
}

#[tokio::test]
async fn errors_of_several_fields_are_all_told() {
    on_every_hub(|hub| async move {
        let body = json!({"name": 5, "type": "WHAT", "maxConcurrentRuns": "two", "jobCondition": {"numWorker": "x"}});
        let answer = hub.signed().post("/api/v1/jobs").json(&body).send().await;
        demand_problem(&answer, 400, "bad-parameter", "name");
        let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
        let fields: Vec<_> = errors.iter().filter_map(|error| error["field"].as_str()).collect();
        assert_eq!(fields, ["name", "type", "jobCondition.numWorker", "maxConcurrentRuns"], "{answer}");
    })
    .await;
}
