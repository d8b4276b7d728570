//! Jobs of spaces, and what starts them (dataflow.md): [`execution`] is a run of a job, [`workflow`] puts jobs into an order behind a
//! [`trigger`], [`firing`] is one start of a workflow. [`graph`] compiles a job into a plan of the one run engine.

mod chain;
mod condition;
mod dashboard;
pub(crate) mod execution;
pub(crate) mod firing;
pub(crate) mod graph;
mod grpc;
mod parameter;
mod rule;
mod space;
pub(crate) mod trigger;
pub(crate) mod workflow;

use madang_kit::{
    Code, Context, Error, Id, Result,
    audit::{self, Record},
    id,
    idempotency::{self, Claim},
    time,
};
use madang_proto::pipeline::v1::{
    CreateJobRequest, DeleteJobRequest, DeleteJobResponse, GetJobRequest, Job, JobDefinition, JobStatus, JobType, ListJobsRequest,
    ListJobsResponse, RunCondition, UpdateJobRequest, VerifyJobRequest, VerifyJobResponse,
};
use prost::Message;
use serde_json::Value;

pub(crate) use self::condition::Defaults;
use crate::{
    Pipelines,
    store::{
        job::{self as store, Shown},
        run,
    },
    thing,
};

/// Executions of one job at the same time: unless it says more, and at most.
const RUNS: u32 = 1;
const MAX_RUNS: u32 = 1_000;
/// Bytes of a graph.
const MAX_GRAPH: usize = 1 << 20;

/// The name of a status in the database.
const STATUSES: [(JobStatus, &str); 7] = [
    (JobStatus::Runnable, "runnable"),
    (JobStatus::Running, "running"),
    (JobStatus::Draft, "draft"),
    (JobStatus::Editing, "editing"),
    (JobStatus::Stopped, "stopped"),
    (JobStatus::Deleted, "deleted"),
    (JobStatus::Unknown, "unknown"),
];

/// Stores a job; what can't run is refused, unless it is a draft.
pub(crate) async fn create(pipelines: &Pipelines, context: &Context, request: CreateJobRequest) -> Result<Job> {
    let (space, now) = (space::of(context)?, pipelines.clock.now());
    let definition = bounded(request.definition.unwrap_or_default())?;
    let new = store::Job {
        id: Id::generate().to_string(),
        short_id: id::short_name()?,
        space_id: space.to_string(),
        name: space::name(&request.name)?,
        description: space::description(request.description)?,
        condition: condition::checked("jobCondition", request.condition.unwrap_or_default())?.encode_to_vec(),
        max_concurrent_runs: runs(request.max_concurrent_runs.unwrap_or(RUNS))?,
        state: if request.draft { "draft" } else { "runnable" }.to_owned(),
        revision: 1,
        created_by: context.principal.user.to_string(),
        created_at: now,
        modified_at: now,
        definition: definition.encode_to_vec(),
    };
    if !request.draft {
        graph::verify(pipelines, context, &definition).await?;
    }
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "CreateJob").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    store::insert(&mut tx, &new).await.map_err(|error| space::named(error, &new.name))?;
    audit::write(&mut tx, &pipelines.clock, context, record("job.create", &new.id)).await?;
    let answer = wire(Shown { status: new.state.clone(), job: new, last_state: None, last_at: None })?;
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// One job.
pub(crate) async fn get(pipelines: &Pipelines, context: &Context, request: GetJobRequest) -> Result<Job> {
    wire(find(pipelines, context, &request.job_id).await?)
}

/// A job of the caller's space.
async fn find(pipelines: &Pipelines, context: &Context, short: &str) -> Result<Shown> {
    let found = store::find(&pipelines.db, space::of(context)?, short, pipelines.clock.now()).await?;
    found.ok_or_else(|| space::absent("job_id", short))
}

