//! Pipelines (dhub.md section 8): saving them, their schedule, starting a run.

use axum::{Json, extract::State};
use madang_kit::{Error, Id, Result, check, rpc};
use madang_proto::pipeline::v1::{
    Card, CardChange, CreatePipelineRequest, Definition, DeleteRequest, GetRequest, GetScheduleRequest, ListRequest, Options, Pipeline,
    PipelineKind, Run, Slot, StartRunRequest, StepList, Texts, UpdatePipelineRequest,
};
use serde_json::{Map, Value, json};

use super::{
    call::{Call, JsonCall, Path, Query, path_id},
    collection::description,
    error::DhubError,
    fields::Fields,
    list::{ListQuery, envelope},
    step,
    version::{self, VersionQuery},
    wire,
};
use crate::Gateway;

/// Entries of a pipeline's options, metadata or parameters.
const ENTRIES: usize = 1_000;
/// What a pipeline shows and nobody can set.
const READ_ONLY: [&str; 3] = ["id", "created_at", "updated_at"];

/// `POST /pipelines`: the object.
pub(crate) async fn create(State(gateway): State<Gateway>, call: JsonCall) -> Result<Json<Value>, DhubError> {
    Ok(Json(shape(make(&gateway, call, false).await?, wire::Times::Iso)?))
}

/// `POST /pipelines/`: the id alone; names are unique here.
pub(crate) async fn create_item(State(gateway): State<Gateway>, call: JsonCall) -> Result<Json<Value>, DhubError> {
    let made = make(&gateway, call, true).await?;
    Ok(Json(json!({"item": wire::id("pl", &made.id)?})))
}

async fn make(gateway: &Gateway, call: JsonCall, unique_title: bool) -> Result<Pipeline, DhubError> {
    let mut fields = call.fields;
    let card = read_card(&mut fields);
    let definition = Definition {
        kind: read_kind(&mut fields).into(),
        steps: step::read_all(&mut fields),
        options: read_options(&mut fields),
        metadata: object(&mut fields, "metadata").unwrap_or_default(),
    };
    fields.no_others();
    fields.finish()?;
    let request = CreatePipelineRequest { card: Some(card), definition: Some(definition), unique_title };
    Ok(gateway.pipelines.clone().create_pipeline(rpc::request(&call.context, request)).await?.into_inner())
}

/// What pipelines and codes have in common, of a new one.
pub(super) fn read_card(fields: &mut Fields) -> Card {
    Card {
        title: fields.text("name"),
        description: description(fields),
        organization_id: fields.optional_id("collection_id", "col").map(|id| id.to_string()),
        alias: fields.optional_text("alias"),
        groups: fields.texts("groups", check::NAMES).unwrap_or_default(),
        tags: fields.texts("tags", check::NAMES).unwrap_or_default(),
    }
}

/// The same of one that is changed. What it shows and nobody can set may come back.
pub(super) fn read_card_change(fields: &mut Fields) -> CardChange {
    for name in READ_ONLY {
        fields.take(name);
    }
    let texts = |values: Option<Vec<String>>| values.map(|values| Texts { values });
    CardChange {
        title: fields.optional_text("name"),
        description: description(fields),
        alias: fields.optional_text("alias"),
        groups: texts(fields.texts("groups", check::NAMES)),
        tags: texts(fields.texts("tags", check::NAMES)),
    }
}

fn read_kind(fields: &mut Fields) -> PipelineKind {
    match fields.optional_text("type").as_deref() {
        None => PipelineKind::Unspecified,
        Some("batch") => PipelineKind::Batch,
        Some("event") => PipelineKind::Event,
        Some(_) => {
            fields.problem("type", "choice", "must be batch or event");
            PipelineKind::Unspecified
        }
    }
}

