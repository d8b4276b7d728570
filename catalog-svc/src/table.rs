//! Tables: reading pages, resolving versions for engines, committing what runs staged.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use bytes::Bytes;
use chrono::DateTime;
use futures::{StreamExt, stream::BoxStream};
use madang_kit::{Code, Context, Error, Id, Result, check, error::FieldProblem, time};
use madang_lake::{
    DataFile, Encoder, Filter, FilterOp, Limits, Page, ROW_ID, ReadOptions, RowStream, Schema, Snapshot, Sort, TableId, VersionInfo,
    WriteMode,
};
use madang_proto::catalog::v1::{
    CommitTablesRequest, CommitTablesResponse, FenceRunRequest, FenceRunResponse, ListTableVersionsRequest, ListTableVersionsResponse,
    OpenTableRequest, OpenTableResponse, QueryTableRequest, ReadTableHeader, ReadTableRequest, ReserveRowIdsRequest, ReserveRowIdsResponse,
    TableAccess, TableChange, TableFilter, TableSort, TableVersion, WriteMode as WireMode,
};

use crate::{
    Catalog,
    addressed::Addressed,
    error::{in_query, lake_error},
    merge,
    permission::reader,
    publish,
    store::{
        dataset as datasets,
        publish::{self as journal, Change, RunStep},
        table as store,
    },
    tail, unique, vacuum,
};

/// Rows in one page.
const MAX_PAGE_ROWS: u64 = 10_000;
/// Versions in one list.
const DEFAULT_VERSIONS: u32 = 100;
const MAX_VERSIONS: u32 = 1_000;
/// What a read under conditions or a statement may take (dhub.md section 7).
const QUERY_LIMITS: Limits = Limits { rows: u64::MAX, memory_bytes: 256 << 20, time: Duration::from_secs(30), ..Limits::STEP };
/// Row ids in one reservation.
const MAX_RESERVED: u64 = 1 << 24;
/// Tables in one commit.
const MAX_CHANGES: usize = 100;

/// A page of rows: what it is a page of, and the Arrow IPC stream.
pub(crate) struct Reading {
    pub(crate) header: ReadTableHeader,
    pub(crate) rows: BoxStream<'static, Result<Bytes>>,
}

/// Reads rows of a table.
pub(crate) async fn read(catalog: &Catalog, context: &Context, request: ReadTableRequest) -> Result<Reading> {
    if request.limit.is_some_and(|limit| limit > MAX_PAGE_ROWS) {
        return Err(Error::invalid("limit", "range", format!("a page has at most {MAX_PAGE_ROWS} rows")));
    }
    let options = read_options(&request)?;
    let addressed = Addressed::readable(catalog, context, check::id("dataset_id", &request.dataset_id)?).await?;
    let resolved = resolve(catalog, &addressed, request.version).await?;
    let version = resolved.as_ref().map(|snapshot| snapshot.version);
    let snapshot = match (resolved, request.version) {
        (Some(snapshot), _) => snapshot,
        (None, Some(version)) => return Err(Error::new(Code::NotFound, format!("version {version} does not exist"))),
        (None, None) => nothing(&addressed)?,
    };
    demand_columns(&snapshot.schema, &options)?;
    let total_rows = catalog.lake.count(&snapshot, &options.filters, &QUERY_LIMITS).await.map_err(in_query)?;
    let rows = catalog.lake.read(&snapshot, &options, &QUERY_LIMITS).await.map_err(in_query)?;
    let columns = rows.schema.fields().iter().map(|field| field.name().clone()).collect();
    let header = ReadTableHeader { columns, total_rows, version };
    Ok(Reading { header, rows: encode(rows)?.boxed() })
}

