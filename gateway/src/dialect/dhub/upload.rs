//! Uploads (dhub.md section 7): multipart files on their way to the catalogue, part by part as they arrive.

use axum::{
    Json,
    extract::{Request, State},
};
use madang_kit::{Error, rpc};
use madang_lake::ColumnType;
use madang_proto::catalog::v1::{
    TableColumn, UploadEnd, UploadFile, UploadStart, UploadTableRequest, WriteMode, upload_table_request::Part,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    call::{Call, Path, Query, path_id},
    error::DhubError,
    wire,
};
use crate::{Gateway, dialect::upload_form::UploadForm};

/// Pieces of an upload on their way to the catalogue; a full channel slows the sender down.
const PIECES_IN_FLIGHT: usize = 16;

/// Query of an upload.
#[derive(Debug, Deserialize)]
pub(crate) struct UploadQuery {
    mode: Option<String>,
    keys: Option<String>,
    delimiter: Option<String>,
    format: Option<String>,
}

/// What the query says of every file.
struct Said {
    delimiter: String,
    format: String,
}

/// `POST /tables/{id}/upload`: the parts `file` and `files` go to the catalogue as they arrive.
pub(crate) async fn upload(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    call: Call,
    Query(query): Query<UploadQuery>,
    request: Request,
) -> Result<Json<wire::Upload>, DhubError> {
    let dataset = path_id("dataset", "ds", &id)?;
    let mode = write_mode(query.mode.as_deref()).map_err(DhubError::in_query)?;
    let keys = read_keys(mode, query.keys.as_deref()).map_err(DhubError::in_query)?;
    let form = UploadForm::read(request, gateway.config.upload_bytes).await?;
    let said = read_said(query).map_err(DhubError::in_query)?;
    let (pieces, received) = mpsc::channel(PIECES_IN_FLIGHT);
    let start = UploadStart { dataset_id: dataset.to_string(), mode: mode.into(), keys };
    let mut catalog = gateway.catalog.clone();
    let answer = catalog.upload_table(rpc::request(&call.context, ReceiverStream::new(received)));
    let sending = send(form, start, said, pieces);
    let (answer, sent) = tokio::join!(answer, sending);
    sent?; // what is wrong with the form is known better here
    let taken = answer.map_err(refused)?.into_inner();
    Ok(Json(wire::Upload { message: "Upload successful", rows: taken.rows, columns: taken.columns }))
}

/// Formats of files by their names in the query.
const FORMATS: [&str; 6] = ["csv", "tsv", "json", "ndjson", "jsonl", "parquet"];

/// The delimiter is one of `,` `;` tab `|`; what is empty is found out.
fn read_said(query: UploadQuery) -> Result<Said, Error> {
    let (delimiter, format) = (query.delimiter.unwrap_or_default(), query.format.unwrap_or_default());
    if !["", ",", ";", "\t", "|"].contains(&delimiter.as_str()) {
        return Err(Error::invalid("delimiter", "choice", "delimiter must be one of , ; tab |"));
    }
    if !format.is_empty() && !FORMATS.contains(&format.as_str()) {
        return Err(Error::invalid("format", "choice", "format must be csv, tsv, json, ndjson, jsonl or parquet"));
    }
    Ok(Said { delimiter, format })
}

fn write_mode(mode: Option<&str>) -> Result<WriteMode, Error> {
    match mode {
        None | Some("append") => Ok(WriteMode::Append),
        Some("overwrite") => Ok(WriteMode::Overwrite),
        Some("merge") => Ok(WriteMode::Merge),
        Some(_) => Err(Error::invalid("mode", "choice", "mode must be append, overwrite or merge")),
    }
}

/// `keys=a,b`: the columns by which rows are merged; only then, and then at least one.
fn read_keys(mode: WriteMode, text: Option<&str>) -> Result<Vec<String>, Error> {
    let keys: Vec<String> = text.unwrap_or_default().split(',').map(str::to_owned).collect();
    match (mode == WriteMode::Merge, text) {
        (false, None) => Ok(Vec::new()),
        (false, Some(_)) => Err(Error::invalid("keys", "mode", "keys may be given with mode=merge only")),
        (true, _) if keys.iter().any(String::is_empty) => Err(Error::invalid("keys", "missing", "mode=merge needs keys=column,…")),
        (true, _) => Ok(keys),
    }
}

/// Keys stand in the query, all else that may be wrong in the body.
fn refused(status: tonic::Status) -> DhubError {
    let error = Error::from(status);
    let in_query = error.fields.iter().any(|problem| problem.field == "keys");
    if in_query { DhubError::in_query(error) } else { error.into() }
}

/// Sends the form on, part by part. A form that breaks off is never ended with [`Part::End`], so nothing of it is kept.
async fn send(mut form: UploadForm, start: UploadStart, said: Said, pieces: mpsc::Sender<UploadTableRequest>) -> Result<(), Error> {
    let message = |part| UploadTableRequest { part: Some(part) };
    if pieces.send(message(Part::Start(start))).await.is_err() {
        return Ok(()); // the catalogue has answered already
    }
    while let Some(mut part) = form.next_part().await? {
        if !part.is_file() {
            part.pass_over().await?;
            continue;
        }
        let file = UploadFile {
            filename: part.file_name().to_owned(),
            content_type: part.content_type().to_owned(),
            delimiter: said.delimiter.clone(),
            format: said.format.clone(),
        };
        if pieces.send(message(Part::File(file))).await.is_err() {
            return Ok(());
        }
        while let Some(bytes) = part.chunk().await? {
            if pieces.send(message(Part::Chunk(bytes))).await.is_err() {
                return Ok(());
            }
        }
    }
    let _ = pieces.send(message(Part::End(UploadEnd {}))).await;
    Ok(())
}

/// `POST /tables/schema?format=csv`: what an upload of these files would become, without keeping them.
pub(crate) async fn schema(
    State(gateway): State<Gateway>,
    call: Call,
    Query(query): Query<UploadQuery>,
    request: Request,
) -> Result<Json<Value>, DhubError> {
    let form = UploadForm::read(request, gateway.config.upload_bytes).await?;
    let said = read_said(query).map_err(DhubError::in_query)?;
    let (pieces, received) = mpsc::channel(PIECES_IN_FLIGHT);
    let mut catalog = gateway.catalog.clone();
    let answer = catalog.inspect_files(rpc::request(&call.context, ReceiverStream::new(received)));
    let sending = send(form, UploadStart::default(), said, pieces);
    let (answer, sent) = tokio::join!(answer, sending);
    sent?;
    let columns = answer?.into_inner().columns;
    let field = |column: TableColumn| {
        let kind = ColumnType::parse(&column.r#type).map_or(column.r#type, |kind| kind.name().to_owned());
        json!({"name": column.name, "type": kind, "nullable": column.nullable})
    };
    Ok(Json(json!({"fields": columns.into_iter().map(field).collect::<Vec<_>>()})))
}
