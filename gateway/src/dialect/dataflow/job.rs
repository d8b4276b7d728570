//! Jobs (dataflow.md 3.2).

use axum::{Json, extract::State, http::StatusCode};
use madang_kit::{Code, Error, Result, rpc};
use madang_proto::pipeline::v1::{
    CreateJobRequest, DeleteJobRequest, GetJobRequest, Job, JobDefinition, JobStatus, JobType, ListJobsRequest, NodeSchema, RunState,
    UpdateJobRequest, VerifyJobRequest,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    call::{Call, JsonCall, Path, Query, id},
    condition,
    error::FlowError,
    node,
    wire::{self, Object, PageQuery},
};
use crate::{Gateway, dialect::fields::Fields};

/// The words for types: the first is what we say, the others are taken as well.
const TYPES: [(JobType, &[&str]); 2] = [(JobType::Visual, &["DATAFLOW", "VISUAL"]), (JobType::Script, &["SCRIPT"])];
/// The words for statuses.
const STATUSES: [(JobStatus, &str); 7] = [
    (JobStatus::Runnable, "RUNNABLE"),
    (JobStatus::Running, "RUNNING"),
    (JobStatus::Draft, "DRAFT"),
    (JobStatus::Editing, "EDITING"),
    (JobStatus::Stopped, "STOPPED"),
    (JobStatus::Deleted, "DELETED"),
    (JobStatus::Unknown, "UNKNOWN"),
];
/// Executions that may be asked for; the bound is the service's.
const MAX_RUNS: u32 = 1_000_000;

/// `POST /jobs` createJob
pub(crate) async fn create(State(gateway): State<Gateway>, call: JsonCall) -> Result<(StatusCode, Json<Value>), FlowError> {
    let body = Body::read(call.fields, true)?;
    let definition = Some(body.definition()?);
    let request = CreateJobRequest {
        name: body.name.unwrap_or_default(),
        description: body.description,
        definition,
        condition: body.condition,
        max_concurrent_runs: body.max_concurrent_runs,
        draft: body.draft.unwrap_or_default(),
    };
    let answer = gateway.jobs.clone().create_job(rpc::request(&call.context, request)).await;
    let job = answer.map_err(|status| FlowError::of_nodes(status, &body.nodes))?.into_inner();
    Ok((StatusCode::CREATED, Json(shape(&job)?)))
}

/// `GET /jobs/{jobId}` getJobById
pub(crate) async fn show(State(gateway): State<Gateway>, Path(job): Path<String>, call: Call) -> Result<Json<Value>, FlowError> {
    let request = GetJobRequest { job_id: id("job_id", &job)? };
    Ok(Json(shape(&gateway.jobs.clone().get_job(rpc::request(&call.context, request)).await?.into_inner())?))
}

/// `GET /jobs` getJobs
pub(crate) async fn list(State(gateway): State<Gateway>, Query(query): Query<PageQuery>, call: Call) -> Result<Json<Value>, FlowError> {
    let page = query.page()?;
    let status = query.status.as_deref().map(read_status).transpose()?.unwrap_or_default();
    let request = ListJobsRequest { name: query.name, status: status.into(), page: Some(page) };
    let found = gateway.jobs.clone().list_jobs(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(wire::list(&found.jobs.iter().map(item).collect::<Vec<_>>(), found.count, &page)))
}

/// `PUT /jobs/{jobId}` updateJob: replaces; the condition and the number of runs stay if they are not given.
pub(crate) async fn replace(State(gateway): State<Gateway>, Path(job): Path<String>, call: JsonCall) -> Result<Json<Value>, FlowError> {
    let body = Body::read(call.fields, true)?;
    let request = UpdateJobRequest {
        job_id: id("job_id", &job)?,
        definition: Some(body.definition()?),
        name: body.name,
        description: Some(body.description.unwrap_or_default()),
        condition: body.condition,
        max_concurrent_runs: body.max_concurrent_runs,
        draft: Some(body.draft.unwrap_or_default()),
    };
    let answer = gateway.jobs.clone().update_job(rpc::request(&call.context, request)).await;
    Ok(Json(shape(&answer.map_err(|status| FlowError::of_nodes(status, &body.nodes))?.into_inner())?))
}

