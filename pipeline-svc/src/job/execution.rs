//! Executions: runs of jobs.

use madang_kit::{
    Context, Error, Id, Principal, Result, Tx,
    audit::{self, Record},
    id,
    idempotency::{self, Claim},
    time,
};
use madang_proto::pipeline::v1::{
    CancelExecutionRequest, CancelExecutionResponse, Execution, GetExecutionRequest, ListExecutionsRequest, ListExecutionsResponse, Run,
    RunCondition, RunState, StartExecutionRequest,
};
use prost::Message;
use serde_json::{Map, Value, json};

use super::{condition, definition, graph, parameter, space, trigger, workflow};
use crate::{
    Pipelines,
    engine::Seat,
    run::{self as runs, ATTEMPTS, Added, LOOK_EVERY, STOP_WITHIN, Wanted},
    store::{
        claim,
        execution::{self as store, Filter, NewExecution},
        job as jobs, record,
        run::{self, Begin, NewRun, RunKind, Serial},
    },
};

/// What an execution belongs to and is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    pub(crate) condition: RunCondition,
    /// As used.
    pub(crate) parameters: Map<String, Value>,
    /// Ids and names of the workflow, the trigger and the firing.
    pub(crate) workflow: Option<(String, String)>,
    pub(crate) trigger: Option<(String, String, String)>,
    pub(crate) firing: Option<(String, String)>,
    pub(crate) origin: String,
    /// What set it off: `manual`, `schedule` or `event`.
    pub(crate) by: &'static str,
}

/// Queues an execution.
pub(crate) async fn start(pipelines: &Pipelines, context: &Context, request: StartExecutionRequest) -> Result<Execution> {
    let given = condition::checked("jobCondition", request.condition.unwrap_or_default())?;
    let workflow = match &request.workflow_id {
        Some(short) => Some(workflow::find(pipelines, context, short).await?.workflow),
        None => None,
    };
    let trigger = match &request.trigger_id {
        Some(short) => Some(trigger::find(pipelines, context, short).await?),
        None => None,
    };
    let start = Start {
        condition: given,
        parameters: parameter::parse(&request.parameters, pipelines.clock.now())?,
        workflow: workflow.map(|found| (found.id, found.short_id)),
        trigger: trigger.map(|found| (found.id, found.short_id, found.name)),
        firing: None,
        origin: space::origin(request.origin)?,
        by: "manual",
    };
    match try_start(pipelines, context, &request.job_id, &start, pipelines.engine.seat()).await {
        Err(error) if runs::is_lost_race(&error) => try_start(pipelines, context, &request.job_id, &start, None).await,
        other => other,
    }
}

async fn try_start(pipelines: &Pipelines, context: &Context, job: &str, start: &Start, seat: Option<Seat>) -> Result<Execution> {
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "StartExecution").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let found = jobs::lock(&mut tx, space::of(context)?, job).await?.ok_or_else(|| space::absent("job_id", job))?;
    demand_runnable(&mut tx, &found).await?;
    let prepared = prepare(pipelines, space::run_as(context), &found, start)?;
    let (added, execution) = add(pipelines, context, &mut tx, &found, prepared, start, seat).await?;
    ticket.record(&mut tx, &execution).await?;
    tx.commit().await?;
    runs::begin(pipelines, added);
    Ok(execution)
}

/// Refuses a job that can't run, or has as many runs as it may.
pub(crate) async fn demand_runnable(tx: &mut Tx, job: &jobs::Job) -> Result<()> {
    if job.state != "runnable" {
        return Err(space::forbidden(format!("the job '{}' is in status {}", job.name, job.state.to_uppercase())));
    }
    let active = jobs::active(tx, &job.id).await?;
    if active >= job.max_concurrent_runs {
        let why = format!("the job '{}' has {active} executions at work and maxConcurrentRuns is {}", job.name, job.max_concurrent_runs);
        return Err(space::forbidden(why));
    }
    Ok(())
}

/// An execution that is about to be added.
pub(crate) struct Prepared {
    wanted: Wanted,
    short_id: String,
    condition: RunCondition,
}

