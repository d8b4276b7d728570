//! From step to step: what ended and what begins is written together. Between steps, rows lie in scratch tables.

use std::collections::{HashMap, HashSet};

use madang_kit::{Code, Context, Error, Result, error::chain};
use madang_lake::Snapshot;
use madang_proto::pipeline::v1::RunState;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    Engine,
    again::answered,
    step::{self, Made, Task},
    work::script::{self, Scripts},
};
use crate::{
    plan::{Source, Step},
    store::{
        checkpoint::{self, Pin},
        claim::Claim,
        record::{self, Line, StepEnd, Transition},
    },
};

/// How often a step is made again because an output was changed by somebody else meanwhile.
const ATTEMPTS: usize = 3;

/// How a walk came to its end.
pub(super) enum Stopped {
    /// The run has ended, and that is written.
    Ended,
    /// It was told to halt, in the step at this place of the definition.
    Halted(usize),
    LeaseLost,
}

/// A run on its way through the steps.
pub(super) struct Walk<'a> {
    pub(super) engine: &'a Engine,
    pub(super) claim: &'a Claim,
    /// In whose name the catalogue is asked.
    pub(super) context: Context,
    pub(super) scripts: Scripts,
    /// The versions that steps read.
    pub(super) pins: HashMap<(String, String), Pin>,
    /// What steps made for others, by place in the plan and output.
    pub(super) rows: HashMap<(usize, String), Snapshot>,
    /// Scratch tables that nobody reads any more.
    pub(super) litter: Vec<Snapshot>,
    /// Steps that an earlier attempt has done, by place in the definition. If one is done again for those that it feeds, it publishes
    /// nothing.
    pub(super) done: HashSet<usize>,
    /// Names of the steps that an earlier attempt has published, whether or not it came to say so.
    published: HashSet<String>,
    /// Steps that had nothing new to read, by place in the plan.
    pub(super) stale: HashSet<usize>,
    /// What happened and is not written yet: it is written with the versions that the next step reads.
    unwritten: Mutex<Option<Transition>>,
}

impl<'a> Walk<'a> {
    /// Walks the steps from where an earlier attempt got to.
    pub(super) async fn begin(engine: &'a Engine, claim: &'a Claim, halt: &CancellationToken) -> Result<Stopped> {
        let context = Context { request_id: claim.run.to_string(), ..Context::new(claim.run_as.clone()) };
        let scripts = script::load(&engine.0.db, &claim.plan).await?;
        let mut walk = Self {
            engine,
            claim,
            context,
            scripts,
            pins: HashMap::new(),
            rows: HashMap::new(),
            litter: Vec::new(),
            done: HashSet::new(),
            published: HashSet::new(),
            stale: HashSet::new(),
            unwritten: Mutex::default(),
        };
        let stopped = Box::pin(walk.walk(halt)).await;
        walk.tidy().await;
        stopped
    }

    async fn walk(&mut self, halt: &CancellationToken) -> Result<Stopped> {
        if !self.claim.is_first() {
            let Claim { run, fence, .. } = self.claim;
            self.published = answered(|| self.engine.0.catalog.fence(&self.context, *run, *fence)).await?;
        }
        let todo = self.todo().await?;
        if !self.resume(&todo).await? {
            return Ok(Stopped::LeaseLost);
        }
        for (at, next) in todo.iter().zip(todo.iter().skip(1).map(Some).chain([None])) {
            let Some(step) = self.claim.plan.steps.get(*at) else { continue };
            let mut lines = Vec::new();
            let worked = Box::pin(self.work(*at, step, halt, &mut lines)).await;
            if !self.settle(Vec::new()).await? {
                return Ok(Stopped::LeaseLost);
            }
            let Some(result) = worked else { return Ok(Stopped::Halted(step.position)) };
            let next = next.and_then(|next| self.step(*next)).map(|step| step.position);
            let transition = self.transition(*at, step, result, next, lines);
            let failed = transition.run == Some(RunState::Failed);
            *self.unwritten.get_mut() = Some(transition);
            if failed {
                break;
            }
        }
        if !self.settle(Vec::new()).await? {
            return Ok(Stopped::LeaseLost);
        }
        Ok(Stopped::Ended)
    }

    /// Says that a run goes on, or that there is nothing to do. A first attempt with steps was begun when it was claimed.
    async fn resume(&mut self, todo: &[usize]) -> Result<bool> {
        let begins = todo.first().and_then(|at| self.step(*at)).map(|step| step.position);
        if self.claim.is_first() && begins.is_some() {
            return Ok(true);
        }
        let line = match (begins, self.claim.attempt) {
            (None, _) => Line::of_run("INFO", "completed"),
            (Some(_), 1) => Line::of_run("INFO", "taken up again after its worker was stopped"),
            (Some(_), _) => Line::of_run("WARN", "taken up again after its worker was lost"),
        };
        let run = begins.is_none().then_some(RunState::Succeeded);
        *self.unwritten.get_mut() = Some(Transition { begins, run, lines: vec![line], ..Transition::default() });
        self.settle(Vec::new()).await
    }

    fn step(&self, at: usize) -> Option<&Step> {
        self.claim.plan.steps.get(at)
    }

