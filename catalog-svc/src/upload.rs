//! Uploads: files in, one new version out.
//!
//! The bytes are spooled to the local disk, because types are inferred over the whole file. Then they are staged as Parquet and
//! published. If somebody else changed the table meanwhile, staging starts again from the spooled files.

use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::digest::{Context as Hasher, SHA256};
use base64::{Engine, engine::general_purpose::STANDARD};
use madang_kit::{
    Code, Context, Error, Id, Result, check,
    idempotency::{self, Claim},
};
use madang_lake::{Column, ColumnType, Format, Input, Inspection, Limits, RowIds, Schema, Staged, TableId, WriteMode};
use madang_proto::catalog::v1::{
    UploadFile, UploadStart, UploadTableRequest, UploadTableResponse, WriteMode as WireMode, upload_table_request::Part,
};
use tempfile::TempPath;
use tonic::Streaming;

use crate::{
    Catalog, dataset,
    error::lake_error,
    publish,
    spool::{Allowance, SpoolFile},
    store::{dataset::Dataset, publish::Change, table as store},
};

/// Files in one upload.
const MAX_FILES: usize = 100;
/// How often staging starts again because the table changed meanwhile.
const ATTEMPTS: usize = 3;

/// Everything that one upload sent.
struct Received {
    dataset: Dataset,
    mode: WriteMode,
    files: Vec<ReceivedFile>,
    /// Of names and contents: tells a repeated upload from another one under the same signature.
    digest: String,
}

/// One spooled file; it is removed when dropped.
struct ReceivedFile {
    input: Input,
    name: String,
    _spooled: TempPath,
}

/// Takes an upload in and publishes it.
pub(crate) async fn upload(catalog: &Catalog, context: &Context, mut parts: Streaming<UploadTableRequest>) -> Result<UploadTableResponse> {
    let received = receive(catalog, context, &mut parts).await?;
    let key = context.idempotency_key.as_ref().map(|key| format!("{key}.{}", received.digest));
    let context = &Context { idempotency_key: key, ..context.clone() };
    for _ in 0..ATTEMPTS {
        match ingest(catalog, context, &received).await {
            Err(error) if error.code == Code::Conflict => tracing::debug!("the table changed during an upload; staging again"),
            other => return other,
        }
    }
    Err(Error::new(Code::Conflict, "the table is being changed by others; try again"))
}

async fn receive(catalog: &Catalog, context: &Context, parts: &mut Streaming<UploadTableRequest>) -> Result<Received> {
    let Some(Part::Start(start)) = parts.message().await?.and_then(|message| message.part) else {
        return Err(Error::invalid("start", "missing", "an upload begins with its dataset"));
    };
    let (dataset, mode) = begin(catalog, context, start).await?;
    let mut files = Vec::new();
    let mut open: Option<(SpoolFile, UploadFile)> = None;
    let mut allowance: Allowance = catalog.spool.allowance();
    let mut digest = Hasher::new(&SHA256);
    let mut ended = false;
    while let Some(message) = parts.message().await? {
        match message.part {
            Some(Part::File(file)) => {
                if files.len() + usize::from(open.is_some()) == MAX_FILES {
                    return Err(Error::invalid("files", "too_many", format!("an upload may have at most {MAX_FILES} files")));
                }
                close(&mut files, open.take()).await?;
                digest.update(file.filename.as_bytes());
                digest.update(b"/"); // no file name holds one
                open = Some((catalog.spool.create()?, file));
            }
            Some(Part::Chunk(bytes)) => match &mut open {
                Some((spool, _)) => {
                    digest.update(&bytes);
                    spool.write(&bytes, &mut allowance).await?;
                }
                None => return Err(Error::invalid("chunk", "order", "bytes came before their file")),
            },
            Some(Part::End(_)) => {
                ended = true;
                break;
            }
            Some(Part::Start(_)) | None => return Err(Error::invalid("start", "order", "an upload has one beginning")),
        }
    }
    if !ended {
        return Err(Error::invalid("file", "incomplete", "the upload broke off"));
    }
    close(&mut files, open).await?;
    if files.is_empty() {
        return Err(Error::invalid("file", "missing", "the upload has no file"));
    }
    Ok(Received { dataset, mode, files, digest: STANDARD.encode(digest.finish().as_ref()) })
}

/// Checks the right to write before the first byte is kept.
async fn begin(catalog: &Catalog, context: &Context, start: UploadStart) -> Result<(Dataset, WriteMode)> {
    let mode = match start.mode() {
        WireMode::Append => WriteMode::Append,
        WireMode::Overwrite => WriteMode::Overwrite,
        WireMode::Unspecified => return Err(Error::invalid("mode", "missing", "mode is missing")),
    };
    let id: Id = check::id("dataset_id", &start.dataset_id)?;
    Ok((dataset::writable(catalog, context, id).await?, mode))
}