/// Makes an execution of a job as it is now: the condition filled up, the graph compiled.
pub(crate) fn prepare(pipelines: &Pipelines, run_as: Principal, job: &jobs::Job, start: &Start) -> Result<Prepared> {
    let stored = RunCondition::decode(job.condition.as_slice()).map_err(Error::internal)?;
    let condition = condition::effective(condition::over(start.condition.clone(), stored), &pipelines.defaults)?;
    let short_id = id::short_name()?;
    let mut definition = definition(job)?;
    definition.timeout_minutes = condition.timeout.unwrap_or(condition::TIMEOUT);
    definition.num_worker = condition.num_worker.unwrap_or_default();
    definition.execution_id.clone_from(&short_id);
    let plan = graph::compile(&definition, &start.parameters)?;
    let new = NewRun {
        steps: graph::names(&definition),
        definition: definition.encode_to_vec(),
        parameters: start.parameters.clone(),
        serial: Serial { key: job.id.clone(), limit: job.max_concurrent_runs },
        timeout_seconds: plan.timeout.num_seconds(),
        ..new_run(pipelines, run_as, job, start)?
    };
    Ok(Prepared { wanted: Wanted { new, plan }, short_id, condition })
}

/// The run without what it does.
fn new_run(pipelines: &Pipelines, run_as: Principal, job: &jobs::Job, start: &Start) -> Result<NewRun> {
    Ok(NewRun {
        id: Id::generate(),
        kind: RunKind::Job,
        subject: job.id.parse().map_err(Error::internal)?,
        title: job.name.clone(),
        definition: Vec::new(),
        steps: Vec::new(),
        parameters: Map::new(),
        run_as,
        trigger: start.by,
        serial: Serial { key: job.id.clone(), limit: 1 },
        attempts_limit: ATTEMPTS,
        timeout_seconds: 0,
        queued_at: pipelines.clock.now(),
    })
}

/// Adds an execution to the caller's transaction.
pub(crate) async fn add(
    pipelines: &Pipelines,
    context: &Context,
    tx: &mut Tx,
    job: &jobs::Job,
    prepared: Prepared,
    start: &Start,
    seat: Option<Seat>,
) -> Result<(Added, Execution)> {
    let Prepared { wanted, short_id, condition } = prepared;
    let added = runs::add(pipelines, context, tx, &wanted, seat).await?;
    store::insert(tx, &beside(&wanted.new, job, start, short_id.clone(), &condition)).await?;
    let execution = Execution {
        id: short_id,
        job_id: job.short_id.clone(),
        job_name: job.name.clone(),
        workflow_id: start.workflow.as_ref().map(|(_, short)| short.clone()),
        trigger_id: start.trigger.as_ref().map(|(_, short, _)| short.clone()),
        trigger_name: start.trigger.as_ref().map(|(.., name)| name.clone()),
        workflow_execution_id: start.firing.as_ref().map(|(_, short)| short.clone()),
        state: RunState::Queued.into(),
        condition: Some(condition),
        parameters: Value::Object(start.parameters.clone()).to_string(),
        origin: start.origin.clone(),
        created_at: Some(time::wire(wanted.new.queued_at)),
        nodes: added.run.steps.clone(),
        ..Execution::default()
    };
    Ok((added, execution))
}

/// Records an execution that a workflow wanted and that could not be started: it failed, and says why.
pub(crate) async fn refuse(pipelines: &Pipelines, context: &Context, tx: &mut Tx, job: &jobs::Job, start: &Start, why: &str) -> Result<()> {
    let new = new_run(pipelines, context.principal.clone(), job, start)?;
    run::insert(tx, &new, &Begin::Refused).await?;
    let stored = RunCondition::decode(job.condition.as_slice()).map_err(Error::internal)?;
    let condition = condition::shown(condition::over(start.condition.clone(), stored));
    store::insert(tx, &beside(&new, job, start, id::short_name()?, &condition)).await?;
    record::log(tx, new.id, new.queued_at, &record::Line::of_run("ERROR", why)).await?;
    let detail = json!({"job": new.subject, "trigger": new.trigger});
    audit::write(tx, &pipelines.clock, context, Record { action: "run.refuse", thing: new.id.to_string(), detail }).await
}

fn beside(new: &NewRun, job: &jobs::Job, start: &Start, short_id: String, condition: &RunCondition) -> NewExecution {
    NewExecution {
        run: new.id,
        short_id,
        space: job.space_id.clone(),
        job: job.id.clone(),
        workflow: start.workflow.as_ref().map(|(id, _)| id.clone()),
        trigger: start.trigger.as_ref().map(|(id, ..)| id.clone()),
        firing: start.firing.as_ref().map(|(id, _)| id.clone()),
        condition: condition.encode_to_vec(),
        origin: start.origin.clone(),
        made_at: new.queued_at,
    }
}

/// One execution with its nodes.
pub(crate) async fn get(pipelines: &Pipelines, context: &Context, request: GetExecutionRequest) -> Result<Execution> {
    let row = find(pipelines, context, &request.job_id, &request.execution_id).await?;
    let mut runs = [Run { id: row.run_id.clone(), ..Run::default() }];
    run::fill(&pipelines.db, &mut runs, false).await?;
    let [run] = runs;
    Ok(Execution { nodes: run.steps, ..wire(row)? })
}

