//! Events (dhub.md section 12): messages of a topic start the pipelines that are registered for it.

use axum::{Json, extract::State};
use madang_kit::{Error, Result, rpc};
use madang_proto::pipeline::v1::{GetRegistrationRequest, Refusal, RegisterRequest, SendMessageRequest, UnregisterRequest};
use serde_json::{Value, json};

use super::{
    call::{BytesCall, Call, JsonCall, Path, Query},
    error::DhubError,
    fields::without_mark,
    pipeline::read_id,
    version::VersionQuery,
    wire,
};
use crate::Gateway;

/// `POST /events/{pipeline}?pipeline_version`: replaces a registration that is there.
pub(crate) async fn start(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    Query(query): Query<VersionQuery>,
    call: JsonCall,
) -> Result<Json<Value>, DhubError> {
    let mut fields = call.fields;
    fields.no_others();
    fields.finish()?;
    let request = RegisterRequest { pipeline_id: read_id(&id)?.to_string(), revision: query.pipeline()? };
    gateway.pipelines.clone().register(rpc::request(&call.context, request)).await?;
    Ok(Json(json!({"message": "Event started successfully"})))
}

/// `GET /events/{pipeline}`
pub(crate) async fn show(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Value>, DhubError> {
    let request = GetRegistrationRequest { pipeline_id: read_id(&id)?.to_string() };
    let found = gateway.pipelines.clone().get_registration(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(json!({"ready": found.ready})))
}

/// `DELETE /events/{pipeline}`
pub(crate) async fn delete(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Value>, DhubError> {
    let request = UnregisterRequest { pipeline_id: read_id(&id)?.to_string() };
    gateway.pipelines.clone().unregister(rpc::request(&call.context, request)).await?;
    Ok(Json(json!({"message": "Event deleted successfully"})))
}

/// `POST /events/topics/{topic}/messages`: a JSON object; the batches that it started.
pub(crate) async fn send(State(gateway): State<Gateway>, Path(topic): Path<String>, call: BytesCall) -> Result<Json<Value>, DhubError> {
    let body = without_mark(&call.body);
    let body = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
    let message = std::str::from_utf8(body).map_err(|_| Error::invalid("0", "encoding", "a message is UTF-8 text"))?.to_owned();
    let request = SendMessageRequest { topic, message };
    let sent = gateway.pipelines.clone().send_message(rpc::request(&call.context, request)).await?.into_inner();
    let batches = sent.run_ids.iter().map(|id| wire::id("batch", id)).collect::<Result<Vec<_>>>()?;
    let refusal = |refusal: Refusal| Ok(json!({"pipeline_id": wire::id("pl", &refusal.pipeline_id)?, "detail": refusal.reason}));
    let refused = sent.refusals.into_iter().map(refusal).collect::<Result<Vec<_>>>()?;
    Ok(Json(json!({"message": "Message accepted", "batches": batches, "refused": refused})))
}
