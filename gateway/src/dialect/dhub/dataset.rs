//! Datasets (dhub.md section 6).

use axum::{Json, extract::State};
use madang_kit::{Context, Id, Result, check, rpc};
use madang_lake::ColumnType;
use madang_proto::catalog::v1::{
    CreateDatasetRequest, Dataset, DatasetKind, DatasetTable, DeleteRequest, GetRequest, ListRequest, TableColumn, UpdateDatasetRequest,
};
use serde_json::{Value, json};

use super::{
    call::{Call, JsonCall, Path, Query, path_id},
    collection::description,
    error::DhubError,
    fields::Fields,
    list::{ListQuery, envelope},
    version::VersionQuery,
    wire,
};
use crate::Gateway;

/// Columns of a schema.
const COLUMNS: usize = 4_096;
/// Entries of the options of a dataset, and of the object around a schema.
const OPTIONS: usize = 100;
/// Entries of the metadata of a column.
const METADATA: usize = 100;

/// `POST /datasets`: the object.
pub(crate) async fn create(State(gateway): State<Gateway>, call: JsonCall) -> Result<Json<Value>, DhubError> {
    Ok(Json(shape(make(&gateway, call, false).await?, wire::Times::Iso)?))
}

/// `POST /datasets/`: the id alone; names are unique here.
pub(crate) async fn create_item(State(gateway): State<Gateway>, call: JsonCall) -> Result<Json<Value>, DhubError> {
    let made = make(&gateway, call, true).await?;
    Ok(Json(json!({"item": wire::id("ds", &made.id)?})))
}

async fn make(gateway: &Gateway, call: JsonCall, unique_title: bool) -> Result<Dataset, DhubError> {
    let mut fields = call.fields;
    let request = CreateDatasetRequest {
        title: fields.text("name"),
        description: description(&mut fields),
        organization_id: fields.optional_id("collection_id", "col").map(|id| id.to_string()),
        alias: fields.optional_text("alias"),
        kind: read_kind(&mut fields).unwrap_or(DatasetKind::Table).into(),
        columns: read_schema(&mut fields),
        options: options(&mut fields).unwrap_or_default(),
        groups: fields.texts("groups", check::NAMES).unwrap_or_default(),
        tags: fields.texts("tags", check::NAMES).unwrap_or_default(),
        unique_title,
    };
    fields.finish()?;
    Ok(gateway.catalog.clone().create_dataset(rpc::request(&call.context, request)).await?.into_inner())
}

/// `GET /datasets/{id}?dataset_version=v2`
pub(crate) async fn show(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    call: Call,
    Query(query): Query<VersionQuery>,
) -> Result<Json<Value>, DhubError> {
    let request = GetRequest { id: read_id(&id)?.to_string(), revision: query.dataset()? };
    let found = gateway.catalog.clone().get_dataset(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(shape(found, wire::Times::Iso)?))
}

/// `PUT /datasets/{id}`: a dataset stays of its type and in its collection.
pub(crate) async fn update(State(gateway): State<Gateway>, Path(id): Path<String>, call: JsonCall) -> Result<Json<Value>, DhubError> {
    let id = read_id(&id)?;
    let mut fields = call.fields;
    if fields.has("type") || fields.has("collection_id") {
        demand_unchanged(&gateway, &call.context, id, &mut fields).await?;
    }
    let request = UpdateDatasetRequest {
        id: id.to_string(),
        title: fields.optional_text("name"),
        description: description(&mut fields),
        alias: fields.optional_text("alias"),
        columns: read_schema(&mut fields),
        options: options(&mut fields),
        groups: wire::texts(fields.texts("groups", check::NAMES)),
        tags: wire::texts(fields.texts("tags", check::NAMES)),
    };
    fields.finish()?;
    let changed = gateway.catalog.clone().update_dataset(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(shape(changed, wire::Times::Iso)?))
}

/// What the body says of the type and the collection must be so already.
async fn demand_unchanged(gateway: &Gateway, context: &Context, id: Id, fields: &mut Fields) -> Result<(), DhubError> {
    let request = GetRequest { id: id.to_string(), revision: None };
    let found = gateway.catalog.clone().get_dataset(rpc::request(context, request)).await?.into_inner();
    if read_kind(fields).is_some_and(|kind| kind != found.kind()) {
        fields.problem("type", "read_only", "a dataset keeps the type that it was made with");
    }
    Ok(wire::keep_collection(fields, found.organization_id.as_deref())?)
}

