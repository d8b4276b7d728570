//! Madang's own routes.

use axum::{Router, routing::get};

use super::{key, refusal, whoami};
use crate::Gateway;

pub(crate) fn routes() -> Router<Gateway> {
    Router::new()
        .route("/madang/v1/whoami", get(whoami::whoami))
        .route("/madang/v1/refusals/{id}", get(refusal::show))
        // for administrators
        .route("/madang/v1/admin/keys", get(key::list).post(key::create))
        .route("/madang/v1/admin/keys/{access_key}", get(key::show).patch(key::change).delete(key::delete))
}