async fn find(pipelines: &Pipelines, context: &Context, job: &str, execution: &str) -> Result<store::Row> {
    let filter = Filter {
        space: space::of(context)?.to_string(),
        job: Some(job.to_owned()),
        execution: Some(execution.to_owned()),
        limit: 1,
        ..Filter::default()
    };
    if let Some(row) = store::list(&pipelines.db, &filter).await?.pop() {
        return Ok(row);
    }
    super::find(pipelines, context, job).await?; // of an absent job, that is what is told
    Err(space::absent("execution_id", execution))
}

/// Executions of a job, of a workflow or of all, newest first.
pub(crate) async fn list(pipelines: &Pipelines, context: &Context, request: ListExecutionsRequest) -> Result<ListExecutionsResponse> {
    let (limit, offset) = space::page(request.page)?;
    if let Some(job) = &request.job_id {
        demand_job(pipelines, context, job).await?;
    }
    if let Some(workflow) = &request.workflow_id {
        workflow::find(pipelines, context, workflow).await?;
    }
    let filter = Filter {
        space: space::of(context)?.to_string(),
        job: request.job_id,
        workflow: request.workflow_id,
        execution: None,
        like: request.workflow_name.map(|part| space::like(Some(&part))).transpose()?,
        limit,
        offset,
    };
    let executions = store::list(&pipelines.db, &filter).await?.into_iter().map(wire).collect::<Result<_>>()?;
    let count = store::count(&pipelines.db, &filter).await?;
    Ok(ListExecutionsResponse { executions, count: space::count(count) })
}

/// Refuses a job that never was; of one that was deleted the executions can be read.
async fn demand_job(pipelines: &Pipelines, context: &Context, short: &str) -> Result<()> {
    if jobs::existed(&pipelines.db, space::of(context)?, short).await? {
        return Ok(());
    }
    Err(space::absent("job_id", short))
}

/// Stops an execution.
pub(crate) async fn cancel(pipelines: &Pipelines, context: &Context, request: CancelExecutionRequest) -> Result<CancelExecutionResponse> {
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "CancelExecution").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let space = space::of(context)?;
    let found = store::find_in(&mut tx, space, &request.job_id, &request.execution_id).await?;
    let Some((run, state)) = found else {
        drop(tx);
        find(pipelines, context, &request.job_id, &request.execution_id).await?; // tells what is absent
        return Err(space::absent("execution_id", &request.execution_id));
    };
    if !matches!(run::state(&state), RunState::Queued | RunState::Running) {
        return Err(ended(&state));
    }
    let run: Id = run.parse().map_err(Error::internal)?;
    let at_once = claim::cancel(&mut tx, run, pipelines.clock.now()).await?;
    let record = Record { action: "run.cancel", thing: run.to_string(), detail: Value::Null };
    audit::write(&mut tx, &pipelines.clock, context, record).await?;
    let answer = CancelExecutionResponse {};
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    if at_once {
        pipelines.engine.ring(); // the next one of the job may go
        return Ok(answer);
    }
    pipelines.engine.stop(run);
    let _ = tokio::time::timeout(STOP_WITHIN, wait_for_end(pipelines, context, &request)).await; // else it is being stopped
    let after = find(pipelines, context, &request.job_id, &request.execution_id).await?;
    match run::state(&after.state) {
        RunState::Succeeded | RunState::Failed => Err(ended(&after.state)), // it was quicker
        _ => Ok(answer),
    }
}

async fn wait_for_end(pipelines: &Pipelines, context: &Context, request: &CancelExecutionRequest) {
    let is_open = |row: &store::Row| matches!(run::state(&row.state), RunState::Queued | RunState::Running);
    while find(pipelines, context, &request.job_id, &request.execution_id).await.is_ok_and(|row| is_open(&row)) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn ended(state: &str) -> Error {
    space::forbidden(format!("the execution has {state} already"))
}

fn wire(row: store::Row) -> Result<Execution> {
    Ok(Execution {
        id: row.short_id,
        job_id: row.job_short,
        job_name: row.job_name,
        workflow_id: row.workflow_short,
        trigger_id: row.trigger_short,
        trigger_name: row.trigger_name,
        workflow_execution_id: row.firing_short,
        state: run::state(&row.state).into(),
        condition: Some(RunCondition::decode(row.condition.as_slice()).map_err(Error::internal)?),
        parameters: row.parameters,
        origin: row.origin,
        created_at: Some(time::wire(row.queued_at)),
        started_at: row.started_at.map(time::wire),
        finished_at: row.finished_at.map(time::wire),
        message: row.message,
        nodes: Vec::new(),
    })
}