/// Refuses columns that the table has not, each told with the parameter that names it, and those that are wanted twice.
fn demand_columns(schema: &Schema, options: &ReadOptions) -> Result<()> {
    let wanted = options.columns.as_deref().unwrap_or_default();
    let filters = options.filters.iter().map(|filter| ("filter", &filter.column));
    let sort = options.sort.iter().map(|by| ("sort", &by.column));
    let named = filters.chain(sort).chain(wanted.iter().map(|name| ("columns", name)));
    let is_unknown = |name: &str| name != ROW_ID && schema.column(name).is_none();
    let unknown = named.filter(|(_, name)| is_unknown(name)).map(|(field, name)| {
        let message = format!("{field}: the table has no column '{name}'");
        FieldProblem { field: field.to_owned(), rule: "unknown_column".to_owned(), message }
    });
    let fields: Vec<_> = unknown.collect();
    if let Some(first) = fields.first() {
        return Err(Error { code: Code::Invalid, message: first.message.clone(), fields, cause: None });
    }
    let mut seen = HashSet::new();
    match wanted.iter().find(|name| !seen.insert(*name)) {
        Some(twice) => Err(Error::invalid("columns", "repeated", format!("columns: the column '{twice}' is wanted twice"))),
        None => Ok(()),
    }
}

/// A table before its first upload: the declared columns, so that questions about others are refused as they will be.
pub(crate) fn nothing(addressed: &Addressed) -> Result<Snapshot> {
    let schema = addressed.declared()?.unwrap_or_default();
    Ok(Snapshot::new(addressed.dataset.id.parse().map_err(lake_error)?, 0, schema, Vec::new()))
}

/// The same for a statement, which needs columns to ask for.
fn nothing_named(addressed: &Addressed, name: &str) -> Result<Snapshot> {
    let snapshot = nothing(addressed)?;
    if snapshot.schema.columns.is_empty() {
        let why = format!("the dataset '{name}' has no columns yet: upload a file into it, or give it a schema");
        return Err(Error::new(Code::Conflict, why));
    }
    Ok(snapshot)
}

fn read_options(request: &ReadTableRequest) -> Result<ReadOptions> {
    let sort = |sort: &TableSort| Sort { column: sort.column.clone(), descending: sort.descending };
    let page = (request.offset > 0 || request.limit.is_some())
        .then(|| Page { offset: request.offset, limit: request.limit.unwrap_or(u64::MAX - request.offset) });
    Ok(ReadOptions {
        columns: (!request.columns.is_empty()).then(|| request.columns.clone()),
        filters: read_filters(&request.filters)?,
        sort: request.sort.iter().map(sort).collect(),
        page,
    })
}

/// The conditions as the lake takes them.
pub(crate) fn read_filters(filters: &[TableFilter]) -> Result<Vec<Filter>> {
    let read = |filter: &TableFilter| {
        let unknown = || Error::invalid("filter", "choice", format!("'{}' is no comparison", filter.op));
        Ok(Filter { column: filter.column.clone(), op: FilterOp::parse(&filter.op).ok_or_else(unknown)?, values: filter.values.clone() })
    };
    filters.iter().map(read).collect()
}

/// Runs one read-only SELECT over the tables that the caller may read.
pub(crate) async fn query(catalog: &Catalog, context: &Context, request: QueryTableRequest) -> Result<Reading> {
    let own = Addressed::readable(catalog, context, check::id("dataset_id", &request.dataset_id)?).await?;
    let named = catalog.lake.tables_in(&request.sql).map_err(in_query)?;
    let mut tables = HashMap::new();
    for name in named {
        let found = if name.eq_ignore_ascii_case("table") { Some(own.clone()) } else { named_table(catalog, context, &own, &name).await? };
        let Some(found) = found else { continue }; // the engine refuses the name
        let snapshot = resolve(catalog, &found, None).await?;
        tables.insert(name.clone(), snapshot.map_or_else(|| nothing_named(&found, &name), Ok)?);
    }
    let limits = Limits { rows: request.max_rows.unwrap_or(u64::MAX), ..QUERY_LIMITS };
    let rows = catalog.lake.query(&request.sql, &tables, &limits).await.map_err(in_query)?;
    let columns = rows.schema.fields().iter().map(|field| field.name().clone()).collect();
    Ok(Reading { header: ReadTableHeader { columns, total_rows: 0, version: None }, rows: encode(rows)?.boxed() })
}

