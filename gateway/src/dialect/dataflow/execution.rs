//! Executions of jobs (dataflow.md 3.2).

use axum::{Json, extract::State, http::HeaderMap};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use madang_kit::{Result, rpc, time};
use madang_proto::pipeline::v1::{
    CancelExecutionRequest, Execution, GetExecutionRequest, ListExecutionsRequest, RunState, StartExecutionRequest, StepRun,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    call::{Call, JsonCall, Path, Query, id},
    condition,
    error::FlowError,
    wire::{self, Object, PageQuery},
};
use crate::Gateway;

/// Parameters of an execution; what they may be is the service's to say.
const PARAMETERS: usize = 1_000;
/// Names who set an execution off (dataflow.md 1.2).
const PAYLOAD: &str = "x-ncp-dataflow-payload";

/// What an execution is said to belong to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OriginQuery {
    workflow_id: Option<String>,
    trigger_id: Option<String>,
}

/// `POST /jobs/{jobId}/executions` executeJob
pub(crate) async fn start(
    State(gateway): State<Gateway>,
    Path(job): Path<String>,
    Query(query): Query<OriginQuery>,
    headers: HeaderMap,
    call: JsonCall,
) -> Result<Json<Value>, FlowError> {
    let mut fields = call.fields;
    let condition = condition::read(&mut fields);
    let parameters = fields.object("parameters", PARAMETERS);
    fields.finish()?;
    let named = |field: &str, given: Option<String>| given.map(|text| id(field, &text)).transpose();
    let request = StartExecutionRequest {
        job_id: id("job_id", &job)?,
        condition,
        workflow_id: named("workflow_id", query.workflow_id)?,
        trigger_id: named("trigger_id", query.trigger_id)?,
        parameters: Value::Object(parameters).to_string(),
        origin: origin(&headers),
    };
    let made = gateway.executions.clone().start_execution(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(
        Object::default()
            .with("jobExecutionId", made.id)
            .with("jobId", made.job_id)
            .with("status", wire::state(RunState::Queued))
            .maybe("jobCondition", made.condition.as_ref().map(condition::write))
            .maybe("createdDate", wire::date(made.created_at))
            .done(),
    ))
}

/// Who set it off: base64 of a JSON object. What can't be read is left aside.
pub(super) fn origin(headers: &HeaderMap) -> String {
    let text = headers.get(PAYLOAD).and_then(|payload| STANDARD.decode(payload.as_bytes()).ok());
    let object = text.and_then(|text| serde_json::from_slice::<Value>(&text).ok()).filter(Value::is_object);
    object.map(|object| object.to_string()).filter(|text| !text.contains("\\u0000")).unwrap_or_default()
}

/// `GET /jobs/{jobId}/executions` getJobExecutions
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Path(job): Path<String>,
    Query(query): Query<PageQuery>,
    call: Call,
) -> Result<Json<Value>, FlowError> {
    let request =
        ListExecutionsRequest { job_id: Some(id("job_id", &job)?), page: Some(query.page()?), ..ListExecutionsRequest::default() };
    listed(&gateway, &call, request).await
}

/// A page of executions.
pub(super) async fn listed(gateway: &Gateway, call: &Call, request: ListExecutionsRequest) -> Result<Json<Value>, FlowError> {
    let page = request.page.unwrap_or_default();
    let found = gateway.executions.clone().list_executions(rpc::request(&call.context, request)).await?.into_inner();
    let now = gateway.identity.clock.now();
    let items = found.executions.iter().map(|execution| shape(execution, now)).collect::<Vec<_>>();
    Ok(Json(wire::list(&items, found.count, &page)))
}

/// `GET /jobs/{jobId}/executions/{jobExecutionId}` getJobExecutionById
pub(crate) async fn show(
    State(gateway): State<Gateway>,
    Path((job, execution)): Path<(String, String)>,
    call: Call,
) -> Result<Json<Value>, FlowError> {
    let request = GetExecutionRequest { job_id: id("job_id", &job)?, execution_id: id("execution_id", &execution)? };
    let found = gateway.executions.clone().get_execution(rpc::request(&call.context, request)).await?.into_inner();
    let mut shown = shape(&found, gateway.identity.clock.now());
    shown["nodeStats"] = found.nodes.iter().map(stats).collect();
    Ok(Json(shown))
}

/// `POST /jobs/{jobId}/executions/{jobExecutionId}/cancel` cancelJobExecution
pub(crate) async fn cancel(
    State(gateway): State<Gateway>,
    Path((job, execution)): Path<(String, String)>,
    call: JsonCall,
) -> Result<Json<bool>, FlowError> {
    let request = CancelExecutionRequest { job_id: id("job_id", &job)?, execution_id: id("execution_id", &execution)? };
    gateway.executions.clone().cancel_execution(rpc::request(&call.context, request)).await?;
    Ok(Json(true))
}

fn shape(execution: &Execution, now: DateTime<Utc>) -> Value {
    let at = |at: Option<prost_types::Timestamp>| at.and_then(time::read);
    let (created, started, finished) = (at(execution.created_at), at(execution.started_at), at(execution.finished_at));
    let between = |from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>| Some((to? - from?).num_milliseconds());
    let running = started.and_then(|started| between(Some(started), finished.or(Some(now))));
    let workers = execution.condition.as_ref().and_then(|condition| condition.num_worker).filter(|_| started.is_some());
    Object::default()
        .with("jobExecutionId", execution.id.clone())
        .with("jobId", execution.job_id.clone())
        .with("jobName", execution.job_name.clone())
        .maybe("workflowId", execution.workflow_id.clone())
        .maybe("workflowExecutionId", execution.workflow_execution_id.clone())
        .maybe("triggerId", execution.trigger_id.clone())
        .maybe("triggerName", execution.trigger_name.clone())
        .with("status", wire::state(execution.state()))
        .maybe("message", execution.message.clone())
        .maybe("jobCondition", execution.condition.as_ref().map(condition::write))
        .maybe("waitingTime", between(created, started))
        .maybe("runningTime", running)
        .maybe("executorNum", workers)
        .maybe("parsedParameters", wire::object(&execution.parameters))
        .maybe("origin", wire::object(&execution.origin))
        .maybe("createdDate", wire::date(execution.created_at))
        .maybe("startDate", wire::date(execution.started_at))
        .maybe("endDate", wire::date(execution.finished_at))
        .done()
}

/// What became of one node.
fn stats(node: &StepRun) -> Value {
    let id = node.name.parse::<i64>().map_or_else(|_| Value::from(node.name.clone()), Value::from);
    let base = json!({
        "nodeId": id, "status": wire::state(node.state()), "rowsIn": node.rows_in, "rowsOut": node.rows_out, "badValues": node.bad_values,
    });
    match (&node.comment, base) {
        (Some(message), Value::Object(mut base)) => {
            base.insert("message".to_owned(), message.clone().into());
            Value::Object(base)
        }
        (_, base) => base,
    }
}
