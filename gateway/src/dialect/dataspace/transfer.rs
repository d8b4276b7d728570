//! `…/surveys/{surveyId}/responses/import` and `…/export`: answers in and out as files, streamed both ways (dataspace.md section 11).

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{
        HeaderMap,
        header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::StreamExt;
use madang_kit::{Code, Error, Result, rpc};
use madang_proto::survey::v1::{
    ExportResponsesRequest, ImportResponsesEnd, ImportResponsesRequest, ImportResponsesStart, import_responses_request::Part,
};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    Refusal, author,
    call::Author,
    identifier::{named, read_lower},
    panel::report_shape,
};
use crate::Gateway;

/// Pieces on their way to the service; a full channel slows the sender down.
const PIECES: usize = 8;
/// Bytes of one piece.
const PIECE: usize = 256 << 10;

/// Imports a body: `text/csv`, or NDJSON.
pub(super) async fn import(
    State(gateway): State<Gateway>,
    author: Author,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = if kind.starts_with("text/csv") { "csv" } else { "ndjson" }.to_owned();
    let group = author.query.get("collectGroupId").map(|text| named(read_lower, "collect_group", text)).transpose()?;
    let operator = Some(author::operator(&gateway, &author).await?);
    let start = ImportResponsesStart { survey_id: author.lower("surveyId", "survey")?, collect_group_id: group, format, operator };
    let (pieces, received) = mpsc::channel(PIECES);
    let mut responses = gateway.responses.clone();
    let answer = responses.import_responses(rpc::request(&author.context, ReceiverStream::new(received)));
    let sending = send(request.into_body(), start, gateway.config.upload_bytes, pieces);
    let (answer, sent) = tokio::join!(answer, sending);
    match (sent, answer.map_err(Error::from)) {
        // What is wrong with the body is known better here, what became of its lines better there.
        (Err(broken), Err(told)) => Err(Error { message: format!("{}: {}", broken.message, told.message), ..broken }.into()),
        (_, answer) => Ok(Json(report_shape(answer?.into_inner()))),
    }
}

async fn send(body: Body, start: ImportResponsesStart, limit: u64, pieces: mpsc::Sender<ImportResponsesRequest>) -> Result<()> {
    let message = |part| ImportResponsesRequest { part: Some(part) };
    if pieces.send(message(Part::Start(start))).await.is_err() {
        return Ok(()); // the service has answered already
    }
    let mut data = body.into_data_stream();
    let mut left = limit;
    while let Some(bytes) = data.next().await {
        let mut bytes: Bytes = bytes.map_err(|_| Error::invalid("body", "incomplete", "the body ended early"))?;
        let too_large = || Error::new(Code::TooLarge, format!("a file has at most {limit} bytes"));
        left = left.checked_sub(bytes.len() as u64).ok_or_else(too_large)?;
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            if pieces.send(message(Part::Chunk(piece))).await.is_err() {
                return Ok(());
            }
        }
    }
    let _ = pieces.send(message(Part::End(ImportResponsesEnd {}))).await; // who has answered already needs no end
    Ok(())
}

/// Exports all sheets.
pub(super) async fn export(State(gateway): State<Gateway>, author: Author) -> Result<Response, Refusal> {
    let format = author.query.get("format").unwrap_or("csv").to_owned();
    let include_personal = match author.query.get("includePersonal") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Error::invalid("includePersonal", "boolean_type", "includePersonal must be true or false").into()),
    };
    let (kind, name) = match format.as_str() {
        "json" => ("application/x-ndjson", "responses.ndjson"),
        "xlsx" => ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "responses.xlsx"),
        _ => ("text/csv; charset=utf-8", "responses.csv"),
    };
    let operator = Some(author::operator(&gateway, &author).await?);
    let request = ExportResponsesRequest { survey_id: author.lower("surveyId", "survey")?, format, include_personal, operator };
    let pieces = gateway.responses.clone().export_responses(rpc::request(&author.context, request)).await?.into_inner();
    let pieces = pieces.map(|message| message.map(|message| message.chunk).map_err(Error::from));
    let headers = [(CONTENT_TYPE, kind.to_owned()), (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
