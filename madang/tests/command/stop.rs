//! Stopping: at once when nothing is going on, and never in the middle of an answer.

use std::time::Duration;

use crate::hub::{Place, json_of};

#[tokio::test]
async fn an_idle_hub_exits_within_a_second() {
    let place = Place::new();
    let hub = place.up().await;
    let (status, after) = hub.stop().await;
    assert_eq!(status.code(), Some(0));
    assert!(after < Duration::from_secs(1), "{after:?}");
}

/// A client that keeps its connection for later does not hold the hub.
#[tokio::test]
async fn an_idle_connection_does_not_hold_it() {
    let place = Place::new();
    let hub = place.up().await;
    let admin = hub.admin().await;
    let dataset = hub.dataset(&admin).await;
    json_of(hub.upload(&admin, &dataset, "a\n1\n")).await;
    let (status, after) = hub.stop().await;
    assert_eq!(status.code(), Some(0));
    assert!(after < Duration::from_secs(1), "{after:?}");
}

/// Whoever was let in gets his answer.
#[tokio::test]
async fn a_request_that_is_under_way_is_answered() {
    let place = Place::new();
    let hub = place.up().await;
    let admin = hub.admin().await;
    let dataset = hub.dataset(&admin).await;
    let text = format!("a\n{}", "1\n".repeat(20_000));
    let upload = tokio::spawn(json_of(hub.upload(&admin, &dataset, &text)));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (status, _) = hub.stop().await;
    assert_eq!(upload.await.expect("an answer")["rows"], 20_000);
    assert_eq!(status.code(), Some(0));
    let again = place.up().await;
    let page = json_of(again.get(&format!("/api/v1/tables/{dataset}?page_size=1")).headers(again.admin().await)).await;
    assert_eq!(page["total_rows"], 20_000);
}
