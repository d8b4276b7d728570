//! Tables: reading pages, resolving versions for engines, committing what runs staged.

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use madang_kit::{Code, Context, Error, Id, Result, check};
use madang_lake::{DataFile, Encoder, Page, ReadOptions, Snapshot, TableId, WriteMode};
use madang_proto::catalog::v1::{
    CommitTablesRequest, CommitTablesResponse, OpenTableRequest, OpenTableResponse, ReadTableHeader, ReadTableRequest,
    ReserveRowIdsRequest, ReserveRowIdsResponse, TableAccess, TableChange, WriteMode as WireMode,
};

use crate::{
    Catalog, dataset,
    error::lake_error,
    publish,
    store::{
        publish::{self as journal, Change, RunStep},
        table as store,
    },
};

/// Rows in one page.
const MAX_PAGE_ROWS: u64 = 10_000;
/// Row ids in one reservation.
const MAX_RESERVED: u64 = 1 << 24;
/// Tables in one commit.
const MAX_CHANGES: usize = 100;

/// A page of rows: what it is a page of, and the Arrow IPC stream.
pub(crate) struct Reading {
    pub(crate) header: ReadTableHeader,
    pub(crate) rows: BoxStream<'static, Result<Bytes>>,
}

/// Reads a page of a dataset's primary table in ingestion order.
pub(crate) async fn read(catalog: &Catalog, context: &Context, request: ReadTableRequest) -> Result<Reading> {
    if request.limit > MAX_PAGE_ROWS {
        return Err(Error::invalid("limit", "too_large", format!("a page has at most {MAX_PAGE_ROWS} rows")));
    }
    let dataset = dataset::readable(catalog, context, check::id("dataset_id", &request.dataset_id)?).await?;
    let Some(snapshot) = newest(catalog, &dataset.id).await? else {
        let header = ReadTableHeader { columns: Vec::new(), total_rows: 0, version: None };
        return Ok(Reading { header, rows: futures::stream::empty().boxed() });
    };
    let header = ReadTableHeader {
        columns: snapshot.schema.columns.iter().map(|column| column.name.clone()).collect(),
        total_rows: snapshot.rows(),
        version: Some(snapshot.version),
    };
    let options = ReadOptions { columns: None, page: Some(Page { offset: request.offset, limit: request.limit }) };
    let rows = catalog.lake.read(&snapshot, &options).await.map_err(lake_error)?;
    Ok(Reading { header, rows: encode(rows)?.boxed() })
}

/// The newest snapshot of a dataset's primary table. Every reader of rows comes through here: it is where rows that are not in
/// files yet will be merged in.
async fn newest(catalog: &Catalog, dataset: &str) -> Result<Option<Snapshot>> {
    let Some(table) = store::primary(&catalog.db, dataset).await? else { return Ok(None) };
    if table.version.is_none() {
        return Ok(None);
    }
    let id: TableId = table.id.parse().map_err(lake_error)?;
    catalog.lake.snapshot(&id, None).await.map(Some).map_err(lake_error)
}

fn encode(rows: madang_lake::RowStream) -> Result<impl futures::Stream<Item = Result<Bytes>> + Send + 'static> {
    let encoder = Encoder::new(&rows.schema).map_err(lake_error)?;
    let pieces = futures::stream::try_unfold(Some((encoder, rows.batches)), |state| async move {
        let Some((mut encoder, mut batches)) = state else { return Ok::<_, Error>(None) };
        match batches.next().await {
            Some(batch) => {
                let pieces = encoder.encode(&batch.map_err(lake_error)?).map_err(lake_error)?;
                Ok(Some((pieces, Some((encoder, batches)))))
            }
            None => Ok(Some((encoder.finish().map_err(lake_error)?, None))),
        }
    });
    Ok(pieces.flat_map(|pieces| match pieces {
        Ok(pieces) => futures::stream::iter(pieces.into_iter().map(Ok).collect::<Vec<_>>()),
        Err(error) => futures::stream::iter(vec![Err(error)]),
    }))
}

