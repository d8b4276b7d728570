//! Pipelines (dhub.md section 8): saving one, starting a run.

use std::collections::HashMap;

use axum::{Json, extract::State};
use madang_kit::{Id, Result, rpc};
use madang_proto::pipeline::v1::{CreatePipelineRequest, Pipeline, SqlWork, StartRunRequest, Step, WriteMode, step::Work};
use serde_json::{Map, Value, json};

use super::{
    call::{JsonCall, Path, path_id},
    error::DhubError,
    fields::Fields,
    wire,
};
use crate::Gateway;

/// The built-in command of a step that runs the SELECT in its `options.query`.
const SQL: &str = "sql";
/// Steps of a pipeline.
const STEPS: usize = 200;
/// Inputs of a step, and outputs.
const EDGES: usize = 100;
/// Entries of a step's options.
const OPTIONS: usize = 100;

/// `POST /pipelines`
pub(crate) async fn create(State(gateway): State<Gateway>, call: JsonCall) -> Result<Json<wire::Pipeline>, DhubError> {
    let mut fields = call.fields;
    let steps = fields.list("steps", STEPS).into_iter().enumerate();
    let request = CreatePipelineRequest {
        title: fields.text("name"),
        description: fields.optional_text("description"),
        organization_id: fields.optional_id("collection_id", "col").map(|id| id.to_string()),
        steps: steps.map(|(at, step)| read_step(&mut fields, at, step)).collect(),
    };
    fields.finish()?;
    let made = gateway.pipelines.clone().create_pipeline(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(shape(made)?))
}

/// `POST /pipelines/{id}/run`: answers at once; the run goes on in the background.
pub(crate) async fn run(State(gateway): State<Gateway>, Path(id): Path<String>, call: JsonCall) -> Result<Json<wire::NewBatch>, DhubError> {
    let pipeline = path_id("pipeline", "pl", &id)?;
    call.fields.finish()?;
    let request = StartRunRequest { pipeline_id: pipeline.to_string() };
    let run = gateway.pipelines.clone().start_run(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(wire::NewBatch { batch_id: wire::id("batch", &run.id)?, status: "running", started_at: wire::iso(run.queued_at) }))
}

fn read_step(body: &mut Fields, at: usize, step: Value) -> Step {
    let at = format!("steps.{at}");
    let mut step = Fields::nested(&at, step);
    let mut options = Fields::nested(&format!("{at}.options"), Value::Object(step.object("options", OPTIONS)));
    let write_mode = match options.optional_text("write_mode").as_deref() {
        None | Some("append") => WriteMode::Append,
        Some("overwrite") => WriteMode::Overwrite,
        Some(_) => {
            options.problem("write_mode", "choice", "must be append or overwrite");
            WriteMode::Append
        }
    };
    if step.text("script") != SQL {
        step.problem("script", "choice", "must be sql");
    }
    let read = Step {
        name: step.text("name"),
        inputs: read_edges(&mut step, "inputs"),
        outputs: read_edges(&mut step, "outputs"),
        work: Some(Work::Sql(SqlWork { query: options.text("query") })),
        write_mode: write_mode.into(),
    };
    body.absorb(options);
    body.absorb(step);
    read
}

/// Variable → `{"dataset": id}`, or the bare id.
fn read_edges(step: &mut Fields, name: &str) -> HashMap<String, String> {
    let mut edges = HashMap::new();
    for (variable, edge) in step.object(name, EDGES) {
        let dataset = match edge {
            Value::String(id) => Some(id),
            Value::Object(mut edge) => edge.remove("dataset").and_then(|id| id.as_str().map(str::to_owned)),
            _ => None,
        };
        match dataset.and_then(|id| Id::parse_prefixed("ds", &id).ok()) {
            Some(id) => drop(edges.insert(variable, id.to_string())),
            None => step.problem(&format!("{name}.{variable}"), "id", "must be {\"dataset\": \"ds-…\"} or a dataset id"),
        }
    }
    edges
}

fn shape(pipeline: Pipeline) -> Result<wire::Pipeline> {
    Ok(wire::Pipeline {
        id: wire::id("pl", &pipeline.id)?,
        name: pipeline.title,
        description: pipeline.description,
        collection_id: pipeline.organization_id.map(|id| wire::id("col", &id)).transpose()?,
        created_at: wire::iso(pipeline.created_at),
        steps: pipeline.steps.into_iter().map(shape_step).collect::<Result<_>>()?,
    })
}

fn shape_step(step: Step) -> Result<Value> {
    let write_mode = if step.write_mode() == WriteMode::Overwrite { "overwrite" } else { "append" };
    let query = match step.work {
        Some(Work::Sql(sql)) => sql.query,
        None => String::new(),
    };
    Ok(json!({
        "name": step.name, "script": SQL, "inputs": shape_edges(step.inputs)?, "outputs": shape_edges(step.outputs)?,
        "options": {"query": query, "write_mode": write_mode},
    }))
}

fn shape_edges(edges: HashMap<String, String>) -> Result<Map<String, Value>> {
    let mut edges: Vec<_> = edges.into_iter().collect();
    edges.sort();
    edges.into_iter().map(|(variable, id)| Ok((variable, json!({"dataset": wire::id("ds", &id)?})))).collect()
}
