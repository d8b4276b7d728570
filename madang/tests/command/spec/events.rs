//! Events: in order, out of order, repeated, late, many at once. A flow ends in one state, and stays there.

use serde_json::{Value, json};

use super::{Owner, finished, on_both, seven, tell};
use crate::hub::{Hub, status_of};

#[tokio::test]
async fn a_flow_goes_from_queued_to_succeeded() {
    on_both(&[], async |hub| {
        let owner = Owner::of(hub);
        let flow = owner.flow(&owner.spec("rivers")).await;
        assert_eq!(flow, format!("{}/rivers/1", owner.id));
        let queued = owner.read(&flow).await;
        assert_eq!((&queued["state"], &queued["logs"], &queued["stats"]), (&json!("QUEUED"), &Value::Null, &Value::Null), "{queued}");
        assert_eq!((&queued["error_log"], &queued["pipelines"], &queued["certified"]), (&json!([]), &json!({}), &json!(false)));
        let keys: Vec<_> = queued.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "spec_contents", "modified", "state", "logs", "error_log", "stats", "pipelines", "certified"]);

        let answer = tell(hub, &flow, "rivers_csv", json!({"event": "queue"})).await;
        assert_eq!(answer, json!({"status": "pending", "success": "pending", "id": flow, "errors": null}));
        assert_eq!(owner.read(&flow).await["state"], "QUEUED", "to be queued moves nothing");
        let answer = tell(hub, &flow, "rivers_csv", json!({"event": "start", "errors": []})).await;
        assert_eq!(answer, json!({"status": "running", "success": "pending", "id": flow, "errors": []}));
        tell(hub, &flow, "rivers_csv", json!({"event": "progress", "log": ["INFO one", "INFO two"]})).await;
        let running = owner.read(&flow).await;
        assert_eq!((&running["state"], &running["logs"]), (&json!("INPROGRESS"), &json!(["INFO one", "INFO two"])));
        let shown = json!({"title": "Creating CSV", "status": "INPROGRESS", "stats": {}, "error_log": []});
        assert_eq!(running["pipelines"], json!({format!("{flow}/rivers_csv"): shown}));

        for pipeline in &seven("rivers")[..6] {
            let stats = json!({"count_of_rows": 9, ".dpp": {"out-datapackage-url": "https://x/y"}});
            tell(hub, &flow, pipeline, json!({"event": "finish", "success": true, "stats": stats})).await;
        }
        let stats = json!({"bytes": 20480, "count_of_rows": 9, "dataset_name": "rivers", "hash": "0a"});
        let answer = tell(hub, &flow, "", json!({"event": "finish", "success": true, "stats": stats})).await;
        assert_eq!(answer, json!({"status": "success", "success": "success", "id": flow, "errors": null}));
        let ended = owner.read(&flow).await;
        assert_eq!((&ended["state"], &ended["stats"], &ended["logs"]), (&json!("SUCCEEDED"), &stats, &running["logs"]), "{ended}");
        assert_eq!(ended["pipelines"].as_object().map(serde_json::Map::len), Some(7));
        assert_eq!(ended["pipelines"][format!("{flow}/rivers_csv")]["stats"][".dpp"]["out-datapackage-url"], "https://x/y");

        let late = tell(hub, &flow, "", json!({"event": "finish", "success": false, "errors": ["late"]})).await;
        assert_eq!(late, json!({"status": null, "success": null, "id": null, "errors": ["pipeline not found"]}));
        assert_eq!(owner.read(&flow).await, ended, "what comes late changes nothing");
    })
    .await;
}

/// The original stayed INPROGRESS for ever here (spec-store.md 2.3).
#[tokio::test]
async fn a_failure_falls_through_to_what_waited() {
    on_both(&[], async |hub| {
        let owner = Owner::of(hub);
        let flow = owner.flow(&owner.spec("rivers")).await;
        for pipeline in ["validation_report", "rivers_json", "rivers"] {
            tell(hub, &flow, pipeline, finished()).await;
        }
        let body = json!({"pipeline": format!("{flow}/rivers_csv"), "event": "finish", "errors": ["dump", "row 2, column 2: not a date"]});
        let answer = crate::hub::json_of(hub.post("/source/update").json(&body)).await;
        assert_eq!(answer, json!({"status": "failed", "success": "fail", "id": flow, "errors": body["errors"]}));
        let ended = owner.read(&flow).await;
        assert_eq!((&ended["state"], &ended["error_log"]), (&json!("FAILED"), &body["errors"]), "the root cause: {ended}");
        let text = |dependency: &str| {
            format!("Dependency unsuccessful. Cannot run until dependency \"{flow}/{dependency}\" is successfullyexecuted")
        };
        for (pipeline, dependency) in [("rivers_zip", "rivers_csv"), ("rivers_csv_preview", "rivers_csv")] {
            let shown = &ended["pipelines"][format!("{flow}/{pipeline}")];
            assert_eq!((&shown["status"], &shown["error_log"][0]), (&json!("FAILED"), &json!(text(dependency))), "{pipeline}");
        }
        assert_eq!(ended["pipelines"][&flow]["status"], "FAILED");
        assert_eq!(ended["pipelines"].as_object().map(serde_json::Map::len), Some(7));
    })
    .await;
}

