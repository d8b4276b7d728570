//! Requests written byte by byte on a socket of their own, for what no well-behaved client sends.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::Hub;

/// What came back over the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body as it came.
    pub body: String,
}

/// A request with this head and body; the missing headers of the connection are added.
pub fn request(call: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let length = body.len().to_string();
    let ours = [("host", "127.0.0.1"), ("connection", "close"), ("content-length", &length)];
    let lines: String = ours.iter().chain(headers).flat_map(|(name, value)| [*name, ": ", *value, "\r\n"]).collect();
    [format!("{call} HTTP/1.1\r\n{lines}\r\n").as_bytes(), body].concat()
}

/// Writes all bytes, or as many as the hub takes, and reads what it says meanwhile.
pub async fn exchange(hub: &Hub, bytes: &[u8]) -> Reply {
    let text = converse(hub, bytes).await;
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    assert!(status.is_some_and(|status: u16| status < 500), "a reply: {text}");
    let body = text.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned());
    Reply { status: status.unwrap_or_default(), body }
}

/// Writes all bytes and nothing more, as a sender that breaks off; gives what came back, if anything did.
pub async fn break_off(hub: &Hub, bytes: &[u8]) -> String {
    let mut connection = TcpStream::connect(hub.http.trim_start_matches("http://")).await.expect("a connection");
    connection.write_all(bytes).await.expect("written");
    connection.shutdown().await.expect("shut down");
    let mut text = Vec::new();
    let _ = connection.read_to_end(&mut text).await; // a hub that closes early may reset
    String::from_utf8_lossy(&text).into_owned()
}

/// The same with several requests on one connection; gives everything that came back.
pub async fn converse(hub: &Hub, bytes: &[u8]) -> String {
    let address = hub.http.trim_start_matches("http://");
    let (mut reading, mut writing) = TcpStream::connect(address).await.expect("a connection").into_split();
    let mut text = Vec::new();
    let _ = tokio::join!(writing.write_all(bytes), reading.read_to_end(&mut text)); // a hub that closes early may reset
    String::from_utf8_lossy(&text).into_owned()
}
