//! D.Hub's errors (dhub.md section 3): `{"detail": "<text>"}`, and 422 with a list that names each field.

use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use madang_kit::{
    Code, Error,
    error::{FieldProblem, chain},
};
use serde_json::{Value, json};

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct DhubError {
    error: Error,
    /// Where the fields at fault stand: `body`, `query`, `path` or `header`.
    place: &'static str,
    /// Instead of 422.
    bad_request: bool,
}

impl From<Error> for DhubError {
    fn from(error: Error) -> Self {
        Self { error, place: "body", bad_request: false }
    }
}

impl From<tonic::Status> for DhubError {
    fn from(status: tonic::Status) -> Self {
        Error::from(status).into()
    }
}

impl DhubError {
    /// 400 with one text.
    pub(crate) fn bad_request(error: Error) -> Self {
        Self { error, place: "body", bad_request: true }
    }

    /// The fields at fault stand in the path.
    pub(crate) fn in_path(error: Error) -> Self {
        Self { error, place: "path", bad_request: false }
    }

    /// The fields at fault are headers.
    pub(crate) fn in_header(error: Error) -> Self {
        Self { error, place: "header", bad_request: false }
    }

    /// The fields at fault stand in the query string.
    pub(crate) fn in_query(error: Error) -> Self {
        Self { error, place: "query", bad_request: false }
    }
}

/// The one table from our codes to D.Hub's statuses.
fn status(code: Code) -> StatusCode {
    match code {
        Code::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Denied => StatusCode::FORBIDDEN,
        Code::NotFound | Code::NotVisible => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Conflict => StatusCode::CONFLICT,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::TimedOut => StatusCode::REQUEST_TIMEOUT,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for DhubError {
    fn into_response(self) -> Response {
        let Error { code, message, fields, cause } = self.error;
        if let Some(cause) = cause {
            tracing::error!(code = code.name(), error = %chain(cause.as_ref()), "request failed");
        }
        let detail = if fields.is_empty() || self.bad_request { Value::String(message) } else { problems(self.place, &fields) };
        let status = if self.bad_request { StatusCode::BAD_REQUEST } else { status(code) };
        let mut response = (status, Json(json!({"detail": detail}))).into_response();
        if code == Code::Unauthenticated {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(code, Code::RateLimited | Code::Unavailable) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("30"));
        }
        response
    }
}

/// `[{"loc": ["body","steps",0,"name"], "msg": …, "type": …}]`
fn problems(place: &str, fields: &[FieldProblem]) -> Value {
    let problem = |problem: &FieldProblem| {
        let mut loc = vec![Value::from(place)];
        loc.extend(problem.field.split('.').map(|part| part.parse::<u64>().map_or_else(|_| Value::from(part), Value::from)));
        json!({"loc": loc, "msg": problem.message, "type": problem.rule})
    };
    fields.iter().map(problem).collect()
}
