//! Paths that no dialect knows, and known paths with a wrong method: answered in the shape of the API that the path belongs to.

use axum::{
    Json,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::credential::ncp_signature;

/// First segments below `/api/v1` that belong to Data Flow.
const DATA_FLOW: [&str; 4] = ["workflows", "jobs", "triggers", "stats"];

/// 404.
pub(crate) async fn not_found(uri: Uri, headers: HeaderMap) -> Response {
    let body = match family(uri.path()) {
        Family::DataFlow => ncp_not_found(),
        Family::Dhub if ncp_signature::is_present(&headers) => ncp_not_found(),
        Family::Dhub | Family::Madang => json!({"detail": "Not Found"}),
        Family::Ckan => json!({"success": false, "error": {"__type": "Not Found Error", "message": "Not found"}}),
        Family::SpecStore => json!({"error": {"message": "Not Found"}}),
        Family::Dataspace => json!({"code": "NOT_FOUND", "message": "찾을 수 없습니다.", "field": null}),
    };
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

/// 405 (dhub.md section 3), where the router adds `Allow`; Data Flow's gateway knows no such path (dataflow.md 1.5).
pub(crate) async fn wrong_method(uri: Uri) -> Response {
    if matches!(family(uri.path()), Family::DataFlow) {
        return (StatusCode::NOT_FOUND, Json(ncp_not_found())).into_response();
    }
    (StatusCode::METHOD_NOT_ALLOWED, Json(json!({"detail": "Method Not Allowed"}))).into_response()
}

/// The API that a path belongs to (design, first table).
enum Family {
    Dhub,
    DataFlow,
    Ckan,
    SpecStore,
    Dataspace,
    Madang,
}

fn family(path: &str) -> Family {
    let mut segments = path.split('/').skip(1);
    match (segments.next(), segments.next(), segments.next()) {
        (Some("api"), Some("v1"), Some(third)) if DATA_FLOW.contains(&third) => Family::DataFlow,
        (Some("api"), Some("v1"), _) => Family::Dhub,
        (Some("api" | "datastore" | "dataset" | "feeds"), ..) => Family::Ckan,
        (Some("source" | "auth" | "rawstore"), ..) => Family::SpecStore,
        (Some("v1" | "r" | "dataspace"), ..) => Family::Dataspace,
        _ => Family::Madang,
    }
}

/// The gateway's envelope (dataflow.md 1.5).
fn ncp_not_found() -> Value {
    json!({"error": {"errorCode": "300", "message": "Not Found Exception", "details": "URL not found."}})
}
