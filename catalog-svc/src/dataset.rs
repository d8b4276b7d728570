//! Datasets (CKAN: packages).

use madang_kit::{
    Code, Context, Error, Id, Result, Tx,
    audit::{self, Record},
    check,
    idempotency::{self, Claim},
    time,
};
use madang_lake::{Schema, TableId, WriteMode};
use madang_proto::catalog::v1::{
    CreateDatasetRequest, Dataset, DatasetKind, DeleteRequest, DeleteResponse, GetRequest, ListDatasetsResponse, ListRequest, TableColumn,
    UpdateDatasetRequest,
};
use prost::Message;
use serde_json::{Map, Value, json};

use crate::{
    Catalog,
    error::lake_error,
    organization,
    permission::{Action, demand, reader},
    publish,
    store::{
        dataset as store,
        publish::Change,
        table,
        thing::{self as names, Names, set_names},
    },
    thing,
};

/// The largest options object, in bytes.
const MAX_OPTIONS: usize = 64 * 1024;

/// Makes a dataset that every signed-in user may see (design: label `signed-in`).
pub(crate) async fn create(catalog: &Catalog, context: &Context, request: CreateDatasetRequest) -> Result<Dataset> {
    let owner = match check::optional_id("collection_id", request.organization_id.as_deref())? {
        Some(id) => Some(organization::readable(catalog, context, id).await?.id),
        None => None,
    };
    demand(&catalog.db, &context.principal, Action::CreateDataset { organization: owner.as_deref() }).await?;
    let (id, now) = (Id::generate(), catalog.clock.now());
    let kind = if request.kind() == DatasetKind::Stream { store::STREAM } else { "table" };
    let row = store::Dataset {
        id: id.to_string(),
        name: id.prefixed("ds"),
        title: check::title("name", &request.title)?,
        description: check::description("description", request.description)?,
        alias: check::description("alias", request.alias)?,
        kind: kind.to_owned(),
        columns: checked_columns(request.columns)?,
        options: checked_options(&request.options)?,
        organization_id: owner,
        visibility: "signed-in".to_owned(),
        revision: 1,
        created_by: context.principal.user.to_string(),
        created_at: now,
        modified_at: now,
    };
    let (groups, tags) = (check::names("groups", request.groups)?, check::names("tags", request.tags)?);
    let mut tx = catalog.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &catalog.clock, context, "CreateDataset").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    if request.unique_title && store::title_is_taken(&mut tx, &row.title).await? {
        return Err(thing::title_taken(&row.title));
    }
    store::insert(&mut tx, &row).await?;
    let answer = keep(catalog, context, &mut tx, row, groups, tags, "dataset.create").await?;
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// A dataset as it is, or as it was at a revision.
pub(crate) async fn get(catalog: &Catalog, context: &Context, request: GetRequest) -> Result<Dataset> {
    let id = check::id("id", &request.id)?;
    let row = readable(catalog, context, id).await?;
    match request.revision {
        Some(revision) => thing::version(catalog, id, revision).await,
        None => Ok(wires(catalog, vec![row]).await?.remove(0)),
    }
}

/// Deletes a dataset; its files go with the housekeeping.
pub(crate) async fn delete(catalog: &Catalog, context: &Context, request: DeleteRequest) -> Result<DeleteResponse> {
    let row = writable(catalog, context, check::id("id", &request.id)?).await?;
    let mut tx = catalog.db.begin().await?;
    store::delete(&mut tx, &row.id, catalog.clock.now()).await?;
    audit::write(&mut tx, &catalog.clock, context, Record { action: "dataset.delete", thing: row.id, detail: json!({}) }).await?;
    tx.commit().await?;
    Ok(DeleteResponse {})
}

/// The datasets that the caller may see.
pub(crate) async fn list(catalog: &Catalog, context: &Context, request: ListRequest) -> Result<ListDatasetsResponse> {
    let filter = thing::filter(request)?;
    let reader = reader(&catalog.db, &context.principal).await?;
    let mut rows = store::list(&catalog.db, &reader, &filter).await?;
    let next = thing::cut(&mut rows, &filter, |row| row.id.clone());
    Ok(ListDatasetsResponse { datasets: wires(catalog, rows).await?, next })
}

/// A dataset that the caller may see; one that is hidden from him reads as absent in D.Hub, told apart by its code.
pub(crate) async fn readable(catalog: &Catalog, context: &Context, id: Id) -> Result<store::Dataset> {
    let reader = reader(&catalog.db, &context.principal).await?;
    if let Some(row) = store::find_visible(&catalog.db, &reader, id).await? {
        return Ok(row);
    }
    let absent = Error::not_found("dataset", id.prefixed("ds"));
    Err(if store::find(&catalog.db, id).await?.is_some() { thing::hidden(absent) } else { absent })
}

/// A dataset that the caller may change.
pub(crate) async fn writable(catalog: &Catalog, context: &Context, id: Id) -> Result<store::Dataset> {
    let dataset = readable(catalog, context, id).await?;
    demand(&catalog.db, &context.principal, Action::WriteDataset(&dataset)).await?;
    Ok(dataset)
}