/// `DELETE /datasets/{id}`
pub(crate) async fn delete(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Value>, DhubError> {
    let request = DeleteRequest { id: read_id(&id)?.to_string(), force: false };
    gateway.catalog.clone().delete_dataset(rpc::request(&call.context, request)).await?;
    Ok(Json(json!({"message": "Dataset deleted successfully"})))
}

/// `GET /datasets`: an array.
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    call: Call,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<Value>>, DhubError> {
    let (found, _) = fetch(&gateway, &call, query.request()?).await?;
    Ok(Json(found.into_iter().map(|found| shape(found, wire::Times::Iso)).collect::<Result<_>>()?))
}

/// `GET /datasets/`: an envelope.
pub(crate) async fn list_items(
    State(gateway): State<Gateway>,
    call: Call,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, DhubError> {
    let (found, next) = fetch(&gateway, &call, query.request()?).await?;
    let item = |found: Dataset| Ok((wire::id("ds", &found.id)?, shape(found, wire::Times::EpochMs)?));
    Ok(Json(envelope(found.into_iter().map(item).collect::<Result<_>>()?, next)?))
}

async fn fetch(gateway: &Gateway, call: &Call, request: ListRequest) -> Result<(Vec<Dataset>, Option<String>), DhubError> {
    let answer = gateway.catalog.clone().list_datasets(rpc::request(&call.context, request)).await?.into_inner();
    Ok((answer.datasets, answer.next))
}

fn read_id(text: &str) -> Result<Id, DhubError> {
    path_id("dataset", "ds", text)
}

/// `table` and `delta` are one kind, `stream` and `kafka` the other.
fn read_kind(fields: &mut Fields) -> Option<DatasetKind> {
    match fields.optional_text("type")?.as_str() {
        "table" | "delta" => Some(DatasetKind::Table),
        "stream" | "kafka" => Some(DatasetKind::Stream),
        _ => {
            fields.problem("type", "choice", "must be table, delta, stream or kafka");
            None
        }
    }
}

fn options(fields: &mut Fields) -> Option<String> {
    let options = fields.optional_object("options", OPTIONS)?;
    Some(Value::Object(options).to_string())
}

/// `{"type": "struct", "fields": [{"name", "type", "nullable"?, "metadata"?}]}`
fn read_schema(fields: &mut Fields) -> Vec<TableColumn> {
    let Some(schema) = fields.optional_object("schema", OPTIONS) else { return Vec::new() };
    let mut schema = Fields::nested("schema", Value::Object(schema));
    let columns = schema.list("fields", COLUMNS).into_iter().enumerate();
    let columns = columns.map(|(at, column)| read_column(&mut schema, at, column)).collect();
    fields.absorb(schema);
    columns
}

fn read_column(schema: &mut Fields, at: usize, column: Value) -> TableColumn {
    let mut column = Fields::nested(&format!("schema.fields.{at}"), column);
    let name = column.text("name");
    let kind = column.text("type");
    let parsed = ColumnType::parse(&kind);
    if parsed.is_none() && !kind.is_empty() {
        column.problem("type", "choice", "is not a column type");
    }
    let nullable = column.optional_bool("nullable").unwrap_or(true);
    let metadata = column.optional_object("metadata", METADATA).map(|object| Value::Object(object).to_string());
    schema.absorb(column);
    TableColumn { name, r#type: parsed.map_or(kind, |kind| kind.name().to_owned()), nullable, metadata }
}

fn shape(found: Dataset, times: wire::Times) -> Result<Value> {
    let tables = shape_tables(&found)?;
    let kind = if found.kind() == DatasetKind::Stream { "stream" } else { "table" };
    let options: Value = serde_json::from_str(&found.options).map_err(madang_kit::Error::internal)?;
    Ok(json!({
        "id": wire::id("ds", &found.id)?, "name": found.title, "description": found.description,
        "collection_id": found.organization_id.map(|id| wire::id("col", &id)).transpose()?,
        "created_at": times.show(found.created_at), "type": kind, "schema": shape_schema(&found.columns), "options": options,
        "tags": found.tags, "alias": found.alias, "groups": found.groups, "updated_at": times.show(found.updated_at),
        "tables": tables,
    }))
}

/// The dataset's tables: the primary one goes by the dataset's id, others by their resources' (design: "Tables").
fn shape_tables(found: &Dataset) -> Result<Vec<Value>> {
    let shape = |(at, table): (usize, &DatasetTable)| {
        let id = if at == 0 { &found.id } else { &table.resource_id };
        Ok(json!({"id": wire::id("ds", id)?, "name": table.name}))
    };
    found.tables.iter().enumerate().map(shape).collect()
}

/// Struct-type names (dhub.md section 6); null while no columns are known.
fn shape_schema(columns: &[TableColumn]) -> Value {
    if columns.is_empty() {
        return Value::Null;
    }
    let field = |column: &TableColumn| {
        let kind = ColumnType::parse(&column.r#type).map_or_else(|| column.r#type.clone(), |kind| kind.struct_name().to_owned());
        let metadata: Value = column.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| json!({}));
        json!({"name": column.name, "type": kind, "nullable": column.nullable, "metadata": metadata})
    };
    json!({"type": "struct", "fields": columns.iter().map(field).collect::<Vec<_>>()})
}
