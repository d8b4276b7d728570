//! Finding datasets and how flows ended (`/metastore`), and what they take in bytes (`/storage`): spec-store.md 1.6.

use axum::{Json, extract::State};
use madang_kit::{Result, rpc};
use madang_proto::spec_store::v1::{FlowEnd, FoundDataset, SearchRequest, SumBytesRequest};
use serde_json::{Value, json};

use super::{
    call::{Caller, Path, Query},
    error::SpecError,
    wire,
};
use crate::Gateway;

/// Datasets by words: `q`, `size`, `from`, and `datahub.ownerid` for those of one owner.
pub(crate) async fn search(State(gateway): State<Gateway>, caller: Caller, query: Query) -> Result<Json<Value>, SpecError> {
    let request = rpc::request(&caller.context, wanted(&caller, &query)?);
    let found = gateway.spec_store.clone().search_datasets(request).await?.into_inner();
    Ok(listed(&found.datasets.iter().map(dataset).collect::<Vec<_>>(), found.total, found.total_bytes))
}

/// How flows ended (spec-store.md 2.5), the latest first.
pub(crate) async fn events(State(gateway): State<Gateway>, caller: Caller, query: Query) -> Result<Json<Value>, SpecError> {
    let request = rpc::request(&caller.context, wanted(&caller, &query)?);
    let found = gateway.spec_store.clone().search_events(request).await?.into_inner();
    Ok(listed(&found.events.iter().map(event).collect::<Vec<_>>(), found.total, found.total_bytes))
}

/// The bytes of an owner.
pub(crate) async fn of_owner(
    gateway: State<Gateway>,
    caller: Caller,
    Path(id): Path<String>,
    query: Query,
) -> Result<Json<Value>, SpecError> {
    sum(gateway, caller, id, &query).await
}

/// The bytes of a dataset.
pub(crate) async fn of_dataset(
    gateway: State<Gateway>,
    caller: Caller,
    Path((owner_id, dataset)): Path<(String, String)>,
    query: Query,
) -> Result<Json<Value>, SpecError> {
    sum(gateway, caller, format!("{owner_id}/{dataset}"), &query).await
}

/// The bytes of a revision.
pub(crate) async fn of_flow(
    gateway: State<Gateway>,
    caller: Caller,
    Path((owner_id, dataset, revision)): Path<(String, String, String)>,
    query: Query,
) -> Result<Json<Value>, SpecError> {
    sum(gateway, caller, format!("{owner_id}/{dataset}/{revision}"), &query).await
}

async fn sum(State(gateway): State<Gateway>, caller: Caller, id: String, query: &Query) -> Result<Json<Value>, SpecError> {
    let request = SumBytesRequest { caller_owner_id: caller.owner_id.clone(), id, findability: query.get("findability").to_owned() };
    let found = gateway.spec_store.clone().sum_bytes(rpc::request(&caller.context, request)).await?.into_inner();
    Ok(Json(json!({"totalBytes": found.total_bytes})))
}

fn wanted(caller: &Caller, query: &Query) -> Result<SearchRequest> {
    Ok(SearchRequest {
        caller_owner_id: caller.owner_id.clone(),
        query: query.get("q").to_owned(),
        // The original's values are JSON: texts stand in quotation marks.
        owner_id: query.get("datahub.ownerid").trim_matches('"').to_owned(),
        size: query.number("size")?,
        from: query.number("from")?,
    })
}

fn listed(results: &[Value], total: u64, total_bytes: u64) -> Json<Value> {
    Json(json!({"results": results, "summary": {"total": total, "totalBytes": total_bytes}}))
}

fn dataset(found: &FoundDataset) -> Value {
    json!({
        "id": found.id,
        "name": found.name,
        "title": found.title,
        "description": found.description,
        "certified": found.certified,
        "datahub": {
            "owner": found.owner,
            "ownerid": found.owner_id,
            "findability": found.findability,
            "flowid": found.flow_id,
            "modified": wire::iso(found.finished_at),
            "stats": {"bytes": found.bytes, "rowcount": found.rows},
        },
    })
}

fn event(end: &FlowEnd) -> Value {
    json!({
        "event_entity": "flow",
        "event_action": "finish",
        "timestamp": wire::iso(end.finished_at),
        "status": if end.success { "OK" } else { "FAIL" },
        "findability": if end.success && end.findability == "published" { "published" } else { "private" },
        "userid": end.owner_id,
        "dataset": end.dataset,
        "owner": end.owner,
        "ownerid": end.owner_id,
        "flow": end.flow_id,
        "pipeline": end.flow_id,
        "payload": {"flow-id": end.flow_id, "errors": end.errors},
    })
}
