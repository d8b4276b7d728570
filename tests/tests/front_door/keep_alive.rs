//! A refusal that leaves a body unread does not spoil the connection for the next request.

use madang_tests::{on_every_hub, raw};

const LAST: &str = "GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";

/// A request that nobody may make, with a body of so many bytes, and a harmless one behind it.
fn refused_then_harmless(bytes: usize) -> Vec<u8> {
    let head = format!("POST /api/v1/datasets HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {bytes}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; bytes], LAST.as_bytes().to_vec()].concat()
}

#[tokio::test]
async fn a_short_rest_is_read() {
    on_every_hub(|hub| async move {
        for bytes in [1, 60_000] {
            let text = raw::converse(&hub, &refused_then_harmless(bytes)).await;
            let statuses: Vec<_> = text.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
            assert_eq!(statuses, ["401", "200"], "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn before_a_long_rest_the_connection_closes_and_says_so() {
    on_every_hub(|hub| async move {
        let text = raw::converse(&hub, &refused_then_harmless(300_000)).await;
        if !text.is_empty() {
            assert!(text.starts_with("HTTP/1.1 401") && text.contains("\r\nconnection: close\r\n"), "{text}");
            assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
        }
    })
    .await;
}
