//! D.Hub's routes. A trailing slash makes another route (dhub.md section 1); nothing here normalizes paths.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

use super::{
    absent::not_implemented, auth, batch, code, collection, dataset, event, history, pipeline, table, trace, upload, user, version,
};
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
        .route("/api/v1/users", get(user::list).post(user::create))
        .route("/api/v1/users/", get(user::list_items).post(user::create_item))
        .route("/api/v1/users/{id}", get(user::show).put(user::update).delete(user::delete))
        .route("/api/v1/users/{id}/versions", get(user::versions))
        // tables
        .route("/api/v1/tables/schema", post(upload::schema))
        .route("/api/v1/tables/{id}", get(table::show).delete(table::delete))
        .route("/api/v1/tables/{id}/upload", post(upload::upload))
        .route("/api/v1/tables/{id}/versions", get(history::versions))
        .route("/api/v1/tables/{id}/query", post(table::query))
        // pipelines
        .route("/api/v1/pipelines", get(pipeline::list).post(pipeline::create))
        .route("/api/v1/pipelines/", get(pipeline::list_items).post(pipeline::create_item))
        .route("/api/v1/pipelines/{id}", get(pipeline::show).put(pipeline::update).delete(pipeline::delete))
        .route("/api/v1/pipelines/{id}/versions", get(version::of_pipeline))
        .route("/api/v1/pipelines/{id}/schedule", get(pipeline::schedule))
        .route("/api/v1/pipelines/{id}/run", post(pipeline::run))
        // batches; {id} is a batch or a pipeline
        .route("/api/v1/batches/{id}", get(batch::show).post(batch::start))
        .route("/api/v1/batches/{id}/", get(batch::list_items))
        .route("/api/v1/batches/{id}/cancel", post(batch::cancel))
        .route("/api/v1/batches/{id}/{batch}", get(batch::show_state).delete(batch::stop))
        // traces
        .route("/api/v1/traces", get(trace::list))
        .route("/api/v1/traces/pipelines/{id}", get(trace::latest))
        .route("/api/v1/traces/pipelines/{id}/", get(trace::history))
        .route("/api/v1/traces/pipelines/{id}/{batch}", get(trace::show))
        .route("/api/v1/traces/steps/{batch}", get(trace::steps))
        // codes
        .route("/api/v1/codes", get(code::list).post(code::create))
        .route("/api/v1/codes/", get(code::list_items).post(code::create_item))
        .route("/api/v1/codes/{id}", get(code::show).put(code::update).delete(code::delete))
        .route("/api/v1/codes/{id}/versions", get(version::of_code))
        .route("/api/v1/codes/{id}/file", get(code::file).put(code::put_file))
        .route("/api/v1/codes/{id}/file/versions", get(code::file_versions))
        // events
        .route("/api/v1/events/{id}", get(event::show).post(event::start).delete(event::delete))
        .route("/api/v1/events/topics/{topic}/messages", post(event::send))
        // documented and absent: 501, with and without a slash at the end
        .route("/api/v1/knowledges", get(not_implemented).post(not_implemented))
        .route("/api/v1/knowledges/", get(not_implemented).post(not_implemented))
        .route("/api/v1/knowledges/{*rest}", get(not_implemented).post(not_implemented).put(not_implemented).delete(not_implemented))
        .route("/api/v1/knowledger", get(not_implemented).post(not_implemented))
        .route("/api/v1/knowledger/", get(not_implemented).post(not_implemented))
        .route("/api/v1/knowledger/{*rest}", get(not_implemented).post(not_implemented).put(not_implemented).delete(not_implemented))
        .route("/api/v1/ontologies", get(not_implemented).post(not_implemented))
        .route("/api/v1/ontologies/", get(not_implemented).post(not_implemented))
        .route("/api/v1/ontologies/{*rest}", get(not_implemented).post(not_implemented).put(not_implemented).delete(not_implemented))
        .route("/v1/chat/completions", post(not_implemented))
        .route("/v1/chat/completions/", post(not_implemented))
        .route("/v1/models", get(not_implemented))
        .route("/v1/models/", get(not_implemented))
        // each handler has its own limit; uploads are streamed
        .layer(DefaultBodyLimit::disable())
}
