//! Who calls: the owner that a token names, or whom a signed request belongs to; and what he may.

use std::collections::HashMap;

use axum::{
    extract::{FromRequestParts, Query as AxumQuery, Request},
    http::request::Parts,
    middleware::Next,
    response::{IntoResponse, Response},
};
use madang_kit::{Code, Context, Error, Id, Principal, Result, principal::Scheme};

use super::{error::SpecError, permissions};
use crate::{
    Gateway,
    credential::{Credential, auth_token::ServiceToken, ncp_signature},
    dialect::request,
    identity::Account,
};

/// Characters of an idempotency key of the caller's own.
const MAX_KEY: usize = 200;

/// A request with whoever sent it.
pub(super) struct Caller {
    pub(super) context: Context,
    /// The owner that he is; none for visitors.
    pub(super) owner_id: Option<String>,
    /// What a token permits, or would permit if one were asked for.
    pub(super) permissions: serde_json::Map<String, serde_json::Value>,
}

impl Caller {
    /// The owner's id; empty, which no owner has, for visitors.
    pub(super) fn owner(&self) -> String {
        self.owner_id.clone().unwrap_or_default()
    }

    /// Demands that the caller is this owner.
    pub(super) fn demand(&self, owner_id: &str) -> Result<String> {
        match &self.owner_id {
            Some(known) if known == owner_id => Ok(known.clone()),
            Some(_) => Err(Error::new(Code::Denied, "the token is not the owner's")),
            None => Err(Error::new(Code::Unauthenticated, "a token is needed")),
        }
    }

    /// The context of a write: repeated under the same key by the same owner it has no second effect.
    pub(super) fn writing(&self, parts: &Parts, body: &[u8], remembers: bool) -> Context {
        let signed = || request::idempotency_key(&self.context.principal, &parts.headers, &parts.extensions, body);
        let own = parts.headers.get("idempotency-key").and_then(|key| key.to_str().ok()).filter(|key| key.len() <= MAX_KEY);
        let key = own.map(|key| format!("{}:{key}", self.owner())).or_else(|| remembers.then(signed).flatten());
        Context { idempotency_key: key, ..self.context.clone() }
    }
}

impl FromRequestParts<Gateway> for Caller {
    type Rejection = SpecError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, SpecError> {
        let principal = match parts.extensions.get::<Credential>() {
            Some(Credential::Unavailable) => return Err(Error::new(Code::Unavailable, "credentials can't be checked now").into()),
            Some(Credential::Principal(principal)) => Some(principal.clone()),
            _ => None,
        };
        if let Some(ServiceToken(claims)) = parts.extensions.get::<ServiceToken>() {
            let principal = principal.unwrap_or_else(|| stranger(&claims.userid));
            let context = request::context(&parts.extensions, principal);
            return Ok(Self { context, owner_id: Some(claims.userid.clone()), permissions: claims.permissions.clone() });
        }
        let signed = principal.filter(|principal| principal.scheme == Scheme::NcpSignature);
        let Some(principal) = signed else {
            let context = request::context(&parts.extensions, Principal::anonymous());
            return Ok(Self { context, owner_id: None, permissions: serde_json::Map::new() });
        };
        let known = gateway.identity.known(Account::Id(principal.user)).await?;
        let owner_id = known.map(|known| known.user.owner_id.clone());
        let permissions = permissions::all(principal.is_admin());
        Ok(Self { context: request::context(&parts.extensions, principal), owner_id, permissions })
    }
}

/// An owner whom another server knows, and this hub does not.
fn stranger(owner_id: &str) -> Principal {
    Principal { user: Id::NIL, name: owner_id.to_owned(), space: None, roles: Vec::new(), scheme: Scheme::AuthToken }
}

/// If a request is signed, the signature decides alone.
pub(super) async fn signed_or_not(request: Request, next: Next) -> Response {
    let refused = matches!(request.extensions().get::<Credential>(), Some(Credential::Refused(_)));
    if refused && ncp_signature::is_present(request.headers()) {
        return SpecError::from(Error::new(Code::Unauthenticated, "the signature does not hold")).into_response();
    }
    next.run(request).await
}

/// The query string: names with their last values.
pub(super) struct Query(pub(super) HashMap<String, String>);

impl Query {
    /// A value; empty if it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A whole number; 0 if it is not there.
    pub(super) fn number(&self, name: &str) -> Result<u32> {
        match self.get(name) {
            "" => Ok(0),
            text => text.parse().map_err(|_| Error::invalid(name, "whole_number", format!("{name} must be a whole number"))),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = SpecError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SpecError> {
        let wrong = |why: String| Error::invalid("query", "encoding", why);
        let AxumQuery(pairs) =
            AxumQuery::<HashMap<String, String>>::from_request_parts(parts, state).await.map_err(|error| wrong(error.body_text()))?;
        if pairs.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(wrong("the query must not contain NUL".to_owned()).into());
        }
        Ok(Self(pairs))
    }
}

/// What stands in the path.
pub(super) struct Path<T>(pub(super) T);

impl<T: serde::de::DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = SpecError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SpecError> {
        let read = axum::extract::Path::from_request_parts(parts, state).await;
        if parts.uri.path().contains("%00") {
            return Err(Error::new(Code::NotFound, "Not Found").into());
        }
        Ok(Self(read.map_err(|_| Error::new(Code::NotFound, "Not Found"))?.0))
    }
}
