//! Jobs: saved, drafted, listed, changed, deleted.

use madang_tests::on_every_hub;
use serde_json::{Value, json};

use super::{Flow, demand_problem, job, name};

#[tokio::test]
async fn a_job_is_kept_as_it_was_sent() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let mut nodes = flow.copy();
        nodes[0]["x-console"] = json!({"left": 12, "ids": [9_007_199_254_740_993_i64], "메모": "그대로"});
        let name = name("orders_kr");
        let body = json!({"name": name, "description": "주문", "type": "VISUAL", "nodes": nodes, "unknown": true});
        let made = flow.client.post("/api/v1/jobs").json(&body).send().await.is(201);
        let id = made.text_of("jobId");
        assert!(id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
        let job = made.json();
        assert_eq!(job["nodes"], nodes, "nodes are kept word for word");
        assert_eq!(
            (&job["name"], &job["description"], &job["type"], &job["status"]),
            (&json!(name), &json!("주문"), &json!("DATAFLOW"), &json!("RUNNABLE"))
        );
        assert_eq!(job["runCondition"], json!({"workerType": "DEFAULT", "numWorker": 2, "timeout": 360}));
        assert_eq!(job["maxConcurrentRuns"], 1);
        let date = job["createdDate"].as_str().expect("a date");
        assert!(date.len() == 29 && date.ends_with("+09:00"), "{date}");
        assert_eq!(flow.client.get(&format!("/api/v1/jobs/{id}")).send().await.is(200).json(), job);

        let again = flow.client.post("/api/v1/jobs").json(&body).send().await;
        demand_problem(&again, 400, "bad-parameter", &name);
    })
    .await;
}

#[tokio::test]
async fn wrong_values_are_named() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        for (change, word) in [
            (json!({"name": "ab"}), "name"),
            (json!({"name": "-abc"}), "name"),
            (json!({"name": "주문목록"}), "name"),
            (json!({"name": "a".repeat(101)}), "name"),
            (json!({"description": "x".repeat(1_001)}), "description"),
            (json!({"type": "SPARK"}), "type"),
            (json!({"type": "SCRIPT"}), "SCRIPT"),
            (json!({"maxConcurrentRuns": 0}), "maxConcurrentRuns"),
            (json!({"nodes": []}), ""),
            (json!({"nodes": "none"}), "nodes"),
            (json!({"nodes": [{"type": "SOURCE_CATALOG"}]}), "nodes.0"),
            (json!({"jobCondition": {"numWorker": 1}}), "numWorker"),
            (json!({"jobCondition": {"numWorker": 11}}), "numWorker"),
            (json!({"jobCondition": {"timeout": 1_441}}), "timeout"),
            (json!({"jobCondition": {"workerType": "GPU"}}), "workerType"),
            (json!({"jobCondition": {"nrn": "role"}}), "nrn"),
            (json!({"jobCondition": {"scriptPath": "/x"}}), "scriptPath"),
        ] {
            let mut body = json!({"name": name("job"), "nodes": flow.copy()});
            body.as_object_mut().expect("an object").extend(change.as_object().cloned().expect("an object"));
            let answer = flow.client.post("/api/v1/jobs").json(&body).send().await;
            demand_problem(&answer, 400, "bad-parameter", word);
            if word != "name" {
                let listed = format!("/api/v1/jobs?name={}", body["name"].as_str().expect("a name"));
                assert_eq!(flow.client.get(&listed).send().await.is(200).json()["count"], 0, "nothing was kept: {body}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn drafts_are_kept_unchecked_and_do_not_run() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let id = flow.job(flow.copy()).await;
        let target = format!("/api/v1/jobs/{id}");
        let name = flow.client.get(&target).send().await.is(200).text_of("name");
        let unfinished = json!([{"id": "no number", "type": 5}, 7]);
        let put = |nodes: &Value, draft: Option<bool>| {
            flow.client.call("PUT", &target).json(&json!({"name": name, "nodes": nodes, "isTemp": draft}))
        };
        let draft = put(&unfinished, Some(true)).send().await.is(200).json();
        assert_eq!((&draft["status"], &draft["nodes"]), (&json!("DRAFT"), &unfinished));
        let run = flow.client.post(&format!("{target}/executions")).json(&json!({})).send().await;
        demand_problem(&run, 400, "bad-state", "DRAFT");

        let wrong = put(&unfinished, None).send().await;
        demand_problem(&wrong, 400, "bad-parameter", "nodes.0");
        assert_eq!(flow.client.get(&target).send().await.is(200).json()["nodes"], unfinished, "nothing was stored");
        let listed = |status: &str| format!("/api/v1/jobs?name={name}&status={status}");
        for (status, count) in [("DRAFT", 1), ("RUNNABLE", 0), ("READY", 0)] {
            assert_eq!(flow.client.get(&listed(status)).send().await.is(200).json()["count"], count, "{status}");
        }
        let good = put(&flow.copy(), Some(false)).send().await.is(200).json();
        assert_eq!(good["status"], "RUNNABLE");
        assert_eq!(flow.client.get(&listed("READY")).send().await.is(200).json()["count"], 1, "a word of later years");
    })
    .await;
}

