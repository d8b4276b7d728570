//! Codes (dhub.md section 10): metadata, and the script in versions.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use madang_kit::{Error, Id, Result, rpc};
use madang_proto::pipeline::v1::{
    Code, CodeKind, CreateCodeRequest, DeleteRequest, GetRequest, GetScriptRequest, ListRequest, ListScriptsRequest, PutScriptRequest,
    UpdateCodeRequest,
};
use serde_json::{Value, json};

use super::{
    call::{BytesCall, Call, JsonCall, Path, Query, path_id},
    error::DhubError,
    fields::Fields,
    list::{ListQuery, envelope},
    pipeline::{read_card, read_card_change},
    version::VersionQuery,
    wire,
};
use crate::Gateway;

/// Entries of a code's options.
const OPTIONS: usize = 100;

/// `POST /codes`: the object.
pub(crate) async fn create(State(gateway): State<Gateway>, call: JsonCall) -> Result<Json<Value>, DhubError> {
    Ok(Json(shape(make(&gateway, call, false).await?, wire::Times::Iso)?))
}

/// `POST /codes/`: the id alone; names are unique here.
pub(crate) async fn create_item(State(gateway): State<Gateway>, call: JsonCall) -> Result<Json<Value>, DhubError> {
    let made = make(&gateway, call, true).await?;
    Ok(Json(json!({"item": wire::id("code", &made.id)?})))
}

async fn make(gateway: &Gateway, call: JsonCall, unique_title: bool) -> Result<Code, DhubError> {
    let mut fields = call.fields;
    let card = read_card(&mut fields);
    let kind = match read_kind(&mut fields) {
        CodeKind::Unspecified => CodeKind::Python, // only the name is required (dhub.md section 10)
        known => known,
    };
    let options = options(&mut fields).unwrap_or_default();
    fields.no_others();
    fields.finish()?;
    let request = CreateCodeRequest { card: Some(card), kind: kind.into(), options, unique_title };
    Ok(gateway.codes.clone().create_code(rpc::request(&call.context, request)).await?.into_inner())
}

fn read_kind(fields: &mut Fields) -> CodeKind {
    match fields.optional_text("type").as_deref() {
        None => CodeKind::Unspecified,
        Some("sql") => CodeKind::Sql,
        Some("python") => CodeKind::Python,
        Some(_) => {
            fields.problem("type", "choice", "must be python or sql");
            CodeKind::Unspecified
        }
    }
}

fn options(fields: &mut Fields) -> Option<String> {
    fields.optional_object("options", OPTIONS).map(|options| Value::Object(options).to_string())
}

/// `GET /codes/{id}?code_version=v2`
pub(crate) async fn show(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    call: Call,
    Query(query): Query<VersionQuery>,
) -> Result<Json<Value>, DhubError> {
    let request = GetRequest { id: read_id(&id)?.to_string(), revision: query.code()? };
    let found = gateway.codes.clone().get_code(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(shape(found, wire::Times::Iso)?))
}

/// `PUT /codes/{id}`
pub(crate) async fn update(State(gateway): State<Gateway>, Path(id): Path<String>, call: JsonCall) -> Result<Json<Value>, DhubError> {
    let id = read_id(&id)?;
    let mut fields = call.fields;
    if fields.has("collection_id") {
        let request = GetRequest { id: id.to_string(), revision: None };
        let found = gateway.codes.clone().get_code(rpc::request(&call.context, request)).await?.into_inner();
        wire::keep_collection(&mut fields, found.card.unwrap_or_default().organization_id.as_deref())?;
    }
    let request = UpdateCodeRequest {
        id: id.to_string(),
        card: Some(read_card_change(&mut fields)),
        kind: read_kind(&mut fields).into(),
        options: options(&mut fields),
    };
    fields.no_others();
    fields.finish()?;
    let changed = gateway.codes.clone().update_code(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(shape(changed, wire::Times::Iso)?))
}

