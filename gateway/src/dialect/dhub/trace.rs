//! Traces (dhub.md section 9): runs with their steps and logs.

use axum::{Json, extract::State};
use madang_kit::{Id, Result, rpc};
use madang_proto::pipeline::v1::{ListRunsRequest, LogLine, Run, RunState, StepRun};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    call::{Call, Query},
    error::DhubError,
    wire,
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
    let request = ListRunsRequest { pipeline_id, run_id, limit: 0 };
    let runs = gateway.pipelines.clone().list_runs(rpc::request(&call.context, request)).await?.into_inner().runs;
    Ok(Json(runs.into_iter().map(trace).collect::<Result<_>>()?))
}

fn filter(prefix: &str, id: Option<String>) -> std::result::Result<Option<String>, madang_kit::id::NotAnId> {
    id.map(|id| Id::parse_prefixed(prefix, &id).map(|id| id.to_string())).transpose()
}

fn trace(run: Run) -> Result<Value> {
    let id = wire::id("batch", &run.id)?;
    let state = word(run.state());
    let ended = wire::epoch_ms(run.finished_at);
    let steps: Map<String, Value> = run.steps.into_iter().map(|named| (named.name.clone(), step(&named))).collect();
    let logs: Vec<Value> = run.logs.into_iter().map(log).collect();
    Ok(json!({
        "id": id, "pipeline_id": wire::id("pl", &run.pipeline_id)?, "batch_id": id, "name": run.title,
        "deployment": format!("{}/{id}", run.title), "state": {"state": state, "steps": steps},
        "start_time": wire::epoch_ms(run.started_at.or(run.queued_at)), "end_time": ended,
        "trigger": run.trigger, "logs": logs,
    }))
}

fn step(step: &StepRun) -> Value {
    json!({
        "state": word(step.state()), "offsets": {"records": step.rows_out}, "comment": step.comment, "stacktrace": null,
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
