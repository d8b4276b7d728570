//! A job's graph: checked, and compiled into a plan of the run engine.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use madang_kit::{Context, Error, Id, Result};
use madang_proto::pipeline::v1::{JobDefinition, Node, NodeSchema, WriteMode};
use serde_json::{Map, Value};

use crate::{
    Pipelines,
    plan::{Plan, Source, Step, Work},
};

/// Minutes that a run may take unless its condition says otherwise.
const TIMEOUT: u32 = 360;

/// Compiles a job with the values of its parameters.
///
/// # Errors
/// [`madang_kit::Code::Invalid`] names `nodes.<place in the list>.<field>`.
pub(crate) fn compile(definition: &JobDefinition, _parameters: &Map<String, Value>) -> Result<Plan> {
    let minutes = if definition.timeout_minutes == 0 { TIMEOUT } else { definition.timeout_minutes };
    let mut steps = Vec::new();
    for (at, node) in definition.nodes.iter().enumerate() {
        if node.r#type != "TARGET_CATALOG" {
            continue;
        }
        let wrong = |why: &str| Error::invalid(format!("nodes.{at}.parentNodeIds"), "number", why.to_owned());
        let mut work = Work::Copy;
        let mut parent = parent_of(definition, node).ok_or_else(|| wrong("a target has one parent"))?;
        if parent.r#type == "TRANSFORM_SQL" {
            let read: Value = serde_json::from_str(&parent.json).unwrap_or_default();
            work = Work::Sql { query: read["sql"].as_str().unwrap_or_default().to_owned() };
            parent = parent_of(definition, parent).ok_or_else(|| wrong("a statement has one parent"))?;
        }
        if parent.r#type != "SOURCE_CATALOG" {
            return Err(wrong("the parent must be a SOURCE_CATALOG"));
        }
        steps.push(Step {
            name: node.id.to_string(),
            position: steps.len(),
            work,
            inputs: BTreeMap::from([("t".to_owned(), Source::Dataset(dataset(at, parent)?))]),
            outputs: BTreeMap::from([("out".to_owned(), dataset(at, node)?)]),
            fed: Vec::new(),
            incremental: false,
            write_mode: WriteMode::Overwrite,
            merge_keys: Vec::new(),
            settles: Vec::new(),
        });
    }
    if steps.is_empty() {
        return Err(Error::invalid("nodes", "missing", "a job needs a source and a target"));
    }
    Ok(Plan { steps, timeout: TimeDelta::minutes(minutes.into()) })
}

/// Checks a job and what it links to, and tells the columns of its nodes.
pub(crate) async fn verify(pipelines: &Pipelines, context: &Context, definition: &JobDefinition) -> Result<Vec<NodeSchema>> {
    let plan = compile(definition, &Map::new())?;
    for step in &plan.steps {
        for (_, id) in step.datasets_read() {
            pipelines.catalog.open(context, id, None, madang_proto::catalog::v1::TableAccess::Read).await?;
        }
    }
    Ok(Vec::new())
}

fn parent_of<'a>(definition: &'a JobDefinition, node: &Node) -> Option<&'a Node> {
    definition.nodes.iter().find(|other| node.parent_node_ids.first() == Some(&other.id))
}

fn dataset(at: usize, node: &Node) -> Result<Id> {
    let read: Value = serde_json::from_str(&node.json).unwrap_or_default();
    let id = read["table"].as_str().and_then(|text| Id::parse_prefixed("ds", text).ok());
    id.ok_or_else(|| Error::invalid(format!("nodes.{at}.table"), "id", "table must be a dataset's id"))
}
