//! `/healthz`, `/readyz` and `/metrics`.

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use futures::future::join_all;
use madang_kit::rpc;
use serde_json::{Map, Value, json};

use crate::Gateway;

pub(crate) fn routes(gateway: Gateway) -> Router {
    Router::new()
        .route("/healthz", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(gateway)
}

/// Says what is ready and what is not, part by part.
async fn ready(State(gateway): State<Gateway>) -> impl IntoResponse {
    let checks = gateway.parts.iter().map(|(name, channel)| async move { (*name, rpc::check_health(channel.clone()).await) });
    let mut parts: Vec<_> = join_all(checks).await;
    let database = if gateway.identity.db.answers().await { Ok(()) } else { Err("it does not answer".to_owned()) };
    parts.push(("gateway database", database));
    let ready = parts.iter().all(|(_, state)| state.is_ok());
    let words = parts.into_iter().map(|(name, state)| (name.to_owned(), Value::String(state.err().unwrap_or_else(|| "ready".to_owned()))));
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": ready, "parts": words.collect::<Map<_, _>>()})))
}

/// Counts in Prometheus' text format.
async fn metrics(State(gateway): State<Gateway>) -> impl IntoResponse {
    let text = gateway.metrics.as_ref().map(|render| render()).unwrap_or_default();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}
