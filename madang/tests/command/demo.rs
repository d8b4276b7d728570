//! `madang up --demo`: the tutorial's calls are made and printed, and the hub goes on serving.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::hub::{Place, status_of};

const END: &str = "The demo is done";

#[tokio::test]
async fn the_demo_prints_its_calls_and_keeps_serving() {
    let place = Place::new();
    let hub = place.up_with(&["--demo"], &[]).await;
    let began = Instant::now();
    let printed = loop {
        let printed = fs::read_to_string(&hub.output).expect("output");
        if printed.contains(END) {
            break printed;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "the demo does not end: {printed}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let calls: Vec<_> = printed.lines().filter(|line| line.contains(" /api/v1/")).collect();
    assert!(calls.len() >= 9, "{printed}");
    for path in ["auth/login", "collections", "datasets", "upload", "tables", "pipelines", "run", "batches", "traces"] {
        assert!(calls.iter().any(|call| call.contains(path)), "{path}: {printed}");
    }
    assert_eq!(printed.lines().filter(|line| line.trim_start().starts_with("200 OK")).count(), calls.len(), "{printed}");
    assert!(printed.contains("\"rows\":1461") && printed.contains("\"status\":\"completed\""), "{printed}");
    for secret in ["password", "secret_key", "api_key", "ckan_api_token"] {
        assert!(!printed.contains(hub.credentials()[secret].as_str().unwrap_or_default()), "{secret} was printed");
    }
    assert!(!printed.contains("eyJ"), "a token was printed");
    assert_eq!(status_of(hub.get("/healthz")).await, 200);
    assert_eq!(hub.stop().await.0.code(), Some(0));
}
