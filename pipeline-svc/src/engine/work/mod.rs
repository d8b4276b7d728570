//! What steps do: SQL, the built-in commands, scripts.

mod built_in;
mod csv;
pub(crate) mod python;
pub(super) mod script;

use std::collections::HashMap;

use madang_kit::{Code, Error, Result};
use madang_lake::{Limits, RowStream};
use serde_json::Value;

use super::{
    flow,
    output::{self, Rows},
    step::{Task, lake_error},
    walk::Walk,
};
use crate::plan::{self, Work};

/// Does a step's work and brings what it makes to its outputs.
pub(super) async fn run(walk: &Walk<'_>, task: &mut Task<'_>) -> Result<()> {
    let step = task.step;
    let rows = match &step.work {
        Work::Sql { query } => select(walk, task, query).await?,
        Work::ReadCsv { text: None, .. } => return csv::look_at_uploaded(walk, task).await,
        Work::ReadCsv { text: Some(text), delimiter } => return csv::read(walk, task, text, *delimiter).await,
        Work::Filter(conditions) => built_in::filter(walk, task, conditions).await?,
        Work::Select(wanted) => built_in::select(walk, task, wanted).await?,
        Work::Aggregate(wanted) => built_in::aggregate(walk, task, wanted).await?,
        Work::Join(wanted) => built_in::join(walk, task, wanted).await?,
        Work::Flow(graph) => return flow::run(walk, task, graph).await,
        Work::Copy => output::read(walk, built_in::only(task)?.1).await?,
        Work::Script { code, version, options } => match walk.scripts.get(*code, *version)? {
            script::Script::Sql(query) => {
                plan::check_statement(&*walk.engine.0.lake, step, query, "script")
                    .map_err(|error| Error::new(Code::Invalid, error.message))?;
                select(walk, task, query).await?
            }
            script::Script::Python(text) => return python::run(walk, task, text, options).await,
        },
    };
    output::place(walk, task, Rows::Stream(rows), None).await
}

/// One SELECT over the inputs, with the run's parameters that it uses.
async fn select(walk: &Walk<'_>, task: &Task<'_>, query: &str) -> Result<RowStream> {
    let lake = &walk.engine.0.lake;
    let used = lake.values_in(query).map_err(lake_error)?;
    let value = |name: String| walk.claim.parameters.get(&name).map(|value| (name.clone(), value.clone()));
    let values: HashMap<String, Value> = used.into_iter().filter_map(value).collect();
    lake.query_with(query, &values, &task.inputs.rows, &Limits::STEP).await.map_err(lake_error)
}
