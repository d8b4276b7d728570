//! Edges: what steps read and write.

use std::collections::{BTreeMap, HashMap, HashSet};

use madang_kit::{Error, Id, Result, check};
use madang_proto::pipeline::v1::{Input, Output, Step as WireStep, input::From};

use super::{Source, Step, read_step};

/// Inputs or outputs of a step.
const MAX_EDGES: usize = 100;

/// Reads every step with its edges; sources name steps by their place in the definition.
pub(super) fn connect(definition: &[WireStep]) -> Result<Vec<Step>> {
    let places: HashMap<&str, usize> = definition.iter().enumerate().map(|(at, step)| (step.name.as_str(), at)).collect();
    let mut steps = definition.iter().enumerate().map(|(at, step)| read_step(at, step)).collect::<Result<Vec<_>>>()?;
    for (at, wire) in definition.iter().enumerate() {
        let outputs = read_outputs(&format!("steps.{at}.outputs"), &wire.outputs)?;
        if let Some(step) = steps.get_mut(at) {
            step.outputs = outputs;
        }
    }
    for (at, wire) in definition.iter().enumerate() {
        let inputs = read_inputs(&format!("steps.{at}.inputs"), &wire.inputs, &places)?;
        for source in inputs.values() {
            if let Source::Step { step, output } = source
                && let Some(step) = steps.get_mut(*step)
                && !step.fed.contains(output)
            {
                step.fed.push(output.clone());
            }
        }
        if let Some(step) = steps.get_mut(at) {
            step.inputs = inputs;
        }
    }
    for (at, step) in steps.iter().enumerate() {
        check_edges(at, step)?;
    }
    Ok(steps)
}

fn read_inputs(at: &str, edges: &HashMap<String, Input>, places: &HashMap<&str, usize>) -> Result<BTreeMap<String, Source>> {
    check_number(at, edges.len())?;
    let mut read = BTreeMap::new();
    for (name, input) in edges {
        let field = format!("{at}.{name}");
        let source = match &input.from {
            Some(From::DatasetId(id)) => Source::Dataset(check::id(&field, id)?),
            Some(From::Step(from)) => {
                let absent = || Error::invalid(&field, "unknown", format!("there is no step '{}'", from.step));
                let step = *places.get(from.step.as_str()).ok_or_else(absent)?;
                Source::Step { step, output: check::title(&field, &from.output)? }
            }
            None => return Err(Error::invalid(field, "missing", "the input names nothing")),
        };
        read.insert(check::title(at, name)?, source);
    }
    Ok(read)
}

fn read_outputs(at: &str, edges: &HashMap<String, Output>) -> Result<BTreeMap<String, Id>> {
    check_number(at, edges.len())?;
    let (mut read, mut written) = (BTreeMap::new(), HashSet::new());
    for (name, output) in edges {
        let name = check::title(at, name)?;
        let Some(dataset) = &output.dataset_id else { continue };
        let id = check::id(&format!("{at}.{name}"), dataset)?;
        if !written.insert(id) {
            return Err(Error::invalid(at, "repeated", "two outputs write the same dataset"));
        }
        read.insert(name, id);
    }
    Ok(read)
}

fn check_number(at: &str, edges: usize) -> Result<()> {
    if edges <= MAX_EDGES {
        return Ok(());
    }
    Err(Error::invalid(at, "too_many", format!("a step has at most {MAX_EDGES} inputs and {MAX_EDGES} outputs")))
}

/// What an edge alone can't show.
fn check_edges(at: usize, step: &Step) -> Result<()> {
    if step.outputs.is_empty() && step.fed.is_empty() {
        return Err(Error::invalid(format!("steps.{at}.outputs"), "missing", format!("the step '{}' has no output", step.name)));
    }
    super::work::check_inputs(at, step)
}