#[tokio::test]
async fn a_patch_changes_what_it_names() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let id = job(&flow.client, json!({"nodes": flow.copy(), "description": "old", "jobCondition": {"timeout": 5}})).await;
        let target = format!("/api/v1/jobs/{id}");
        let before = flow.client.get(&target).send().await.is(200).json();
        let body = json!({"maxConcurrentRuns": 3, "jobCondition": {"numWorker": 4}});
        let after = flow.client.call("PATCH", &target).json(&body).send().await.is(200).json();
        assert_eq!((&after["name"], &after["nodes"], &after["description"]), (&before["name"], &before["nodes"], &before["description"]));
        assert_eq!(after["maxConcurrentRuns"], 3);
        assert_eq!(after["runCondition"], json!({"workerType": "DEFAULT", "numWorker": 4, "timeout": 5}));
        let renamed = name("renamed");
        let after = flow.client.call("PATCH", &target).json(&json!({"name": renamed})).send().await.is(200).json();
        assert_eq!((&after["name"], &after["status"]), (&json!(renamed), &json!("RUNNABLE")));
        let replaced = flow.client.call("PUT", &target).json(&json!({"name": renamed, "nodes": flow.copy()})).send().await.is(200).json();
        assert_eq!(replaced["description"], Value::Null, "PUT replaces");
        assert_eq!(replaced["runCondition"]["numWorker"], 4, "what an older client does not know stays");
    })
    .await;
}

#[tokio::test]
async fn a_configuration_is_the_jobs_own_from_then_on() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let id = flow.job(flow.copy()).await;
        let target = format!("/api/v1/jobs/{id}/executions");
        let condition = json!({"workerType": "DATAFLOW", "numWorker": 3, "timeout": 30, "nrn": "nrn:PUB:IAM::100:Role/0a1b",
                               "scriptPath": "df-100/scripts/", "logPath": "df-100/logs/"});
        let job = flow.client.call("PUT", &target).json(&json!({"jobCondition": condition})).send().await.is(200).json();
        assert_eq!((&job["jobId"], &job["runCondition"]), (&json!(id), &condition));
        let started = flow.client.post(&target).json(&json!({"jobCondition": {"timeout": 7}})).send().await.is(200).json();
        assert_eq!((&started["jobCondition"]["timeout"], &started["jobCondition"]["nrn"]), (&json!(7), &condition["nrn"]));
        flow.ended(&id, started["jobExecutionId"].as_str().expect("an id")).await;
        let job = flow.client.get(&format!("/api/v1/jobs/{id}")).send().await.is(200).json();
        assert_eq!(job["runCondition"], condition, "one execution's condition is its own");
        let answer = flow.client.call("PUT", &target).json(&json!({})).send().await;
        demand_problem(&answer, 400, "bad-parameter", "jobCondition");
    })
    .await;
}

#[tokio::test]
async fn lists_come_in_pages() {
    on_every_hub(|hub| async move {
        let client = hub.signed();
        let part = name("page").replace('-', "_");
        let mut ids = Vec::new();
        for number in 0..5 {
            ids.push(job(&client, json!({"name": format!("{part}_{number}"), "isTemp": true, "nodes": []})).await);
        }
        ids.reverse(); // the newest first
        let get = |query: &str| client.get(&format!("/api/v1/jobs?name={}&{query}", part.to_uppercase()));
        let of = |list: &Value| {
            list["list"].as_array().expect("a list").iter().map(|job| job["jobId"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
        };
        let all = get("").send().await.is(200);
        assert_eq!(all.keys(), ["list", "count", "page", "limit"]);
        let all = all.json();
        assert_eq!((of(&all), &all["count"], &all["page"], &all["limit"]), (ids.clone(), &json!(5), &json!(0), &json!(1_000)));
        assert!(all["list"][0].get("nodes").is_none(), "lists have no nodes");
        assert_eq!((&all["list"][0]["resourceId"], &all["list"][0]["disabled"]), (&json!(ids[0]), &json!(false)));
        let second = get("page=1&limit=2").send().await.is(200).json();
        assert_eq!((of(&second), &second["count"]), (ids[2..4].to_vec(), &json!(5)));
        let none = get("limit=0").send().await.is(200).json();
        assert_eq!((of(&none), &none["count"]), (Vec::new(), &json!(5)));
        assert_eq!(get("limit=5000").send().await.is(200).json()["limit"], 1_000);
        for query in ["page=-1", "limit=-1", "page=x", "limit=1.5", "limit=+1", "page=99999999999", "status=HAPPY"] {
            demand_problem(&get(query).send().await, 400, "bad-parameter", query.split('=').next().unwrap_or_default());
        }
        let percent = client.get(&format!("/api/v1/jobs?name={part}%25")).send().await.is(200).json();
        assert_eq!(percent["count"], 0, "no pattern, a text");
    })
    .await;
}

#[tokio::test]
async fn a_deleted_job_is_hidden_and_its_name_is_free() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let name = name("gone");
        let id = job(&flow.client, json!({"name": name, "nodes": flow.copy()})).await;
        let execution = flow.start(&id).await;
        flow.ended(&id, &execution).await;
        let target = format!("/api/v1/jobs/{id}");
        flow.client.call("DELETE", &target).send().await.is_exactly(200, "true");
        demand_problem(&flow.client.get(&target).send().await, 404, "resource-not-found/JOB", &id);
        demand_problem(&flow.client.call("DELETE", &target).send().await, 404, "resource-not-found/JOB", &id);
        let listed = |status: &str| format!("/api/v1/jobs?name={name}{status}");
        assert_eq!(flow.client.get(&listed("")).send().await.is(200).json()["count"], 0);
        let deleted = flow.client.get(&listed("&status=DELETED")).send().await.is(200).json();
        assert_eq!((&deleted["count"], &deleted["list"][0]["status"]), (&json!(1), &json!("DELETED")));
        assert_eq!(flow.execution(&id, &execution).await["status"], "COMPLETED", "its history stays");
        assert_eq!(flow.client.get(&format!("{target}/executions")).send().await.is(200).json()["count"], 1);
        job(&flow.client, json!({"name": name, "nodes": flow.copy()})).await;
    })
    .await;
}

