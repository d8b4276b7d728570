//! Datasets (CKAN: packages).

use std::collections::HashMap;

use madang_kit::{
    Clock, Context, Error, Id, Result, Tx,
    audit::{self, Record},
    check,
    db::Source,
    idempotency::{self, Claim},
    time,
};
use madang_proto::catalog::v1::{
    CreateDatasetRequest, Dataset, DatasetKind, DatasetTable, DeleteRequest, DeleteResponse, GetRequest, ListDatasetsResponse, ListRequest,
    UpdateDatasetRequest,
};
use prost::Message;
use serde_json::json;

use crate::{
    Catalog, column, options, organization,
    permission::{Action, demand, demand_as, reader},
    publish,
    store::{
        dataset as store, table,
        thing::{self as names, Names, Reader, set_names},
    },
    thing,
    widen::{self, Wider},
};

/// Makes a dataset that every signed-in user may see (design: label `signed-in`).
pub(crate) async fn create(catalog: &Catalog, context: &Context, request: CreateDatasetRequest) -> Result<Dataset> {
    let owner = match check::optional_id("collection_id", request.organization_id.as_deref())? {
        Some(id) => Some(organization::readable(catalog, context, id).await?.id),
        None => None,
    };
    demand(catalog, &context.principal, Action::CreateDataset { organization: owner.as_deref() }).await?;
    let (id, now) = (Id::generate(), catalog.clock.now());
    let kind = if request.kind() == DatasetKind::Stream { store::STREAM } else { "table" };
    let columns = column::read(&request.columns)?;
    let row = store::Dataset {
        id: id.to_string(),
        name: id.prefixed("ds"),
        title: check::title("name", &request.title)?,
        description: check::description("description", request.description)?,
        alias: check::description("alias", request.alias)?,
        kind: kind.to_owned(),
        columns: columns.as_ref().map(serde_json::to_string).transpose().map_err(Error::internal)?,
        column_metadata: column::metadata(&request.columns, None)?,
        options: options::read(&request.options)?,
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
    visible(catalog, &reader(&catalog.db, &context.principal).await?, id).await
}

/// A dataset that the caller may change.
pub(crate) async fn writable(catalog: &Catalog, context: &Context, id: Id) -> Result<store::Dataset> {
    let reader = reader(&catalog.db, &context.principal).await?;
    let dataset = visible(catalog, &reader, id).await?;
    demand_as(catalog, &reader, Action::WriteDataset((&dataset).into())).await?;
    Ok(dataset)
}

async fn visible(catalog: &Catalog, reader: &Reader, id: Id) -> Result<store::Dataset> {
    if let Some(row) = store::find_visible(&catalog.db, reader, id).await? {
        return Ok(row);
    }
    let absent = Error::not_found("dataset", id.prefixed("ds"));
    Err(if store::find(&catalog.db, id).await?.is_some() { thing::hidden(absent) } else { absent })
}

/// Changes what is given. Columns of a table that is there may only grow; if that takes new files and somebody else changes the
/// table meanwhile, they are made again.
pub(crate) async fn update(catalog: &Catalog, context: &Context, request: UpdateDatasetRequest) -> Result<Dataset> {
    for _ in 1..widen::ATTEMPTS {
        match update_once(catalog, context, request.clone()).await {
            Err(error) if publish::is_moved(&error) => tracing::debug!("the table changed while it got new columns; starting again"),
            other => return other,
        }
    }
    update_once(catalog, context, request).await
}

async fn update_once(catalog: &Catalog, context: &Context, request: UpdateDatasetRequest) -> Result<Dataset> {
    let row = writable(catalog, context, check::id("id", &request.id)?).await?;
    let old = wires(catalog, vec![row.clone()]).await?.remove(0);
    let wanted = column::read(&request.columns)?;
    let title = request.title.map(|title| check::title("name", &title)).transpose()?;
    let columns = wanted.as_ref().map(serde_json::to_string).transpose().map_err(Error::internal)?;
    let metadata = match &wanted {
        Some(_) => column::metadata(&request.columns, row.column_metadata.as_deref())?,
        None => row.column_metadata.clone(),
    };
    let options = request.options.as_deref().map_or_else(|| Ok(row.options.clone()), options::read)?;
    let row = store::Dataset {
        title: title.unwrap_or(row.title),
        description: check::description("description", request.description)?.or(row.description),
        alias: check::description("alias", request.alias)?.or(row.alias),
        columns: columns.or(row.columns),
        column_metadata: metadata,
        options,
        revision: row.revision + 1,
        modified_at: catalog.clock.now(),
        ..row
    };
    let groups = request.groups.map_or(Ok(old.groups), |groups| check::names("groups", groups.values))?;
    let tags = request.tags.map_or(Ok(old.tags), |tags| check::names("tags", tags.values))?;
    let wider = match &wanted {
        Some(wanted) => Wider::prepare(catalog, &row, wanted).await?,
        None => None,
    };
    match write_update(catalog, context, row, wanted.is_some(), (groups, tags), wider.as_ref()).await {
        Ok(answer) => {
            if let Some(wider) = &wider {
                publish::roll_forward(catalog, &wider.change.table).await?;
            }
            Ok(Dataset { tables: old.tables, ..answer })
        }
        Err(error) => {
            if let (true, Some(wider)) = (error.is_refusal(), &wider) {
                wider.discard(catalog).await; // else the commit record may stand, and it names these files
            }
            Err(error)
        }
    }
}

async fn write_update(
    catalog: &Catalog,
    context: &Context,
    row: store::Dataset,
    new_columns: bool,
    (groups, tags): (Vec<String>, Vec<String>),
    wider: Option<&Wider>,
) -> Result<Dataset> {
    let mut tx = catalog.db.begin().await?;
    if let Some(wider) = wider {
        publish::decide(catalog, &mut tx, context, std::slice::from_ref(&wider.change), None).await?;
    }
    if !store::update(&mut tx, &row, new_columns).await? {
        return Err(thing::changed_meanwhile());
    }
    let answer = keep(catalog, context, &mut tx, row, groups, tags, "dataset.update").await?;
    tx.commit().await?;
    Ok(answer)
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

/// Keeps the version of a dataset that another face has changed, as this one shows it; nothing if it is no longer active.
pub(crate) async fn keep_changed(source: &mut Source, clock: &Clock, id: &str) -> Result<()> {
    let Some(row) = store::find_in(source, id).await? else { return Ok(()) };
    let mut groups = names::names_of(source, Names::Groups, vec![row.id.clone()]).await?;
    let mut tags = names::names_of(source, Names::Tags, vec![row.id.clone()]).await?;
    let (groups, tags) = (groups.remove(id).unwrap_or_default(), tags.remove(id).unwrap_or_default());
    let answer = wire(row, groups, tags)?;
    let Source::Tx(tx) = source else { return Ok(()) };
    names::keep_version(tx, &answer.id, answer.revision, clock.now(), answer.encode_to_vec()).await
}

/// Rows with their names and tables, in three statements whatever their number.
async fn wires(catalog: &Catalog, rows: Vec<store::Dataset>) -> Result<Vec<Dataset>> {
    let mut source = Source::from(&catalog.db);
    let ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
    let mut groups = names::names_of(&mut source, Names::Groups, ids.clone()).await?;
    let mut tags = names::names_of(&mut source, Names::Tags, ids.clone()).await?;
    let mut tables: HashMap<String, Vec<DatasetTable>> = HashMap::new();
    for (dataset, resource_id, name) in table::of_datasets(&mut source, ids).await? {
        tables.entry(dataset).or_default().push(DatasetTable { resource_id, name: name.filter(|name| !name.is_empty()) });
    }
    let mut named = |row: store::Dataset| {
        let (groups, tags) = (groups.remove(&row.id).unwrap_or_default(), tags.remove(&row.id).unwrap_or_default());
        let tables = tables.remove(&row.id).unwrap_or_default();
        Ok(Dataset { tables, ..wire(row, groups, tags)? })
    };
    rows.into_iter().map(&mut named).collect()
}

fn wire(row: store::Dataset, groups: Vec<String>, tags: Vec<String>) -> Result<Dataset> {
    let columns = column::wire(&row.declared()?.unwrap_or_default(), row.column_metadata.as_deref())?;
    let kind = if row.kind == store::STREAM { DatasetKind::Stream } else { DatasetKind::Table };
    Ok(Dataset {
        id: row.id,
        title: row.title,
        description: row.description,
        organization_id: row.organization_id,
        created_at: Some(time::wire(row.created_at)),
        alias: row.alias,
        kind: kind.into(),
        columns,
        options: row.options,
        groups,
        tags,
        updated_at: Some(time::wire(row.modified_at)),
        revision: row.revision,
        tables: Vec::new(),
    })
}
