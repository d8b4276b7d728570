//! What a run does, checked once: steps with their work, in the order in which they run.
//!
//! A plan is compiled from a definition when a pipeline is saved, so that whoever saves learns what is wrong, and again when a run
//! begins. The engine knows plans alone: another kind of run compiles its own definition into one.

mod edge;
mod graph;
pub(crate) mod parameter;
mod work;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use chrono::TimeDelta;
use madang_kit::{Error, Id, Result, check};
use madang_lake::{Filter, Lake};
use madang_proto::pipeline::v1::{Aggregate, Definition, Join, ReadMode, Select, Step as WireStep, WriteMode};
use serde_json::{Map, Value};

use crate::job::graph::Graph;

/// Steps in a pipeline.
const MAX_STEPS: usize = 200;
/// Columns that tell rows apart.
const MAX_KEYS: usize = 100;
/// The longest a run may take, and what it may take unless it says less.
const MAX_SECONDS: u32 = 86_400;

/// Steps in the order in which they run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// From the start of the work to its forced end.
    pub(crate) timeout: TimeDelta,
}

/// One step.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// Its place in the definition.
    pub(crate) position: usize,
    pub(crate) work: Work,
    /// By the name that the work uses.
    pub(crate) inputs: BTreeMap<String, Source>,
    /// The datasets that it writes, by output name.
    pub(crate) outputs: BTreeMap<String, Id>,
    /// Its outputs that other steps read.
    pub(crate) fed: Vec<String>,
    pub(crate) incremental: bool,
    pub(crate) write_mode: WriteMode,
    pub(crate) merge_keys: Vec<String>,
    /// The steps whose inputs count as read once this one has published: itself, and those whose rows reach it through steps alone.
    /// Places in [`Plan::steps`].
    pub(crate) settles: Vec<usize>,
}

/// Where an input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Dataset(Id),
    /// An output of a step that runs before; its place in [`Plan::steps`].
    Step {
        step: usize,
        output: String,
    },
}

/// What a step does with its inputs.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// One SELECT over the inputs.
    Sql {
        query: String,
    },
    /// A code's script; the version stands in every run's own definition.
    Script {
        code: Id,
        version: Option<i64>,
        options: Map<String, Value>,
    },
    /// Rows of a CSV text; without one, nothing.
    ReadCsv {
        text: Option<String>,
        delimiter: Option<u8>,
    },
    Filter(Vec<Filter>),
    Select(Select),
    Aggregate(Aggregate),
    Join(Join),
    Copy,
    /// A whole graph of a job.
    Flow(Arc<Graph>),
}

impl Step {
    /// Whether the step makes a version of any dataset.
    pub(crate) fn publishes(&self) -> bool {
        !self.outputs.is_empty() && !matches!(self.work, Work::ReadCsv { text: None, .. })
    }

    /// The datasets that it reads, by input name.
    pub(crate) fn datasets_read(&self) -> impl Iterator<Item = (&String, Id)> {
        self.inputs.iter().filter_map(|(name, source)| if let Source::Dataset(id) = source { Some((name, *id)) } else { None })
    }
}

impl Plan {
    /// Compiles a definition.
    ///
    /// # Errors
    /// [`madang_kit::Code::Invalid`] names the step, the option and the rule.
    pub(crate) fn compile(definition: &Definition) -> Result<Self> {
        if definition.steps.len() > MAX_STEPS {
            return Err(Error::invalid("steps", "too_many", format!("a pipeline has at most {MAX_STEPS} steps")));
        }
        let mut names = HashSet::new();
        for (at, step) in definition.steps.iter().enumerate() {
            if !names.insert(&step.name) {
                return Err(Error::invalid(format!("steps.{at}.name"), "repeated", format!("two steps are named '{}'", step.name)));
            }
        }
        let steps = graph::ordered(edge::connect(&definition.steps)?)?;
        let seconds = definition.options.as_ref().and_then(|options| options.timeout_seconds).unwrap_or(MAX_SECONDS);
        if !(1..=MAX_SECONDS).contains(&seconds) {
            return Err(Error::invalid("options.timeout", "range", format!("a run takes 1 to {MAX_SECONDS} seconds")));
        }
        Ok(Self { steps, timeout: TimeDelta::seconds(seconds.into()) })
    }

    /// The names of the steps whose inputs count as read once this one has published.
    pub(crate) fn settled_by<'a>(&'a self, step: &Step) -> HashSet<&'a str> {
        step.settles.iter().filter_map(|at| Some(self.steps.get(*at)?.name.as_str())).collect()
    }

    /// Refuses statements that can't be read, or that name a table which is no input.
    pub(crate) fn check_statements(&self, lake: &dyn Lake) -> Result<()> {
        for step in &self.steps {
            if let Work::Sql { query } = &step.work {
                check_statement(lake, step, query, &format!("steps.{}.options.query", step.position))?;
            }
        }
        Ok(())
    }

    /// The codes that it uses, each once.
    pub(crate) fn codes(&self) -> Vec<Id> {
        let mut codes: Vec<Id> =
            self.steps.iter().filter_map(|step| if let Work::Script { code, .. } = &step.work { Some(*code) } else { None }).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }
}

/// Refuses one statement of a step.
pub(crate) fn check_statement(lake: &dyn Lake, step: &Step, query: &str, field: &str) -> Result<()> {
    let named = lake.tables_in(query).map_err(|error| Error::invalid(field, "sql", error.to_string()))?;
    let is_input = |name: &String| step.inputs.keys().any(|input| input.to_lowercase() == name.to_lowercase());
    match named.iter().find(|name| !is_input(name)) {
        Some(name) => Err(Error::invalid(field, "unknown", format!("the step '{}' has no input '{name}'", step.name))),
        None => Ok(()),
    }
}

/// What of a step needs no other step.
fn read_step(at: usize, step: &WireStep) -> Result<Step> {
    let path = format!("steps.{at}");
    let name = check::title(&format!("{path}.name"), &step.name)?;
    let write_mode = match step.write_mode() {
        WriteMode::Unspecified => WriteMode::Append,
        known => known,
    };
    let merge_keys = check::names(&format!("{path}.options.merge_keys"), step.merge_keys.clone())?;
    match (write_mode, merge_keys.len()) {
        (WriteMode::Merge, 0) => {
            let field = format!("{path}.options.merge_keys");
            return Err(Error::invalid(field, "missing", "merging needs the columns that tell rows apart"));
        }
        (WriteMode::Merge, count) if count <= MAX_KEYS => {}
        (_, 0) => {}
        _ => return Err(Error::invalid(format!("{path}.options.merge_keys"), "unknown", "only write_mode merge has up to 100 keys")),
    }
    Ok(Step {
        work: work::read(&path, step)?,
        name,
        position: at,
        inputs: BTreeMap::new(),
        outputs: BTreeMap::new(),
        fed: Vec::new(),
        incremental: step.read_mode() == ReadMode::Cdc,
        write_mode,
        merge_keys,
        settles: Vec::new(),
    })
}
