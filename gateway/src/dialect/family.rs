//! The API that a path belongs to (design, first table), for answers that no handler gives.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// First segments below `/api/v1` that belong to Data Flow.
const DATA_FLOW: [&str; 4] = ["workflows", "jobs", "triggers", "stats"];

/// An API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Dhub,
    DataFlow,
    Ckan,
    SpecStore,
    Dataspace,
    Madang,
}

impl Family {
    /// The API of a path.
    pub(crate) fn of(path: &str) -> Self {
        let mut segments = path.split('/').skip(1);
        match (segments.next(), segments.next(), segments.next()) {
            (Some("api"), Some("v1"), Some(third)) if DATA_FLOW.contains(&third) => Self::DataFlow,
            (Some("api"), Some("v1"), _) => Self::Dhub,
            (Some("api" | "datastore" | "dataset" | "feeds" | "uploads"), ..) => Self::Ckan,
            (Some("source" | "auth" | "rawstore" | "resolver" | "metastore" | "storage"), ..) => Self::SpecStore,
            (Some("v1" | "r" | "dataspace"), ..) => Self::Dataspace,
            _ => Self::Madang,
        }
    }

    /// Its name in counters.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dhub => "dhub",
            Self::DataFlow => "dataflow",
            Self::Ckan => "ckan",
            Self::SpecStore => "spec-store",
            Self::Dataspace => "dataspace",
            Self::Madang => "madang",
        }
    }

    /// 404.
    pub(crate) fn not_found(self) -> Value {
        match self {
            Self::DataFlow => envelope("300", "Not Found Exception", "URL not found."),
            Self::Dhub | Self::Madang => json!({"detail": "Not Found"}),
            Self::Ckan => json!({"success": false, "error": {"__type": "Not Found Error", "message": "Not found"}}),
            Self::SpecStore => json!({"error": {"message": "Not Found"}}),
            Self::Dataspace => json!({"code": "NOT_FOUND", "message": "찾을 수 없습니다.", "field": null}),
        }
    }

    /// 405. Data Flow's gateway knows no such path (dataflow.md 1.5).
    pub(crate) fn wrong_method(self) -> Value {
        match self {
            Self::DataFlow => self.not_found(),
            Self::SpecStore => json!({"error": {"message": "Method Not Allowed"}}),
            Self::Dataspace => json!({"code": "METHOD_NOT_ALLOWED", "message": "허용되지 않는 메서드입니다.", "field": null}),
            Self::Dhub | Self::Madang | Self::Ckan => json!({"detail": "Method Not Allowed"}),
        }
    }

    /// 400 for plain HTTP from where it is not served.
    pub(crate) fn plain(self) -> Response {
        let detail = "use https";
        let body = match self {
            Self::DataFlow => envelope("100", "Bad Request Exception", detail),
            Self::Dhub | Self::Madang => json!({"detail": detail}),
            Self::Ckan => json!({"success": false, "error": {"__type": "Bad Request", "message": detail}}),
            Self::SpecStore => json!({"error": {"message": detail}}),
            Self::Dataspace => json!({"code": "INVALID_PARAMETER", "message": "HTTPS로 요청해 주세요.", "field": null}),
        };
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }

    /// 429, with the seconds after which it is worth another try.
    pub(crate) fn limited(self, limit: Limit, retry_after: u64) -> Response {
        let (code, message, detail) = limit.words();
        let body = match self {
            Self::DataFlow => envelope(code, message, detail),
            Self::Dhub | Self::Madang => json!({"detail": detail}),
            Self::Ckan => json!({"success": false, "error": {"__type": "Rate Limit Error", "message": detail}}),
            Self::SpecStore => json!({"error": {"message": detail}}),
            Self::Dataspace => json!({"code": "TOO_MANY_REQUESTS", "message": "요청 한도를 초과했습니다.", "field": null}),
        };
        let mut response = (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response();
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
        response
    }
}

/// A limit on signed requests (dataflow.md 1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Requests a calendar day of the key's usage plan.
    Day,
    /// Requests a calendar month of the key's usage plan.
    Month,
    /// Requests a second of all callers of an API together.
    Throttle,
    /// Requests a second of the key's usage plan.
    Rate,
}

impl Limit {
    /// The gateway's code and message, and which limit it was.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Day => ("400", "Quota Exceeded", "The usage plan's requests of this day are used up."),
            Self::Month => ("400", "Quota Exceeded", "The usage plan's requests of this month are used up."),
            Self::Throttle => ("410", "Throttle Limited", "The requests a second of all callers are used up."),
            Self::Rate => ("420", "Rate Limited", "The usage plan's requests a second are used up."),
        }
    }
}

/// The gateway's envelope (dataflow.md 1.5).
pub(crate) fn envelope(code: &str, message: &str, details: &str) -> Value {
    json!({"error": {"errorCode": code, "message": message, "details": details}})
}
