//! One step: resolve the inputs, do the work, stage what it made for each output, publish all outputs together.

use std::collections::HashMap;

use madang_kit::{Code, Error, Result};
use madang_lake::Snapshot;

use super::{
    Engine, flow, input,
    input::Inputs,
    output::{self, Ahead, Output},
    walk::{Walk, drop_scratch},
    work,
};
use crate::{
    plan::{Step, Work},
    store::{
        checkpoint::Pin,
        record::{Line, StepEnd},
    },
};

/// A step while it is worked on.
pub(super) struct Task<'a> {
    /// Its place in the plan.
    pub(super) at: usize,
    pub(super) step: &'a Step,
    pub(super) inputs: Inputs,
    /// Tables that were resolved when they were pinned.
    pub(super) opened: HashMap<String, Snapshot>,
    /// Datasets that it will write, being opened meanwhile.
    pub(super) ahead: Ahead,
    /// Files that were staged for datasets.
    pub(super) written: Vec<Output>,
    /// Rows for other steps, by output; under the empty name the rows of every output.
    pub(super) made: HashMap<String, Snapshot>,
    pub(super) rows_out: u64,
    pub(super) bad_values: u64,
    pub(super) lines: Vec<Line>,
    /// Rows that went in elsewhere than by inputs.
    pub(super) rows_in: u64,
    /// What a graph wrote for its targets.
    pub(super) flow: flow::Written,
}

/// What came of a step.
pub(super) struct Made {
    rows_in: u64,
    rows_out: u64,
    bad_values: u64,
    is_new: bool,
}

impl Made {
    pub(super) fn message(&self) -> String {
        let nothing = if self.is_new { "" } else { "nothing new; " };
        let bad = if self.bad_values > 0 { format!(", {} bad values", self.bad_values) } else { String::new() };
        format!("{nothing}{} rows in, {} rows out{bad}", self.rows_in, self.rows_out)
    }

    pub(super) fn end(&self) -> StepEnd {
        StepEnd { rows_in: self.rows_in, rows_out: self.rows_out, bad_values: self.bad_values, ..StepEnd::default() }
    }
}

impl<'a> Task<'a> {
    pub(super) fn new(at: usize, step: &'a Step) -> Self {
        Self {
            at,
            step,
            inputs: Inputs::default(),
            opened: HashMap::new(),
            ahead: Ahead::default(),
            written: Vec::new(),
            made: HashMap::new(),
            rows_out: 0,
            bad_values: 0,
            lines: Vec::new(),
            rows_in: 0,
            flow: flow::Written::default(),
        }
    }

    /// A line of the run's log.
    pub(super) fn say(&mut self, level: &'static str, message: impl Into<String>) {
        self.lines.push(Line::of_step(&self.step.name, level, message));
    }

    /// Hands what other steps read over to the walk.
    pub(super) fn keep(self, walk: &mut Walk<'_>) -> Made {
        let rows_in = self.rows_in + self.inputs.rows.values().map(Snapshot::rows).sum::<u64>();
        if !self.inputs.is_new {
            walk.stale.insert(self.at);
        }
        for (output, rows) in self.made {
            walk.rows.insert((self.at, output), rows);
        }
        walk.litter.extend(self.inputs.scratch);
        Made { rows_in, rows_out: self.rows_out, bad_values: self.bad_values, is_new: self.inputs.is_new }
    }

    /// Removes what was written for nothing.
    pub(super) async fn discard(&self, engine: &Engine) {
        output::discard(engine, &self.written).await;
        self.flow.discard(engine).await;
        for rows in self.made.values().chain(&self.inputs.scratch) {
            drop_scratch(engine, rows).await;
        }
    }
}

/// Does everything that nobody sees yet. In the end the transition to this step is written.
pub(super) async fn make(walk: &mut Walk<'_>, task: &mut Task<'_>) -> Result<()> {
    task.ahead = Ahead::open(walk, task.step);
    input::open(walk, task).await?;
    let pins = std::mem::take(&mut task.inputs.fresh_pins);
    if !task.inputs.is_new && task.step.fed.is_empty() {
        return write_transition(walk, pins).await;
    }
    let (written, worked) = tokio::join!(write_transition(walk, pins), work::run(walk, task)); // the sync of the one hides behind the other
    worked.and(written)
}

/// Makes the outputs visible, all of them or none.
pub(super) async fn publish(walk: &Walk<'_>, task: &Task<'_>) -> Result<()> {
    if matches!(task.step.work, Work::Flow(_)) {
        return task.flow.publish(walk).await;
    }
    if task.written.is_empty() { Ok(()) } else { output::publish(walk, task).await }
}

/// Writes which versions are read, before anything made from them can be published.
async fn write_transition(walk: &Walk<'_>, pins: Vec<Pin>) -> Result<()> {
    if walk.settle(pins).await? { Ok(()) } else { Err(Error::new(Code::Unavailable, "the lease was lost")) }
}

/// What a lake error means to the pipeline's owner.
pub(super) fn lake_error(error: madang_lake::Error) -> Error {
    match error {
        madang_lake::Error::Storage(cause) => Error::internal(cause),
        other => Error::new(Code::Invalid, other.to_string()),
    }
}
