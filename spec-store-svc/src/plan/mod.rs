//! The planner (spec-store.md 4): from a spec to what is read and what is made of it. It is a function of the spec and the revision's
//! number alone; it fetches nothing.

mod artifact;
mod resource;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use madang_proto::pipeline::v1::{FlowArtifact, FlowSource};
use serde_json::{Map, Value};

use crate::spec::{Name, Refused};
use artifact::Outputs;

/// Resources of a package, those of `processing` included.
const MAX_RESOURCES: usize = 1_000;
/// Entries of `processing` and of `outputs`.
const MAX_ENTRIES: usize = 1_000;
/// Bytes of a pipeline's id.
const MAX_ID: usize = 256;
/// Digits of a revision's number in a pipeline's id.
const LONGEST_NUMBER: u32 = u32::MAX;

/// What a spec's data package becomes, whatever the revision's number.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// The descriptor without its resources.
    pub(crate) descriptor: Map<String, Value>,
    /// What is read.
    pub(crate) sources: Vec<FlowSource>,
    outputs: Outputs,
}

impl Package {
    /// Reads `inputs`, `processing` and `outputs`.
    pub(crate) fn read(name: &Name, spec: &Map<String, Value>, files_url: &str) -> Result<Self, Refused> {
        let (url, parameters) = input(spec)?;
        let mut descriptor = descriptor(parameters)?;
        let resources = match descriptor.remove("resources") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(resources)) => resources,
            Some(_) => return Err(Refused::Value),
        };
        if resources.len() > MAX_RESOURCES {
            return Err(too_many("resources", MAX_RESOURCES));
        }
        let mapping = match parameters.get("resource-mapping") {
            None | Some(Value::Null) => &Map::new(),
            Some(Value::Object(mapping)) => mapping,
            Some(_) => return Err(Refused::Value),
        };
        let place = resource::Place { url, mapping, files_url, owner_id: &name.owner_id };
        let sources = resource::classify(resources, &place)?;
        let sources = resource::process(sources, list(spec, "processing")?)?;
        if sources.len() > 2 * MAX_RESOURCES {
            return Err(too_many("resources", MAX_RESOURCES));
        }
        let outputs = Outputs::read(&name.dataset, list(spec, "outputs")?)?;
        let package = Self { descriptor, sources, outputs };
        package.check(name)?;
        Ok(package)
    }

    /// The pipelines of a flow, in planning order (spec-store.md 4.2).
    pub(crate) fn artifacts(&self, flow_id: &str) -> Vec<FlowArtifact> {
        artifact::plan(flow_id, &self.sources, &self.outputs)
    }

    /// No two pipelines or sources may have one name, and no name may be too long.
    fn check(&self, name: &Name) -> Result<(), Refused> {
        let artifacts = self.artifacts(&format!("{}/{LONGEST_NUMBER}", name.dataset_id()));
        let ids: HashSet<&str> = artifacts.iter().map(|artifact| artifact.pipeline_id.as_str()).collect();
        let names: HashSet<&str> = self.sources.iter().map(|source| source.name.as_str()).collect();
        let unique = ids.len() == artifacts.len() && names.len() == self.sources.len();
        if unique && ids.iter().all(|id| id.len() <= MAX_ID) { Ok(()) } else { Err(Refused::Value) }
    }
}

/// The one input: its address, if it has one, and its parameters.
fn input(spec: &Map<String, Value>) -> Result<(Option<&str>, &Map<String, Value>), Refused> {
    let one = || Refused::Other("Only supporting one input atm".to_owned());
    let input = match spec.get("inputs") {
        None | Some(Value::Null) => return Err(one()),
        Some(Value::Array(inputs)) => match inputs.as_slice() {
            [Value::Object(input)] => input,
            [_] => return Err(Refused::Value),
            _ => return Err(one()),
        },
        Some(_) => return Err(Refused::Value),
    };
    match input.get("kind") {
        None => return Err(Refused::missing("kind")),
        Some(kind) if kind != "datapackage" => return Err(Refused::Other("Only supporting datapackage inputs atm".to_owned())),
        Some(_) => {}
    }
    let url = match input.get("url") {
        None => return Err(Refused::missing("url")),
        Some(Value::Null) => None,
        Some(Value::String(url)) => Some(url.as_str()),
        Some(_) => return Err(Refused::Value),
    };
    match input.get("parameters") {
        None | Some(Value::Null) => Err(Refused::missing("parameters")),
        Some(Value::Object(parameters)) => Ok((url, parameters)),
        Some(_) => Err(Refused::Value),
    }
}

/// The Spec Store fetches nothing, so the descriptor has to be in the spec.
fn descriptor(parameters: &Map<String, Value>) -> Result<Map<String, Value>, Refused> {
    match parameters.get("descriptor") {
        None | Some(Value::Null) => Err(Refused::missing("descriptor")),
        Some(Value::Object(descriptor)) => Ok(descriptor.clone()),
        Some(_) => Err(Refused::Value),
    }
}

/// A list of objects; null is an empty one.
fn list<'s>(spec: &'s Map<String, Value>, key: &str) -> Result<Vec<&'s Map<String, Value>>, Refused> {
    match spec.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(entries)) if entries.len() > MAX_ENTRIES => Err(too_many(key, MAX_ENTRIES)),
        Some(Value::Array(entries)) => entries.iter().map(|entry| entry.as_object().ok_or(Refused::Value)).collect(),
        Some(_) => Err(Refused::Value),
    }
}

fn too_many(what: &str, limit: usize) -> Refused {
    Refused::Other(format!("At most {limit} {what} are supported"))
}
