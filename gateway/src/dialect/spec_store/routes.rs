//! The Spec Store's routes (spec-store.md 1 and 7).

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};

use super::{call, cors, form, issuer, jsonp, metastore, object, rawstore, report, revision, upload};
use crate::{Gateway, dialect::unknown};

pub(crate) fn routes() -> Router<Gateway> {
    Router::new()
        .route("/source/upload", post(upload::upload))
        .route("/source/update", post(report::report))
        .route("/source/{owner}", get(revision::list_datasets))
        .route("/source/{owner}/{dataset}", get(revision::list).delete(revision::delete))
        .route("/source/{owner}/{dataset}/{revision}", get(revision::show).post(upload::rerun))
        .route("/source/{owner}/{dataset}/{revision}/cancel", post(revision::cancel))
        // the issuer
        .route("/auth/public-key", get(issuer::public_key))
        .route("/auth/check", get(issuer::check))
        .route("/auth/authorize", get(issuer::authorize))
        .route("/auth/resolve", get(issuer::resolve))
        .route("/auth/get_profile", get(issuer::get_profile))
        .route("/resolver/resolve", get(issuer::resolve_path))
        // source files, and what comes out
        .route("/rawstore/authorize", post(rawstore::authorize))
        .route("/rawstore/presign", get(rawstore::presign))
        .route("/rawstore/objects", post(form::receive))
        // what there is
        .route("/metastore/search", get(metastore::search))
        .route("/metastore/search/events", get(metastore::events))
        .route("/storage/owner/{owner}", get(metastore::of_owner))
        .route("/storage/dataset_id/{owner}/{dataset}", get(metastore::of_dataset))
        .route("/storage/flow_id/{owner}/{dataset}/{revision}", get(metastore::of_flow))
        .route_layer(middleware::from_fn(jsonp::wrap))
        // files are never scripts
        .route("/rawstore/objects/{*key}", get(object::show))
        .route_layer(middleware::from_fn(call::signed_or_not))
        // here, so that the layers below see browsers ask for methods
        .method_not_allowed_fallback(unknown::wrong_method)
        .layer(middleware::from_fn(cors::answer))
        // bodies are bounded where they are read
        .layer(DefaultBodyLimit::disable())
}
