//! Data Flow's errors. What the gateway itself refuses has its envelope `{"error": {…}}` (dataflow.md 1.5); what the service refuses is
//! a problem document with an `errorType` (2.2). A handler's error names neither path nor kind: [`tell`] adds what the request knows.

use axum::{
    Json,
    extract::Request,
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use madang_kit::{
    Code, Error,
    error::{FieldProblem, chain},
};
use serde_json::{Map, Value, json};

/// Fields that name a thing of the path, and the thing's kind.
const KINDS: [(&str, &str, &str); 4] = [
    ("job_id", "jobId", "JOB"),
    ("workflow_id", "workflowId", "WORKFLOW"),
    ("trigger_id", "triggerId", "TRIGGER"),
    ("execution_id", "jobExecutionId", "JOB_EXECUTION"),
];
const PREFIX: &str = "/api/v1";
/// Seconds to wait before the next try.
const RETRY: &str = "30";

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct FlowError {
    error: Box<Error>,
    /// The nodes that the request sent: fields name them by their places.
    nodes: Option<Value>,
}

impl From<Error> for FlowError {
    fn from(error: Error) -> Self {
        Self { error: Box::new(error), nodes: None }
    }
}

impl From<tonic::Status> for FlowError {
    fn from(status: tonic::Status) -> Self {
        Error::from(status).into()
    }
}

impl FlowError {
    /// An error about nodes.
    pub(crate) fn of_nodes(error: impl Into<Error>, nodes: &Value) -> Self {
        Self { error: Box::new(error.into()), nodes: Some(nodes.clone()) }
    }
}

/// What a problem document says, without what the request knows.
#[derive(Clone, Debug)]
struct Problem {
    status: StatusCode,
    /// Without the kind.
    kind: &'static str,
    message: Option<&'static str>,
    /// The kind of the thing that is absent.
    thing: Option<&'static str>,
    detail: String,
    errors: Vec<Value>,
}

/// The one table from our codes to the service's error types; `None` if the gateway answers.
fn problem(code: Code, fields: &[FieldProblem]) -> Option<(StatusCode, &'static str, Option<&'static str>)> {
    let linked = fields.first().map_or("", |problem| problem.rule.as_str());
    Some(match (code, linked) {
        (Code::NotFound, "path") | (Code::Unauthenticated | Code::TooLarge | Code::RateLimited | Code::TimedOut | Code::Unavailable, _) => {
            return None;
        }
        (Code::NotFound | Code::NotVisible, "absent") => (StatusCode::NOT_FOUND, "resource-not-found", None),
        (Code::NotFound | Code::NotVisible, _) | (Code::Invalid, "client-resource-not-found") => {
            (StatusCode::BAD_REQUEST, "client-resource-not-found", Some("The resource can't be found."))
        }
        (Code::Denied, _) | (Code::Invalid, "client-unauthorized") => {
            (StatusCode::BAD_REQUEST, "client-unauthorized", Some("You don't have permissions."))
        }
        (Code::Invalid, "client-request-failed") => (StatusCode::BAD_REQUEST, "client-request-failed", Some("Failed to the request.")),
        (Code::Invalid | Code::AlreadyExists | Code::NotImplemented, _) => {
            (StatusCode::BAD_REQUEST, "bad-parameter", Some("Check the parameters."))
        }
        (Code::Conflict, _) => (StatusCode::BAD_REQUEST, "bad-state", Some("Check the status.")),
        (Code::Internal, _) => (StatusCode::INTERNAL_SERVER_ERROR, "unknown-resource-action", Some("An unexpected error has occurred.")),
    })
}

/// What the gateway answers by itself: status, code, message, details.
fn envelope(code: Code) -> (StatusCode, &'static str, &'static str, &'static str) {
    match code {
        Code::Unauthenticated => (StatusCode::UNAUTHORIZED, "200", "Authentication Failed", "Invalid authentication information."),
        Code::NotFound => (StatusCode::NOT_FOUND, "300", "Not Found Exception", "URL not found."),
        Code::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "430", "Request Entity Too Large", "The body is larger than it may be."),
        Code::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "410", "Throttle Limited", "Too many executions wait."),
        Code::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "500", "Endpoint Error", "The service is not available."),
        Code::TimedOut => (StatusCode::BAD_REQUEST, "100", "Bad Request Exception", "The body took too long."),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "900", "Unexpected Error", "Unexpected error."),
    }
}

