//! D.Hub's routes. A trailing slash makes another route (dhub.md section 1); nothing here normalizes paths.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

use super::{auth, batch, collection, dataset, pipeline, table, trace};
use crate::Gateway;

pub(crate) fn routes() -> Router<Gateway> {
    Router::new()
        // sessions
        .route("/api/v1/auth/login", post(auth::login))
        .route("/api/v1/auth/refresh", post(auth::refresh))
        .route("/api/v1/auth/logout", post(auth::logout))
        .route("/api/v1/auth/me", get(auth::me))
        // catalogue
        .route("/api/v1/collections", post(collection::create))
        .route("/api/v1/datasets", post(dataset::create))
        // tables
        .route("/api/v1/tables/{id}", get(table::page))
        .route("/api/v1/tables/{id}/upload", post(table::upload))
        // pipelines
        .route("/api/v1/pipelines", post(pipeline::create))
        .route("/api/v1/pipelines/{id}/run", post(pipeline::run))
        .route("/api/v1/batches/{id}", get(batch::show))
        .route("/api/v1/traces", get(trace::list))
        // each handler has its own limit; uploads are streamed
        .layer(DefaultBodyLimit::disable())
}
