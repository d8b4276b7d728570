//! The one table from our codes to the Spec Store's statuses. Its clients read `error.message` (spec-store.md 1.3).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use madang_kit::{Code, Error, error::chain};
use serde_json::json;

/// A refusal.
pub(super) struct SpecError(Error);

impl From<Error> for SpecError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<tonic::Status> for SpecError {
    fn from(status: tonic::Status) -> Self {
        Self(status.into())
    }
}

/// The status of a code.
pub(super) fn status(code: Code) -> StatusCode {
    match code {
        Code::Invalid | Code::Conflict | Code::AlreadyExists => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Denied => StatusCode::FORBIDDEN,
        Code::NotFound | Code::NotVisible => StatusCode::NOT_FOUND,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::TimedOut => StatusCode::REQUEST_TIMEOUT,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for SpecError {
    fn into_response(self) -> Response {
        let Self(error) = self;
        if let Some(cause) = &error.cause {
            tracing::error!(code = error.code.name(), error = %chain(cause.as_ref()), "call failed");
        }
        let mut response = (status(error.code), Json(json!({"error": {"message": error.message}}))).into_response();
        if matches!(error.code, Code::Unavailable | Code::RateLimited) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("30"));
        }
        response
    }
}
