//! Traces (dhub.md section 9): runs with their steps and logs.

use axum::{
    Json,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use madang_kit::{Code, Error, Id, Result, rpc};
use madang_proto::pipeline::v1::{GetRunRequest, ListRunsRequest, LogLine, Run, RunState, StepRun};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    batch,
    call::{Call, Path, Query},
    error::DhubError,
    list::{DEFAULT_LIMIT, ListQuery, MAX_LIMIT, MAX_OFFSET, NextPage, next_page, number, token},
    pipeline, wire,
};
use crate::Gateway;

/// Runs that are asked for at once, with all their logs.
const AT_ONCE: u64 = 50;
/// What traces may have in one list, in bytes.
const LIST_BYTES: usize = 64 << 20;

/// What the list of all traces is narrowed to; everything is optional.
#[derive(Debug, Deserialize)]
pub(crate) struct TraceQuery {
    pipeline_id: Option<String>,
    batch_id: Option<String>,
    limit: Option<String>,
    offset: Option<String>,
}

/// `GET /traces?pipeline_id&batch_id&limit&offset`: newest first; unknown ids give an empty list. If there are more than `limit`, the
/// header `Link` leads to them.
pub(crate) async fn list(State(gateway): State<Gateway>, call: Call, Query(query): Query<TraceQuery>) -> Result<Response, DhubError> {
    let limit = number("limit", query.limit.as_deref(), 1, MAX_LIMIT).map_err(DhubError::in_query)?.unwrap_or(DEFAULT_LIMIT);
    let offset = number("offset", query.offset.as_deref(), 0, MAX_OFFSET).map_err(DhubError::in_query)?.unwrap_or_default();
    let (Ok(pipeline_id), Ok(run_id)) = (filter("pl", query.pipeline_id.as_deref()), filter("batch", query.batch_id.as_deref())) else {
        return Ok(Json(Vec::<Value>::new()).into_response());
    };
    let request = ListRunsRequest { pipeline_id, run_id, logs: true, offset, ..ListRunsRequest::default() };
    let (text, is_cut) = fetch(&gateway, &call, request, limit).await?;
    let of_pipeline = query.pipeline_id.map(|id| format!("pipeline_id={id}&")).unwrap_or_default(); // one batch is never cut
    let rest = is_cut.then(|| next_page(&format!("/api/v1/traces?{of_pipeline}limit={limit}&offset={}", offset + limit)));
    Ok((rest, [(CONTENT_TYPE, "application/json")], text).into_response())
}

/// So many runs as a JSON array, and whether there are more.
async fn fetch(gateway: &Gateway, call: &Call, mut request: ListRunsRequest, limit: u64) -> Result<(String, bool), DhubError> {
    let (mut text, mut left) = (String::from("["), limit);
    loop {
        request.limit = u32::try_from(left.min(AT_ONCE)).unwrap_or_default();
        let answer = gateway.pipelines.clone().list_runs(rpc::request(&call.context, request.clone())).await?.into_inner();
        left = left.saturating_sub(answer.runs.len() as u64);
        for run in answer.runs {
            let comma = if text.len() > 1 { "," } else { "" };
            text.extend([comma, &full(run)?.to_string()]);
            if text.len() > LIST_BYTES {
                let why = format!("these traces have more than {LIST_BYTES} bytes; ask for fewer with limit");
                return Err(Error::new(Code::TooLarge, why).into());
            }
        }
        request.offset = 0;
        request.before = answer.next;
        if left == 0 || request.before.is_none() {
            text.push(']');
            return Ok((text, request.before.is_some()));
        }
    }
}

fn filter(prefix: &str, id: Option<&str>) -> std::result::Result<Option<String>, madang_kit::id::NotAnId> {
    id.map(|id| Id::parse_prefixed(prefix, id).map(|id| id.to_string())).transpose()
}

/// `GET /traces/pipelines/{pipeline}`: the latest.
pub(crate) async fn latest(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Value>, DhubError> {
    let found = batch::list(&gateway, &call, pipeline::read_id(&id)?, 1, None, false).await?.runs.into_iter().next();
    Ok(Json(short(&found.ok_or_else(|| Error::not_found("trace of", &id))?)?))
}

/// `GET /traces/pipelines/{pipeline}/`: the history, newest first. The header `Link` leads to what is older.
pub(crate) async fn history(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    call: Call,
    Query(query): Query<ListQuery>,
) -> Result<(Option<NextPage>, Json<Value>), DhubError> {
    let (limit, before) = query.runs()?;
    let pipeline = pipeline::read_id(&id)?;
    let found = batch::list(&gateway, &call, pipeline, limit, before, false).await?;
    let item = |run: &Run| Ok((wire::id("batch", &run.id)?, short(run)?));
    let items = found.runs.iter().map(item).collect::<Result<Map<_, _>>>()?;
    let place = format!("/api/v1/traces/pipelines/{}/?limit={limit}", pipeline.prefixed("pl"));
    let rest = token(found.next)?.map(|token| next_page(&format!("{place}&token={token}")));
    Ok((rest, Json(json!({"items": items}))))
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
