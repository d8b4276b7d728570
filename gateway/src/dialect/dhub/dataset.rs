//! Datasets (dhub.md section 6).

use axum::{Json, extract::State};
use madang_kit::rpc;
use madang_proto::catalog::v1::CreateDatasetRequest;

use super::{call::JsonCall, error::DhubError, wire};
use crate::Gateway;

/// `POST /datasets`
pub(crate) async fn create(State(gateway): State<Gateway>, call: JsonCall) -> Result<Json<wire::Dataset>, DhubError> {
    let mut fields = call.fields;
    let request = CreateDatasetRequest {
        title: fields.text("name"),
        description: fields.optional_text("description"),
        organization_id: fields.optional_id("collection_id", "col").map(|id| id.to_string()),
    };
    fields.finish()?;
    let made = gateway.catalog.clone().create_dataset(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(wire::Dataset {
        id: wire::id("ds", &made.id)?,
        name: made.title,
        description: made.description,
        collection_id: made.organization_id.map(|id| wire::id("col", &id)).transpose()?,
        created_at: wire::iso(made.created_at),
    }))
}
