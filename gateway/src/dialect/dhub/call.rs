//! What a D.Hub handler is given: the caller's context, and for writes the body's fields.

use axum::{
    extract::{
        FromRequest, FromRequestParts, Request,
        path::ErrorKind,
        rejection::{PathRejection, QueryRejection},
    },
    http::request::Parts,
};
use bytes::Bytes;
use madang_kit::{Code, Context, Error, Id, principal::Scheme};
use serde::de::DeserializeOwned;

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

/// A write with a bounded body of any kind.
pub(crate) struct BytesCall {
    pub(crate) context: Context,
    pub(crate) body: Bytes,
}

impl FromRequest<Gateway> for BytesCall {
    type Rejection = DhubError;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, DhubError> {
        let (extensions, headers, body) = request::split(request);
        let principal = request::caller(&extensions, &ACCEPTED)?;
        let body = request::body(body, gateway.config.body_bytes).await?;
        let key = gateway.remembers_writes().then(|| request::idempotency_key(&principal, &headers, &extensions, &body)).flatten();
        Ok(Self { context: Context { idempotency_key: key, ..request::context(&extensions, principal) }, body })
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
        let BytesCall { context, body } = BytesCall::from_request(request, gateway).await?;
        Ok(Self { context, fields: Fields::read(&body)? })
    }
}

/// The path's parameter. Callers without a credential learn nothing about it, wherever it stands among the extractors.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Gateway> for Path<T> {
    type Rejection = DhubError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, DhubError> {
        request::caller(&parts.extensions, &ACCEPTED)?;
        Ok(Self(axum::extract::Path::from_request_parts(parts, gateway).await?.0))
    }
}

/// The query string. Callers without a credential learn nothing about it either.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Gateway> for Query<T> {
    type Rejection = DhubError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, DhubError> {
        request::caller(&parts.extensions, &ACCEPTED)?;
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Self::Rejection::in_query(Error::invalid("query", "control_character", "the query must not contain NUL")));
        }
        Ok(Self(axum::extract::Query::from_request_parts(parts, gateway).await?.0))
    }
}

impl From<PathRejection> for DhubError {
    /// What is not UTF-8 names nothing.
    fn from(rejection: PathRejection) -> Self {
        match &rejection {
            PathRejection::FailedToDeserializePathParams(failed) if matches!(failed.kind(), ErrorKind::InvalidUtf8InPathParam { .. }) => {
                Error::new(Code::NotFound, "Not Found").into()
            }
            _ => Self::in_path(Error::invalid("path", "encoding", rejection.body_text())),
        }
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
