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

use super::{client::Client, listener::Peer};

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
    let local = request.extensions().get::<Peer>().is_some_and(|peer| peer.address.ip().to_canonical().is_loopback());
    local || Client::of(&config.trusted_proxies, request.extensions(), request.headers()).is_some_and(|client| client.https)
}
