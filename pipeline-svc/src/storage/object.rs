//! Objects on their way in and out.

use bytes::Bytes;
use chrono::DateTime;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use madang_kit::{
    Code, Context, Error, Result, Tx,
    audit::{self, Record},
    idempotency::{self, Claim},
    time,
};
use madang_lake::check_key;
use madang_proto::pipeline::v1::{
    DeleteObjectRequest, DeleteObjectResponse, GetObjectRequest, ListObjectsRequest, ListObjectsResponse, Object, PutObjectRequest,
    put_object_request::Part,
};
use serde_json::json;
use tonic::Streaming;

use super::{bucket::demand, lake_error};
use crate::Pipelines;

/// Objects of one page.
const MAX_PAGE: u32 = 1_000;

/// A page of a bucket's objects.
pub(crate) async fn list(pipelines: &Pipelines, context: &Context, request: ListObjectsRequest) -> Result<ListObjectsResponse> {
    demand(pipelines, context, &request.bucket, false).await?;
    let limit = if request.limit == 0 { MAX_PAGE } else { request.limit };
    if limit > MAX_PAGE {
        return Err(Error::invalid("limit", "range", format!("limit must be 1 to {MAX_PAGE}")));
    }
    let limit = limit as usize;
    let mut found = pipelines.objects.list(&request.bucket, &request.prefix, &request.after, limit + 1).await.map_err(lake_error)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|object| object.key.clone());
    Ok(ListObjectsResponse { objects: found.into_iter().map(wire).collect(), next })
}

/// An object and its bytes.
pub(crate) async fn get(
    pipelines: &Pipelines,
    context: &Context,
    request: GetObjectRequest,
) -> Result<(Object, BoxStream<'static, Result<Bytes>>)> {
    demand(pipelines, context, &request.bucket, false).await?;
    check(&request.key)?;
    let (object, pieces) = pipelines.objects.get(&request.bucket, &request.key).await.map_err(lake_error)?;
    Ok((wire(object), pieces.map_err(lake_error).boxed()))
}

/// Stores an object, once all of it has come.
pub(crate) async fn put(pipelines: &Pipelines, context: &Context, mut parts: Streaming<PutObjectRequest>) -> Result<Object> {
    let Some(Part::Start(start)) = parts.message().await?.and_then(|message| message.part) else {
        return Err(Error::invalid("part", "order", "the start comes first"));
    };
    demand(pipelines, context, &start.bucket, true).await?;
    check(&start.key)?;
    let bytes = pieces(parts);
    let object = pipelines.objects.put(&start.bucket, &start.key, bytes).await.map_err(broken_off)?;
    let mut tx = pipelines.db.begin().await?;
    note(&mut tx, pipelines, context, "object.put", &start.bucket, &start.key).await?;
    tx.commit().await?;
    Ok(wire(object))
}

/// The bytes up to the end; without an end they are not whole.
fn pieces(parts: Streaming<PutObjectRequest>) -> BoxStream<'static, madang_lake::Result<Bytes>> {
    let pieces = futures::stream::try_unfold(Some(parts), |state| async move {
        let Some(mut parts) = state else { return Ok(None) };
        match parts.message().await.map_err(|_| incomplete())?.and_then(|message| message.part) {
            Some(Part::Chunk(bytes)) => Ok(Some((bytes, Some(parts)))),
            Some(Part::End(_)) => Ok(None),
            Some(Part::Start(_)) | None => Err(incomplete()),
        }
    });
    pieces.boxed()
}

fn incomplete() -> madang_lake::Error {
    madang_lake::Error::invalid("the object's bytes ended early")
}

fn broken_off(error: madang_lake::Error) -> Error {
    match error {
        madang_lake::Error::Invalid(text) => Error::invalid("body", "invalid", text),
        other => lake_error(other),
    }
}

/// Removes an object.
pub(crate) async fn delete(pipelines: &Pipelines, context: &Context, request: DeleteObjectRequest) -> Result<DeleteObjectResponse> {
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "DeleteObject").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    demand(pipelines, context, &request.bucket, true).await?;
    check(&request.key)?;
    pipelines.objects.head(&request.bucket, &request.key).await.map_err(lake_error)?;
    pipelines.objects.delete(&request.bucket, &request.key).await.map_err(lake_error)?;
    note(&mut tx, pipelines, context, "object.delete", &request.bucket, &request.key).await?;
    ticket.record(&mut tx, &DeleteObjectResponse {}).await?;
    tx.commit().await?;
    Ok(DeleteObjectResponse {})
}

async fn note(tx: &mut Tx, pipelines: &Pipelines, context: &Context, action: &str, bucket: &str, key: &str) -> Result<()> {
    let record = Record { action, thing: bucket.to_owned(), detail: json!({"key": key}) };
    audit::write(tx, &pipelines.clock, context, record).await
}

fn check(key: &str) -> Result<()> {
    check_key(key).map_err(|error| Error { code: Code::Invalid, ..Error::invalid("key", "pattern", error.to_string()) })
}

fn wire(object: madang_lake::Object) -> Object {
    let modified_at = DateTime::from_timestamp_millis(object.modified_ms).map(time::wire);
    Object { key: object.key, bytes: object.bytes, modified_at }
}
