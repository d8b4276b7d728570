//! What a handler of Madang's own API is given. Any of the five schemes opens it; errors are `{"detail": …}`.

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::request::Parts,
};
use bytes::Bytes;
use madang_kit::{Code, Context, Error, principal::Scheme};

use crate::{
    Gateway,
    dialect::{dhub::error::DhubError, request},
};

/// Every scheme of a caller.
const ACCEPTED: [Scheme; 5] = [Scheme::NcpSignature, Scheme::SpaceBasic, Scheme::BearerJwt, Scheme::CkanToken, Scheme::AuthToken];

/// A call that needs a credential and no body.
pub(super) struct Call {
    pub(super) context: Context,
}

impl FromRequestParts<Gateway> for Call {
    type Rejection = DhubError;

    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, DhubError> {
        let principal = request::caller(&parts.extensions, &ACCEPTED)?;
        Ok(Self { context: request::context(&parts.extensions, principal) })
    }
}

/// The path's parameter. Callers without a credential learn nothing about it, wherever it stands among the extractors.
pub(super) struct Path(pub(super) String);

impl FromRequestParts<Gateway> for Path {
    type Rejection = DhubError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, DhubError> {
        Call::from_request_parts(parts, gateway).await?;
        Ok(Self(axum::extract::Path::from_request_parts(parts, gateway).await?.0))
    }
}

/// A call of an administrator.
pub(super) struct AdminCall {
    pub(super) context: Context,
}

impl FromRequestParts<Gateway> for AdminCall {
    type Rejection = DhubError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, DhubError> {
        let Call { context } = Call::from_request_parts(parts, gateway).await?;
        if context.principal.is_admin() {
            return Ok(Self { context });
        }
        Err(Error::new(Code::Denied, "only an administrator may do this").into())
    }
}

/// A call of an administrator with a bounded body.
pub(super) struct AdminBody {
    pub(super) context: Context,
    pub(super) body: Bytes,
}

impl FromRequest<Gateway> for AdminBody {
    type Rejection = DhubError;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, DhubError> {
        let (mut parts, body) = request.into_parts();
        let AdminCall { context } = AdminCall::from_request_parts(&mut parts, gateway).await?;
        Ok(Self { context, body: request::body(body, gateway.config.body_bytes).await? })
    }
}
