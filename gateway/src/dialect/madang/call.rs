//! What a handler of Madang's own API is given: the caller's context, and for writes the body's fields.

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::request::Parts,
};
use bytes::Bytes;
use madang_kit::{Code, Context, Error, principal::Scheme};
use serde::de::DeserializeOwned;

use super::Refusal;
use crate::{
    Gateway,
    dialect::{fields::Fields, request},
};

/// Every scheme opens it.
const ACCEPTED: [Scheme; 5] = [Scheme::NcpSignature, Scheme::SpaceBasic, Scheme::BearerJwt, Scheme::CkanToken, Scheme::AuthToken];

/// A read, or a write without a body that has to be read first.
pub(crate) struct Call {
    pub(crate) context: Context,
}

impl FromRequestParts<Gateway> for Call {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
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
    type Rejection = Refusal;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Refusal> {
        let (extensions, headers, body) = request::split(request);
        let principal = request::caller(&extensions, &ACCEPTED)?;
        let body = request::body(body, gateway.config.body_bytes).await?;
        let key = gateway.remembers_writes().then(|| request::idempotency_key(&principal, &headers, &extensions, &body)).flatten();
        let context = Context { idempotency_key: key, ..request::context(&extensions, principal) };
        Ok(Self { context, fields: Fields::read(&body)? })
    }
}

/// A call of an administrator.
pub(crate) struct AdminCall {
    pub(crate) context: Context,
}

impl FromRequestParts<Gateway> for AdminCall {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        let Call { context } = Call::from_request_parts(parts, gateway).await?;
        // Tokens for the Spec Store's services administer nothing.
        if context.principal.is_admin() && context.principal.scheme != Scheme::AuthToken {
            return Ok(Self { context });
        }
        Err(Error::new(Code::Denied, "only an administrator may do this").into())
    }
}

/// A call of an administrator with a bounded body.
pub(crate) struct AdminBody {
    pub(crate) context: Context,
    pub(crate) body: Bytes,
}

impl FromRequest<Gateway> for AdminBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let AdminCall { context } = AdminCall::from_request_parts(&mut parts, gateway).await?;
        Ok(Self { context, body: request::body(body, gateway.config.body_bytes).await? })
    }
}

/// What stands in the path. Callers without a credential learn nothing about it.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Gateway> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        request::caller(&parts.extensions, &ACCEPTED)?;
        let read = axum::extract::Path::from_request_parts(parts, gateway).await;
        Ok(Self(read.map_err(|_| Error::new(Code::NotFound, "Not Found"))?.0))
    }
}

/// The query string.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Gateway> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        request::caller(&parts.extensions, &ACCEPTED)?;
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Refusal::in_query(Error::invalid("query", "control_character", "the query must not contain NUL")));
        }
        Ok(Self(axum::extract::Query::from_request_parts(parts, gateway).await?.0))
    }
}