/// `{"schedule": {"cron", "enabled"?}, "event", "image", "parameters", "timeout"}`
fn read_options(fields: &mut Fields) -> Option<Options> {
    let mut options = fields.inner("options", ENTRIES)?;
    let mut read = Options {
        event: options.optional_text("event"),
        image: options.optional_text("image"),
        parameters: object(&mut options, "parameters").unwrap_or_default(),
        timeout_seconds: options.optional_number("timeout", 1, u32::MAX),
        ..Options::default()
    };
    if let Some(mut schedule) = options.inner("schedule", ENTRIES) {
        read.cron = Some(schedule.text("cron"));
        read.schedule_enabled = schedule.optional_bool("enabled").unwrap_or(true);
        schedule.no_others();
        options.absorb(schedule);
    }
    options.no_others();
    fields.absorb(options);
    Some(read)
}

fn object(fields: &mut Fields, name: &str) -> Option<String> {
    fields.optional_object(name, ENTRIES).map(|object| Value::Object(object).to_string())
}

/// `GET /pipelines/{id}?pipeline_version=v2`
pub(crate) async fn show(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    call: Call,
    Query(query): Query<VersionQuery>,
) -> Result<Json<Value>, DhubError> {
    let request = GetRequest { id: read_id(&id)?.to_string(), revision: query.pipeline()? };
    let found = gateway.pipelines.clone().get_pipeline(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(shape(found, wire::Times::Iso)?))
}

/// `PUT /pipelines/{id}`: `steps`, `options` and `metadata` are replaced whole if they are given.
pub(crate) async fn update(State(gateway): State<Gateway>, Path(id): Path<String>, call: JsonCall) -> Result<Json<Value>, DhubError> {
    let id = read_id(&id)?;
    let mut fields = call.fields;
    if fields.has("collection_id") {
        let request = GetRequest { id: id.to_string(), revision: None };
        let found = gateway.pipelines.clone().get_pipeline(rpc::request(&call.context, request)).await?.into_inner();
        wire::keep_collection(&mut fields, found.card.unwrap_or_default().organization_id.as_deref())?;
    }
    let request = UpdatePipelineRequest {
        id: id.to_string(),
        card: Some(read_card_change(&mut fields)),
        kind: read_kind(&mut fields).into(),
        steps: fields.given("steps").then(|| StepList { steps: step::read_all(&mut fields) }),
        options: read_options(&mut fields),
        metadata: object(&mut fields, "metadata"),
    };
    fields.no_others();
    fields.finish()?;
    let changed = gateway.pipelines.clone().update_pipeline(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(shape(changed, wire::Times::Iso)?))
}

