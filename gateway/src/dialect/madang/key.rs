//! `/madang/v1/admin/keys`: access keys and their usage plans, for administrators.

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Refusal,
    call::{AdminBody, AdminCall, Path, Query},
};
use crate::{Gateway, keys::PAGE};

/// Query of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    after: Option<String>,
    limit: Option<u32>,
}

/// `GET /madang/v1/admin/keys?after=…&limit=…`
pub(super) async fn list(State(gateway): State<Gateway>, _: AdminCall, Query(page): Query<Page>) -> Result<Json<Value>, Refusal> {
    let found = gateway.keys().list(&page.after.unwrap_or_default(), page.limit.unwrap_or(PAGE)).await;
    Ok(Json(found.map_err(Refusal::in_query)?))
}

/// `POST /madang/v1/admin/keys`: the only answer that ever holds the secret.
pub(super) async fn create(State(gateway): State<Gateway>, call: AdminBody) -> Result<impl IntoResponse, Refusal> {
    Ok((StatusCode::CREATED, Json(gateway.keys().create(&call.context, &call.body).await?)))
}

/// `GET /madang/v1/admin/keys/{access_key}`
pub(super) async fn show(State(gateway): State<Gateway>, _: AdminCall, Path(name): Path<String>) -> Result<Json<Value>, Refusal> {
    Ok(Json(gateway.keys().show(&name).await?))
}

/// `PATCH /madang/v1/admin/keys/{access_key}`
pub(super) async fn change(State(gateway): State<Gateway>, Path(name): Path<String>, call: AdminBody) -> Result<Json<Value>, Refusal> {
    Ok(Json(gateway.keys().change(&call.context, &name, &call.body).await?))
}

/// `DELETE /madang/v1/admin/keys/{access_key}`
pub(super) async fn delete(State(gateway): State<Gateway>, call: AdminCall, Path(name): Path<String>) -> Result<Json<Value>, Refusal> {
    Ok(Json(gateway.keys().delete(&call.context, &name).await?))
}