/// Changes what is given. A definition is checked, unless it is a draft from now on; runs keep the one that they have.
pub(crate) async fn update(pipelines: &Pipelines, context: &Context, request: UpdateJobRequest) -> Result<Job> {
    let found = find(pipelines, context, &request.job_id).await?;
    let mut changed = found.job.clone();
    if let Some(name) = &request.name {
        changed.name = space::name(name)?;
    }
    if request.description.is_some() {
        changed.description = space::description(request.description)?;
    }
    if let Some(given) = request.condition {
        let stored = RunCondition::decode(changed.condition.as_slice()).map_err(Error::internal)?;
        changed.condition = condition::over(condition::checked("jobCondition", given)?, stored).encode_to_vec();
    }
    if let Some(number) = request.max_concurrent_runs {
        changed.max_concurrent_runs = runs(number)?;
    }
    if request.definition.is_some() || request.draft.is_some() {
        let definition = match request.definition {
            Some(definition) => bounded(definition)?,
            None => definition(&changed)?,
        };
        changed.definition = definition.encode_to_vec();
        let draft = request.draft.unwrap_or_default();
        if !draft {
            graph::verify(pipelines, context, &definition).await?;
        }
        if draft { "draft" } else { "runnable" }.clone_into(&mut changed.state);
    }
    changed.revision += 1;
    changed.modified_at = pipelines.clock.now();
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "UpdateJob").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    if !store::update(&mut tx, &changed).await.map_err(|error| space::named(error, &changed.name))? {
        return Err(thing::changed_meanwhile());
    }
    audit::write(&mut tx, &pipelines.clock, context, record("job.update", &changed.id)).await?;
    let is_active = found.status != found.job.state;
    let status = if is_active { found.status } else { changed.state.clone() };
    let answer = wire(Shown { job: changed, status, ..found })?;
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Hides a job that nobody runs. Workflows that name it stay.
pub(crate) async fn delete(pipelines: &Pipelines, context: &Context, request: DeleteJobRequest) -> Result<DeleteJobResponse> {
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "DeleteJob").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let found = store::lock(&mut tx, space::of(context)?, &request.job_id).await?;
    let found = found.ok_or_else(|| space::absent("job_id", &request.job_id))?;
    if run::is_active(&mut tx, &found.id).await? {
        return Err(space::forbidden("the job has executions that are READY or RUNNING; wait for them, or cancel them"));
    }
    store::delete(&mut tx, &found.id, pipelines.clock.now()).await?;
    audit::write(&mut tx, &pipelines.clock, context, record("job.delete", &found.id)).await?;
    let answer = DeleteJobResponse {};
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// The jobs of a space, without their definitions.
pub(crate) async fn list(pipelines: &Pipelines, context: &Context, request: ListJobsRequest) -> Result<ListJobsResponse> {
    let (limit, offset) = space::page(request.page)?;
    let status = STATUSES.iter().find(|row| row.0 == request.status()).map_or("", |row| row.1);
    let like = space::like(request.name.as_deref())?;
    let filter = store::Filter { space: space::of(context)?, like, status, limit, offset };
    let (found, count) = store::list(&pipelines.db, &filter, pipelines.clock.now()).await?;
    Ok(ListJobsResponse { jobs: found.into_iter().map(wire).collect::<Result<_>>()?, count: space::count(count) })
}

/// Checks a job as if it were stored, and tells the columns of its nodes.
pub(crate) async fn verify(pipelines: &Pipelines, context: &Context, request: VerifyJobRequest) -> Result<VerifyJobResponse> {
    space::of(context)?;
    space::name(&request.name)?;
    space::description(request.description)?;
    condition::checked("jobCondition", request.condition.unwrap_or_default())?;
    let definition = bounded(request.definition.unwrap_or_default())?;
    Ok(VerifyJobResponse { schemas: graph::verify(pipelines, context, &definition).await? })
}

/// What a stored job does.
fn definition(job: &store::Job) -> Result<JobDefinition> {
    JobDefinition::decode(job.definition.as_slice()).map_err(Error::internal)
}

/// A definition of a size that can be kept; without a word on its type it is a graph.
fn bounded(mut definition: JobDefinition) -> Result<JobDefinition> {
    if definition.encoded_len() > MAX_GRAPH {
        return Err(Error::new(Code::TooLarge, format!("a job has at most {MAX_GRAPH} bytes")));
    }
    match definition.r#type() {
        JobType::Unspecified => definition.r#type = JobType::Visual.into(),
        JobType::Visual => {}
        JobType::Script => {
            let why = "type SCRIPT needs a runner for scripts, and none is configured here; use VISUAL with a node of type TRANSFORM_SQL";
            return Err(Error::invalid("type", "no_runner", why));
        }
    }
    Ok(definition)
}

fn runs(number: u32) -> Result<i64> {
    if (1..=MAX_RUNS).contains(&number) {
        return Ok(number.into());
    }
    Err(Error::invalid("maxConcurrentRuns", "range", format!("maxConcurrentRuns must be 1 to {MAX_RUNS}")))
}

fn wire(found: Shown) -> Result<Job> {
    let Shown { job, status, last_state, last_at } = found;
    let condition = RunCondition::decode(job.condition.as_slice()).map_err(Error::internal)?;
    Ok(Job {
        definition: Some(definition(&job)?),
        id: job.short_id,
        name: job.name,
        description: job.description,
        status: STATUSES.iter().find(|row| row.1 == status).map_or(JobStatus::Unknown, |row| row.0).into(),
        condition: Some(condition::shown(condition)),
        max_concurrent_runs: job.max_concurrent_runs.try_into().unwrap_or_default(),
        created_at: Some(time::wire(job.created_at)),
        updated_at: Some(time::wire(job.modified_at)),
        last_state: last_state.map(|state| run::state(&state).into()),
        last_at: last_at.map(time::wire),
    })
}

fn record<'a>(action: &'a str, id: &str) -> Record<'a> {
    Record { action, thing: id.to_owned(), detail: Value::Null }
}