/// The table that a statement means by a name: that of its own dataset by title, any by D.Hub id, another dataset's by title if only
/// one that the caller sees has it.
async fn named_table(catalog: &Catalog, context: &Context, own: &Addressed, name: &str) -> Result<Option<Addressed>> {
    if own.dataset.title == name {
        return Ok(Some(own.clone()));
    }
    let reader = reader(&catalog.db, &context.principal).await?;
    if let Ok(id) = Id::parse_prefixed("ds", name) {
        return Addressed::find(catalog, &reader, id).await;
    }
    let mut found = datasets::with_title(&catalog.db, &reader, name).await?;
    if found.len() > 1 {
        return Err(Error::invalid("query", "ambiguous", format!("several datasets are named '{name}'; use the id")));
    }
    Ok(found.pop().map(Addressed::from))
}

/// The versions of a table, newest first.
pub(crate) async fn versions(catalog: &Catalog, context: &Context, request: ListTableVersionsRequest) -> Result<ListTableVersionsResponse> {
    let addressed = Addressed::readable(catalog, context, check::id("dataset_id", &request.dataset_id)?).await?;
    let limit = if request.limit == 0 { DEFAULT_VERSIONS } else { request.limit };
    if limit > MAX_VERSIONS {
        return Err(Error::invalid("limit", "range", format!("limit must be 1 to {MAX_VERSIONS}")));
    }
    let Some(table) = addressed.table(catalog).await? else { return Ok(ListTableVersionsResponse::default()) };
    let Some(snapshot) = tail::settled_if_any(catalog, &table).await? else { return Ok(ListTableVersionsResponse::default()) };
    let history = catalog.lake.history(&snapshot.table, request.before, limit as usize).await.map_err(lake_error)?;
    let version = |info: VersionInfo| TableVersion {
        version: info.version,
        at: DateTime::from_timestamp_millis(info.timestamp_ms).map(time::wire),
        operation: info.operation,
        parameters: serde_json::Value::Object(info.parameters).to_string(),
        read_version: info.read_version,
    };
    Ok(ListTableVersionsResponse { versions: history.into_iter().map(version).collect() })
}

/// A version of a table, by default the newest with everything that was decided and the rows that are not in files yet
/// ([`tail::view`], which CKAN's DataStore reads through too).
async fn resolve(catalog: &Catalog, addressed: &Addressed, version: Option<i64>) -> Result<Option<Snapshot>> {
    let Some(table) = addressed.table(catalog).await? else { return Ok(None) };
    match version {
        Some(version) => {
            let id: TableId = table.id.parse().map_err(lake_error)?;
            if tail::settled_if_any(catalog, &table).await?.is_none() {
                return Ok(None);
            }
            vacuum::older(catalog, &table, &id, version).await.map(Some)
        }
        None => Ok(tail::view(catalog, &table.id).await?.map(|view| view.snapshot)),
    }
}