/// `PATCH /jobs/{jobId}` updateJob of later years: changes what is given.
pub(crate) async fn change(State(gateway): State<Gateway>, Path(job): Path<String>, call: JsonCall) -> Result<Json<Value>, FlowError> {
    let body = Body::read(call.fields, false)?;
    let definition = if body.nodes.is_null() && body.kind.is_none() { None } else { Some(()) };
    let job = id("job_id", &job)?;
    let definition = match definition {
        None => None,
        Some(()) if body.nodes.is_null() => Some(with_type(&gateway, &call.context, &job, body.kind).await?),
        Some(()) => Some(body.definition()?),
    };
    let request = UpdateJobRequest {
        job_id: job,
        definition,
        name: body.name,
        description: body.description,
        condition: body.condition,
        max_concurrent_runs: body.max_concurrent_runs,
        draft: body.draft,
    };
    let answer = gateway.jobs.clone().update_job(rpc::request(&call.context, request)).await;
    Ok(Json(shape(&answer.map_err(|status| FlowError::of_nodes(status, &body.nodes))?.into_inner())?))
}

/// The stored definition under another type.
async fn with_type(gateway: &Gateway, context: &madang_kit::Context, job: &str, kind: Option<JobType>) -> Result<JobDefinition, FlowError> {
    let request = GetJobRequest { job_id: job.to_owned() };
    let stored = gateway.jobs.clone().get_job(rpc::request(context, request)).await?.into_inner().definition.unwrap_or_default();
    Ok(JobDefinition { r#type: kind.map_or(stored.r#type, Into::into), ..stored })
}

/// `PUT /jobs/{jobId}/executions` updateJobExecuteConfig: the condition that the job keeps.
pub(crate) async fn configure(State(gateway): State<Gateway>, Path(job): Path<String>, call: JsonCall) -> Result<Json<Value>, FlowError> {
    let mut fields = call.fields;
    let condition = condition::read(&mut fields);
    if condition.is_none() {
        fields.problem("jobCondition", "missing", "field required");
    }
    fields.finish()?;
    let request = UpdateJobRequest { job_id: id("job_id", &job)?, condition, ..UpdateJobRequest::default() };
    Ok(Json(shape(&gateway.jobs.clone().update_job(rpc::request(&call.context, request)).await?.into_inner())?))
}

/// `DELETE /jobs/{jobId}` deleteJob
pub(crate) async fn delete(State(gateway): State<Gateway>, Path(job): Path<String>, call: Call) -> Result<Json<bool>, FlowError> {
    let request = DeleteJobRequest { job_id: id("job_id", &job)? };
    gateway.jobs.clone().delete_job(rpc::request(&call.context, request)).await?;
    Ok(Json(true))
}

/// Whether the columns of each node are wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct VerifyQuery {
    schemas: Option<String>,
}

/// `POST /jobs/verify` verifyJob: `true`, or the columns of each node with `?schemas=true`.
pub(crate) async fn verify(
    State(gateway): State<Gateway>,
    Query(query): Query<VerifyQuery>,
    call: JsonCall,
) -> Result<Json<Value>, FlowError> {
    let body = Body::read(call.fields, true)?;
    let request = VerifyJobRequest {
        definition: Some(body.definition()?),
        name: body.name.unwrap_or_default(),
        description: body.description,
        condition: body.condition,
    };
    let answer = gateway.jobs.clone().verify_job(rpc::request(&call.context, request)).await;
    let schemas = answer.map_err(|status| FlowError::of_nodes(status, &body.nodes))?.into_inner().schemas;
    match query.schemas.as_deref() {
        Some("true") => Ok(Json(json!({"valid": true, "nodes": schemas.iter().map(schema).collect::<Vec<_>>()}))),
        None | Some("false") => Ok(Json(true.into())),
        Some(_) => Err(Error::invalid("schemas", "choice", "schemas must be true or false").into()),
    }
}

fn schema(of: &NodeSchema) -> Value {
    let fields: Vec<Value> = of.columns.iter().map(|column| json!({"name": column.name, "type": column.r#type})).collect();
    json!({"nodeId": of.node_id, "fieldList": fields})
}

/// What a body says of a job.
struct Body {
    name: Option<String>,
    description: Option<String>,
    kind: Option<JobType>,
    nodes: Value,
    draft: Option<bool>,
    condition: Option<madang_proto::pipeline::v1::RunCondition>,
    max_concurrent_runs: Option<u32>,
}

impl Body {
    fn read(mut fields: Fields, whole: bool) -> Result<Self> {
        let name = if whole { Some(fields.text("name")) } else { fields.optional_text("name") };
        let kind = fields.optional_text("type").and_then(|word| {
            let kind = TYPES.iter().find(|row| row.1.contains(&word.as_str())).map(|row| row.0);
            if kind.is_none() {
                fields.problem("type", "choice", "must be DATAFLOW, VISUAL or SCRIPT");
            }
            kind
        });
        let body = Self {
            name,
            description: fields.optional_text("description"),
            kind,
            draft: fields.optional_bool("isTemp"),
            condition: condition::read(&mut fields),
            max_concurrent_runs: fields.optional_number("maxConcurrentRuns", 0, MAX_RUNS),
            nodes: fields.take("nodes").unwrap_or_default(),
        };
        fields.finish()?;
        Ok(body)
    }

    /// What the job does; a draft whose nodes can't be read is kept as it came.
    fn definition(&self) -> Result<JobDefinition, FlowError> {
        let kind = self.kind.unwrap_or(JobType::Visual);
        let plain = JobDefinition { r#type: kind.into(), ..JobDefinition::default() };
        if self.nodes.is_null() {
            return Ok(plain);
        }
        match node::read(&self.nodes, "nodes") {
            Ok(nodes) => Ok(JobDefinition { nodes, ..plain }),
            Err(_) if self.draft == Some(true) && self.nodes.is_array() => Ok(JobDefinition { draft: self.nodes.to_string(), ..plain }),
            Err(error) => Err(FlowError::of_nodes(error, &self.nodes)),
        }
    }
}

fn read_status(word: &str) -> Result<JobStatus> {
    let word = if word == "READY" { "RUNNABLE" } else { word }; // as later generations call it
    let status = STATUSES.iter().find(|row| row.1 == word).map(|row| row.0);
    let words: Vec<&str> = STATUSES.iter().map(|row| row.1).collect();
    status.ok_or_else(|| Error::invalid("status", "choice", format!("status must be one of {}", words.join(", "))))
}

fn word_of(job: &Job) -> (&'static str, &'static str) {
    let kind = job.definition.as_ref().map_or(JobType::Visual, JobDefinition::r#type);
    let kind = TYPES.iter().find(|row| row.0 == kind).and_then(|row| row.1.first()).copied().unwrap_or("DATAFLOW");
    (kind, STATUSES.iter().find(|row| row.0 == job.status()).map_or("UNKNOWN", |row| row.1))
}

fn last(job: &Job) -> Option<&'static str> {
    job.last_state.map(|state| wire::state(RunState::try_from(state).unwrap_or_default()))
}

/// A whole job.
pub(super) fn shape(job: &Job) -> Result<Value> {
    let definition = job.definition.as_ref().ok_or_else(|| Error::new(Code::Internal, "a job without a definition"))?;
    let nodes = match definition.draft.as_str() {
        "" => node::write(&definition.nodes),
        draft => serde_json::from_str(draft).map_err(Error::internal)?,
    };
    let (kind, status) = word_of(job);
    Ok(Object::default()
        .with("jobId", job.id.clone())
        .with("name", job.name.clone())
        .maybe("description", job.description.clone())
        .with("type", kind)
        .with("status", status)
        .maybe("lastExecutionStatus", last(job))
        .with("nodes", nodes)
        .maybe("runCondition", job.condition.as_ref().map(condition::write))
        .with("maxConcurrentRuns", job.max_concurrent_runs)
        .maybe("createdDate", wire::date(job.created_at))
        .maybe("updatedDate", wire::date(job.updated_at))
        .maybe("lastExecutionDate", wire::date(job.last_at))
        .done())
}

/// A job in a list. It is never disabled: lists show what the caller may change.
fn item(job: &Job) -> Value {
    let (kind, status) = word_of(job);
    Object::default()
        .with("jobId", job.id.clone())
        .with("name", job.name.clone())
        .with("type", kind)
        .with("status", status)
        .maybe("lastExecutionStatus", last(job))
        .maybe("createdDate", wire::date(job.created_at))
        .maybe("updatedDate", wire::date(job.updated_at))
        .maybe("lastExecutionDate", wire::date(job.last_at))
        .with("resourceId", job.id.clone())
        .with("disabled", false)
        .done()
}
