//! Plain HTTP is for loopback and for a trusted proxy that says `https`; anything else gets HTTPS only.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use madang_kit::config::Config;
use serde_json::json;

use super::listener::Peer;

/// Refuses plain requests from elsewhere.
pub(crate) async fn refuse(State(config): State<Arc<Config>>, request: Request, next: Next) -> Response {
    if is_fine(&config, &request) {
        return next.run(request).await;
    }
    let detail = "use https";
    (StatusCode::BAD_REQUEST, Json(json!({"error": {"errorCode": "100", "message": "Bad Request Exception", "details": detail}})))
        .into_response()
}

fn is_fine(config: &Config, request: &Request) -> bool {
    let Some(peer) = request.extensions().get::<Peer>() else { return false };
    let address = peer.address.ip().to_canonical(); // an IPv4 peer of an IPv6 socket is an IPv4 peer
    if peer.tls || address.is_loopback() {
        return true;
    }
    let forwarded = request.headers().get("x-forwarded-proto").is_some_and(|value| value == "https");
    forwarded && config.trusted_proxies.contains(&address)
}
