//! The edge: everything between the socket and the dialects that no dialect should have to think of.

mod access_log;
mod client;
mod health;
mod listener;
mod plain_http;
mod stall;
pub mod tls;
mod unread;

use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{Gateway, credential, openapi};

pub(crate) use access_log::RequestId;
pub(crate) use client::Client;
pub use listener::{Addresses, Listeners};

/// Puts the edge's layers around the dialects, the outermost last.
pub(crate) fn wrap(dialects: Router, gateway: &Gateway) -> Router {
    dialects
        .layer(middleware::from_fn_with_state(gateway.authenticator(), credential::authenticate))
        .merge(health::routes(gateway.clone()))
        .merge(openapi::routes())
        .layer(middleware::from_fn_with_state(gateway.config.clone(), plain_http::refuse))
        .layer(CatchPanicLayer::custom(access_log::panicked))
        .layer(middleware::from_fn(access_log::log))
}
