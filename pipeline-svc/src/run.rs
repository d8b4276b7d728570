//! Runs: starting one, reading one, listing them, stopping one.

use std::time::Duration;

use madang_kit::{
    Code, Context, Error, Id, Principal, Result, Tx,
    audit::{self, Record},
    check,
    db::is_unique_violation,
    idempotency::{self, Claim},
    principal::Scheme,
};
use madang_proto::pipeline::v1::{
    CancelRunRequest, Definition, GetRunRequest, ListRunsRequest, ListRunsResponse, Pipeline, Run, RunState, StartRunRequest,
};
use prost::Message;
use serde_json::{Map, Value, json};

use crate::{
    Pipelines, code,
    engine::Seat,
    permission, pipeline,
    plan::{Plan, parameter, parameter::Used},
    store::{
        claim,
        run::{self as store, Begin, NewRun, RunKind, Serial},
        thing::{Kind, Thing},
    },
    thing,
};

const DEFAULT_LIST: u32 = 100;
const MAX_LIST: u32 = 1_000;
/// Runs of one pipeline that may wait.
const MAX_WAITING: i64 = 10_000;
/// Attempts of a run of a pipeline or a job in all (design: "Runs").
pub(crate) const ATTEMPTS: i64 = 2;
/// How long a request to stop waits for the end.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(5);
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A run that is asked for, checked, with its definition as it will be worked on.
pub(crate) struct Wanted {
    pub(crate) new: NewRun,
    pub(crate) plan: Plan,
}

/// What was added, and what is to be done after the commit.
pub(crate) struct Added {
    pub(crate) run: Run,
    handed_over: Option<(claim::Claim, Seat)>,
}

/// Starts a run of a pipeline on the caller's behalf.
pub(crate) async fn start(pipelines: &Pipelines, context: &Context, request: StartRunRequest) -> Result<Run> {
    let given = parameter::read("parameters", &request.parameters)?;
    let found = thing::writable(pipelines, context, Kind::Pipeline, check::id("pipeline_id", &request.pipeline_id)?).await?;
    let definition = definition_of(pipelines, &found, request.revision).await?;
    let wanted = prepare(pipelines, context, &found, definition, Trigger::Manual(given)).await?;
    match try_start(pipelines, context, &wanted, pipelines.engine.seat()).await {
        Err(error) if is_lost_race(&error) => try_start(pipelines, context, &wanted, None).await,
        other => other,
    }
}

/// Two requests wanted the only place of a pipeline in the same moment.
pub(crate) fn is_lost_race(error: &Error) -> bool {
    error.cause.as_ref().and_then(|cause| cause.downcast_ref::<sqlx::Error>()).is_some_and(is_unique_violation)
}

async fn try_start(pipelines: &Pipelines, context: &Context, wanted: &Wanted, seat: Option<Seat>) -> Result<Run> {
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "StartRun").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let added = add(pipelines, context, &mut tx, wanted, seat).await?;
    ticket.record(&mut tx, &added.run).await?;
    tx.commit().await?;
    Ok(begin(pipelines, added))
}

/// The definition as it is, or as it was at a revision.
pub(crate) async fn definition_of(pipelines: &Pipelines, found: &Thing, revision: Option<i64>) -> Result<Definition> {
    match revision {
        None => pipeline::definition(found),
        Some(revision) => Ok(thing::version::<Pipeline>(pipelines, found, revision).await?.definition.unwrap_or_default()),
    }
}

/// What sets a run off, with the values that it brings.
pub(crate) enum Trigger {
    /// Every value must be used.
    Manual(Map<String, Value>),
    Schedule,
    /// A message: the values that are used count.
    Event(Map<String, Value>),
}

impl Trigger {
    fn name(&self) -> &'static str {
        match self {
            Self::Manual(_) => "manual",
            Self::Schedule => "schedule",
            Self::Event(_) => "event",
        }
    }

    fn values(self, used: &Used) -> Map<String, Value> {
        match self {
            Self::Manual(given) => given,
            Self::Schedule => Map::new(),
            Self::Event(message) => message.into_iter().filter(|(name, _)| used.any || used.names.contains(name)).collect(),
        }
    }
}

/// Makes a run of a definition: scripts in the versions of this moment, a value for every parameter.
pub(crate) async fn prepare(
    pipelines: &Pipelines,
    context: &Context,
    found: &Thing,
    mut definition: Definition,
    trigger: Trigger,
) -> Result<Wanted> {
    let plan = Plan::compile(&definition)?;
    let used = code::freeze(pipelines, context, &mut definition, &plan).await?;
    let defaults = definition.options.as_ref().map(|options| options.parameters.clone()).unwrap_or_default();
    let name = trigger.name();
    let parameters = parameter::settle(&used, trigger.values(&used), parameter::read("options.parameters", &defaults)?)?;
    let plan = Plan::compile(&definition)?;
    let id = Id::generate();
    let new = NewRun {
        id,
        kind: RunKind::Pipeline,
        subject: found.id.parse().map_err(Error::internal)?,
        title: found.title.clone(),
        steps: definition.steps.iter().map(|step| step.name.clone()).collect(),
        definition: definition.encode_to_vec(),
        parameters,
        run_as: Principal { scheme: Scheme::RunAs, ..context.principal.clone() },
        trigger: name,
        serial: Serial { key: found.id.clone(), limit: 1 },
        attempts_limit: ATTEMPTS,
        timeout_seconds: plan.timeout.num_seconds(),
        queued_at: pipelines.clock.now(),
    };
    Ok(Wanted { new, plan })
}

