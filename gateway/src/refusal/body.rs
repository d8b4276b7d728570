//! The body of a refused request, where it may be kept.

use std::time::Duration;

use axum::{body::Body, extract::Request};
use http::Method;
use tokio::sync::Semaphore;

use crate::{
    admission::whole::{self, Read},
    explain::{Kept, MAX_BODY},
};

/// How long a body may take to arrive and be kept.
const WITHIN: Duration = Duration::from_secs(2);

/// Routes whose bodies carry no secrets begin so. Of all others (logins, users, connections, keys, and whatever comes later) no body is
/// kept.
const HARMLESS: [&str; 10] = [
    "/api/v1/jobs",
    "/api/v1/workflows",
    "/api/v1/triggers",
    "/api/v1/stats",
    "/api/v1/collections",
    "/api/v1/datasets",
    "/api/v1/tables",
    "/api/v1/pipelines",
    "/api/v1/batches",
    "/api/v1/events",
];

/// The body of a request, or why it is not kept. The request keeps it, too.
pub(super) async fn kept(request: &mut Request, permits: &Semaphore) -> Kept {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Kept::whole(&[]);
    }
    if !HARMLESS.iter().any(|start| request.uri().path().strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))) {
        return Kept::Not("bodies of this route may carry secrets".to_owned());
    }
    let Ok(_permit) = permits.try_acquire() else { return Kept::Not("too many requests were refused at once".to_owned()) };
    match whole::read(std::mem::take(request.body_mut()), MAX_BODY, WITHIN).await {
        Read::Whole(bytes) => {
            *request.body_mut() = Body::from(bytes.clone());
            Kept::whole(&bytes)
        }
        Read::Rest(rest) => {
            *request.body_mut() = rest;
            Kept::Not(format!("it is longer than {MAX_BODY} bytes, or came too slowly"))
        }
    }
}
