//! What a pipeline does, as it is stored and as a run carries it.

use std::collections::{BTreeMap, HashSet};

use madang_kit::{Error, Id, Result, check};
use madang_proto::pipeline::v1::{self as wire, step::Work};
use serde::{Deserialize, Serialize};

/// Steps in a pipeline.
const MAX_STEPS: usize = 200;
/// Inputs or outputs of a step.
const MAX_EDGES: usize = 100;
/// Bytes of a query.
const MAX_QUERY: usize = 1 << 20;

/// One node of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// The table name that the step uses → the dataset it reads.
    pub(crate) inputs: BTreeMap<String, Id>,
    /// The output name → the dataset it writes.
    pub(crate) outputs: BTreeMap<String, Id>,
    pub(crate) work: StepWork,
    pub(crate) write_mode: WriteMode,
}

/// What a step does with its inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepWork {
    /// One SELECT over the inputs.
    Sql { query: String },
}

/// What happens to the rows that an output has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WriteMode {
    Append,
    Overwrite,
}

/// Reads and checks the steps of a new pipeline.
pub(crate) fn read(steps: Vec<wire::Step>) -> Result<Vec<Step>> {
    if steps.len() > MAX_STEPS {
        return Err(Error::invalid("steps", "too_many", format!("a pipeline has at most {MAX_STEPS} steps")));
    }
    let mut names = HashSet::new();
    let mut read = Vec::with_capacity(steps.len());
    for (at, step) in steps.into_iter().enumerate() {
        let step = read_step(&format!("steps.{at}"), step)?;
        if !names.insert(step.name.clone()) {
            return Err(Error::invalid(format!("steps.{at}.name"), "repeated", format!("two steps are named '{}'", step.name)));
        }
        read.push(step);
    }
    Ok(read)
}

fn read_step(at: &str, step: wire::Step) -> Result<Step> {
    let name = check::title(&format!("{at}.name"), &step.name)?;
    let write_mode = match step.write_mode() {
        wire::WriteMode::Overwrite => WriteMode::Overwrite,
        wire::WriteMode::Append | wire::WriteMode::Unspecified => WriteMode::Append,
    };
    let Some(Work::Sql(sql)) = step.work else {
        return Err(Error::invalid(format!("{at}.script"), "missing", "the step does nothing"));
    };
    if sql.query.trim().is_empty() || sql.query.len() > MAX_QUERY || sql.query.contains('\0') {
        let rule = format!("the query must not be empty, must have at most {MAX_QUERY} bytes and no NUL");
        return Err(Error::invalid(format!("{at}.options.query"), "length", rule));
    }
    let inputs = read_edges(&format!("{at}.inputs"), step.inputs)?;
    let outputs = read_edges(&format!("{at}.outputs"), step.outputs)?;
    if outputs.is_empty() {
        return Err(Error::invalid(format!("{at}.outputs"), "missing", "the step has no output"));
    }
    Ok(Step { name, inputs, outputs, work: StepWork::Sql { query: sql.query }, write_mode })
}

fn read_edges(at: &str, edges: impl IntoIterator<Item = (String, String)>) -> Result<BTreeMap<String, Id>> {
    let mut read = BTreeMap::new();
    for (name, dataset) in edges {
        let name = check::title(at, &name)?;
        read.insert(name.clone(), check::id(&format!("{at}.{name}"), &dataset)?);
    }
    if read.len() > MAX_EDGES {
        return Err(Error::invalid(at, "too_many", format!("a step has at most {MAX_EDGES} inputs and {MAX_EDGES} outputs")));
    }
    let datasets: HashSet<_> = read.values().collect();
    if at.ends_with("outputs") && datasets.len() < read.len() {
        return Err(Error::invalid(at, "repeated", "two outputs write the same dataset"));
    }
    Ok(read)
}

impl Step {
    /// The step on the wire.
    pub(crate) fn to_wire(&self) -> wire::Step {
        let edges = |edges: &BTreeMap<String, Id>| edges.iter().map(|(name, id)| (name.clone(), id.to_string())).collect();
        let StepWork::Sql { query } = &self.work;
        let write_mode = match self.write_mode {
            WriteMode::Append => wire::WriteMode::Append,
            WriteMode::Overwrite => wire::WriteMode::Overwrite,
        };
        wire::Step {
            name: self.name.clone(),
            inputs: edges(&self.inputs),
            outputs: edges(&self.outputs),
            work: Some(Work::Sql(wire::SqlWork { query: query.clone() })),
            write_mode: write_mode.into(),
        }
    }
}
