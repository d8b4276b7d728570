//! The dialects: one folder per API. Each has its routes in a table, its JSON types and one error table.

pub(crate) mod ckan;
mod dataflow;
mod dataspace;
mod dhub;
pub(crate) mod family;
mod fields;
mod madang;
mod request;
mod unknown;
mod upload_form;

use axum::{Router, middleware};

use crate::{Gateway, admission};

pub(crate) use fields::Fields;

/// Every route of every dialect, and what a path that none of them knows answers.
pub(crate) fn router(gateway: Gateway) -> Router {
    Router::new()
        .merge(ckan::routes::routes(&gateway))
        .merge(dataflow::routes::routes())
        .merge(dataspace::routes::routes())
        .merge(dhub::routes::routes())
        .merge(madang::routes::routes())
        .route_layer(middleware::from_fn_with_state(gateway.clone(), admission::admit))
        .fallback(unknown::not_found)
        .method_not_allowed_fallback(unknown::wrong_method)
        .with_state(gateway)
}
