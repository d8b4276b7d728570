//! Uploads: files in, one new version out.
//!
//! The bytes are spooled to the local disk, because types are inferred over the whole file. Then they are staged as Parquet and
//! published. If somebody else changed the table meanwhile, staging starts again from the spooled files.

use async_trait::async_trait;
use madang_kit::{
    Code, Context, Error, Id, Result, check,
    error::chain,
    idempotency::{self, Claim},
};
use madang_lake::{Inspection, RowIds, Schema, Staged, TableId, WriteMode};
use madang_proto::catalog::v1::{
    InspectFilesResponse, UploadStart, UploadTableRequest, UploadTableResponse, WriteMode as WireMode, upload_table_request::Part,
};
use tonic::Streaming;

use crate::{
    Catalog,
    addressed::Addressed,
    error::lake_error,
    merge, publish,
    receive::{Received, ReceivedFile, receive},
    store::{publish::Change, table as store},
    unique,
};

/// How often staging starts again because the table changed meanwhile. A merge can't stand any change, so it tries more often.
const ATTEMPTS: usize = 3;
const MERGE_ATTEMPTS: usize = 10;

/// An upload that is ready to be ingested.
struct Upload {
    to: Addressed,
    mode: WriteMode,
    /// With [`WriteMode::Merge`].
    keys: Vec<String>,
    received: Received,
}

/// Files that are staged for a publish.
#[derive(Default)]
pub(crate) struct Prepared {
    pub(crate) staged: Staged,
    /// Paths of the files that they replace.
    pub(crate) leaving: Vec<String>,
    /// The version that they were made from, if they were.
    pub(crate) made_from: Option<i64>,
    /// Rows of the upload.
    pub(crate) rows: u64,
}

/// Takes an upload in and publishes it.
pub(crate) async fn upload(catalog: &Catalog, context: &Context, mut parts: Streaming<UploadTableRequest>) -> Result<UploadTableResponse> {
    let Some(Part::Start(start)) = parts.message().await?.and_then(|message| message.part) else {
        return Err(Error::invalid("start", "missing", "an upload begins with its dataset"));
    };
    let (to, mode, keys) = begin(catalog, context, start).await?;
    let upload = Upload { to, mode, keys, received: receive(catalog, &mut parts).await? };
    let key = context.idempotency_key.as_ref().map(|key| format!("{key}.{}", upload.received.digest));
    let context = &Context { idempotency_key: key, ..context.clone() };
    let attempts = if upload.mode == WriteMode::Merge { MERGE_ATTEMPTS } else { ATTEMPTS };
    for _ in 0..attempts {
        match ingest(catalog, context, &upload).await {
            Err(error) if publish::is_moved(&error) || publish::is_unchecked(&error) => {
                tracing::debug!("the table changed during an upload; staging again");
            }
            other => return other,
        }
    }
    Err(Error::new(Code::Conflict, "the table is being changed by others; try again"))
}

/// Checks the right to write before the first byte is kept.
async fn begin(catalog: &Catalog, context: &Context, start: UploadStart) -> Result<(Addressed, WriteMode, Vec<String>)> {
    let mode = match start.mode() {
        WireMode::Append => WriteMode::Append,
        WireMode::Overwrite => WriteMode::Overwrite,
        WireMode::Merge => WriteMode::Merge,
        WireMode::Unspecified => return Err(Error::invalid("mode", "missing", "mode is missing")),
    };
    let id: Id = check::id("dataset_id", &start.dataset_id)?;
    let to = Addressed::writable(catalog, context, id).await?;
    merge::check_keys(mode, &start.keys)?;
    Ok((to, mode, start.keys))
}

/// Infers the columns of files without keeping them.
pub(crate) async fn inspect(catalog: &Catalog, mut parts: Streaming<UploadTableRequest>) -> Result<InspectFilesResponse> {
    let Some(Part::Start(_)) = parts.message().await?.and_then(|message| message.part) else {
        return Err(Error::invalid("start", "missing", "an upload begins with its start"));
    };
    let received = receive(catalog, &mut parts).await?;
    Ok(InspectFilesResponse { columns: (&infer(catalog, &received.files).await?).into() })
}