    /// The steps to do, in order: all, unless an earlier attempt has done some. A step that feeds one which is to do is done again: it
    /// reads the same versions, and what it published it publishes once.
    async fn todo(&mut self) -> Result<Vec<usize>> {
        let steps = &self.claim.plan.steps;
        if self.claim.is_first() {
            return Ok((0..steps.len()).collect());
        }
        for pin in checkpoint::pins(&self.engine.0.db, self.claim.run).await? {
            self.pins.insert((pin.step.clone(), pin.input.clone()), pin);
        }
        self.done = record::succeeded(&self.engine.0.db, self.claim.run).await?.into_iter().collect();
        let mut todo = HashSet::new();
        for (at, step) in steps.iter().enumerate().rev() {
            if todo.contains(&at) || !self.done.contains(&step.position) {
                todo.insert(at);
                let feeding =
                    step.inputs.values().filter_map(|source| if let Source::Step { step, .. } = source { Some(*step) } else { None });
                todo.extend(feeding);
            }
        }
        Ok((0..steps.len()).filter(|at| todo.contains(at)).collect())
    }

    /// Works on one step; `None` if the run should halt. What is published is published: from there on nothing is interrupted.
    async fn work(&mut self, at: usize, step: &Step, halt: &CancellationToken, lines: &mut Vec<Line>) -> Option<Result<Made>> {
        for attempt in 1..=ATTEMPTS {
            let mut task = Task::new(at, step);
            // What is published is not halted any more: it is only written down.
            let halt = if self.published.contains(&step.name) { &CancellationToken::new() } else { halt };
            let made = Box::pin(halt.run_until_cancelled(step::make(self, &mut task))).await;
            lines.append(&mut task.lines);
            let result = match made {
                None => {
                    task.discard(self.engine).await;
                    return None;
                }
                Some(Ok(())) => step::publish(self, &task).await,
                Some(Err(error)) => Err(error),
            };
            match result {
                Ok(()) => return Some(Ok(task.keep(self))),
                Err(error) => {
                    if error.is_refusal() {
                        task.discard(self.engine).await; // else the commit record may stand, and it names these files
                    }
                    let moved = error.code == Code::Conflict && attempt < ATTEMPTS;
                    if !moved {
                        return Some(Err(error));
                    }
                    self.pins.retain(|(name, _), _| *name != step.name); // what it read may be what was changed
                }
            }
        }
        None
    }

    fn transition(&self, at: usize, step: &Step, result: Result<Made>, next: Option<usize>, mut lines: Vec<Line>) -> Transition {
        let at_now = Some(self.engine.0.clock.now());
        let line = |level, message: &str| Line::of_step(&step.name, level, message);
        match result {
            Ok(made) => {
                lines.push(line("INFO", &made.message()));
                let run = next.is_none().then_some(RunState::Succeeded);
                if run.is_some() {
                    lines.push(Line::of_run("INFO", "completed"));
                }
                let advances = self.advances(at, step);
                let ended = Some((step.position, RunState::Succeeded, made.end()));
                Transition { at: at_now, ended, begins: next, run, lines, advances, ..Transition::default() }
            }
            Err(error) => {
                let (comment, stacktrace) = told(&error, &step.name);
                lines.push(line("ERROR", &comment));
                lines.push(Line::of_run("ERROR", "failed"));
                let end = StepEnd { comment: Some(comment), stacktrace, ..StepEnd::default() };
                let ended = Some((step.position, RunState::Failed, end));
                Transition { at: at_now, ended, run: Some(RunState::Failed), lines, unlinked: is_unlinked(&error), ..Transition::default() }
            }
        }
    }

    /// What counts as read now: the inputs of the step and of those that fed it, once it has published or found nothing new.
    fn advances(&self, at: usize, step: &Step) -> Vec<Pin> {
        let settled: HashSet<&str> = match (step.settles.is_empty(), self.stale.contains(&at)) {
            (false, _) => self.claim.plan.settled_by(step),
            (true, true) => HashSet::from([step.name.as_str()]),
            (true, false) => HashSet::new(),
        };
        self.pins.values().filter(|pin| settled.contains(pin.step.as_str())).cloned().collect()
    }

    /// Writes what happened so far, with versions that are read from now on; false if the lease was lost, and then nothing. If this is
    /// given up half-way, it is done again.
    pub(super) async fn settle(&self, pins: Vec<Pin>) -> Result<bool> {
        let mut unwritten = self.unwritten.lock().await;
        if pins.is_empty() && unwritten.is_none() {
            return Ok(true);
        }
        let transition = Transition { pins, ..unwritten.clone().unwrap_or_default() };
        let engine = &self.engine.0;
        let held = record::write(&engine.db, self.claim, engine.clock.now(), transition).await?;
        *unwritten = None;
        Ok(held)
    }

    /// Removes what lay between the steps.
    async fn tidy(&mut self) {
        let made = std::mem::take(&mut self.rows).into_values();
        for rows in made.chain(std::mem::take(&mut self.litter)) {
            drop_scratch(self.engine, &rows).await;
        }
    }
}

/// Removes scratch files; what stays behind is swept later.
pub(super) async fn drop_scratch(engine: &Engine, rows: &Snapshot) {
    if let Err(error) = engine.0.lake.drop_scratch(rows).await {
        tracing::debug!(error = %chain(&error), "scratch files were left behind");
    }
}

/// Whether something that a job links to is gone, or closed to whoever it works for.
fn is_unlinked(error: &Error) -> bool {
    error.fields.iter().any(|problem| matches!(problem.rule.as_str(), "client-resource-not-found" | "client-unauthorized"))
}

/// What a failure means to the pipeline's owner: the reason, and the stack of a script.
fn told(error: &Error, step: &str) -> (String, Option<String>) {
    if let Some(failed) = error.cause.as_ref().and_then(|cause| cause.downcast_ref::<script::Raised>()) {
        return (error.message.clone(), Some(failed.stack.clone()));
    }
    if let Some(cause) = &error.cause {
        tracing::error!(step, error = %chain(cause.as_ref()), "step failed");
    }
    (error.message.clone(), None)
}