impl IntoResponse for FlowError {
    fn into_response(self) -> Response {
        let Error { code, message, fields, cause } = *self.error;
        if let Some(cause) = cause {
            tracing::error!(code = code.name(), error = %chain(cause.as_ref()), "request failed");
        }
        let Some((status, kind, general)) = problem(code, &fields) else {
            let (status, number, message, details) = envelope(code);
            let body = json!({"error": {"errorCode": number, "message": message, "details": details}});
            let mut response = (status, Json(body)).into_response();
            if matches!(code, Code::RateLimited | Code::Unavailable) {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY));
            }
            return response;
        };
        let absent = fields.first().and_then(|problem| KINDS.iter().find(|row| row.0 == problem.field).map(|row| (row, &problem.message)));
        let detail = match (absent, fields.first()) {
            (Some((row, id)), _) if kind == "resource-not-found" => format!("{{{}={id}}}: Unable to find.", row.1),
            (_, Some(first)) => first.message.clone(),
            (_, None) => message,
        };
        let errors = if fields.len() > 1 || fields.iter().any(|problem| problem.field.starts_with("nodes.")) {
            fields.iter().map(|problem| told(problem, self.nodes.as_ref())).collect()
        } else {
            Vec::new()
        };
        let problem = Problem { status, kind, message: general, thing: absent.map(|(row, _)| row.2), detail, errors };
        let mut response = status.into_response();
        response.extensions_mut().insert(problem);
        response
    }
}

/// `nodes.2.fieldList` becomes the id of the third node and `fieldList`.
fn told(problem: &FieldProblem, nodes: Option<&Value>) -> Value {
    let mut told = Map::new();
    let mut field = problem.field.as_str();
    if let Some((place, rest)) = field.strip_prefix("nodes.").map(|rest| rest.split_once('.').unwrap_or((rest, ""))) {
        let id = nodes.and_then(|nodes| place.parse::<usize>().ok().and_then(|place| nodes.get(place)?.get("id").cloned()));
        if let Some(id) = id {
            told.insert("nodeId".to_owned(), id);
            field = rest;
        }
    }
    told.insert("field".to_owned(), field.into());
    told.insert("message".to_owned(), problem.message.clone().into());
    Value::Object(told)
}

/// Writes problem documents, which name the path that was asked for.
pub(super) async fn tell(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let asked = path.strip_prefix(PREFIX).unwrap_or(&path);
    let kind = match (problem.kind, problem.thing) {
        ("resource-not-found", Some(thing)) => format!("{}/{thing}", problem.kind),
        ("unknown-resource-action", _) => format!("{}/{}", problem.kind, kind_of(asked)),
        _ => problem.kind.to_owned(),
    };
    let mut body = json!({
        "type": "about:blank", "title": problem.status.canonical_reason(), "status": problem.status.as_u16(), "detail": problem.detail,
        "instance": format!("/dataflow/api{asked}"), "errorType": kind,
    });
    if let Some(message) = problem.message {
        body["message"] = message.into();
    }
    if !problem.errors.is_empty() {
        body["errors"] = problem.errors.into();
    }
    let mut told = (problem.status, Json(body)).into_response();
    told.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    *told.extensions_mut() = std::mem::take(response.extensions_mut());
    told
}

/// The kind of thing that a path is about.
fn kind_of(path: &str) -> &'static str {
    match path {
        _ if path.starts_with("/stats") || path.contains("/executions") => "JOB_EXECUTION",
        _ if path.starts_with("/workflows") => "WORKFLOW",
        _ if path.starts_with("/triggers") => "TRIGGER",
        _ => "JOB",
    }
}

/// There is no such thing.
pub(crate) fn absent(field: &str, id: &str) -> Error {
    not_found(field, "absent", id)
}

/// The path is none.
pub(crate) fn no_path() -> Error {
    not_found("path", "path", "")
}

fn not_found(field: &str, rule: &str, message: &str) -> Error {
    let problem = FieldProblem { field: field.to_owned(), rule: rule.to_owned(), message: message.to_owned() };
    Error { fields: vec![problem], ..Error::new(Code::NotFound, "not found") }
}
