//! What a request with a good signature passes before its dialect: its key's usage plan, then the memory of signed writes.
//!
//! Here for all dialects alike; the answers are in the shape of the API that the path belongs to. Requests with other credentials, and
//! paths that nobody knows, pass.

mod plan;
mod replay;
pub(crate) mod whole;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use madang_kit::error::chain;

use crate::{
    Gateway,
    credential::{Credential, SignedBy},
    dialect::family::Family,
};

pub(crate) use plan::periods;

/// Lets a signed request in, answers 429, or answers what was answered before.
pub(crate) async fn admit(State(gateway): State<Gateway>, mut request: Request, next: Next) -> Response {
    let Some(SignedBy(key)) = request.extensions().get::<SignedBy>() else { return next.run(request).await };
    if plan::is_limited(&gateway, key) {
        let family = Family::of(request.uri().path());
        match plan::spend(&gateway, key.clone(), family).await {
            Ok(None) => {}
            Ok(Some((limit, retry_after))) => return family.limited(limit, retry_after),
            Err(error) => {
                tracing::error!(error = %chain(&error), "a usage plan could not be looked at");
                request.extensions_mut().insert(Credential::Unavailable);
                return next.run(request).await;
            }
        }
    }
    replay::once(&gateway, request, next).await
}
