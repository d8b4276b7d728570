//! Collections (dhub.md section 5).

use axum::{Json, extract::State};
use madang_kit::rpc;
use madang_proto::catalog::v1::CreateOrganizationRequest;

use super::{call::JsonCall, error::DhubError, wire};
use crate::Gateway;

/// `POST /collections`
pub(crate) async fn create(State(gateway): State<Gateway>, call: JsonCall) -> Result<Json<wire::Collection>, DhubError> {
    let mut fields = call.fields;
    let request = CreateOrganizationRequest { title: fields.text("name"), description: fields.optional_text("description") };
    fields.finish()?;
    let made = gateway.catalog.clone().create_organization(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(wire::Collection {
        id: wire::id("col", &made.id)?,
        name: made.title,
        description: made.description,
        created_at: wire::iso(made.created_at),
    }))
}
