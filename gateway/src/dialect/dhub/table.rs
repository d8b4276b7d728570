//! Tables (dhub.md section 7): upload and paged read.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::{
        Multipart, State,
        multipart::{MultipartError, MultipartRejection},
    },
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use madang_kit::{Code, Error, Id, rpc};
use madang_lake::{Decoder, write_json_rows};
use madang_proto::catalog::v1::{
    ReadTableHeader, ReadTableRequest, ReadTableResponse, UploadEnd, UploadFile, UploadStart, UploadTableRequest, WriteMode,
    read_table_response, upload_table_request::Part,
};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::{
    call::{Call, Path, Query, path_id},
    error::DhubError,
    wire,
};
use crate::Gateway;

const DEFAULT_PAGE_SIZE: u64 = 100;
const MAX_PAGE_SIZE: u64 = 10_000;
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

/// Query of a page; texts, so that a wrong number is told in D.Hub's shape.
#[derive(Debug, Deserialize)]
pub(crate) struct PageQuery {
    page: Option<String>,
    page_size: Option<String>,
}

/// `GET /tables/{id}?page=1&page_size=10`: positional rows in ingestion order.
pub(crate) async fn page(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    call: Call,
    Query(query): Query<PageQuery>,
) -> Result<Response, DhubError> {
    let dataset = path_id("dataset", "ds", &id)?;
    let page = number("page", query.page.as_deref(), 1, u64::from(u32::MAX)).map_err(DhubError::in_query)?;
    let page_size = number("page_size", query.page_size.as_deref(), DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE).map_err(DhubError::in_query)?;
    let request = read_request(dataset, page, page_size);
    let mut answer = gateway.catalog.clone().read_table(rpc::request(&call.context, request)).await?.into_inner();
    let Some(read_table_response::Part::Header(header)) = answer.message().await?.and_then(|message| message.part) else {
        return Err(Error::internal("a table without a header").into());
    };
    let body = stream::try_unfold(Some(Rows::new(answer)), |rows| async move {
        let Some(mut rows) = rows else { return Ok::<_, Error>(None) };
        let text = rows.next().await?;
        Ok(text.map(|text| (text, Some(rows))))
    });
    let start = stream::iter([Ok(Bytes::from(opening(&header)?))]);
    let end = stream::iter([Ok(Bytes::from(format!("],\"total_rows\":{}}}", header.total_rows)))]);
    let body = Body::from_stream(start.chain(body).chain(end));
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

fn read_request(dataset: Id, page: u64, page_size: u64) -> ReadTableRequest {
    ReadTableRequest { dataset_id: dataset.to_string(), offset: (page - 1).saturating_mul(page_size), limit: page_size }
}

fn opening(header: &ReadTableHeader) -> Result<String, Error> {
    let columns = serde_json::to_string(&header.columns).map_err(Error::internal)?;
    Ok(format!("{{\"columns\":{columns},\"data\":["))
}

/// A whole number from 1.
fn number(name: &str, text: Option<&str>, default: u64, max: u64) -> Result<u64, Error> {
    let Some(text) = text else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| Error::invalid(name, "range", format!("{name} must be a whole number from 1 to {max}")))
}

/// Rows on their way from Arrow to JSON text.
struct Rows {
    answer: Streaming<ReadTableResponse>,
    decoder: Decoder,
    first: bool,
}

impl Rows {
    fn new(answer: Streaming<ReadTableResponse>) -> Self {
        Self { answer, decoder: Decoder::default(), first: true }
    }

    /// The JSON text of the next rows, commas between them included.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(message) = self.answer.message().await? {
            let Some(read_table_response::Part::Rows(piece)) = message.part else { continue };
            let mut text = Vec::new();
            for batch in self.decoder.decode(piece).map_err(Error::internal)? {
                if batch.num_rows() == 0 {
                    continue;
                }
                if !std::mem::take(&mut self.first) {
                    text.push(b',');
                }
                write_json_rows(&batch, &mut text).map_err(Error::internal)?;
            }
            if !text.is_empty() {
                return Ok(Some(text.into()));
            }
        }
        Ok(None)
    }
}
