//! What a D.Hub handler is given: the caller's context, and for writes the body's fields.

use axum::{
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{PathRejection, QueryRejection},
    },
    http::request::Parts,
};
use madang_kit::{Context, Error, Id, principal::Scheme};

use super::{error::DhubError, fields::Fields};
use crate::{Gateway, dialect::request};

/// Schemes that open D.Hub.
const ACCEPTED: [Scheme; 2] = [Scheme::BearerJwt, Scheme::NcpSignature];

/// A read, or a write whose body the handler streams itself: then the idempotency key does not cover the body yet.
pub(crate) struct Call {
    pub(crate) context: Context,
}

impl FromRequestParts<Gateway> for Call {
    type Rejection = DhubError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, DhubError> {
        let principal = request::caller(&parts.extensions, &ACCEPTED)?;
        let writes = gateway.remembers_writes() && !parts.method.is_safe();
        let key = writes.then(|| request::idempotency_key(&principal, &parts.headers, &parts.extensions, b"")).flatten();
        Ok(Self { context: Context { idempotency_key: key, ..request::context(&parts.extensions, principal) } })
    }
}

/// A write with a JSON object as its body; an empty body is an empty object.
pub(crate) struct JsonCall {
    pub(crate) context: Context,
    pub(crate) fields: Fields,
}

impl FromRequest<Gateway> for JsonCall {
    type Rejection = DhubError;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, DhubError> {
        let (extensions, headers, body) = request::split(request);
        let principal = request::caller(&extensions, &ACCEPTED)?;
        let body = request::body(body, gateway.config.body_bytes).await?;
        let key = gateway.remembers_writes().then(|| request::idempotency_key(&principal, &headers, &extensions, &body)).flatten();
        let context = Context { idempotency_key: key, ..request::context(&extensions, principal) };
        Ok(Self { context, fields: Fields::read(&body)? })
    }
}

/// The path's parameter.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(DhubError))]
pub(crate) struct Path<T>(pub(crate) T);

/// The query string.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(DhubError))]
pub(crate) struct Query<T>(pub(crate) T);

impl From<PathRejection> for DhubError {
    fn from(rejection: PathRejection) -> Self {
        Error::invalid("path", "encoding", rejection.body_text()).into()
    }
}

impl From<QueryRejection> for DhubError {
    fn from(rejection: QueryRejection) -> Self {
        Self::in_query(Error::invalid("query", "encoding", rejection.body_text()))
    }
}

/// Reads an id from the path; anything that is none names nothing.
pub(crate) fn path_id(kind: &str, prefix: &str, text: &str) -> Result<Id, DhubError> {
    Id::parse_prefixed(prefix, text).map_err(|_| Error::not_found(kind, text.escape_debug()).into())
}