/// Stages every file and publishes them as one version.
async fn ingest(catalog: &Catalog, context: &Context, upload: &Upload) -> Result<UploadTableResponse> {
    let table = upload.to.table(catalog).await?;
    let id = table.as_ref().map_or_else(|| upload.to.new_id().to_string(), |table| table.id.clone());
    let id: TableId = id.parse().map_err(lake_error)?;
    let schema = match (&table, upload.to.declared()?) {
        (Some(table), _) if !table.schema.columns.is_empty() => table.schema.clone(),
        (_, Some(declared)) if !declared.columns.is_empty() => declared,
        _ => infer(catalog, &upload.received.files).await?.relaxed(),
    };
    let _rewriting = (upload.mode == WriteMode::Merge).then(|| catalog.rewriting.begin(&id));
    let prepared = match upload.mode {
        WriteMode::Merge => merge::prepare(catalog, &id, table.is_some(), &schema, &upload.received.files, &upload.keys).await?,
        _ => stage(catalog, &id, &upload.received.files, &schema, &Ids::new(catalog, &id)?).await?,
    };
    // a resource's table that was taken away comes back with these rows alone
    let mode = if table.is_none() && upload.to.is_resource() { WriteMode::Overwrite } else { upload.mode };
    let mut change = Change {
        table: id.clone(),
        dataset: check::id("dataset_id", &upload.to.dataset.id)?,
        mode,
        made_for: table.map(|table| table.schema),
        made_from: prepared.made_from,
        schema,
        files: prepared.staged.files.clone(),
        leaving: prepared.leaving,
        parameters: merge::told(&upload.keys),
        resource_name: upload.received.files.first().map(|file| resource_name(&file.name)).unwrap_or_default(),
        unique_key: Vec::new(),
    };
    let staged = prepared.staged;
    let answer = UploadTableResponse { rows: prepared.rows, columns: staged.columns, version: 0 };
    match decide_checked(catalog, context, &mut change, &answer).await {
        Ok(None) => {}
        Ok(Some(earlier)) => {
            discard(catalog, &id, &staged).await;
            return Ok(earlier);
        }
        Err(error) => {
            if error.is_refusal() {
                discard(catalog, &id, &staged).await; // else the commit record may stand, and it names these files
            }
            return Err(error);
        }
    }
    // From here on the upload stands. If its table can't be written now, readers and retries will roll it forward.
    let version = publish::roll_forward_later(catalog, &id).await.unwrap_or_default();
    Ok(UploadTableResponse { version, ..answer })
}

/// A file's name as the name of a resource: its last part, of bounded length.
fn resource_name(filename: &str) -> String {
    let last = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !c.is_control()).take(check::TITLE_CHARS).collect()
}

/// As [`decide`]; if the table has a unique key, the rows are looked through before.
async fn decide_checked(
    catalog: &Catalog,
    context: &Context,
    change: &mut Change,
    answer: &UploadTableResponse,
) -> Result<Option<UploadTableResponse>> {
    match decide(catalog, context, change, answer).await {
        Err(error) if publish::is_unchecked(&error) => unique::check(catalog, change).await?,
        decided => return decided,
    }
    decide(catalog, context, change, answer).await
}

/// Writes the commit record; gives the earlier answer if this very upload was done before.
async fn decide(
    catalog: &Catalog,
    context: &Context,
    change: &Change,
    answer: &UploadTableResponse,
) -> Result<Option<UploadTableResponse>> {
    let mut tx = catalog.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &catalog.clock, context, "UploadTable").await? {
        Claim::Done(earlier) => return Ok(Some(earlier)),
        Claim::New(ticket) => ticket,
    };
    publish::decide(catalog, &mut tx, context, std::slice::from_ref(change), None).await?;
    ticket.record(&mut tx, answer).await?;
    tx.commit().await?;
    Ok(None)
}

/// Stages every file in the given columns; of files that don't fit none is kept.
pub(crate) async fn stage(
    catalog: &Catalog,
    table: &TableId,
    files: &[ReceivedFile],
    schema: &Schema,
    ids: &dyn RowIds,
) -> Result<Prepared> {
    let mut all = Staged::default();
    for file in files {
        match catalog.lake.stage(table, &file.input, schema, &catalog.limits, ids).await {
            Ok(staged) => {
                all.columns = all.columns.max(staged.columns);
                all.files.extend(staged.files);
            }
            Err(error) => {
                discard(catalog, table, &all).await;
                return Err(lake_error(error));
            }
        }
    }
    Ok(Prepared { rows: all.rows(), staged: all, ..Prepared::default() })
}

/// Removes what was staged for nothing.
pub(crate) async fn discard(catalog: &Catalog, table: &TableId, staged: &Staged) {
    if let Err(error) = catalog.lake.discard(table, staged).await {
        tracing::warn!(table = %table, error = %chain(&error), "staged files were left behind");
    }
}

/// Infers the columns over all rows of all files.
async fn infer(catalog: &Catalog, files: &[ReceivedFile]) -> Result<Schema> {
    let mut all: Option<Inspection> = None;
    for file in files {
        let next = catalog.lake.inspect(&file.input, &catalog.limits).await.map_err(lake_error)?;
        all = Some(match all {
            None => next,
            Some(known) => known.unify(next),
        });
    }
    Ok(all.map(|all| all.schema).unwrap_or_default())
}

/// Row ids of one table, from the catalogue's counter.
pub(crate) struct Ids {
    catalog: Catalog,
    table: Id,
}

impl Ids {
    pub(crate) fn new(catalog: &Catalog, table: &TableId) -> Result<Self> {
        Ok(Self { catalog: catalog.clone(), table: check::id("table_id", table.as_str())? })
    }
}

#[async_trait]
impl RowIds for Ids {
    async fn reserve(&self, count: u64) -> madang_lake::Result<i64> {
        let count = i64::try_from(count).map_err(madang_lake::Error::storage)?;
        store::reserve_row_ids(&self.catalog.db, self.table, count).await.map_err(madang_lake::Error::storage)
    }
}
