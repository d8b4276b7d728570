//! What operators look at: `/healthz`, `/readyz`, `/metrics`.

use madang_tests::on_every_hub;
use serde_json::json;

#[tokio::test]
async fn a_serving_hub_says_that_every_part_is_ready() {
    on_every_hub(|hub| async move {
        let visitor = hub.visitor();
        visitor.get("/healthz").send().await.is_exactly(200, r#"{"status":"ok"}"#);
        let ready = visitor.get("/readyz").send().await.is(200).json();
        assert_eq!(ready["ready"], json!(true));
        let parts = ready["parts"].as_object().expect("parts");
        assert!(parts.len() >= 3 && parts.values().all(|state| state == "ready"), "{ready}");
    })
    .await;
}

#[tokio::test]
async fn requests_are_counted_without_their_targets() {
    on_every_hub(|hub| async move {
        let visitor = hub.visitor();
        visitor.get("/api/v1/batches/a-name-that-nobody-should-count?token=hunter2").send().await.is_unauthenticated();
        let metrics = visitor.get("/metrics").send().await.is(200);
        assert!(metrics.text.lines().any(|line| line.starts_with("madang_http_requests_total{")), "{metrics}");
        assert!(!metrics.text.contains("nobody-should-count") && !metrics.text.contains("hunter2"), "{metrics}");
    })
    .await;
}
