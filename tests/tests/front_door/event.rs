//! Events (dhub.md section 12): messages of a topic start registered pipelines.

use madang_tests::{on_every_hub, work};
use serde_json::{Value, json};

#[tokio::test]
async fn a_message_starts_what_is_registered() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (source, target, topic) = (work::dataset(&admin).await, work::dataset(&admin).await, work::unique("orders"));
        work::upload(&admin, &source, "n\n1\n").await.is(200);
        let query = "SELECT $city AS city, n + $count AS n FROM t";
        let steps = json!([{"name": "s", "script": "sql", "inputs": {"t": source}, "outputs": {"o": target}, "options": {"query": query}}]);
        let body = json!({"name": "사건", "type": "event", "options": {"event": topic}, "steps": steps});
        let pipeline = admin.post("/api/v1/pipelines").json(&body).send().await.is(200).text_of("id");
        let place = format!("/api/v1/events/{pipeline}");
        let send = |message: Value| admin.post(&format!("/api/v1/events/topics/{topic}/messages")).json(&message).send();
        let message = json!({"city": "서울", "count": 2, "nested": {"x": 1}, "unused": true});

        assert_eq!(admin.get(&place).send().await.is(200).json(), json!({"ready": false}));
        assert_eq!(send(message.clone()).await.is(200).json()["batches"], json!([]), "not registered yet");
        for _ in 0..2 {
            assert_eq!(admin.post(&place).send().await.is(200).json(), json!({"message": "Event started successfully"}));
        }
        assert_eq!(admin.get(&place).send().await.is(200).json(), json!({"ready": true}));
        let accepted = send(message.clone()).await.is(200).json();
        let batch = accepted["batches"][0].as_str().expect("a batch").to_owned();
        assert_eq!(work::ended(&admin, &batch).await.text_of("status"), "completed");
        assert_eq!(work::trace(&admin, &batch).await["trigger"], "event");
        assert_eq!(work::rows(&admin, &target).await, [[json!("서울"), json!(3)]]);

        let refused = send(json!({"city": "부산"})).await.is(200).json();
        assert_eq!((&refused["batches"], &refused["refused"][0]["pipeline_id"]), (&json!([]), &json!(pipeline)), "a value is missing");
        let (_, _, stranger) = work::person(&admin, &[]).await;
        let ignored = stranger.post(&format!("/api/v1/events/topics/{topic}/messages")).json(&message).send().await.is(200).json();
        assert_eq!((&ignored["batches"], &ignored["refused"]), (&json!([]), &json!([])), "may start nothing, learns nothing");
        stranger.post(&place).send().await.is(403);
        stranger.call("DELETE", &place).send().await.is(403);

        assert_eq!(admin.call("DELETE", &place).send().await.is(200).json(), json!({"message": "Event deleted successfully"}));
        admin.call("DELETE", &place).send().await.is(404);
        assert_eq!(send(message).await.is(200).json()["batches"], json!([]));
    })
    .await;
}

/// A registration may name a version of the pipeline: messages start that one, whatever it becomes later.
#[tokio::test]
async fn a_registration_may_pin_a_version() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (source, target, topic) = (work::dataset(&admin).await, work::dataset(&admin).await, work::unique("orders"));
        work::upload(&admin, &source, "n\n1\n").await.is(200);
        let steps = |factor: u32| {
            let options = json!({"query": format!("SELECT n * {factor} AS n FROM t"), "write_mode": "overwrite"});
            json!([{"name": "s", "script": "sql", "inputs": {"t": source}, "outputs": {"o": target}, "options": options}])
        };
        let body = json!({"name": "사건", "type": "event", "options": {"event": topic}, "steps": steps(10)});
        let pipeline = admin.post("/api/v1/pipelines").json(&body).send().await.is(200).text_of("id");
        let one = format!("/api/v1/pipelines/{pipeline}");
        admin.call("PUT", &one).json(&json!({"steps": steps(20)})).send().await.is(200);
        for (version, wanted) in [("?pipeline_version=v1", 10), ("", 20), ("?pipeline_version=1", 10), ("?pipeline_version=v2", 20)] {
            admin.post(&format!("/api/v1/events/{pipeline}{version}")).send().await.is(200);
            let sent = admin.post(&format!("/api/v1/events/topics/{topic}/messages")).json(&json!({})).send().await.is(200).json();
            let batch = sent["batches"][0].as_str().expect("a batch").to_owned();
            assert_eq!(work::ended(&admin, &batch).await.text_of("status"), "completed");
            assert_eq!(work::rows(&admin, &target).await, [[json!(wanted)]], "{version}");
        }
        for (version, status) in [("v3", 404), ("x", 422), ("v0", 422), ("", 422)] {
            admin.post(&format!("/api/v1/events/{pipeline}?pipeline_version={version}")).send().await.is(status);
        }
        assert_eq!(admin.get(&format!("/api/v1/events/{pipeline}")).send().await.is(200).json(), json!({"ready": true}), "as it was");
    })
    .await;
}

/// A topic that a pipeline no longer has starts it no more.
#[tokio::test]
async fn a_changed_topic_ends_the_registration() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let topic = work::unique("orders");
        let body = json!({"name": "사건", "type": "event", "options": {"event": topic}});
        let pipeline = admin.post("/api/v1/pipelines").json(&body).send().await.is(200).text_of("id");
        let ready = async || admin.get(&format!("/api/v1/events/{pipeline}")).send().await.is(200).json()["ready"].clone();
        admin.post(&format!("/api/v1/events/{pipeline}")).send().await.is(200);
        let place = format!("/api/v1/pipelines/{pipeline}");
        admin.call("PUT", &place).json(&json!({"name": "다른 이름"})).send().await.is(200);
        assert_eq!(ready().await, true);
        admin.call("PUT", &place).json(&json!({"options": {"event": "other"}})).send().await.is(200);
        assert_eq!(ready().await, false);
    })
    .await;
}

#[tokio::test]
async fn wrong_events_are_refused() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let batch = work::pipeline(&admin, json!([])).await;
        let refused = admin.post(&format!("/api/v1/events/{batch}")).send().await.is(409);
        assert_eq!(refused.text_of("detail"), "the pipeline has no options.event");
        for id in ["pl-01h00000000000000000000000", "x"] {
            for method in ["GET", "POST", "DELETE"] {
                admin.call(method, &format!("/api/v1/events/{id}")).send().await.is(404);
            }
        }
        for (topic, body, status) in [
            ("orders", "[1]".to_owned(), 422),
            ("orders", "{".to_owned(), 422),
            ("a%20b", "{}".to_owned(), 422),
            ("orders", format!("{{\"x\": \"{}\"}}", "y".repeat(70_000)), 413),
        ] {
            admin.post(&format!("/api/v1/events/topics/{topic}/messages")).body("application/json", body).send().await.is(status);
        }
    })
    .await;
}