#[tokio::test]
async fn verify_stores_nothing() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let name = name("verified");
        let good = json!({"name": name, "nodes": flow.copy()});
        flow.client.post("/api/v1/jobs/verify").json(&good).send().await.is_exactly(200, "true");
        let told = flow.client.post("/api/v1/jobs/verify?schemas=true").json(&good).send().await.is(200).json();
        assert_eq!(told["valid"], true);
        assert!(told["nodes"].is_array(), "{told}");
        let mut broken = flow.copy();
        broken[1]["parentNodeIds"] = json!([77]);
        let answer = flow.client.post("/api/v1/jobs/verify").json(&json!({"name": name, "nodes": broken})).send().await;
        demand_problem(&answer, 400, "bad-parameter", "");
        let errors = answer.json()["errors"].clone();
        assert_eq!((&errors[0]["nodeId"], &errors[0]["field"]), (&json!(3), &json!("parentNodeIds")), "{answer}");
        assert_eq!(flow.client.get(&format!("/api/v1/jobs?name={name}")).send().await.is(200).json()["count"], 0);
    })
    .await;
}

/// The same signed write again gets the first answer again and has no second effect (dataflow.md 1.3, rule 13).
#[tokio::test]
async fn a_signed_write_that_comes_twice_counts_once() {
    on_every_hub(|hub| async move {
        let flow = Flow::new(&hub).await;
        let job = flow.job(flow.copy()).await;
        let credentials = hub.credentials();
        let twice = async |method: &str, target: &str, body: Value| {
            let headers = madang_tests::signature::headers(method, target, &credentials.access_key, &credentials.secret_key, 0);
            let send = || hub.visitor().call(method, target).headers(headers.clone()).json(&body).send();
            let (first, second) = (send().await, send().await);
            assert_eq!((first.status, &first.text), (second.status, &second.text), "{method} {target}");
            first
        };
        let part = name("twice");
        twice("POST", "/api/v1/jobs", json!({"name": part, "isTemp": true, "nodes": []})).await.is(201);
        assert_eq!(flow.client.get(&format!("/api/v1/jobs?name={part}")).send().await.is(200).json()["count"], 1);
        let executions = format!("/api/v1/jobs/{job}/executions");
        let made = twice("POST", &executions, json!({})).await.is(200).text_of("jobExecutionId");
        flow.ended(&job, &made).await;
        assert_eq!(flow.client.get(&executions).send().await.is(200).json()["count"], 1);
        let trigger = json!({"name": part, "type": "NONE", "triggerRule": {"type": "NONE"}});
        let trigger = twice("POST", "/api/v1/triggers", trigger).await.is(201).text_of("triggerId");
        let nodes = json!([{"id": trigger, "name": "t", "type": "TRIGGER", "parentNodeIds": []},
                           {"id": job, "name": "j", "type": "JOB", "parentNodeIds": [trigger]}]);
        let workflow = twice("POST", "/api/v1/workflows", json!({"name": part, "nodes": nodes})).await.is(201).text_of("workflowId");
        twice("PUT", &format!("/api/v1/workflows/{workflow}"), json!({"name": part, "nodes": nodes})).await.is(200);
        let starts = format!("/api/v1/workflows/{workflow}/executions");
        twice("POST", &starts, json!({})).await.is(202);
        let found = flow.until(&starts, |look| look["list"][0]["status"] == "COMPLETED").await;
        assert_eq!(found["count"], 1);
        twice("DELETE", &format!("/api/v1/workflows/{workflow}"), json!({})).await;
        twice("DELETE", &format!("/api/v1/triggers/{trigger}"), json!({})).await;
        twice("DELETE", &format!("/api/v1/jobs/{job}"), json!({})).await.is(200);
    })
    .await;
}
