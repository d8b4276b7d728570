//! A job's graph (dataflow.md section 4): checked and put into the order in which its nodes run. The engine works it off in one step of
//! a plan (`engine/flow`), because all its targets are published together.

pub(crate) mod columns;
pub(crate) mod kind;
pub(crate) mod node;
mod parameter;
pub(crate) mod question;
mod shape;
pub(crate) mod verify;

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use madang_kit::{Error, Result};
use madang_proto::pipeline::v1::{JobDefinition, Node as WireNode, WriteMode};
use serde_json::{Map, Value};

use self::node::{Node, Work};
pub(crate) use self::{parameter::Values, verify::verify};
use crate::plan::{Plan, Step, Work as StepWork};

/// Nodes of a job.
const MAX_NODES: usize = 200;
/// Minutes that a run may take unless its condition says otherwise.
const TIMEOUT: u32 = 360;
/// Workers unless the condition says otherwise.
const WORKERS: u32 = 2;

/// A job's nodes in the order in which they run, targets last.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    /// The execution's own name, for its files.
    pub(crate) execution: String,
    /// Files that a target is written into at most, unless it says how many.
    pub(crate) workers: u64,
    /// Values of the run's parameters; none while a job is only checked.
    pub(crate) parameters: Option<Map<String, Value>>,
}

/// Compiles a job with the values of its parameters. The plan has one step, which stands for the last node.
///
/// # Errors
/// [`madang_kit::Code::Invalid`] names `nodes.<place in the list>.<field>`.
pub(crate) fn compile(definition: &JobDefinition, parameters: &Map<String, Value>) -> Result<Plan> {
    let graph = read(definition, Some(parameters))?;
    let minutes = if definition.timeout_minutes == 0 { TIMEOUT } else { definition.timeout_minutes };
    let last = graph.nodes.last().map(|node| &node.place);
    let step = Step {
        name: last.map(|place| place.id.to_string()).unwrap_or_default(),
        position: last.map(|place| place.at).unwrap_or_default(),
        work: StepWork::Flow(Arc::new(graph)),
        inputs: BTreeMap::new(),
        outputs: BTreeMap::new(),
        fed: Vec::new(),
        incremental: false,
        write_mode: WriteMode::Overwrite,
        merge_keys: Vec::new(),
        settles: Vec::new(),
    };
    Ok(Plan { steps: vec![step], timeout: TimeDelta::minutes(minutes.into()) })
}

/// The names under which a run's record keeps its nodes, in the order of the definition.
pub(crate) fn names(definition: &JobDefinition) -> Vec<String> {
    definition.nodes.iter().map(|node| node.id.to_string()).collect()
}

/// Reads and checks everything that needs nothing but the definition.
fn read(definition: &JobDefinition, parameters: Option<&Map<String, Value>>) -> Result<Graph> {
    let nodes = &definition.nodes;
    if nodes.is_empty() || nodes.len() > MAX_NODES {
        return Err(Error::invalid("nodes", "number", format!("nodes: a job has 1 to {MAX_NODES} nodes")));
    }
    let order = shape::order(nodes)?;
    let values = Values(parameters);
    let mut read = Vec::with_capacity(nodes.len());
    for (at, parents) in order {
        let Some(wire) = nodes.get(at) else { continue };
        let (place, work) = node::read(at, wire, &values)?;
        read.push(Node { place, parents, work, ordered: false });
    }
    for at in (0..read.len()).rev() {
        let keeps_order = read.get(at).is_some_and(|node| node.ordered || matches!(node.work, Work::DropDuplication(_)));
        let parents = read.get(at).map(|node| node.parents.clone()).unwrap_or_default();
        for parent in parents.into_iter().filter(|_| keeps_order) {
            if let Some(parent) = read.get_mut(parent) {
                parent.ordered = true;
            }
        }
    }
    Ok(Graph {
        nodes: read,
        execution: definition.execution_id.clone(),
        workers: u64::from(if definition.num_worker == 0 { WORKERS } else { definition.num_worker }),
        parameters: parameters.cloned(),
    })
}

/// Whether a node is of a kind: `SOURCE`, `TRANSFORM`, `TARGET`.
fn is(node: &WireNode, kind: &str) -> bool {
    node.r#type.starts_with(kind)
}