/// `DELETE /codes/{id}`
pub(crate) async fn delete(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Value>, DhubError> {
    let request = DeleteRequest { id: read_id(&id)?.to_string() };
    gateway.codes.clone().delete_code(rpc::request(&call.context, request)).await?;
    Ok(Json(json!({"message": "Code deleted successfully"})))
}

/// `GET /codes`: an array.
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    call: Call,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<Value>>, DhubError> {
    let (found, _) = fetch(&gateway, &call, query.things()?).await?;
    Ok(Json(found.into_iter().map(|found| shape(found, wire::Times::Iso)).collect::<Result<_>>()?))
}

/// `GET /codes/`: an envelope.
pub(crate) async fn list_items(
    State(gateway): State<Gateway>,
    call: Call,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, DhubError> {
    let (found, next) = fetch(&gateway, &call, query.things()?).await?;
    let item = |found: Code| Ok((wire::id("code", &found.id)?, shape(found, wire::Times::EpochMs)?));
    Ok(Json(envelope(found.into_iter().map(item).collect::<Result<_>>()?, next)?))
}

async fn fetch(gateway: &Gateway, call: &Call, request: ListRequest) -> Result<(Vec<Code>, Option<String>), DhubError> {
    let answer = gateway.codes.clone().list_codes(rpc::request(&call.context, request)).await?.into_inner();
    Ok((answer.codes, answer.next))
}

/// `PUT /codes/{id}/file`: the raw text; each makes a version. A form would become a script with its boundaries in it.
pub(crate) async fn put_file(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    headers: HeaderMap,
    call: BytesCall,
) -> Result<Json<Value>, DhubError> {
    if headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"multipart/")) {
        let why = "content-type: the body is the script itself, as text/plain or application/octet-stream, not a form";
        return Err(DhubError::in_header(Error::invalid("content-type", "choice", why)));
    }
    let text = String::from_utf8(call.body.to_vec()).map_err(|_| Error::invalid("file", "encoding", "a script is UTF-8 text"))?;
    let request = PutScriptRequest { code_id: read_id(&id)?.to_string(), text };
    let made = gateway.codes.clone().put_script(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(json!({"message": "File saved successfully", "version": format!("v{}", made.version)})))
}

/// `GET /codes/{id}/file?code_version=v1`: by default the newest.
pub(crate) async fn file(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    call: Call,
    Query(query): Query<VersionQuery>,
) -> Result<Response, DhubError> {
    let request = GetScriptRequest { code_id: read_id(&id)?.to_string(), version: query.code()? };
    let script = gateway.codes.clone().get_script(rpc::request(&call.context, request)).await?.into_inner();
    Ok(([(CONTENT_TYPE, "application/octet-stream")], script.text).into_response())
}

/// `GET /codes/{id}/file/versions`: oldest first.
pub(crate) async fn file_versions(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<Vec<Value>>, DhubError> {
    let request = ListScriptsRequest { code_id: read_id(&id)?.to_string() };
    let scripts = gateway.codes.clone().list_scripts(rpc::request(&call.context, request)).await?.into_inner().scripts;
    let last = scripts.len();
    let shape = |(at, script): (usize, madang_proto::pipeline::v1::Script)| json!({"version": format!("v{}", script.version), "is_latest": at + 1 == last, "last_modified": wire::epoch_ms(script.at)});
    Ok(Json(scripts.into_iter().enumerate().map(shape).collect()))
}

fn read_id(text: &str) -> Result<Id, DhubError> {
    path_id("code", "code", text)
}

fn shape(found: Code, times: wire::Times) -> Result<Value> {
    let kind = if found.kind() == CodeKind::Python { "python" } else { "sql" };
    let options: Value = serde_json::from_str(&found.options).map_err(Error::internal)?;
    let card = found.card.unwrap_or_default();
    Ok(json!({
        "id": wire::id("code", &found.id)?, "name": card.title, "description": card.description,
        "collection_id": card.organization_id.map(|id| wire::id("col", &id)).transpose()?,
        "created_at": times.show(found.created_at), "type": kind, "options": options, "tags": card.tags,
        "alias": card.alias, "groups": card.groups, "updated_at": times.show(found.updated_at),
    }))
}
