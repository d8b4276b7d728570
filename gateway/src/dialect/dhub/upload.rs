//! Uploads (dhub.md section 7): multipart files on their way to the catalogue, part by part as they arrive.

use std::time::Duration;

use axum::{
    Json,
    extract::{
        Multipart, State,
        multipart::{MultipartError, MultipartRejection},
    },
};
use madang_kit::{Code, Error, rpc};
use madang_lake::ColumnType;
use madang_proto::catalog::v1::{TableColumn, UploadEnd, UploadFile, UploadStart, UploadTableRequest, WriteMode, upload_table_request::Part};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    call::{Call, Path, Query, path_id},
    error::DhubError,
    wire,
};
use crate::Gateway;

/// Pieces of an upload on their way to the catalogue; a full channel slows the sender down.
const PIECES_IN_FLIGHT: usize = 16;
/// How long a sender may pause in the middle of an upload.
const PAUSE: Duration = Duration::from_mins(1);

/// Query of an upload.
#[derive(Debug, Deserialize)]
pub(crate) struct UploadQuery {
    mode: Option<String>,
    delimiter: Option<String>,
}

/// `POST /tables/{id}/upload`: the parts `file` and `files` go to the catalogue as they arrive.
pub(crate) async fn upload(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    call: Call,
    Query(query): Query<UploadQuery>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<wire::Upload>, DhubError> {
    let dataset = path_id("dataset", "ds", &id)?;
    let mode = write_mode(query.mode.as_deref()).map_err(DhubError::in_query)?;
    let form = form.map_err(|_| Error::invalid("file", "multipart", "the body must be multipart/form-data with a part 'file'"))?;
    let (pieces, received) = mpsc::channel(PIECES_IN_FLIGHT);
    let start = UploadStart { dataset_id: dataset.to_string(), mode: mode.into() };
    let mut catalog = gateway.catalog.clone();
    let answer = catalog.upload_table(rpc::request(&call.context, ReceiverStream::new(received)));
    let sending = send(form, start, query.delimiter.unwrap_or_default(), pieces);
    let (answer, sent) = tokio::join!(answer, sending);
    sent?; // what is wrong with the form is known better here
    let taken = answer?.into_inner();
    Ok(Json(wire::Upload { message: "Upload successful", rows: taken.rows, columns: taken.columns }))
}

fn write_mode(mode: Option<&str>) -> Result<WriteMode, Error> {
    match mode {
        None | Some("append") => Ok(WriteMode::Append),
        Some("overwrite") => Ok(WriteMode::Overwrite),
        Some(_) => Err(Error::invalid("mode", "choice", "mode must be append or overwrite")),
    }
}

/// Sends the form on, part by part. A form that breaks off is never ended with [`Part::End`], so nothing of it is kept.
async fn send(mut form: Multipart, start: UploadStart, delimiter: String, pieces: mpsc::Sender<UploadTableRequest>) -> Result<(), Error> {
    let message = |part| UploadTableRequest { part: Some(part) };
    if pieces.send(message(Part::Start(start))).await.is_err() {
        return Ok(()); // the catalogue has answered already
    }
    while let Some(mut part) = in_time(form.next_field()).await? {
        if !matches!(part.name(), Some("file" | "files")) {
            continue;
        }
        let file = UploadFile {
            filename: part.file_name().unwrap_or_default().to_owned(),
            content_type: part.content_type().unwrap_or_default().to_owned(),
            delimiter: delimiter.clone(),
        };
        if pieces.send(message(Part::File(file))).await.is_err() {
            return Ok(());
        }
        while let Some(bytes) = in_time(part.chunk()).await? {
            if pieces.send(message(Part::Chunk(bytes))).await.is_err() {
                return Ok(());
            }
        }
    }
    let _ = pieces.send(message(Part::End(UploadEnd {}))).await;
    Ok(())
}

async fn in_time<T>(next: impl Future<Output = Result<T, MultipartError>>) -> Result<T, Error> {
    match tokio::time::timeout(PAUSE, next).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Error::invalid("file", "multipart", format!("the form can't be read: {}", error.body_text()))),
        Err(_) => Err(Error::new(Code::TimedOut, "the upload paused for too long")),
    }
}

/// `POST /tables/schema?format=csv`: what an upload of these files would become, without keeping them.
pub(crate) async fn schema(
    State(gateway): State<Gateway>,
    call: Call,
    Query(query): Query<UploadQuery>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<Value>, DhubError> {
    let form = form.map_err(|_| Error::invalid("file", "multipart", "the body must be multipart/form-data with a part 'files'"))?;
    let (pieces, received) = mpsc::channel(PIECES_IN_FLIGHT);
    let mut catalog = gateway.catalog.clone();
    let answer = catalog.inspect_files(rpc::request(&call.context, ReceiverStream::new(received)));
    let sending = send(form, UploadStart::default(), query.delimiter.unwrap_or_default(), pieces);
    let (answer, sent) = tokio::join!(answer, sending);
    sent?;
    let columns = answer?.into_inner().columns;
    let field = |column: TableColumn| {
        let kind = ColumnType::parse(&column.r#type).map_or(column.r#type, |kind| kind.name().to_owned());
        json!({"name": column.name, "type": kind, "nullable": column.nullable})
    };
    Ok(Json(json!({"fields": columns.into_iter().map(field).collect::<Vec<_>>()})))
}
