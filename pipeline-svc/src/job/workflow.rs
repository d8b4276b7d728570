//! Workflows: jobs in an order, behind one trigger (dataflow.md 3.3 and section 6).

use std::collections::{HashMap, HashSet};

use madang_kit::{
    Context, Error, Id, Result, Tx,
    audit::{self, Record},
    id,
    idempotency::{self, Claim},
    time, timer,
};
use madang_proto::pipeline::v1::{
    CreateWorkflowRequest, DeleteWorkflowRequest, DeleteWorkflowResponse, GetWorkflowRequest, ListWorkflowsRequest, ListWorkflowsResponse,
    UpdateWorkflowRequest, Workflow, WorkflowNode, WorkflowNodes,
};
use prost::Message;
use serde_json::Value;

use super::{chain, firing, rule, space, trigger};
use crate::{
    Pipelines,
    store::{
        job as jobs, trigger as triggers,
        workflow::{self as store, Shown},
    },
    thing,
};

/// Stores a workflow; what can't run is refused, unless it is a draft.
pub(crate) async fn create(pipelines: &Pipelines, context: &Context, request: CreateWorkflowRequest) -> Result<Workflow> {
    let now = pipelines.clock.now();
    let wanted = Wanted::read(pipelines, context, &request.name, request.nodes, request.draft).await?;
    let new = store::Workflow {
        id: Id::generate().to_string(),
        short_id: id::short_name()?,
        space_id: space::of(context)?.to_string(),
        name: wanted.name.clone(),
        nodes: wanted.bytes(),
        trigger_id: wanted.trigger_id(),
        run_as: serde_json::to_string(&space::run_as(context)).map_err(Error::internal)?,
        state: wanted.state().to_owned(),
        revision: 1,
        created_at: now,
        modified_at: now,
    };
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "CreateWorkflow").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    store::insert(&mut tx, &new).await.map_err(|error| space::named(error, &new.name))?;
    keep_timer(pipelines, &mut tx, &new, None).await?;
    audit::write(&mut tx, &pipelines.clock, context, record("workflow.create", &new.id)).await?;
    let answer = wire(Shown { workflow: new, last_at: None }, &wanted.known)?;
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    pipelines.scheduled.ring();
    Ok(answer)
}

/// One workflow.
pub(crate) async fn get(pipelines: &Pipelines, context: &Context, request: GetWorkflowRequest) -> Result<Workflow> {
    let found = find(pipelines, context, &request.workflow_id).await?;
    let known = Known::of(pipelines, context, &nodes(&found.workflow)?).await?;
    wire(found, &known)
}

/// A workflow of the caller's space.
pub(crate) async fn find(pipelines: &Pipelines, context: &Context, short: &str) -> Result<Shown> {
    let found = store::find(&pipelines.db, space::of(context)?, short).await?;
    found.ok_or_else(|| space::absent("workflow_id", short))
}

/// Replaces a workflow. From now on it runs for whoever saved it.
pub(crate) async fn update(pipelines: &Pipelines, context: &Context, request: UpdateWorkflowRequest) -> Result<Workflow> {
    let found = find(pipelines, context, &request.workflow_id).await?;
    let wanted = Wanted::read(pipelines, context, &request.name, request.nodes, request.draft).await?;
    let before = found.workflow;
    let changed = store::Workflow {
        name: wanted.name.clone(),
        nodes: wanted.bytes(),
        trigger_id: wanted.trigger_id(),
        run_as: serde_json::to_string(&space::run_as(context)).map_err(Error::internal)?,
        state: wanted.state().to_owned(),
        revision: before.revision + 1,
        modified_at: pipelines.clock.now(),
        ..before.clone()
    };
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "UpdateWorkflow").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    if !store::update(&mut tx, &changed).await.map_err(|error| space::named(error, &changed.name))? {
        return Err(thing::changed_meanwhile());
    }
    keep_timer(pipelines, &mut tx, &changed, Some(&before)).await?;
    audit::write(&mut tx, &pipelines.clock, context, record("workflow.update", &changed.id)).await?;
    let answer = wire(Shown { workflow: changed, last_at: found.last_at }, &wanted.known)?;
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    pipelines.scheduled.ring();
    Ok(answer)
}

/// Hides a workflow; it starts nothing any more.
pub(crate) async fn delete(pipelines: &Pipelines, context: &Context, request: DeleteWorkflowRequest) -> Result<DeleteWorkflowResponse> {
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "DeleteWorkflow").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let absent = || space::absent("workflow_id", &request.workflow_id);
    let found = store::find_in(&mut tx, space::of(context)?, &request.workflow_id).await?.ok_or_else(absent)?;
    if !store::delete(&mut tx, &found.id, pipelines.clock.now()).await? {
        return Err(absent());
    }
    timer::clear(&mut tx, &firing::timer_of(&found.id)).await?;
    audit::write(&mut tx, &pipelines.clock, context, record("workflow.delete", &found.id)).await?;
    let answer = DeleteWorkflowResponse {};
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// The workflows of a space.
pub(crate) async fn list(pipelines: &Pipelines, context: &Context, request: ListWorkflowsRequest) -> Result<ListWorkflowsResponse> {
    let (limit, offset) = space::page(request.page)?;
    let like = space::like(request.name.as_deref())?;
    let (found, count) = store::list(&pipelines.db, space::of(context)?, &like, limit, offset).await?;
    let mut all = Vec::new();
    for shown in &found {
        all.extend(nodes(&shown.workflow)?);
    }
    let known = Known::of(pipelines, context, &all).await?;
    let workflows = found.into_iter().map(|shown| wire(shown, &known)).collect::<Result<_>>()?;
    Ok(ListWorkflowsResponse { workflows, count: space::count(count) })
}

