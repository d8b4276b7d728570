//! Pipelines: saving, reading, changing them.

use madang_kit::{
    Code, Context, Error, Id, Principal, Result, Tx, check,
    idempotency::{self, Claim},
    principal::Scheme,
    time,
};
use madang_proto::{
    catalog::v1::TableAccess,
    pipeline::v1::{
        CreatePipelineRequest, Definition, DeleteRequest, DeleteResponse, GetRequest, ListPipelinesResponse, ListRequest, Options,
        Pipeline, PipelineKind, UpdatePipelineRequest,
    },
};
use prost::Message;

use crate::{
    Pipelines, code, event,
    plan::{Plan, parameter},
    schedule,
    store::{
        registration, run,
        thing::{self as store, Kind, Thing},
    },
    thing,
};

/// Characters of an image's name.
const MAX_IMAGE: usize = 500;

/// Saves a pipeline. Whoever saves it must be allowed to read its inputs and write its outputs.
pub(crate) async fn create(pipelines: &Pipelines, context: &Context, request: CreatePipelineRequest) -> Result<Pipeline> {
    let definition = checked(pipelines, context, request.definition.unwrap_or_default()).await?;
    let new = thing::new(pipelines, context, request.card, definition.encode_to_vec()).await?;
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "CreatePipeline").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    if request.unique_title {
        thing::demand_free_title(&mut tx, Kind::Pipeline, &new.title).await?;
    }
    store::insert(&mut tx, Kind::Pipeline, &new).await?;
    let answer = keep(pipelines, context, &mut tx, &new, definition, "pipeline.create").await?;
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    pipelines.scheduled.ring();
    Ok(answer)
}

/// A pipeline as it is, or as it was at a revision.
pub(crate) async fn get(pipelines: &Pipelines, context: &Context, request: GetRequest) -> Result<Pipeline> {
    let found = thing::readable(pipelines, context, Kind::Pipeline, check::id("id", &request.id)?).await?;
    match request.revision {
        Some(revision) => thing::version(pipelines, &found, revision).await,
        None => wire(&found),
    }
}

/// Changes what is given. The schedule works for whoever saved it last.
pub(crate) async fn update(pipelines: &Pipelines, context: &Context, request: UpdatePipelineRequest) -> Result<Pipeline> {
    let found = thing::writable(pipelines, context, Kind::Pipeline, check::id("id", &request.id)?).await?;
    let mut definition = definition(&found)?;
    if request.kind() != PipelineKind::Unspecified {
        definition.kind = request.kind;
    }
    if let Some(steps) = request.steps {
        definition.steps = steps.steps;
    }
    if let Some(options) = request.options {
        definition.options = Some(options);
    }
    if let Some(metadata) = request.metadata {
        definition.metadata = metadata;
    }
    let definition = checked(pipelines, context, definition).await?;
    let mut changed = thing::changed(found, request.card, pipelines.clock.now())?;
    changed.body = definition.encode_to_vec();
    let mut tx = pipelines.db.begin().await?;
    if !store::update(&mut tx, &changed).await? {
        return Err(thing::changed_meanwhile());
    }
    let answer = keep(pipelines, context, &mut tx, &changed, definition, "pipeline.update").await?;
    tx.commit().await?;
    pipelines.scheduled.ring();
    Ok(answer)
}

/// Deletes a pipeline, unless runs of it wait or are worked on.
pub(crate) async fn delete(pipelines: &Pipelines, context: &Context, request: DeleteRequest) -> Result<DeleteResponse> {
    let id = check::id("id", &request.id)?;
    let found = thing::writable(pipelines, context, Kind::Pipeline, id).await?;
    let mut tx = pipelines.db.begin().await?;
    remove(pipelines, context, &mut tx, &found).await?;
    tx.commit().await?;
    Ok(DeleteResponse {})
}

/// Deletes a pipeline with its schedule and its registration.
pub(crate) async fn remove(pipelines: &Pipelines, context: &Context, tx: &mut Tx, found: &Thing) -> Result<()> {
    let id: Id = found.id.parse().map_err(Error::internal)?;
    if !store::lock(tx, &found.id).await? {
        return Err(Error::not_found("pipeline", id.prefixed("pl")));
    }
    if run::is_active(tx, &found.id).await? {
        return Err(Error::new(Code::Conflict, format!("the pipeline '{}' is running; wait for its batches, or cancel them", found.title)));
    }
    schedule::remove(tx, id).await?;
    registration::delete(tx, id, None).await?;
    thing::delete(pipelines, context, tx, Kind::Pipeline, found).await
}

/// The pipelines that the caller may see.
pub(crate) async fn list(pipelines: &Pipelines, context: &Context, request: ListRequest) -> Result<ListPipelinesResponse> {
    let (found, next) = thing::list(pipelines, context, Kind::Pipeline, request).await?;
    Ok(ListPipelinesResponse { pipelines: found.iter().map(wire).collect::<Result<_>>()?, next })
}