fn encode(rows: RowStream) -> Result<impl futures::Stream<Item = Result<Bytes>> + Send + 'static> {
    let encoder = Encoder::new(&rows.schema).map_err(in_query)?;
    let pieces = futures::stream::try_unfold(Some((encoder, rows.batches)), |state| async move {
        let Some((mut encoder, mut batches)) = state else { return Ok::<_, Error>(None) };
        match batches.next().await {
            Some(batch) => {
                let pieces = encoder.encode(&batch.map_err(in_query)?).map_err(in_query)?;
                Ok(Some((pieces, Some((encoder, batches)))))
            }
            None => Ok(Some((encoder.finish().map_err(in_query)?, None))),
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
    let addressed = match request.access() {
        TableAccess::Read => Addressed::readable(catalog, context, id).await?,
        TableAccess::Write => Addressed::writable(catalog, context, id).await?,
        TableAccess::Unspecified => return Err(Error::invalid("access", "missing", "access is missing")),
    };
    let Some(table) = addressed.table(catalog).await? else {
        return Ok(OpenTableResponse { table_id: addressed.new_id().to_string(), ..OpenTableResponse::default() });
    };
    let id: TableId = table.id.parse().map_err(lake_error)?;
    let Some(snapshot) = tail::settled_if_any(catalog, &table).await? else {
        return Ok(OpenTableResponse { table_id: table.id, ..OpenTableResponse::default() });
    };
    let snapshot = match request.version {
        Some(version) => vacuum::older(catalog, &table, &id, version).await?,
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
    let decided = match decide(catalog, context, &run, &changes).await {
        Err(error) if publish::is_unchecked(&error) => {
            for change in &mut changes {
                unique::check(catalog, change).await?;
            }
            decide(catalog, context, &run, &changes).await?
        }
        decided => decided?,
    };
    let mut versions = Vec::with_capacity(changes.len());
    for change in &changes {
        versions.push(publish::apply_next(catalog, change, &decided).await);
    }
    match versions.iter().copied().collect() {
        Some(versions) => Ok(CommitTablesResponse { versions }),
        None => committed(catalog, &run, &changes).await,
    }
}

/// What a step that has published made; what of it waits is applied first.
async fn committed(catalog: &Catalog, run: &RunStep, changes: &[Change]) -> Result<CommitTablesResponse> {
    for change in changes {
        publish::roll_forward(catalog, &change.table).await?;
    }
    let made = journal::versions_of(&catalog.db, run).await?;
    let version = |change: &Change| made.iter().find(|(table, _)| table == change.table.as_str()).map(|(_, version)| *version);
    let versions =
        changes.iter().map(|change| version(change).ok_or_else(|| Error::new(Code::Conflict, "the step published other tables")));
    Ok(CommitTablesResponse { versions: versions.collect::<Result<_>>()? })
}

/// Writes the commit record, unless an earlier call of this step did: then nothing was decided now.
async fn decide(catalog: &Catalog, context: &Context, run: &RunStep, changes: &[Change]) -> Result<Vec<publish::Decided>> {
    let mut tx = catalog.db.begin().await?;
    if !journal::raise_fence(&mut tx, run.run, run.fence).await? {
        tracing::warn!(run = %run.run, step = run.step, fence = run.fence, "publish of an earlier attempt refused");
        return Err(outlived());
    }
    let decided = match journal::tables_of(&mut tx, run).await? {
        Some(_) => Vec::new(),
        None => publish::decide(catalog, &mut tx, context, changes, Some(run)).await?,
    };
    tx.commit().await?;
    Ok(decided)
}

/// Keeps earlier attempts of a run from publishing, and tells which steps have published.
pub(crate) async fn fence(catalog: &Catalog, request: FenceRunRequest) -> Result<FenceRunResponse> {
    let run = check::id("run_id", &request.run_id)?;
    let mut tx = catalog.db.begin().await?;
    if !journal::raise_fence(&mut tx, run, request.fence).await? {
        return Err(outlived());
    }
    let steps = journal::steps_of(&mut tx, run).await?;
    tx.commit().await?;
    Ok(FenceRunResponse { steps })
}

fn outlived() -> Error {
    Error::new(Code::Conflict, "a later attempt of this run has taken over")
}

async fn read_change(catalog: &Catalog, context: &Context, change: TableChange) -> Result<Change> {
    let mode = match change.mode() {
        WireMode::Append => WriteMode::Append,
        WireMode::Overwrite => WriteMode::Overwrite,
        WireMode::Merge => WriteMode::Merge,
        WireMode::Unspecified => return Err(Error::invalid("mode", "missing", "mode is missing")),
    };
    merge::check_keys(mode, &change.keys)?;
    if mode == WriteMode::Merge && !change.made_for.is_empty() && change.base_version.is_none() {
        return Err(Error::invalid("base_version", "missing", "a merge is made from a version"));
    }
    if mode != WriteMode::Merge && !change.leaving.is_empty() {
        return Err(Error::invalid("leaving", "mode", "only a merge takes single files out"));
    }
    let id = check::id("dataset_id", &change.dataset_id)?;
    let dataset = Addressed::writable(catalog, context, id).await?.dataset;
    let made_for: Schema = change.made_for.try_into().map_err(lake_error)?;
    Ok(Change {
        table: change.table_id.parse().map_err(lake_error)?,
        dataset: check::id("dataset_id", &dataset.id)?,
        mode,
        made_for: (!made_for.columns.is_empty()).then_some(made_for),
        made_from: change.base_version,
        schema: change.columns.try_into().map_err(lake_error)?,
        files: change.files.into_iter().map(DataFile::from).collect(),
        leaving: change.leaving,
        parameters: merge::told(&change.keys),
        resource_name: dataset.title,
        unique_key: Vec::new(),
    })
}
