//! A request that is never finished: its sender is told so, or cut off, and the next one is served. The limits are minutes, so all
//! kinds wait at the same time.

use std::time::{Duration, Instant};

use madang_tests::{Hub, on_every_hub, raw, work};

/// Longer than every limit: the longest is a minute.
const WITHIN: Duration = Duration::from_secs(90);

/// What came back, once the connection was closed.
async fn told(hub: &Hub, bytes: &str) -> String {
    let began = Instant::now();
    let text = tokio::time::timeout(WITHIN, raw::converse(hub, bytes.as_bytes())).await;
    let start: String = bytes.chars().take(60).collect();
    assert!(text.is_ok() && began.elapsed() > Duration::from_secs(5), "after {:?}: {start}", began.elapsed());
    text.unwrap_or_default()
}

fn is_408(text: &str) -> bool {
    text.starts_with("HTTP/1.1 408") && text.contains("\r\nconnection: close\r\n") && text.contains(r#"{"detail":""#)
}

#[tokio::test]
async fn it_is_cut_off() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        let token = format!("host: a\r\nauthorization: Bearer {}\r\n", admin.access_token());
        let body = format!("POST /api/v1/collections HTTP/1.1\r\n{token}content-length: 100\r\n\r\n{{\"name\": ");
        let chunks = format!("POST /api/v1/collections HTTP/1.1\r\n{token}transfer-encoding: chunked\r\n\r\n5\r\n{{\"nam\r\n");
        let form = "content-type: multipart/form-data; boundary=x\r\ncontent-length: 1000\r\n\r\n--x\r\n\
                    content-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\na\n1\n";
        let upload = format!("POST /api/v1/tables/{dataset}/upload HTTP/1.1\r\n{token}{form}");
        let head = format!("GET /api/v1/collections HTTP/1.1\r\n{token}");
        let (body, chunks, upload, head, silent) =
            tokio::join!(told(&hub, &body), told(&hub, &chunks), told(&hub, &upload), told(&hub, &head), told(&hub, ""));
        assert!(is_408(&body), "{body}");
        assert!(is_408(&chunks), "{chunks}");
        assert!(is_408(&upload), "{upload}");
        assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
        assert_eq!(silent, "");
        assert_eq!(work::total_rows(&admin, &dataset).await, 0, "nothing of it is kept");
    })
    .await;
}
