//! Paths that no dialect knows, and known paths with a wrong method: answered in the shape of the API that the path belongs to.

use axum::{
    Json,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::family::Family;
use crate::credential::ncp_signature;

/// 404.
pub(crate) async fn not_found(uri: Uri, headers: HeaderMap) -> Response {
    let family = match Family::of(uri.path()) {
        Family::Dhub if ncp_signature::is_present(&headers) => Family::DataFlow,
        family => family,
    };
    (StatusCode::NOT_FOUND, Json(family.not_found())).into_response()
}

/// 405 (dhub.md section 3), where the router adds `Allow`; Data Flow's gateway knows no such path (dataflow.md 1.5).
pub(crate) async fn wrong_method(uri: Uri) -> Response {
    let body = match Family::of(uri.path()) {
        Family::DataFlow => return (StatusCode::NOT_FOUND, Json(Family::DataFlow.not_found())).into_response(),
        Family::Dataspace => json!({"code": "METHOD_NOT_ALLOWED", "message": "허용되지 않는 메서드입니다.", "field": null}),
        _ => json!({"detail": "Method Not Allowed"}),
    };
    (StatusCode::METHOD_NOT_ALLOWED, Json(body)).into_response()
}