/// `DELETE /pipelines/{id}`: 409 while it runs.
pub(crate) async fn delete(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Value>, DhubError> {
    let request = DeleteRequest { id: read_id(&id)?.to_string() };
    gateway.pipelines.clone().delete_pipeline(rpc::request(&call.context, request)).await?;
    Ok(Json(json!({"message": "Pipeline deleted successfully"})))
}

/// `GET /pipelines`: an array.
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    call: Call,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<Value>>, DhubError> {
    let (found, _) = fetch(&gateway, &call, query.things()?).await?;
    Ok(Json(found.into_iter().map(|found| shape(found, wire::Times::Iso)).collect::<Result<_>>()?))
}

/// `GET /pipelines/`: an envelope.
pub(crate) async fn list_items(
    State(gateway): State<Gateway>,
    call: Call,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, DhubError> {
    let (found, next) = fetch(&gateway, &call, query.things()?).await?;
    let item = |found: Pipeline| Ok((wire::id("pl", &found.id)?, shape(found, wire::Times::EpochMs)?));
    Ok(Json(envelope(found.into_iter().map(item).collect::<Result<_>>()?, next)?))
}

async fn fetch(gateway: &Gateway, call: &Call, request: ListRequest) -> Result<(Vec<Pipeline>, Option<String>), DhubError> {
    let answer = gateway.pipelines.clone().list_pipelines(rpc::request(&call.context, request)).await?.into_inner();
    Ok((answer.pipelines, answer.next))
}

/// `GET /pipelines/{id}/schedule`: when it runs by itself, and what became of the last moments.
pub(crate) async fn schedule(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Value>, DhubError> {
    let request = GetScheduleRequest { pipeline_id: read_id(&id)?.to_string() };
    let found = gateway.pipelines.clone().get_schedule(rpc::request(&call.context, request)).await?.into_inner();
    let slot = |slot: Slot| {
        let batch = slot.run_id.map(|id| wire::id("batch", &id)).transpose()?;
        Ok(json!({"time": wire::iso(slot.at), "outcome": slot.outcome, "batch_id": batch, "comment": slot.comment}))
    };
    let slots: Vec<Value> = found.slots.into_iter().map(slot).collect::<Result<_>>()?;
    Ok(Json(json!({"cron": found.cron, "enabled": found.enabled, "next": wire::iso(found.next_at), "slots": slots})))
}

/// `POST /pipelines/{id}/run`: answers at once; the run goes on in the background.
pub(crate) async fn run(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    Query(query): Query<VersionQuery>,
    call: JsonCall,
) -> Result<Json<wire::NewBatch>, DhubError> {
    let run = start(&gateway, read_id(&id)?, query, call).await?;
    Ok(Json(wire::NewBatch { batch_id: wire::id("batch", &run.id)?, status: "running", started_at: wire::iso(run.queued_at) }))
}

/// Starts a run: `{"parameters": {…}, "pipeline_version": "v2"}`, both optional.
pub(super) async fn start(gateway: &Gateway, pipeline: Id, query: VersionQuery, call: JsonCall) -> Result<Run, DhubError> {
    let mut fields = call.fields;
    let revision = fields.optional_text("pipeline_version").map(|text| version::number(&text));
    if revision == Some(None) {
        fields.problem("pipeline_version", "version", "must read like v2");
    }
    let parameters = object(&mut fields, "parameters").unwrap_or_default();
    fields.no_others();
    fields.finish()?;
    let request = StartRunRequest { pipeline_id: pipeline.to_string(), revision: revision.flatten().or(query.pipeline()?), parameters };
    Ok(gateway.pipelines.clone().start_run(rpc::request(&call.context, request)).await?.into_inner())
}

pub(super) fn read_id(text: &str) -> Result<Id, DhubError> {
    path_id("pipeline", "pl", text)
}

fn shape(found: Pipeline, times: wire::Times) -> Result<Value> {
    let (card, definition) = (found.card.unwrap_or_default(), found.definition.unwrap_or_default());
    let kind = if definition.kind() == PipelineKind::Event { "event" } else { "batch" };
    let metadata: Value = if definition.metadata.is_empty() { json!({}) } else { parsed(&definition.metadata)? };
    Ok(json!({
        "id": wire::id("pl", &found.id)?, "name": card.title, "description": card.description,
        "collection_id": card.organization_id.map(|id| wire::id("col", &id)).transpose()?,
        "created_at": times.show(found.created_at), "type": kind,
        "steps": definition.steps.into_iter().map(step::shape).collect::<Result<Vec<_>>>()?,
        "options": shape_options(definition.options.unwrap_or_default())?, "metadata": metadata,
        "tags": card.tags, "alias": card.alias, "groups": card.groups, "updated_at": times.show(found.updated_at),
    }))
}

/// Only what was set.
fn shape_options(options: Options) -> Result<Map<String, Value>> {
    let mut shown = Map::new();
    if let Some(cron) = options.cron {
        shown.insert("schedule".into(), json!({"cron": cron, "enabled": options.schedule_enabled}));
    }
    for (name, text) in [("event", options.event), ("image", options.image)] {
        if let Some(text) = text {
            shown.insert(name.into(), text.into());
        }
    }
    if !matches!(options.parameters.as_str(), "" | "{}") {
        shown.insert("parameters".into(), parsed(&options.parameters)?);
    }
    if let Some(seconds) = options.timeout_seconds {
        shown.insert("timeout".into(), seconds.into());
    }
    Ok(shown)
}

fn parsed(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(Error::internal)
}
