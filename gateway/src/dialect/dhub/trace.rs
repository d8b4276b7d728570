//! Traces (dhub.md section 9): runs with their steps and logs.

use axum::{Json, extract::State};
use madang_kit::{Error, Id, Result, rpc};
use madang_proto::pipeline::v1::{GetRunRequest, ListRunsRequest, LogLine, Run, RunState, StepRun};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    batch,
    call::{Call, Path, Query},
    error::DhubError,
    list::ListQuery,
    pipeline, wire,
};
use crate::Gateway;

/// Filters; both are optional.
#[derive(Debug, Deserialize)]
pub(crate) struct TraceQuery {
    pipeline_id: Option<String>,
    batch_id: Option<String>,
}

/// `GET /traces?pipeline_id&batch_id`: newest first; unknown ids give an empty list.
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    call: Call,
    Query(query): Query<TraceQuery>,
) -> Result<Json<Vec<Value>>, DhubError> {
    let (Ok(pipeline_id), Ok(run_id)) = (filter("pl", query.pipeline_id), filter("batch", query.batch_id)) else {
        return Ok(Json(Vec::new()));
    };
    let request = ListRunsRequest { pipeline_id, run_id, logs: true, ..ListRunsRequest::default() };
    let runs = gateway.pipelines.clone().list_runs(rpc::request(&call.context, request)).await?.into_inner().runs;
    Ok(Json(runs.into_iter().map(full).collect::<Result<_>>()?))
}

fn filter(prefix: &str, id: Option<String>) -> std::result::Result<Option<String>, madang_kit::id::NotAnId> {
    id.map(|id| Id::parse_prefixed(prefix, &id).map(|id| id.to_string())).transpose()
}

/// `GET /traces/pipelines/{pipeline}`: the latest.
pub(crate) async fn latest(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Value>, DhubError> {
    let found = batch::list(&gateway, &call, pipeline::read_id(&id)?, 1, None, false).await?.runs.into_iter().next();
    Ok(Json(short(&found.ok_or_else(|| Error::not_found("trace of", &id))?)?))
}

/// `GET /traces/pipelines/{pipeline}/`: the history, newest first.
pub(crate) async fn history(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    call: Call,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, DhubError> {
    let (limit, before) = query.runs()?;
    let found = batch::list(&gateway, &call, pipeline::read_id(&id)?, limit, before, false).await?;
    let item = |run: &Run| Ok((wire::id("batch", &run.id)?, short(run)?));
    Ok(Json(json!({"items": found.runs.iter().map(item).collect::<Result<Map<_, _>>>()?})))
}

/// `GET /traces/pipelines/{pipeline}/{batch}`
pub(crate) async fn show(
    State(gateway): State<Gateway>,
    Path((pipeline, batch)): Path<(String, String)>,
    call: Call,
) -> Result<Json<Value>, DhubError> {
    Ok(Json(short(&batch::find(&gateway, &call, &pipeline, &batch, false).await?)?))
}

/// `GET /traces/steps/{batch}`
pub(crate) async fn steps(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Value>, DhubError> {
    let request = GetRunRequest { run_id: batch::read_id(&id)?.to_string() };
    let run = gateway.pipelines.clone().get_run(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(json!({"items": step_map(&run)})))
}

/// Six keys.
fn short(run: &Run) -> Result<Value> {
    let id = wire::id("batch", &run.id)?;
    Ok(json!({
        "id": id, "name": run.title, "deployment": format!("{}/{id}", run.title),
        "state": {"state": word(run.state()), "steps": step_map(run)},
        "start_time": wire::epoch_ms(run.started_at.or(run.queued_at)), "end_time": wire::epoch_ms(run.finished_at),
    }))
}

/// With what set it off and what it had to say.
fn full(run: Run) -> Result<Value> {
    let id = wire::id("batch", &run.id)?;
    Ok(json!({
        "id": id, "pipeline_id": wire::id("pl", &run.pipeline_id)?, "batch_id": id, "name": run.title,
        "deployment": format!("{}/{id}", run.title), "state": {"state": word(run.state()), "steps": step_map(&run)},
        "start_time": wire::epoch_ms(run.started_at.or(run.queued_at)), "end_time": wire::epoch_ms(run.finished_at),
        "trigger": run.trigger, "logs": run.logs.into_iter().map(log).collect::<Vec<_>>(),
    }))
}

fn step_map(run: &Run) -> Map<String, Value> {
    run.steps.iter().map(|named| (named.name.clone(), step(named))).collect()
}

fn step(step: &StepRun) -> Value {
    json!({
        "state": word(step.state()), "offsets": {"records": step.rows_out}, "comment": step.comment, "stacktrace": step.stacktrace,
        "start_time": wire::epoch_ms(step.started_at), "end_time": wire::epoch_ms(step.finished_at),
    })
}

fn log(line: LogLine) -> Value {
    let step = (!line.step.is_empty()).then_some(line.step);
    json!({"time": wire::epoch_ms(line.time), "level": line.level, "step": step, "message": line.message})
}

/// Trace words (dhub.md section 8, third column).
fn word(state: RunState) -> &'static str {
    match state {
        RunState::Queued | RunState::Unspecified => "pending",
        RunState::Running => "running",
        RunState::Succeeded => "completed",
        RunState::Failed => "failed",
        RunState::Cancelled => "cancelled",
    }
}
