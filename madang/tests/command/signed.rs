//! Signed requests to a hub of a test's own.

use std::time::SystemTime;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::hub::Hub;

/// A request signed with a key as `credentials.json` and `madang key create` have it; the signer's clock is so far ahead.
pub(crate) fn request(hub: &Hub, key: &Value, method: Method, target: &str, ahead_ms: i64) -> RequestBuilder {
    let text = |name: &str| key[name].as_str().expect("both halves of a key");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis();
    let timestamp = (i64::try_from(now).expect("a time") + ahead_ms).to_string();
    let signature = madang_gateway::sign(method.as_str(), target, &timestamp, text("access_key"), text("secret_key"));
    let request = hub.call(method, target).header("x-ncp-apigw-timestamp", timestamp);
    request.header("x-ncp-iam-access-key", text("access_key")).header("x-ncp-apigw-signature-v2", signature)
}

/// The status of a signed GET, and its `Retry-After`.
pub(crate) async fn get(hub: &Hub, key: &Value, target: &str) -> (u16, String) {
    get_at(hub, key, target, 0).await
}

/// The same with a clock that is ahead.
pub(crate) async fn get_at(hub: &Hub, key: &Value, target: &str, ahead_ms: i64) -> (u16, String) {
    let answer = request(hub, key, Method::GET, target, ahead_ms).send().await.expect("an answer");
    let wait = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    (answer.status().as_u16(), wait)
}
