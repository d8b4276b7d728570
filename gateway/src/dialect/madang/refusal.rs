//! `GET /madang/v1/refusals/{id}`: why a signed request was refused.

use axum::{Json, extract::State};
use serde_json::Value;

use super::{
    Refusal,
    call::{Call, Path},
};
use crate::{Gateway, refusal};

/// For the owner of the key that the request names, or an administrator if it names none; 404 for everybody else.
pub(super) async fn show(State(gateway): State<Gateway>, call: Call, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    Ok(Json(refusal::explained(&gateway.refusals, &call.context.principal, &id).await?))
}
