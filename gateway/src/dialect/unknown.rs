//! Paths that no dialect knows, and known paths with a wrong method: answered in the shape of the API that the path belongs to.

use axum::{
    Json,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};

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
    let family = Family::of(uri.path());
    let status = if family == Family::DataFlow { StatusCode::NOT_FOUND } else { StatusCode::METHOD_NOT_ALLOWED };
    (status, Json(family.wrong_method())).into_response()
}
