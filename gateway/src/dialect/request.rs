//! What dialects read from a request: the credential, the request's name, a bounded body, an idempotency key.

use std::time::Duration;

use aws_lc_rs::digest::{Context as Hasher, SHA256};
use axum::{
    body::Body,
    extract::Request,
    http::{Extensions, HeaderMap},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use madang_kit::{Code, Context, Error, Principal, Result, principal::Scheme};

use crate::{
    credential::{Credential, RawTarget, ncp_signature},
    edge::RequestId,
};

/// How long a small body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// The caller, if one of these schemes proved him.
///
/// # Errors
/// [`Code::Unauthenticated`] for everybody else, whatever the reason; [`Code::Unavailable`] if nobody can be told apart now.
pub(crate) fn caller(extensions: &Extensions, accepted: &[Scheme]) -> Result<Principal> {
    match extensions.get::<Credential>() {
        Some(Credential::Principal(principal)) if accepted.contains(&principal.scheme) => Ok(principal.clone()),
        Some(Credential::Unavailable) => Err(Error::new(Code::Unavailable, "credentials can't be checked now")),
        Some(Credential::Refused(refusal)) => {
            tracing::info!(reason = %refusal, "credential refused");
            Err(Error::new(Code::Unauthenticated, "Could not validate credentials"))
        }
        _ => Err(Error::new(Code::Unauthenticated, "Not authenticated")),
    }
}

/// The context that goes with the calls of this request.
pub(crate) fn context(extensions: &Extensions, principal: Principal) -> Context {
    let request_id = extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    Context { principal, request_id, idempotency_key: None }
}

/// Reads a whole body of bounded size within a bounded time.
pub(crate) async fn body(body: Body, limit: usize) -> Result<Bytes> {
    let read = tokio::time::timeout(BODY_WITHIN, Limited::new(body, limit).collect());
    match read.await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Error::new(Code::TooLarge, format!("the body may have at most {limit} bytes")))
        }
        Ok(Err(_)) => Err(Error::invalid("body", "incomplete", "the body ended early")),
        Err(_) => Err(Error::new(Code::TimedOut, "the body took too long")),
    }
}

/// The key under which a signed write is remembered (dataflow.md 1.3, rule 13): equal for the same request sent again, different
/// for another body under the same signature. `None` for requests that are not signed.
pub(crate) fn idempotency_key(principal: &Principal, headers: &HeaderMap, extensions: &Extensions, body: &[u8]) -> Option<String> {
    if principal.scheme != Scheme::NcpSignature {
        return None;
    }
    let signature = headers.get(ncp_signature::SIGNATURE)?;
    let mut hasher = Hasher::new(&SHA256);
    for part in [signature.as_bytes(), extensions.get::<RawTarget>()?.0.as_bytes(), body] {
        hasher.update(&part.len().to_le_bytes());
        hasher.update(part);
    }
    Some(STANDARD.encode(hasher.finish().as_ref()))
}

/// Splits what extractors need from the body.
pub(crate) fn split(request: Request) -> (Extensions, HeaderMap, Body) {
    let (parts, body) = request.into_parts();
    (parts.extensions, parts.headers, body)
}