async fn close(files: &mut Vec<ReceivedFile>, open: Option<(SpoolFile, UploadFile)>) -> Result<()> {
    let Some((spool, file)) = open else { return Ok(()) };
    let spooled = spool.finish().await?;
    let delimiter = delimiter(&file)?;
    let input = Input { path: spooled.to_path_buf(), format: format(&file)?, delimiter };
    files.push(ReceivedFile { input, name: file.filename, _spooled: spooled });
    Ok(())
}

/// The format, from the file's name, else from its media type.
fn format(file: &UploadFile) -> Result<Format> {
    let extension = file.filename.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let media_type = file.content_type.split(';').next().unwrap_or_default().trim();
    let by_name = extension.as_deref().is_some_and(|extension| ["csv", "tsv", "txt"].contains(&extension));
    let by_type = ["text/csv", "text/plain", "text/tab-separated-values", "application/csv"].contains(&media_type);
    if by_name || by_type {
        return Ok(Format::Csv);
    }
    Err(Error::invalid("file", "format", format!("'{}' is not a CSV file by its name or its content type", file.filename)))
}

fn delimiter(file: &UploadFile) -> Result<Option<u8>> {
    match file.delimiter.as_bytes() {
        [] => Ok(None),
        [byte] if b",;\t|".contains(byte) => Ok(Some(*byte)),
        _ => Err(Error::invalid("delimiter", "choice", "delimiter must be one of , ; tab |")),
    }
}

/// Stages every file and publishes them as one version.
async fn ingest(catalog: &Catalog, context: &Context, received: &Received) -> Result<UploadTableResponse> {
    let table = store::primary(&catalog.db, &received.dataset.id).await?;
    let id: TableId = match &table {
        Some(table) => table.id.parse().map_err(lake_error)?,
        None => Id::generate().to_string().parse().map_err(lake_error)?,
    };
    let schema = match &table {
        Some(table) => table.schema.clone(),
        None => infer(catalog, &received.files).await?,
    };
    let staged = stage(catalog, &id, received, &schema).await?;
    let change = Change {
        table: id.clone(),
        dataset: check::id("dataset_id", &received.dataset.id)?,
        mode: received.mode,
        made_for: table.map(|table| table.schema),
        made_from: None,
        schema,
        files: staged.files.clone(),
        resource_name: received.files.first().map(|file| file.name.clone()).unwrap_or_default(),
    };
    let answer = UploadTableResponse { rows: staged.rows(), columns: staged.columns, version: 0 };
    match decide(catalog, context, &change, &answer).await {
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
    let snapshot = publish::roll_forward(catalog, &id).await?;
    Ok(UploadTableResponse { version: snapshot.version, ..answer })
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

async fn stage(catalog: &Catalog, table: &TableId, received: &Received, schema: &Schema) -> Result<Staged> {
    let ids = Ids { catalog: catalog.clone(), table: check::id("table_id", table.as_str())? };
    let mut all = Staged::default();
    for file in &received.files {
        match catalog.lake.stage(table, &file.input, schema, &Limits::default(), &ids).await {
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
    Ok(all)
}

async fn discard(catalog: &Catalog, table: &TableId, staged: &Staged) {
    if let Err(error) = catalog.lake.discard(table, staged).await {
        tracing::warn!(table = %table, error = %madang_kit::error::chain(&error), "staged files were left behind");
    }
}

/// Infers the columns over all rows of all files.
async fn infer(catalog: &Catalog, files: &[ReceivedFile]) -> Result<Schema> {
    let mut schema: Option<Schema> = None;
    for file in files {
        let Inspection { schema: next, .. } = catalog.lake.inspect(&file.input, &Limits::default()).await.map_err(lake_error)?;
        schema = Some(match schema {
            None => next,
            Some(known) => unify(known, next),
        });
    }
    Ok(schema.unwrap_or_default().relaxed())
}

/// Columns that hold what both files hold.
fn unify(mut known: Schema, next: Schema) -> Schema {
    for column in &mut known.columns {
        if let Some(other) = next.column(&column.name) {
            column.kind = wider(column.kind, other.kind);
        }
    }
    let new: Vec<Column> = next.columns.into_iter().filter(|column| known.column(&column.name).is_none()).collect();
    known.columns.extend(new);
    known
}

/// The narrowest type that holds both.
fn wider(one: ColumnType, other: ColumnType) -> ColumnType {
    match (one, other) {
        _ if one == other => one,
        (ColumnType::Int64, ColumnType::Double) | (ColumnType::Double, ColumnType::Int64) => ColumnType::Double,
        _ => ColumnType::String,
    }
}

/// Row ids of one table, from the catalogue's counter.
pub(crate) struct Ids {
    catalog: Catalog,
    table: Id,
}

#[async_trait]
impl RowIds for Ids {
    async fn reserve(&self, count: u64) -> madang_lake::Result<i64> {
        let count = i64::try_from(count).map_err(madang_lake::Error::storage)?;
        store::reserve_row_ids(&self.catalog.db, self.table, count)
            .await
            .map_err(|error| madang_lake::Error::Storage(Arc::new(error).to_string().into()))
    }
}
