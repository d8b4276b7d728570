//! Madang's own routes.

use axum::{
    Router,
    routing::{delete, get, post, put},
};

use super::{bucket, connection, key, object, refusal, search, whoami};
use crate::Gateway;

pub(crate) fn routes() -> Router<Gateway> {
    Router::new()
        .route("/madang/v1/whoami", get(whoami::whoami))
        .route("/madang/v1/refusals/{id}", get(refusal::show))
        .route("/madang/v1/buckets", get(bucket::list).post(bucket::create))
        .route("/madang/v1/buckets/{bucket}", delete(bucket::delete))
        .route("/madang/v1/buckets/{bucket}/grants", put(bucket::grant))
        .route("/madang/v1/buckets/{bucket}/objects", get(object::list))
        .route("/madang/v1/buckets/{bucket}/objects/{*key}", get(object::get).put(object::put).delete(object::delete))
        .route("/madang/v1/connections", get(connection::list).post(connection::create))
        .route("/madang/v1/connections/{id}", get(connection::get).delete(connection::delete))
        .route("/madang/v1/search", get(search::search))
        // for administrators
        .route("/madang/v1/admin/search/rebuild", post(search::rebuild))
        .route("/madang/v1/admin/keys", get(key::list).post(key::create))
        .route("/madang/v1/admin/keys/{access_key}", get(key::show).patch(key::change).delete(key::delete))
}
