//! Batches (dhub.md section 8). What stands behind `/batches/` is told by its prefix: a batch in the tutorial's shape, or a pipeline.

use axum::{Json, extract::State};
use madang_kit::{Error, Id, Result, rpc};
use madang_proto::pipeline::v1::{CancelRunRequest, GetRunRequest, ListRunsRequest, ListRunsResponse, Run, RunState};
use serde_json::{Map, Value, json};

use super::{
    call::{Call, JsonCall, Path, Query, path_id},
    error::DhubError,
    list::{ListQuery, envelope},
    pipeline,
    version::VersionQuery,
    wire,
};
use crate::Gateway;

/// `GET /batches/{batch or pipeline}`: one batch, which clients poll until its `status` is `completed` or `failed`; or the state of a
/// pipeline's latest one.
pub(crate) async fn show(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Value>, DhubError> {
    if id.starts_with("pl-") {
        let pipeline = pipeline::read_id(&id)?;
        let found = list(&gateway, &call, pipeline, 1, None, false).await?.runs.into_iter().next();
        return Ok(Json(state(&found.ok_or_else(|| Error::not_found("batch of", &id))?)?));
    }
    let request = GetRunRequest { run_id: read_id(&id)?.to_string() };
    let run = gateway.pipelines.clone().get_run(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(seed(&run)?))
}

/// `POST /batches/{pipeline}?pipeline_version`: starts a run.
pub(crate) async fn start(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    Query(query): Query<VersionQuery>,
    call: JsonCall,
) -> Result<Json<Value>, DhubError> {
    let run = pipeline::start(&gateway, pipeline::read_id(&id)?, query, call).await?;
    Ok(Json(json!({"item": wire::id("batch", &run.id)?})))
}

/// `GET /batches/{pipeline}/`: newest first, in an envelope.
pub(crate) async fn list_items(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    call: Call,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, DhubError> {
    let (limit, before) = query.runs()?;
    let found = list(&gateway, &call, pipeline::read_id(&id)?, limit, before, false).await?;
    let item = |run: &Run| Ok((wire::id("batch", &run.id)?, state(run)?));
    Ok(Json(envelope(found.runs.iter().map(item).collect::<Result<_>>()?, found.next)?))
}

/// `GET /batches/{pipeline}/{batch}`
pub(crate) async fn show_state(
    State(gateway): State<Gateway>,
    Path((pipeline, batch)): Path<(String, String)>,
    call: Call,
) -> Result<Json<Value>, DhubError> {
    Ok(Json(state(&find(&gateway, &call, &pipeline, &batch, false).await?)?))
}

/// `DELETE /batches/{pipeline}/{batch}`: stops it.
pub(crate) async fn stop(
    State(gateway): State<Gateway>,
    Path((pipeline, batch)): Path<(String, String)>,
    call: Call,
) -> Result<Json<Value>, DhubError> {
    let pipeline = pipeline::read_id(&pipeline)?;
    cancel_run(&gateway, &call, Some(pipeline), read_id(&batch)?).await
}

/// `POST /batches/{batch}/cancel`
pub(crate) async fn cancel(State(gateway): State<Gateway>, Path(id): Path<String>, call: JsonCall) -> Result<Json<Value>, DhubError> {
    let mut fields = call.fields;
    fields.no_others();
    fields.finish()?;
    cancel_run(&gateway, &Call { context: call.context }, None, read_id(&id)?).await
}

async fn cancel_run(gateway: &Gateway, call: &Call, pipeline: Option<Id>, run: Id) -> Result<Json<Value>, DhubError> {
    let request = CancelRunRequest { run_id: run.to_string(), pipeline_id: pipeline.map(|id| id.to_string()) };
    let run = gateway.pipelines.clone().cancel_run(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(seed(&run)?))
}

/// Runs of a pipeline that the caller may see, newest first.
pub(super) async fn list(
    gateway: &Gateway,
    call: &Call,
    pipeline: Id,
    limit: u32,
    before: Option<String>,
    logs: bool,
) -> Result<ListRunsResponse, DhubError> {
    let pipeline_id = Some(pipeline.to_string());
    let request = ListRunsRequest { pipeline_id, limit, before, demand_pipeline: true, logs, ..ListRunsRequest::default() };
    Ok(gateway.pipelines.clone().list_runs(rpc::request(&call.context, request)).await?.into_inner())
}

/// One run of a pipeline.
pub(super) async fn find(gateway: &Gateway, call: &Call, pipeline: &str, batch: &str, logs: bool) -> Result<Run, DhubError> {
    let request = ListRunsRequest {
        pipeline_id: Some(pipeline::read_id(pipeline)?.to_string()),
        run_id: Some(read_id(batch)?.to_string()),
        limit: 1,
        demand_pipeline: true,
        logs,
        ..ListRunsRequest::default()
    };
    let found = gateway.pipelines.clone().list_runs(rpc::request(&call.context, request)).await?.into_inner().runs;
    found.into_iter().next().ok_or_else(|| Error::not_found("batch", batch.escape_debug()).into())
}

pub(super) fn read_id(text: &str) -> Result<Id, DhubError> {
    path_id("batch", "batch", text)
}

/// Exactly five keys; every end reads as one of two words.
fn seed(run: &Run) -> Result<Value> {
    let status = match run.state() {
        RunState::Succeeded => "completed",
        RunState::Failed | RunState::Cancelled => "failed",
        RunState::Queued | RunState::Running | RunState::Unspecified => "running",
    };
    Ok(json!({
        "id": wire::id("batch", &run.id)?, "pipeline_id": wire::id("pl", &run.pipeline_id)?, "status": status,
        "started_at": wire::iso(run.queued_at), "finished_at": wire::iso(run.finished_at),
    }))
}

/// The state object.
fn state(run: &Run) -> Result<Value> {
    let is_open = matches!(run.state(), RunState::Queued | RunState::Running);
    let word = match run.state() {
        RunState::Queued | RunState::Unspecified => "pending",
        RunState::Running => "running",
        RunState::Succeeded | RunState::Failed | RunState::Cancelled => "stop",
    };
    let mut steps = Map::new();
    for step in &run.steps {
        let (word, offsets) = match step.state() {
            RunState::Queued | RunState::Unspecified => (if is_open { "pending" } else { "none" }, json!({})),
            RunState::Running => ("running", json!({})),
            RunState::Succeeded => ("success", json!({"records": step.rows_out})),
            RunState::Failed | RunState::Cancelled => ("failed", json!({})),
        };
        steps.insert(step.name.clone(), json!({"state": word, "offsets": offsets}));
    }
    Ok(json!({
        "id": wire::id("batch", &run.id)?, "name": run.title, "deployment": format!("run-pipeline/{}", run.title),
        "state": {"state": word, "steps": steps},
    }))
}
