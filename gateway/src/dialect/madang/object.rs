//! `/madang/v1/buckets/{bucket}/objects`: the objects of a bucket. Bytes stream through, both ways.

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{
        HeaderName,
        header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use madang_kit::{Code, Error, rpc};
use madang_proto::pipeline::v1::{
    DeleteObjectRequest, GetObjectRequest, ListObjectsRequest, Object, PutObjectEnd, PutObjectRequest, PutObjectStart, get_object_response,
    put_object_request::Part,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    Refusal,
    call::{Call, Path, Query},
};
use crate::{Gateway, dialect::dhub::wire::iso};

/// Pieces on their way to the store; a full channel slows the sender down.
const PIECES_IN_FLIGHT: usize = 16;
/// Bytes of one piece.
const PIECE: usize = 1 << 20;
/// No browser guesses what an object is.
const NOSNIFF: HeaderName = HeaderName::from_static("x-content-type-options");

/// Query of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    after: String,
    #[serde(default)]
    limit: u32,
}

/// A page of objects by key.
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Path(bucket): Path<String>,
    call: Call,
    Query(page): Query<Page>,
) -> Result<Json<Value>, Refusal> {
    let Page { prefix, after, limit } = page;
    let request = ListObjectsRequest { bucket, prefix, after, limit };
    let found = gateway.buckets.clone().list_objects(rpc::request(&call.context, request)).await.map_err(in_query)?.into_inner();
    Ok(Json(json!({"objects": found.objects.iter().map(shape).collect::<Vec<_>>(), "next": found.next})))
}

fn in_query(status: tonic::Status) -> Refusal {
    Refusal::in_query(Error::from(status))
}

fn in_path(status: tonic::Status) -> Refusal {
    Refusal::in_path(Error::from(status))
}

/// An object's bytes.
pub(crate) async fn get(
    State(gateway): State<Gateway>,
    Path((bucket, key)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    let request = GetObjectRequest { bucket, key };
    let mut parts = gateway.buckets.clone().get_object(rpc::request(&call.context, request)).await.map_err(in_path)?.into_inner();
    let Some(get_object_response::Part::Object(object)) = parts.message().await.map_err(in_path)?.and_then(|message| message.part) else {
        return Err(Error::internal("bytes without an object").into());
    };
    let pieces = parts.map(|message| match message.map(|message| message.part) {
        Ok(Some(get_object_response::Part::Chunk(bytes))) => Ok(bytes),
        Ok(_) => Err(Error::internal("no bytes")),
        Err(status) => Err(Error::from(status)),
    });
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_LENGTH, object.bytes.to_string()),
        (CONTENT_DISPOSITION, "attachment".to_owned()),
        (NOSNIFF, "nosniff".to_owned()),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// Stores the body as an object.
pub(crate) async fn put(
    State(gateway): State<Gateway>,
    Path((bucket, key)): Path<(String, String)>,
    call: Call,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (pieces, received) = mpsc::channel(PIECES_IN_FLIGHT);
    let mut buckets = gateway.buckets.clone();
    let answer = buckets.put_object(rpc::request(&call.context, ReceiverStream::new(received)));
    let sending = send(request.into_body(), PutObjectStart { bucket, key }, gateway.config.upload_bytes, pieces);
    let (answer, sent) = tokio::join!(answer, sending);
    sent?; // what is wrong with the body is known better here
    Ok(Json(shape(&answer.map_err(in_path)?.into_inner())))
}

/// Sends a body on, piece by piece. One that breaks off is never ended with [`Part::End`], so nothing of it is kept.
async fn send(body: Body, start: PutObjectStart, limit: u64, pieces: mpsc::Sender<PutObjectRequest>) -> Result<(), Error> {
    let message = |part| PutObjectRequest { part: Some(part) };
    if pieces.send(message(Part::Start(start))).await.is_err() {
        return Ok(()); // the store has answered already
    }
    let mut data = body.into_data_stream();
    let mut left = limit;
    while let Some(bytes) = data.next().await {
        let mut bytes = bytes.map_err(|_| Error::invalid("body", "incomplete", "the body ended early"))?;
        let too_large = || Error::new(Code::TooLarge, format!("an object has at most {limit} bytes"));
        left = left.checked_sub(bytes.len() as u64).ok_or_else(too_large)?;
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            if pieces.send(message(Part::Chunk(piece))).await.is_err() {
                return Ok(());
            }
        }
    }
    let _ = pieces.send(message(Part::End(PutObjectEnd {}))).await;
    Ok(())
}

/// Removes an object.
pub(crate) async fn delete(
    State(gateway): State<Gateway>,
    Path((bucket, key)): Path<(String, String)>,
    call: Call,
) -> Result<Json<Value>, Refusal> {
    let request = DeleteObjectRequest { bucket, key };
    gateway.buckets.clone().delete_object(rpc::request(&call.context, request)).await.map_err(in_path)?;
    Ok(Json(json!({"deleted": true})))
}

fn shape(object: &Object) -> Value {
    json!({"key": object.key, "bytes": object.bytes, "modified_at": iso(object.modified_at)})
}
