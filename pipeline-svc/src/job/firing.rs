//! One start of a workflow: by its schedule, or by hand. Each slot of a schedule is taken by one process, in the transaction that adds
//! the executions of the first jobs. What comes after a job is started by a *follow-up*: it is written in the transaction that completes
//! the job's run, and taken in the one that starts the next jobs; so each happens exactly once, whoever crashes.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use madang_kit::{
    Context, Drain, Error, Id, Principal, Result, Tx,
    audit::{self, Record},
    error::chain,
    id,
    idempotency::{self, Claim},
    timer::{self, Due},
};
use madang_proto::pipeline::v1::{RunState, StartWorkflowRequest, StartWorkflowResponse, WorkflowNode, WorkflowNodes};
use prost::Message;
use serde_json::json;

use super::{
    execution::{self, Start},
    parameter, rule, space, trigger, workflow,
};
use crate::{
    Pipelines,
    run::{self as runs, Added},
    store::{
        firing::{self as store, Firing},
        job as jobs, run,
        trigger::{self as triggers, Trigger},
        workflow::{self as workflows, Workflow},
    },
};

/// How late a slot may be taken; later it was missed.
const GRACE: TimeDelta = TimeDelta::hours(1);
/// How often follow-ups are looked for that nobody here was told of.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Follow-ups that are looked at in one go.
const AT_ONCE: i64 = 100;
/// What the owner of a workflow's timer begins with.
pub(crate) const TIMER: &str = "workflow:";

/// The owner of a workflow's timer.
pub(crate) fn timer_of(workflow: &str) -> String {
    format!("{TIMER}{workflow}")
}

/// Starts a workflow whose trigger waits for that.
pub(crate) async fn start(pipelines: &Pipelines, context: &Context, request: StartWorkflowRequest) -> Result<StartWorkflowResponse> {
    let found = workflow::find(pipelines, context, &request.workflow_id).await?.workflow;
    let origin = space::origin(request.origin)?;
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "StartWorkflow").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let found = workflows::lock(&mut tx, &found.id).await?.ok_or_else(|| space::absent("workflow_id", &request.workflow_id))?;
    let startable = Startable::read(&mut tx, found).await?.map_err(space::forbidden)?;
    if startable.trigger.kind == "scheduled" {
        return Err(space::forbidden("the workflow starts by its schedule; only triggers of type NONE or EVENT are started from outside"));
    }
    let by = if startable.trigger.kind == "event" { "event" } else { "manual" };
    let new = startable.firing(None, origin, pipelines.clock.now())?;
    store::insert(&mut tx, &new).await?;
    let context = Context { principal: space::run_as(context), ..context.clone() };
    let started = Stage { pipelines, context: &context, firing: &new, trigger: &startable.trigger, by };
    let added = started.begin(&mut tx, &startable.workflow, &HashMap::new()).await?;
    let answer = StartWorkflowResponse {
        workflow_id: startable.workflow.short_id.clone(),
        trigger_id: startable.trigger.short_id.clone(),
        workflow_execution_id: new.short_id.clone(),
    };
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    hand_over(pipelines, added);
    Ok(answer)
}

/// Takes a due slot of a workflow's schedule, the latest of those that came meanwhile. Like everybody who changes any of them, it locks
/// the workflow, then the trigger, then the timer.
pub(crate) async fn fire(pipelines: &Pipelines, due: &Due, now: DateTime<Utc>) -> Result<()> {
    let id = due.owner.strip_prefix(TIMER).unwrap_or_default();
    let mut tx = pipelines.db.begin().await?;
    let Some(workflow) = workflows::lock_free(&mut tx, id).await? else { return Ok(()) }; // another process has it
    let trigger = match &workflow.trigger_id {
        Some(trigger) if workflow.state == "active" => triggers::lock(&mut tx, trigger).await?,
        _ => None,
    };
    let rule = trigger.as_ref().map(trigger::rule_of).transpose()?;
    let next = rule.as_ref().and_then(|rule| rule::next(rule, now));
    if !timer::take(&mut tx, due, next).await? {
        return Ok(());
    }
    let slot = rule.and_then(|rule| rule::last(&rule, now)).filter(|slot| *slot >= due.due_at && now - *slot < GRACE);
    let Some(slot) = slot else {
        tracing::info!(workflow = id, due = %due.due_at, "slot missed");
        return Ok(tx.commit().await?);
    };
    let added = take_slot(pipelines, &mut tx, workflow, slot).await?;
    tx.commit().await?;
    hand_over(pipelines, added);
    Ok(())
}