/// The nodes of a stored workflow, as they were given.
pub(crate) fn nodes(workflow: &store::Workflow) -> Result<Vec<WorkflowNode>> {
    Ok(WorkflowNodes::decode(workflow.nodes.as_slice()).map_err(Error::internal)?.nodes)
}

/// A workflow that is to be stored.
struct Wanted {
    name: String,
    nodes: Vec<WorkflowNode>,
    draft: bool,
    known: Known,
}

impl Wanted {
    async fn read(pipelines: &Pipelines, context: &Context, name: &str, nodes: Vec<WorkflowNode>, draft: bool) -> Result<Self> {
        let name = space::name(name)?;
        let nodes = chain::bounded(nodes)?;
        let known = Known::of(pipelines, context, &nodes).await?;
        if !draft {
            chain::check(&nodes)?;
            known.check(&nodes)?;
        }
        Ok(Self { name, nodes, draft, known })
    }

    fn state(&self) -> &'static str {
        if self.draft { "draft" } else { "active" }
    }

    /// The trigger that it starts with, if it names one.
    fn trigger_id(&self) -> Option<String> {
        let first = self.nodes.iter().find(|node| node.is_trigger)?;
        self.known.triggers.get(&first.id).map(|trigger| trigger.id.clone())
    }

    fn bytes(&self) -> Vec<u8> {
        WorkflowNodes { nodes: self.nodes.clone() }.encode_to_vec()
    }
}

/// The jobs and triggers that nodes name and that are there, by their short names.
struct Known {
    jobs: HashMap<String, String>,
    triggers: HashMap<String, triggers::Trigger>,
}

impl Known {
    async fn of(pipelines: &Pipelines, context: &Context, nodes: &[WorkflowNode]) -> Result<Self> {
        let space = space::of(context)?;
        let named = |is_trigger: bool| {
            let ids: HashSet<&str> = nodes.iter().filter(|node| node.is_trigger == is_trigger).map(|node| node.id.as_str()).collect();
            ids.into_iter().map(str::to_owned).collect::<Vec<String>>()
        };
        let (job_ids, trigger_ids) = (named(false), named(true));
        let (mut jobs, mut triggers) = (Vec::new(), Vec::new());
        if !job_ids.is_empty() {
            jobs = jobs::names(&pipelines.db, space, &job_ids).await?;
        }
        if !trigger_ids.is_empty() {
            triggers = triggers::of_names(&pipelines.db, space, &trigger_ids).await?;
        }
        let triggers = triggers.into_iter().map(|found| (found.short_id.clone(), found)).collect();
        Ok(Self { jobs: jobs.into_iter().collect(), triggers })
    }

    fn check(&self, nodes: &[WorkflowNode]) -> Result<()> {
        for (at, node) in nodes.iter().enumerate() {
            let is_known = if node.is_trigger { self.triggers.contains_key(&node.id) } else { self.jobs.contains_key(&node.id) };
            if !is_known {
                let kind = if node.is_trigger { "trigger" } else { "job" };
                return Err(chain::wrong(at, "id", "unknown", format!("there is no {kind} '{}'", node.id)));
            }
        }
        Ok(())
    }

    /// A node with what is true of it now.
    fn refresh(&self, node: WorkflowNode) -> Result<WorkflowNode> {
        if !node.is_trigger {
            let name = self.jobs.get(&node.id);
            return Ok(WorkflowNode { is_valid: name.is_some(), name: name.cloned().unwrap_or(node.name), ..node });
        }
        match self.triggers.get(&node.id) {
            Some(found) => Ok(WorkflowNode { is_valid: true, name: found.name.clone(), rule: trigger::rule_of(found)?.r#type, ..node }),
            None => Ok(WorkflowNode { is_valid: false, ..node }),
        }
    }
}

/// Sets the timer of a workflow to the next moment of its trigger, or removes it. One that runs by the same trigger is left alone: its
/// moment may have come just now.
async fn keep_timer(pipelines: &Pipelines, tx: &mut Tx, workflow: &store::Workflow, before: Option<&store::Workflow>) -> Result<()> {
    let same = |before: &store::Workflow| before.trigger_id == workflow.trigger_id && before.state == workflow.state;
    if before.is_some_and(same) {
        return Ok(());
    }
    let owner = firing::timer_of(&workflow.id);
    let trigger = match &workflow.trigger_id {
        Some(id) if workflow.state == "active" => {
            let gone = || Error::invalid("nodes", "unknown", "the trigger was deleted just now");
            Some(triggers::lock(tx, id).await?.ok_or_else(gone)?)
        }
        _ => None,
    };
    let next = match trigger {
        Some(trigger) => rule::next(&trigger::rule_of(&trigger)?, pipelines.clock.now()),
        None => None,
    };
    match next {
        Some(next) => timer::set(tx, &owner, next).await,
        None => timer::clear(tx, &owner).await,
    }
}

fn wire(found: Shown, known: &Known) -> Result<Workflow> {
    let Shown { workflow, last_at } = found;
    Ok(Workflow {
        nodes: nodes(&workflow)?.into_iter().map(|node| known.refresh(node)).collect::<Result<_>>()?,
        id: workflow.short_id,
        name: workflow.name,
        draft: workflow.state == "draft",
        created_at: Some(time::wire(workflow.created_at)),
        updated_at: Some(time::wire(workflow.modified_at)),
        last_at: last_at.map(time::wire),
    })
}

fn record<'a>(action: &'a str, id: &str) -> Record<'a> {
    Record { action, thing: id.to_owned(), detail: Value::Null }
}