/// Resolves a version to its files, for an engine that works on the principal's behalf.
pub(crate) async fn open(catalog: &Catalog, context: &Context, request: OpenTableRequest) -> Result<OpenTableResponse> {
    let id = check::id("dataset_id", &request.dataset_id)?;
    let dataset = match request.access() {
        TableAccess::Read => dataset::readable(catalog, context, id).await?,
        TableAccess::Write => dataset::writable(catalog, context, id).await?,
        TableAccess::Unspecified => return Err(Error::invalid("access", "missing", "access is missing")),
    };
    let Some(table) = store::primary(&catalog.db, &dataset.id).await? else {
        return Ok(OpenTableResponse { table_id: Id::generate().to_string(), ..OpenTableResponse::default() });
    };
    let table: TableId = table.id.parse().map_err(lake_error)?;
    let snapshot = publish::roll_forward(catalog, &table).await?;
    let snapshot = match request.version {
        Some(version) => catalog.lake.snapshot(&table, Some(version)).await.map_err(lake_error)?,
        None => snapshot,
    };
    Ok(snapshot.into())
}

/// Reserves row ids for files that an engine writes.
pub(crate) async fn reserve_row_ids(catalog: &Catalog, request: ReserveRowIdsRequest) -> Result<ReserveRowIdsResponse> {
    let table = check::id("table_id", &request.table_id)?;
    let count = i64::try_from(request.count).ok().filter(|_| (1..=MAX_RESERVED).contains(&request.count));
    let count = count.ok_or_else(|| Error::invalid("count", "range", format!("count must be 1 to {MAX_RESERVED}")))?;
    Ok(ReserveRowIdsResponse { first: store::reserve_row_ids(&catalog.db, table, count).await? })
}

/// Publishes what a step of a run staged; a repetition answers as the first time.
pub(crate) async fn commit(catalog: &Catalog, context: &Context, request: CommitTablesRequest) -> Result<CommitTablesResponse> {
    if request.changes.is_empty() || request.changes.len() > MAX_CHANGES {
        return Err(Error::invalid("changes", "range", format!("a commit has 1 to {MAX_CHANGES} changes")));
    }
    let run = RunStep { run: check::id("run_id", &request.run_id)?, step: request.step, fence: request.fence };
    let mut changes = Vec::with_capacity(request.changes.len());
    for change in request.changes {
        changes.push(read_change(catalog, context, change).await?);
    }
    decide(catalog, context, &run, &changes).await?;
    for change in &changes {
        publish::roll_forward(catalog, &change.table).await?;
    }
    let made = journal::versions_of(&catalog.db, &run).await?;
    let version = |change: &Change| made.iter().find(|(table, _)| table == change.table.as_str()).map(|(_, version)| *version);
    let versions =
        changes.iter().map(|change| version(change).ok_or_else(|| Error::new(Code::Conflict, "the step published other tables")));
    Ok(CommitTablesResponse { versions: versions.collect::<Result<_>>()? })
}

async fn decide(catalog: &Catalog, context: &Context, run: &RunStep, changes: &[Change]) -> Result<()> {
    let mut tx = catalog.db.begin().await?;
    if !journal::raise_fence(&mut tx, run).await? {
        return Err(Error::new(Code::Conflict, "a later attempt of this run has published"));
    }
    if journal::tables_of(&mut tx, run).await?.is_none() {
        publish::decide(catalog, &mut tx, context, changes, Some(run)).await?;
    }
    Ok(tx.commit().await?)
}

async fn read_change(catalog: &Catalog, context: &Context, change: TableChange) -> Result<Change> {
    let mode = match change.mode() {
        WireMode::Append => WriteMode::Append,
        WireMode::Overwrite => WriteMode::Overwrite,
        WireMode::Unspecified => return Err(Error::invalid("mode", "missing", "mode is missing")),
    };
    let id = check::id("dataset_id", &change.dataset_id)?;
    let dataset = dataset::writable(catalog, context, id).await?;
    let there = store::primary(&catalog.db, &dataset.id).await?;
    Ok(Change {
        table: change.table_id.parse().map_err(lake_error)?,
        dataset: id,
        mode,
        made_for: there.map(|table| table.schema),
        made_from: change.base_version,
        schema: change.columns.try_into().map_err(lake_error)?,
        files: change.files.into_iter().map(DataFile::from).collect(),
        resource_name: dataset.title,
    })
}
