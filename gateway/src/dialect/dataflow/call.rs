//! What a Data Flow handler is given: the caller's context, and for writes the body's fields.

use axum::{
    extract::{FromRequest, FromRequestParts, Request, rejection::QueryRejection},
    http::request::Parts,
};
use madang_kit::{Context, Error, Result, principal::Scheme};
use serde::de::DeserializeOwned;

use super::{error, error::FlowError};
use crate::{
    Gateway,
    dialect::{fields::Fields, request},
};

/// The scheme that opens Data Flow.
const ACCEPTED: [Scheme; 1] = [Scheme::NcpSignature];
/// Characters of an id.
const ID: usize = 12;

/// A read, or a write without a body.
pub(crate) struct Call {
    pub(crate) context: Context,
}

impl FromRequestParts<Gateway> for Call {
    type Rejection = FlowError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, FlowError> {
        let principal = request::caller(&parts.extensions, &ACCEPTED)?;
        let writes = gateway.remembers_writes() && !parts.method.is_safe();
        let key = writes.then(|| request::idempotency_key(&principal, &parts.headers, &parts.extensions, b"")).flatten();
        Ok(Self { context: Context { idempotency_key: key, ..request::context(&parts.extensions, principal) } })
    }
}

/// A write with a JSON object as its body, whatever its type is called; an empty body is an empty object.
pub(crate) struct JsonCall {
    pub(crate) context: Context,
    pub(crate) fields: Fields,
}

impl FromRequest<Gateway> for JsonCall {
    type Rejection = FlowError;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, FlowError> {
        let (extensions, headers, body) = request::split(request);
        let principal = request::caller(&extensions, &ACCEPTED)?;
        let body = request::body(body, gateway.config.body_bytes).await?;
        let key = gateway.remembers_writes().then(|| request::idempotency_key(&principal, &headers, &extensions, &body)).flatten();
        let context = Context { idempotency_key: key, ..request::context(&extensions, principal) };
        Ok(Self { context, fields: Fields::read(&body)? })
    }
}

/// The ids in the path, with the field that each stands for. Callers without a credential learn nothing about them.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Gateway> for Path<T> {
    type Rejection = FlowError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, FlowError> {
        request::caller(&parts.extensions, &ACCEPTED)?;
        let read = axum::extract::Path::from_request_parts(parts, gateway).await;
        Ok(Self(read.map_err(|_| error::no_path())?.0))
    }
}

/// The query string; parameters that nobody knows are left aside.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Gateway> for Query<T> {
    type Rejection = FlowError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, FlowError> {
        request::caller(&parts.extensions, &ACCEPTED)?;
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Error::invalid("query", "control_character", "the query must not contain NUL").into());
        }
        let read: Result<_, QueryRejection> = axum::extract::Query::from_request_parts(parts, gateway).await;
        Ok(Self(read.map_err(|rejection| Error::invalid("query", "encoding", rejection.body_text()))?.0))
    }
}

/// An id of twelve letters and digits; any other text names nothing.
pub(crate) fn id(field: &str, text: &str) -> Result<String> {
    let canonical = text.len() == ID && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if canonical { Ok(text.to_owned()) } else { Err(error::absent(field, text)) }
}