async fn take_slot(pipelines: &Pipelines, tx: &mut Tx, workflow: Workflow, slot: DateTime<Utc>) -> Result<Vec<Added>> {
    let name = workflow.short_id.clone();
    let startable = match Startable::read(tx, workflow).await? {
        Ok(startable) => startable,
        Err(why) => {
            tracing::info!(workflow = name, why, "workflow not started");
            return Ok(Vec::new());
        }
    };
    let new = startable.firing(Some(slot), String::new(), pipelines.clock.now())?;
    if !store::insert(tx, &new).await? {
        return Ok(Vec::new()); // a rule that was moved back and forth names a slot twice
    }
    let principal: Principal = serde_json::from_str(&startable.workflow.run_as).map_err(Error::internal)?;
    let context = Context::new(principal);
    let stage = Stage { pipelines, context: &context, firing: &new, trigger: &startable.trigger, by: "schedule" };
    stage.begin(tx, &startable.workflow, &HashMap::new()).await
}

/// A workflow that can be started.
struct Startable {
    workflow: Workflow,
    trigger: Trigger,
}

impl Startable {
    /// Or why it can't.
    async fn read(tx: &mut Tx, workflow: Workflow) -> Result<std::result::Result<Self, String>> {
        if workflow.state != "active" {
            return Ok(Err("the workflow is a draft".to_owned()));
        }
        let trigger = match &workflow.trigger_id {
            Some(id) => triggers::lock(tx, id).await?,
            None => None,
        };
        let Some(trigger) = trigger else { return Ok(Err("the workflow's trigger was deleted".to_owned())) };
        let jobs: Vec<String> = workflow::nodes(&workflow)?.into_iter().filter(|node| !node.is_trigger).map(|node| node.id).collect();
        let there: HashSet<String> = jobs::there(tx, &workflow.space_id, jobs.clone()).await?.into_iter().collect();
        match jobs.iter().find(|job| !there.contains(*job)) {
            Some(job) => Ok(Err(format!("the workflow's job '{job}' was deleted"))),
            None => Ok(Ok(Self { workflow, trigger })),
        }
    }

    fn firing(&self, slot: Option<DateTime<Utc>>, origin: String, at: DateTime<Utc>) -> Result<Firing> {
        Ok(Firing {
            id: Id::generate().to_string(),
            short_id: id::short_name()?,
            workflow_id: self.workflow.id.clone(),
            trigger_id: self.trigger.id.clone(),
            slot,
            nodes: self.workflow.nodes.clone(),
            run_as: self.workflow.run_as.clone(),
            origin,
            at,
        })
    }
}

/// A start, while its next jobs are begun.
struct Stage<'a> {
    pipelines: &'a Pipelines,
    /// On whose behalf.
    context: &'a Context,
    firing: &'a Firing,
    trigger: &'a Trigger,
    by: &'static str,
}

