//! D.Hub's routes. A trailing slash makes another route (dhub.md section 1); nothing here normalizes paths.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

use super::{auth, batch, collection, dataset, pipeline, table, trace, upload, user, version};
use crate::Gateway;

pub(crate) fn routes() -> Router<Gateway> {
    Router::new()
        // sessions
        .route("/api/v1/auth/login", post(auth::login))
        .route("/api/v1/auth/refresh", post(auth::refresh))
        .route("/api/v1/auth/logout", post(auth::logout))
        .route("/api/v1/auth/me", get(auth::me))
        // catalogue
        .route("/api/v1/collections", get(collection::list).post(collection::create))
        .route("/api/v1/collections/", get(collection::list_items).post(collection::create_item))
        .route("/api/v1/collections/{id}", get(collection::show).put(collection::update).delete(collection::delete))
        .route("/api/v1/collections/{id}/versions", get(version::of_collection))
        .route("/api/v1/datasets", get(dataset::list).post(dataset::create))
        .route("/api/v1/datasets/", get(dataset::list_items).post(dataset::create_item))
        .route("/api/v1/datasets/{id}", get(dataset::show).put(dataset::update).delete(dataset::delete))
        .route("/api/v1/datasets/{id}/versions", get(version::of_dataset))
        .route("/api/v1/datasets/{id}/upload", post(upload::upload))
        // people
        .route("/api/v1/users/", get(user::list).post(user::create))
        .route("/api/v1/users/{id}", get(user::show).put(user::update).delete(user::delete))
        .route("/api/v1/users/{id}/versions", get(user::versions))
        // tables
        .route("/api/v1/tables/schema", post(upload::schema))
        .route("/api/v1/tables/{id}", get(table::show).delete(table::delete))
        .route("/api/v1/tables/{id}/upload", post(upload::upload))
        .route("/api/v1/tables/{id}/versions", get(table::versions))
        .route("/api/v1/tables/{id}/query", post(table::query))
        // pipelines
        .route("/api/v1/pipelines", post(pipeline::create))
        .route("/api/v1/pipelines/{id}/run", post(pipeline::run))
        .route("/api/v1/batches/{id}", get(batch::show))
        .route("/api/v1/traces", get(trace::list))
        // each handler has its own limit; uploads are streamed
        .layer(DefaultBodyLimit::disable())
}