#[tokio::test]
async fn the_order_of_events_does_not_matter() {
    on_both(&[], async |hub| {
        let owner = Owner::of(hub);
        let flow = owner.flow(&owner.spec("rivers")).await;
        for pipeline in seven("rivers").iter().rev() {
            tell(hub, &flow, pipeline, finished()).await;
            for late in ["progress", "start", "queue"] {
                tell(hub, &flow, pipeline, json!({"event": late})).await;
            }
            tell(hub, &flow, pipeline, json!({"event": "finish", "success": false, "errors": ["again"]})).await;
        }
        let ended = owner.read(&flow).await;
        assert_eq!((&ended["state"], &ended["error_log"]), (&json!("SUCCEEDED"), &json!([])), "{ended}");
    })
    .await;
}

#[tokio::test]
async fn fifty_at_once_end_each_flow_once() {
    on_both(&[], async |hub| {
        let owner = Owner::of(hub);
        let flows: Vec<String> = futures::future::join_all((0..50).map(async |_| owner.flow(&owner.spec("crowd")).await)).await;
        let mut numbers: Vec<u32> = flows.iter().map(|flow| flow.rsplit('/').next().unwrap_or("").parse().expect("a number")).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=50).collect::<Vec<_>>(), "each number once");
        let pipelines = seven("crowd");
        let events = flows.iter().enumerate().flat_map(|(number, flow)| {
            pipelines.iter().map(move |pipeline| {
                (flow, pipeline, if number % 5 == 0 && pipeline == "rivers" { json!({"event": "finish"}) } else { finished() })
            })
        });
        let told: Vec<_> = events.collect();
        for chunk in told.chunks(50) {
            futures::future::join_all(chunk.iter().map(async |(flow, pipeline, event)| tell(hub, flow, pipeline, event.clone()).await))
                .await;
        }
        for (number, flow) in flows.iter().enumerate() {
            let wanted = if number % 5 == 0 { "FAILED" } else { "SUCCEEDED" };
            assert_eq!(owner.read(flow).await["state"], wanted, "{flow}");
        }
    })
    .await;
}

#[tokio::test]
async fn updates_may_need_a_secret() {
    let secret = [("MADANG_SPEC_STORE_UPDATE_SECRET", "open-sesame")];
    on_both(&secret, async |hub| {
        let owner = Owner::of(hub);
        let flow = owner.flow(&owner.spec("rivers")).await;
        let event = json!({"pipeline": flow, "event": "start"});
        let told = async |header: Option<&str>| {
            let request = hub.post("/source/update").json(&event);
            status_of(if let Some(header) = header { request.header("authorization", header) } else { request }).await
        };
        for wrong in [None, Some("Bearer open"), Some("Bearer "), Some("open-sesame"), Some("Basic open-sesame")] {
            assert_eq!(told(wrong).await, 401, "{wrong:?}");
        }
        assert_eq!(owner.read(&flow).await["state"], "QUEUED");
        assert_eq!(told(Some("Bearer open-sesame")).await, 200);
        assert_eq!(owner.read(&flow).await["state"], "INPROGRESS");
        assert!(!hub_log(hub).contains("open-sesame"));
    })
    .await;
}

fn hub_log(hub: &Hub) -> String {
    std::fs::read_to_string(&hub.log).expect("a log")
}

/// Nothing hangs: what is not heard of fails in its time.
#[tokio::test]
async fn silence_ends_a_flow() {
    let soon = [("MADANG_SPEC_STORE_STALE_SECONDS", "1")];
    on_both(&soon, async |hub| {
        let owner = Owner::of(hub);
        let begun = owner.flow(&owner.spec("begun")).await;
        let never = owner.flow(&owner.spec("never")).await;
        tell(hub, &begun, "rivers_csv", finished()).await;
        for flow in [begun, never] {
            let ended = owner.read(&format!("{flow}?wait=30")).await;
            assert_eq!((&ended["state"], &ended["error_log"]), (&json!("FAILED"), &json!(["Timed out"])), "{ended}");
        }
    })
    .await;
}