impl Stage<'_> {
    /// Begins every job whose parents are done and that was not begun yet; `before` has the states of those that were.
    async fn begin(&self, tx: &mut Tx, workflow: &Workflow, before: &HashMap<String, String>) -> Result<Vec<Added>> {
        let nodes = WorkflowNodes::decode(self.firing.nodes.as_slice()).map_err(Error::internal)?.nodes;
        let ready = ready(&nodes, before);
        if ready.is_empty() {
            return Ok(Vec::new());
        }
        let named = ready.iter().map(|node| node.id.clone()).collect();
        let mut added = Vec::new();
        for job in jobs::lock_all(tx, &workflow.space_id, named).await? {
            let Some(node) = ready.iter().find(|node| node.id == job.short_id) else { continue };
            added.extend(self.begin_job(tx, workflow, &job, node).await?);
        }
        let detail = json!({"workflow": workflow.id, "slot": self.firing.slot});
        let record = Record { action: "workflow.start", thing: self.firing.id.clone(), detail };
        audit::write(tx, &self.pipelines.clock, self.context, record).await?;
        Ok(added)
    }

    /// One job; what can't run is recorded as failed.
    async fn begin_job(&self, tx: &mut Tx, workflow: &Workflow, job: &jobs::Job, node: &WorkflowNode) -> Result<Option<Added>> {
        let start = Start {
            condition: node.condition.clone().unwrap_or_default(),
            parameters: parameter::parse("", self.pipelines.clock.now())?,
            workflow: Some((workflow.id.clone(), workflow.short_id.clone())),
            trigger: Some((self.trigger.id.clone(), self.trigger.short_id.clone(), self.trigger.name.clone())),
            firing: Some((self.firing.id.clone(), self.firing.short_id.clone())),
            origin: self.firing.origin.clone(),
            by: self.by,
        };
        let prepared = match execution::demand_runnable(tx, job).await {
            Ok(()) => execution::prepare(self.pipelines, self.context.principal.clone(), job, &start),
            Err(error) => Err(error),
        };
        match prepared {
            Ok(prepared) => Ok(Some(execution::add(self.pipelines, self.context, tx, job, prepared, &start, None).await?.0)),
            Err(error) if error.is_refusal() => {
                execution::refuse(self.pipelines, self.context, tx, job, &start, &error.message).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// The jobs that come next: not begun, and everything before them is done. A trigger was done when it fired.
fn ready<'a>(nodes: &'a [WorkflowNode], before: &HashMap<String, String>) -> Vec<&'a WorkflowNode> {
    let triggers: HashSet<&str> = nodes.iter().filter(|node| node.is_trigger).map(|node| node.id.as_str()).collect();
    let is_done =
        |id: &String| triggers.contains(id.as_str()) || before.get(id).is_some_and(|state| run::state(state) == RunState::Succeeded);
    let is_next = |node: &&WorkflowNode| !node.is_trigger && !before.contains_key(&node.id) && node.parent_node_ids.iter().all(is_done);
    nodes.iter().filter(is_next).collect()
}

fn hand_over(pipelines: &Pipelines, added: Vec<Added>) {
    for one in added {
        runs::begin(pipelines, one);
    }
}

/// Starts the task that follows completed runs up.
pub(crate) fn serve(pipelines: &Pipelines, drain: &Drain) {
    let (pipelines, stop) = (pipelines.clone(), drain.token());
    drain.spawn(async move {
        stop.run_until_cancelled(async {
            loop {
                match follow_all(&pipelines).await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(error) => tracing::warn!(error = %chain(&error), "next jobs not started yet"),
                }
                tokio::select! {
                    () = pipelines.engine.completed() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        })
        .await;
    });
}

/// Follows up what there is; true if there may be more.
async fn follow_all(pipelines: &Pipelines) -> Result<bool> {
    let found = store::to_follow(&pipelines.db, AT_ONCE).await?;
    let mut failed = None;
    for (run, firing) in &found {
        if let Err(error) = follow(pipelines, run, firing).await {
            failed = Some(error); // the others are not kept waiting
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(i64::try_from(found.len()).is_ok_and(|number| number == AT_ONCE)),
    }
}

/// Starts the jobs that come after a run.
async fn follow(pipelines: &Pipelines, run: &str, firing: &str) -> Result<()> {
    let mut tx = pipelines.db.begin().await?;
    if !store::take(&mut tx, run).await? {
        return Ok(());
    }
    let Some((firing, workflow)) = store::lock(&mut tx, firing).await? else {
        return Ok(tx.commit().await?); // the workflow was deleted
    };
    let trigger = triggers::of_id(&mut tx, &firing.trigger_id).await?;
    let before: HashMap<String, String> = store::jobs(&mut tx, &firing.id).await?.into_iter().collect();
    let principal: Principal = serde_json::from_str(&firing.run_as).map_err(Error::internal)?;
    let context = Context::new(principal);
    let by = if firing.slot.is_some() { "schedule" } else { "manual" };
    let stage = Stage { pipelines, context: &context, firing: &firing, trigger: &trigger, by };
    let added = stage.begin(&mut tx, &workflow, &before).await?;
    tx.commit().await?;
    hand_over(pipelines, added);
    Ok(())
}