/// Adds a run to the caller's transaction: ended if it has nothing to do, claimed if there is a seat and room, else waiting.
pub(crate) async fn add(pipelines: &Pipelines, context: &Context, tx: &mut Tx, wanted: &Wanted, seat: Option<Seat>) -> Result<Added> {
    let Wanted { new, plan } = wanted;
    if store::waiting(tx, &new.serial.key).await? >= MAX_WAITING {
        return Err(Error::new(Code::RateLimited, format!("{MAX_WAITING} runs of the {} wait already", new.kind.name())));
    }
    let shares = pipelines.engine.shares();
    let has_room = store::has_room(tx, new, shares.per_user, shares.per_space).await?;
    let lease_until = new.queued_at + claim::LEASE;
    let begin = match (plan.steps.first(), &seat) {
        (None, _) if has_room => Begin::Ended,
        (Some(first), Some(_)) if has_room => Begin::Running { lease_until, first: first.position.try_into().unwrap_or_default() },
        _ => Begin::Queued,
    };
    store::insert(tx, new, &begin).await?;
    let record =
        Record { action: "run.start", thing: new.id.to_string(), detail: json!({(new.kind.name()): new.subject, "trigger": new.trigger}) };
    audit::write(tx, &pipelines.clock, context, record).await?;
    let handed_over = match begin {
        Begin::Running { .. } => seat.map(|seat| (claim::handed_over(new, plan.clone()), seat)),
        Begin::Queued | Begin::Ended | Begin::Refused => None,
    };
    Ok(Added { run: new.wire(), handed_over })
}

/// Begins what was added, once that is committed.
pub(crate) fn begin(pipelines: &Pipelines, added: Added) -> Run {
    match added.handed_over {
        Some((claim, seat)) => pipelines.engine.work(claim, seat),
        None => pipelines.engine.ring(),
    }
    added.run
}

/// One run with its steps and logs.
pub(crate) async fn get(pipelines: &Pipelines, context: &Context, request: GetRunRequest) -> Result<Run> {
    find(pipelines, context, check::id("run_id", &request.run_id)?, None).await
}

async fn find(pipelines: &Pipelines, context: &Context, id: Id, subject: Option<Id>) -> Result<Run> {
    let reader = permission::reader(pipelines, context).await?;
    let filter = store::Filter { run: Some(id), subject, limit: 1, logs: true, ..store::Filter::default() };
    let found = store::list(&pipelines.db, &reader, &filter).await?.into_iter().next();
    found.ok_or_else(|| Error::not_found("batch", id.prefixed("batch")))
}

/// Runs, newest first.
pub(crate) async fn list(pipelines: &Pipelines, context: &Context, request: ListRunsRequest) -> Result<ListRunsResponse> {
    let limit = if request.limit == 0 { DEFAULT_LIST } else { request.limit };
    if limit > MAX_LIST {
        return Err(Error::invalid("limit", "range", format!("limit must be 1 to {MAX_LIST}")));
    }
    let subject = check::optional_id("pipeline_id", request.pipeline_id.as_deref())?;
    if let Some(pipeline) = subject.filter(|_| request.demand_pipeline) {
        thing::readable(pipelines, context, Kind::Pipeline, pipeline).await?;
    }
    let filter = store::Filter {
        run: check::optional_id("run_id", request.run_id.as_deref())?,
        subject,
        before: check::optional_id("token", request.before.as_deref())?,
        offset: i64::try_from(request.offset).map_err(|_| Error::invalid("offset", "range", "offset is too large"))?,
        limit: i64::from(limit) + 1,
        logs: request.logs,
    };
    let reader = permission::reader(pipelines, context).await?;
    let mut runs = store::list(&pipelines.db, &reader, &filter).await?;
    let limit = usize::try_from(limit).unwrap_or_default();
    let more = runs.len() > limit;
    runs.truncate(limit);
    let next = runs.last().filter(|_| more).map(|run| run.id.clone());
    Ok(ListRunsResponse { runs, next })
}

/// Stops a run.
pub(crate) async fn cancel(pipelines: &Pipelines, context: &Context, request: CancelRunRequest) -> Result<Run> {
    let id = check::id("run_id", &request.run_id)?;
    let subject = check::optional_id("pipeline_id", request.pipeline_id.as_deref())?;
    let run = find(pipelines, context, id, subject).await?;
    let pipeline = check::id("pipeline_id", &run.pipeline_id)?;
    thing::writable(pipelines, context, Kind::Pipeline, pipeline).await?;
    if !is_open(&run) {
        return Ok(run);
    }
    let mut tx = pipelines.db.begin().await?;
    let ended = claim::cancel(&mut tx, id, pipelines.clock.now()).await?;
    let record = Record { action: "run.cancel", thing: id.to_string(), detail: json!({"pipeline": pipeline}) };
    audit::write(&mut tx, &pipelines.clock, context, record).await?;
    tx.commit().await?;
    if ended {
        pipelines.engine.ring(); // the next one of the pipeline may go
    } else {
        pipelines.engine.stop(id);
        let _ = tokio::time::timeout(STOP_WITHIN, wait_for_end(pipelines, context, id)).await; // else it is told as it is then
    }
    find(pipelines, context, id, subject).await
}

async fn wait_for_end(pipelines: &Pipelines, context: &Context, id: Id) {
    pipelines.engine.ended(id).await;
    while find(pipelines, context, id, None).await.is_ok_and(|run| is_open(&run)) {
        tokio::time::sleep(LOOK_EVERY).await; // another process works on it
    }
}

fn is_open(run: &Run) -> bool {
    matches!(run.state(), RunState::Queued | RunState::Running)
}
