//! Dataspace's errors (dataspace.md section 10): `{"code", "message", "field"}`.

use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use madang_kit::{Code, Error, error::chain};
use serde_json::json;

/// An error on its way out.
#[derive(Debug)]
pub(crate) enum DataspaceError {
    /// One of our codes.
    Of(Error),
    /// No good credential of a person, where one is asked for.
    SignIn(Error),
    /// The space's plan has no API access.
    PlanRequired,
    /// The body is not JSON.
    NotJson,
    /// Too many requests; seconds to wait.
    Limited(u64),
}

impl From<Error> for DataspaceError {
    fn from(error: Error) -> Self {
        Self::Of(error)
    }
}

impl From<tonic::Status> for DataspaceError {
    fn from(status: tonic::Status) -> Self {
        Self::Of(status.into())
    }
}

/// What is not there, by the field that the service names.
const MISSING: [(&str, &str, &str); 9] = [
    ("survey", "SURVEY_NOT_FOUND", "설문을 찾을 수 없습니다."),
    ("collect_group", "COLLECT_GROUP_NOT_FOUND", "수집그룹을 찾을 수 없습니다."),
    ("panel", "PANEL_NOT_FOUND", "패널을 찾을 수 없습니다."),
    ("profile_variable", "PROFILE_VARIABLE_NOT_FOUND", "프로필 변수를 찾을 수 없습니다."),
    ("profile_option", "PROFILE_OPTION_NOT_FOUND", "프로필 옵션을 찾을 수 없습니다."),
    ("space", "SPACE_NOT_FOUND", "스페이스를 찾을 수 없습니다."),
    ("delivery", "DELIVERY_NOT_FOUND", "전송 기록을 찾을 수 없습니다."),
    ("live_table", "DATASET_NOT_FOUND", "설문에 연결된 데이터셋이 없습니다."),
    ("answer_sheet", "ANSWER_SHEET_NOT_FOUND", "응답지를 찾을 수 없습니다."),
];

/// Why a link takes no answers now, by the rule that the service names.
const CLOSED: [(&str, StatusCode, &str, &str); 5] = [
    ("not_started", StatusCode::NOT_FOUND, "NOT_STARTED", "아직 시작되지 않은 설문입니다."),
    ("paused", StatusCode::FORBIDDEN, "PAUSED", "일시 중지된 설문입니다."),
    ("completed", StatusCode::GONE, "COMPLETED", "종료된 설문입니다."),
    ("full", StatusCode::GONE, "FULL", "목표 응답 수에 도달하여 마감되었습니다."),
    ("answered", StatusCode::CONFLICT, "ALREADY_ANSWERED", "이미 응답하셨습니다."),
];

/// The one table from our codes to statuses.
fn named(error: &Error) -> (StatusCode, &'static str, &'static str) {
    let problem = error.fields.first();
    let thing = problem.and_then(|problem| MISSING.iter().find(|row| row.0 == problem.field));
    let closed = problem.and_then(|problem| CLOSED.iter().find(|row| row.0 == problem.rule && problem.field == "serial"));
    if let Some((_, status, code, message)) = closed {
        return (*status, code, message);
    }
    match error.code {
        Code::Invalid if problem.is_some_and(|problem| problem.rule == "channel") => (StatusCode::BAD_REQUEST, "UNSUPPORTED_CHANNEL", ""),
        Code::Invalid => (StatusCode::BAD_REQUEST, "INVALID_PARAMETER", ""),
        Code::Unauthenticated => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "인증에 실패했습니다."),
        Code::Denied | Code::NotVisible => (StatusCode::FORBIDDEN, "FORBIDDEN", "권한이 없습니다."),
        Code::NotFound => (StatusCode::NOT_FOUND, thing.map_or("NOT_FOUND", |row| row.1), thing.map_or("찾을 수 없습니다.", |row| row.2)),
        Code::AlreadyExists => (StatusCode::CONFLICT, "DUPLICATE", ""),
        Code::Conflict => (StatusCode::CONFLICT, "CONFLICT", ""),
        Code::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE", ""),
        Code::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", "요청 한도를 초과했습니다."),
        Code::TimedOut => (StatusCode::REQUEST_TIMEOUT, "TIMEOUT", ""),
        Code::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "잠시 후 다시 시도해 주세요."),
        Code::NotImplemented => (StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", ""),
        Code::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "서버 오류가 발생했습니다."),
    }
}

impl DataspaceError {
    /// What it is called in `code`.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Of(error) | Self::SignIn(error) => named(error).1,
            Self::PlanRequired => "PLAN_REQUIRED",
            Self::NotJson => "UNSUPPORTED_MEDIA_TYPE",
            Self::Limited(_) => "TOO_MANY_REQUESTS",
        }
    }
}

impl IntoResponse for DataspaceError {
    fn into_response(self) -> Response {
        match self {
            Self::Of(error) => of(error, r#"Basic realm="dataspace""#),
            Self::SignIn(error) => of(error, r#"Bearer realm="dataspace""#),
            Self::PlanRequired => answer(StatusCode::PAYMENT_REQUIRED, "PLAN_REQUIRED", "현재 플랜에서는 API를 사용할 수 없습니다.", None),
            Self::NotJson => answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", "요청 본문은 JSON이어야 합니다.", None),
            Self::Limited(seconds) => {
                let mut response = answer(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", "요청 한도를 초과했습니다.", None);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
        }
    }
}

/// `challenge` tells who was not let in how to come again (dataspace.md section 2; `/dataspace/v1` takes a person's token).
fn of(error: Error, challenge: &'static str) -> Response {
    let (status, code, message) = named(&error);
    if let Some(cause) = error.cause {
        tracing::error!(code = error.code.name(), error = %chain(cause.as_ref()), "request failed");
    }
    let field = error.fields.first().map(|problem| problem.field.as_str()).filter(|_| error.code != Code::NotFound);
    let message = if message.is_empty() { &error.message } else { message };
    let mut response = answer(status, code, message, field);
    if error.code == Code::Unauthenticated {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if matches!(error.code, Code::RateLimited | Code::Unavailable) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn answer(status: StatusCode, code: &str, message: &str, field: Option<&str>) -> Response {
    (status, Json(json!({"code": code, "message": message, "field": field}))).into_response()
}
