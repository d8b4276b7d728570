//! Request ids and the access log. Query strings are never logged: they may carry credentials and personal values.

use std::{any::Any, time::Instant};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header::CONTENT_TYPE},
    middleware::Next,
    response::Response,
};
use madang_kit::Id;

use crate::credential::LoggedUser;

const REQUEST_ID: &str = "x-request-id";

/// The name of this request in logs, audit records and the answer's `x-request-id`.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Names the request, and logs it when its answer begins.
pub(crate) async fn log(mut request: Request, next: Next) -> Response {
    let id = Id::generate().ulid_lower();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let started = Instant::now();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    let (status, seconds) = (response.status().as_u16(), started.elapsed().as_secs_f64());
    let user = response.extensions().get::<LoggedUser>().map(|user| user.0.to_string()).unwrap_or_default();
    tracing::info!(request_id = %id, %method, path, status, seconds, user, "request");
    metrics::counter!("madang_http_requests_total", "method" => label(&method), "status" => status.to_string()).increment(1);
    metrics::histogram!("madang_http_request_seconds").record(seconds);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The method in metrics. Anybody can make up methods, and each label is kept for ever.
fn label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// The answer when a handler panicked: a defect, logged with its text.
#[expect(clippy::needless_pass_by_value, reason = "the layer passes it by value")]
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("(no text)"), "a handler panicked");
    let mut response = Response::new(Body::from(r#"{"detail":"Internal Server Error"}"#));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