/// What a stored pipeline does.
pub(crate) fn definition(thing: &Thing) -> Result<Definition> {
    Definition::decode(thing.body.as_slice()).map_err(Error::internal)
}

/// Checks all that can be checked without running: steps, edges, statements, datasets and codes, options.
async fn checked(pipelines: &Pipelines, context: &Context, mut definition: Definition) -> Result<Definition> {
    if definition.kind() == PipelineKind::Unspecified {
        let topic = definition.options.as_ref().and_then(|options| options.event.as_ref());
        definition.kind = if topic.is_some() { PipelineKind::Event } else { PipelineKind::Batch }.into();
    }
    definition.metadata = thing::object("metadata", &definition.metadata)?;
    let plan = Plan::compile(&definition)?;
    plan.check_statements(&*pipelines.lake)?;
    code::check(pipelines, context, &plan).await?;
    check_datasets(pipelines, context, &plan).await?;
    let is_event = definition.kind() == PipelineKind::Event;
    let options = check_options(definition.options.take().unwrap_or_default(), is_event)?;
    if options.cron.is_some() && options.schedule_enabled {
        // Nobody is there to give values when the time has come.
        let mut frozen = Definition { steps: definition.steps.clone(), ..Definition::default() };
        if let Ok(used) = code::freeze(pipelines, context, &mut frozen, &plan).await {
            let defaults = parameter::read("options.parameters", &options.parameters)?;
            parameter::settle(&used, serde_json::Map::new(), defaults).map_err(|mut error| {
                error.fields.iter_mut().for_each(|problem| problem.field = format!("options.{}", problem.field));
                error
            })?;
        }
    }
    definition.options = Some(options);
    Ok(definition)
}

fn check_options(mut options: Options, is_event: bool) -> Result<Options> {
    if let Some(cron) = &options.cron {
        schedule::parse("options.schedule.cron", cron)?;
        if is_event {
            return Err(Error::invalid("options.schedule", "unknown", "only batch pipelines have a schedule"));
        }
    }
    if let Some(topic) = &options.event {
        event::check_topic("options.event", topic)?;
        if !is_event {
            return Err(Error::invalid("options.event", "unknown", "only event pipelines have a topic; say type event"));
        }
    }
    let is_image = |image: &String| !image.trim().is_empty() && image.len() <= MAX_IMAGE && !image.chars().any(char::is_control);
    if options.image.as_ref().is_some_and(|image| !is_image(image)) {
        return Err(Error::invalid("options.image", "length", format!("an image has 1 to {MAX_IMAGE} characters")));
    }
    parameter::read("options.parameters", &options.parameters)?;
    options.parameters = thing::object("options.parameters", &options.parameters)?;
    Ok(options)
}

/// Refuses steps whose datasets are absent or closed to the caller.
async fn check_datasets(pipelines: &Pipelines, context: &Context, plan: &Plan) -> Result<()> {
    let mut asked: Vec<(Id, TableAccess)> = Vec::new();
    for step in &plan.steps {
        let reads = step.datasets_read().map(|(_, id)| (id, TableAccess::Read));
        for wanted in reads.chain(step.outputs.values().map(|id| (*id, TableAccess::Write))) {
            if !asked.contains(&wanted) {
                asked.push(wanted);
            }
        }
    }
    for (dataset, access) in asked {
        pipelines.catalog.open(context, dataset, None, access).await?;
    }
    Ok(())
}

/// Writes what goes with a made or changed pipeline: its version, its audit record, its schedule; a topic that it no longer has starts it
/// no more.
async fn keep(
    pipelines: &Pipelines,
    context: &Context,
    tx: &mut Tx,
    thing: &Thing,
    definition: Definition,
    action: &str,
) -> Result<Pipeline> {
    let id: Id = thing.id.parse().map_err(Error::internal)?;
    let options = definition.options.clone().unwrap_or_default();
    let run_as = Principal { scheme: Scheme::RunAs, ..context.principal.clone() };
    schedule::keep(pipelines, tx, id, &options, run_as).await?;
    registration::delete(tx, id, options.event.as_deref()).await?;
    let answer = wire(thing)?;
    thing::keep(pipelines, context, tx, thing, answer.encode_to_vec(), action).await?;
    Ok(answer)
}

fn wire(found: &Thing) -> Result<Pipeline> {
    Ok(Pipeline {
        id: found.id.clone(),
        card: Some(thing::card(found)),
        definition: Some(definition(found)?),
        created_at: Some(time::wire(found.created_at)),
        updated_at: Some(time::wire(found.modified_at)),
        revision: found.revision,
    })
}
