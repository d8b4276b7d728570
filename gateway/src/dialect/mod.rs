//! The dialects: one folder per API. Each has its routes in a table, its JSON types and one error table.

mod dataflow;
mod dhub;
mod fields;
mod madang;
mod request;
mod unknown;
mod upload_form;

use axum::Router;

use crate::Gateway;

/// Every route of every dialect, and what a path that none of them knows answers.
pub(crate) fn router(gateway: Gateway) -> Router {
    Router::new()
        .merge(dataflow::routes::routes())
        .merge(dhub::routes::routes())
        .merge(madang::routes::routes())
        .fallback(unknown::not_found)
        .method_not_allowed_fallback(unknown::wrong_method)
        .with_state(gateway)
}
