//! Madang's own routes.

use axum::{Router, routing::get};

use super::whoami;
use crate::Gateway;

pub(crate) fn routes() -> Router<Gateway> {
    Router::new().route("/madang/v1/whoami", get(whoami::whoami))
}
