//! Collections (dhub.md section 5).

use axum::{Json, extract::State};
use madang_kit::{Id, Result, check, rpc};
use madang_proto::{
    catalog::v1::{CreateOrganizationRequest, DeleteRequest, GetRequest, ListRequest, Organization, UpdateOrganizationRequest},
    pipeline::v1::EmptyOrganizationRequest,
};
use serde_json::{Value, json};

use super::{
    call::{Call, JsonCall, Path, Query, path_id},
    error::DhubError,
    fields::Fields,
    list::{ListQuery, envelope},
    version::{DeleteQuery, VersionQuery},
    wire,
};
use crate::Gateway;

/// `POST /collections`: the object, four keys.
pub(crate) async fn create(State(gateway): State<Gateway>, call: JsonCall) -> Result<Json<wire::NewCollection>, DhubError> {
    let made = make(&gateway, call, false).await?;
    Ok(Json(wire::NewCollection {
        id: wire::id("col", &made.id)?,
        name: made.title,
        description: made.description,
        created_at: wire::iso(made.created_at),
    }))
}

/// `POST /collections/`: the id alone; names are unique here.
pub(crate) async fn create_item(State(gateway): State<Gateway>, call: JsonCall) -> Result<Json<Value>, DhubError> {
    let made = make(&gateway, call, true).await?;
    Ok(Json(json!({"item": wire::id("col", &made.id)?})))
}

async fn make(gateway: &Gateway, call: JsonCall, unique_title: bool) -> Result<Organization, DhubError> {
    let mut fields = call.fields;
    let request = CreateOrganizationRequest {
        title: fields.text("name"),
        description: description(&mut fields),
        alias: fields.optional_text("alias"),
        kind: fields.optional_text("type"),
        groups: fields.texts("groups", check::NAMES).unwrap_or_default(),
        tags: fields.texts("tags", check::NAMES).unwrap_or_default(),
        unique_title,
    };
    fields.finish()?;
    Ok(gateway.catalog.clone().create_organization(rpc::request(&call.context, request)).await?.into_inner())
}

/// `description` and `comment` are two names of one text.
pub(super) fn description(fields: &mut Fields) -> Option<String> {
    let (description, comment) = (fields.optional_text("description"), fields.optional_text("comment"));
    description.or(comment)
}

/// `GET /collections/{id}?collection_version=v2`
pub(crate) async fn show(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    call: Call,
    Query(query): Query<VersionQuery>,
) -> Result<Json<Value>, DhubError> {
    let request = GetRequest { id: read_id(&id)?.to_string(), revision: query.collection()? };
    let found = gateway.catalog.clone().get_organization(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(shape(&found, wire::Times::Iso)?))
}

/// `PUT /collections/{id}`
pub(crate) async fn update(State(gateway): State<Gateway>, Path(id): Path<String>, call: JsonCall) -> Result<Json<Value>, DhubError> {
    let id = read_id(&id)?;
    let mut fields = call.fields;
    let request = UpdateOrganizationRequest {
        id: id.to_string(),
        title: fields.optional_text("name"),
        description: description(&mut fields),
        alias: fields.optional_text("alias"),
        kind: fields.optional_text("type"),
        groups: wire::texts(fields.texts("groups", check::NAMES)),
        tags: wire::texts(fields.texts("tags", check::NAMES)),
    };
    fields.finish()?;
    let changed = gateway.catalog.clone().update_organization(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(shape(&changed, wire::Times::Iso)?))
}

/// `DELETE /collections/{id}?force=true`: what runs in it goes first.
pub(crate) async fn delete(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    call: Call,
    Query(query): Query<DeleteQuery>,
) -> Result<Json<Value>, DhubError> {
    let (id, force) = (read_id(&id)?.to_string(), query.force()?);
    let empty = EmptyOrganizationRequest { organization_id: id.clone(), force };
    gateway.pipelines.clone().empty_organization(rpc::request(&call.context, empty)).await?;
    gateway.catalog.clone().delete_organization(rpc::request(&call.context, DeleteRequest { id, force })).await?;
    Ok(Json(json!({"message": "Collection deleted successfully"})))
}

/// `GET /collections`: an array.
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    call: Call,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<Value>>, DhubError> {
    let (found, _) = fetch(&gateway, &call, query.request()?).await?;
    Ok(Json(found.into_iter().map(|found| shape(&found, wire::Times::Iso)).collect::<Result<_>>()?))
}

/// `GET /collections/`: an envelope.
pub(crate) async fn list_items(
    State(gateway): State<Gateway>,
    call: Call,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, DhubError> {
    let (found, next) = fetch(&gateway, &call, query.request()?).await?;
    let item = |found: Organization| Ok((wire::id("col", &found.id)?, shape(&found, wire::Times::EpochMs)?));
    Ok(Json(envelope(found.into_iter().map(item).collect::<Result<_>>()?, next)?))
}

async fn fetch(gateway: &Gateway, call: &Call, request: ListRequest) -> Result<(Vec<Organization>, Option<String>), DhubError> {
    let answer = gateway.catalog.clone().list_organizations(rpc::request(&call.context, request)).await?.into_inner();
    Ok((answer.organizations, answer.next))
}

fn read_id(text: &str) -> Result<Id, DhubError> {
    path_id("collection", "col", text)
}

fn shape(found: &Organization, times: wire::Times) -> Result<Value> {
    Ok(json!({
        "id": wire::id("col", &found.id)?, "name": found.title, "description": found.description,
        "created_at": times.show(found.created_at), "alias": found.alias, "type": found.kind, "category": "collection",
        "groups": found.groups, "tags": found.tags, "updated_at": times.show(found.updated_at),
    }))
}
