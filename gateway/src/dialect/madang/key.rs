//! `/madang/v1/admin/keys`: access keys and their usage plans, for administrators.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::Value;

use super::call::{AdminBody, AdminCall, Path};
use crate::{Gateway, dialect::dhub::error::DhubError, keys::PAGE};

/// Query of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    after: Option<String>,
    limit: Option<u32>,
}

/// `GET /madang/v1/admin/keys?after=…&limit=…`
pub(super) async fn list(
    State(gateway): State<Gateway>,
    _: AdminCall,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Value>, DhubError> {
    let Query(page) = page?;
    let found = gateway.keys().list(&page.after.unwrap_or_default(), page.limit.unwrap_or(PAGE)).await;
    Ok(Json(found.map_err(DhubError::in_query)?))
}

/// `POST /madang/v1/admin/keys`: the only answer that ever holds the secret.
pub(super) async fn create(State(gateway): State<Gateway>, call: AdminBody) -> Result<impl IntoResponse, DhubError> {
    Ok((StatusCode::CREATED, Json(gateway.keys().create(&call.context, &call.body).await?)))
}

/// `GET /madang/v1/admin/keys/{access_key}`
pub(super) async fn show(State(gateway): State<Gateway>, _: AdminCall, Path(name): Path) -> Result<Json<Value>, DhubError> {
    Ok(Json(gateway.keys().show(&name).await?))
}

/// `PATCH /madang/v1/admin/keys/{access_key}`
pub(super) async fn change(State(gateway): State<Gateway>, Path(name): Path, call: AdminBody) -> Result<Json<Value>, DhubError> {
    Ok(Json(gateway.keys().change(&call.context, &name, &call.body).await?))
}

/// `DELETE /madang/v1/admin/keys/{access_key}`
pub(super) async fn delete(State(gateway): State<Gateway>, call: AdminCall, Path(name): Path) -> Result<Json<Value>, DhubError> {
    Ok(Json(gateway.keys().delete(&call.context, &name).await?))
}