/// Changes what is given. Columns of a table that is there may only grow.
pub(crate) async fn update(catalog: &Catalog, context: &Context, request: UpdateDatasetRequest) -> Result<Dataset> {
    let row = writable(catalog, context, check::id("id", &request.id)?).await?;
    let old = wires(catalog, vec![row.clone()]).await?.remove(0);
    let title = request.title.map(|title| check::title("name", &title)).transpose()?;
    let options = request.options.map(|options| checked_options(&options)).transpose()?;
    let row = store::Dataset {
        title: title.unwrap_or(row.title),
        description: check::description("description", request.description)?.or(row.description),
        alias: check::description("alias", request.alias)?.or(row.alias),
        options: options.unwrap_or(row.options),
        revision: row.revision + 1,
        modified_at: catalog.clock.now(),
        ..row
    };
    let groups = request.groups.map_or(Ok(old.groups), |groups| check::names("groups", groups.values))?;
    let tags = request.tags.map_or(Ok(old.tags), |tags| check::names("tags", tags.values))?;
    let wanted = read_columns(request.columns)?;
    let mut tx = catalog.db.begin().await?;
    let grown = grow(catalog, context, &mut tx, &row, wanted.as_ref()).await?;
    let columns = wanted.as_ref().map(serde_json::to_string).transpose().map_err(Error::internal)?;
    let row = store::Dataset { columns: columns.or(row.columns), ..row };
    if !store::update(&mut tx, &row).await? {
        return Err(thing::changed_meanwhile());
    }
    let answer = keep(catalog, context, &mut tx, row, groups, tags, "dataset.update").await?;
    tx.commit().await?;
    if let Some(table) = grown {
        publish::roll_forward(catalog, &table).await?;
    }
    Ok(answer)
}

/// Publishes the wanted columns of a table that is there. `None` if there is none, or nothing to change.
async fn grow(catalog: &Catalog, context: &Context, tx: &mut Tx, row: &store::Dataset, wanted: Option<&Schema>) -> Result<Option<TableId>> {
    let Some(wanted) = wanted else { return Ok(None) };
    let Some(table) = table::primary_in(tx, &row.id).await? else { return Ok(None) };
    if table.schema == *wanted {
        return Ok(None);
    }
    table.schema.check_growth(wanted).map_err(|error| Error::new(Code::Conflict, error.to_string()))?;
    let id: TableId = table.id.parse().map_err(lake_error)?;
    let change = Change {
        table: id.clone(),
        dataset: check::id("id", &row.id)?,
        mode: WriteMode::Append,
        made_for: Some(table.schema),
        made_from: None,
        schema: wanted.clone(),
        files: Vec::new(),
        resource_name: String::new(),
    };
    publish::decide(catalog, tx, context, &[change], None).await?;
    Ok(Some(id))
}

/// Writes names, version and audit record of a made or changed dataset.
async fn keep(
    catalog: &Catalog,
    context: &Context,
    tx: &mut Tx,
    row: store::Dataset,
    groups: Vec<String>,
    tags: Vec<String>,
    action: &str,
) -> Result<Dataset> {
    set_names(tx, Names::Groups, &row.id, &groups).await?;
    set_names(tx, Names::Tags, &row.id, &tags).await?;
    let answer = wire(row, groups, tags)?;
    names::keep_version(tx, &answer.id, answer.revision, catalog.clock.now(), answer.encode_to_vec()).await?;
    let detail = json!({"revision": answer.revision, "organization": &answer.organization_id});
    audit::write(tx, &catalog.clock, context, Record { action, thing: answer.id.clone(), detail }).await?;
    Ok(answer)
}

/// Rows with their names, in two statements whatever their number.
async fn wires(catalog: &Catalog, rows: Vec<store::Dataset>) -> Result<Vec<Dataset>> {
    let ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
    let mut groups = names::names_of(&catalog.db, Names::Groups, ids.clone()).await?;
    let mut tags = names::names_of(&catalog.db, Names::Tags, ids).await?;
    let mut named = |row: store::Dataset| {
        let (groups, tags) = (groups.remove(&row.id).unwrap_or_default(), tags.remove(&row.id).unwrap_or_default());
        wire(row, groups, tags)
    };
    rows.into_iter().map(&mut named).collect()
}

fn wire(row: store::Dataset, groups: Vec<String>, tags: Vec<String>) -> Result<Dataset> {
    let schema = row.declared()?.unwrap_or_default();
    let kind = if row.kind == store::STREAM { DatasetKind::Stream } else { DatasetKind::Table };
    Ok(Dataset {
        id: row.id,
        title: row.title,
        description: row.description,
        organization_id: row.organization_id,
        created_at: Some(time::wire(row.created_at)),
        alias: row.alias,
        kind: kind.into(),
        columns: (&schema).into(),
        options: row.options,
        groups,
        tags,
        updated_at: Some(time::wire(row.modified_at)),
        revision: row.revision,
    })
}

/// The declared columns; `None` if there are none.
fn read_columns(columns: Vec<TableColumn>) -> Result<Option<Schema>> {
    if columns.is_empty() {
        return Ok(None);
    }
    let schema: Schema = columns.try_into().map_err(|error: madang_lake::Error| Error::invalid("schema", "type", error.to_string()))?;
    schema.check().map_err(|error| Error::invalid("schema", "columns", error.to_string()))?;
    Ok(Some(schema))
}

fn checked_columns(columns: Vec<TableColumn>) -> Result<Option<String>> {
    read_columns(columns)?.map(|schema| serde_json::to_string(&schema).map_err(Error::internal)).transpose()
}

fn checked_options(options: &str) -> Result<String> {
    if options.is_empty() {
        return Ok("{}".to_owned());
    }
    let object: Map<String, Value> =
        serde_json::from_str(options).map_err(|_| Error::invalid("options", "object_type", "options must be an object"))?;
    let text = Value::Object(object).to_string();
    if text.len() > MAX_OPTIONS || text.contains("\\u0000") {
        return Err(Error::invalid("options", "too_long", format!("options have at most {MAX_OPTIONS} bytes and no NUL")));
    }
    Ok(text)
}
