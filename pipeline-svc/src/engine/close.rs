//! The end of a run that nobody may work on any more. What it published stands, and is written down as done, so that neither the trace
//! nor the checkpoints disagree with the tables; the rest is over.

use std::collections::HashSet;

use madang_kit::{Context, Result};
use madang_proto::pipeline::v1::RunState;

use super::{Engine, again::answered};
use crate::{
    plan::{Plan, Source, Step},
    store::{
        checkpoint,
        claim::{Claim, Over},
        record::{self, Line, StepEnd, Transition},
    },
};

/// What is said of a step whose worker was lost after it had published.
const UNCOUNTED: &str = "published before its worker was lost; its rows were not counted";

/// Ends a run, unless another process took it meanwhile.
pub(super) async fn close(engine: &Engine, over: &Over) -> Result<()> {
    let claim = &over.claim;
    let inner = &engine.0;
    let context = Context { request_id: claim.run.to_string(), ..Context::new(claim.run_as.clone()) };
    let published = answered(|| inner.catalog.fence(&context, claim.run, claim.fence)).await?;
    let done: HashSet<usize> = record::succeeded(&inner.db, claim.run).await?.into_iter().collect();
    let made = made(&claim.plan, &done, &published);
    let pins = checkpoint::pins(&inner.db, claim.run).await?;
    for step in made.iter().filter(|step| !done.contains(&step.position)) {
        let settled = claim.plan.settled_by(step);
        let end = StepEnd { comment: Some(UNCOUNTED.to_owned()), ..StepEnd::default() };
        let transition = Transition {
            ended: Some((step.position, RunState::Succeeded, end)),
            advances: pins.iter().filter(|pin| settled.contains(pin.step.as_str())).cloned().collect(),
            ..Transition::default()
        };
        if !write(engine, claim, transition).await? {
            return Ok(());
        }
    }
    let open = claim.plan.steps.iter().find(|step| made.iter().all(|made| made.position != step.position));
    write(engine, claim, last(over, open)).await?; // false: somebody else ended it
    Ok(())
}

/// The steps that need not be done any more: those that succeeded or published, and those that only fed such.
fn made<'a>(plan: &'a Plan, done: &HashSet<usize>, published: &HashSet<String>) -> Vec<&'a Step> {
    let mut made: HashSet<usize> = HashSet::new();
    for (at, step) in plan.steps.iter().enumerate().rev() {
        let reads = |reader: &Step| reader.inputs.values().any(|source| matches!(source, Source::Step { step, .. } if *step == at));
        let only_feeds = !step.publishes() && !step.fed.is_empty();
        let has_fed = || plan.steps.iter().enumerate().all(|(reader, step)| !reads(step) || made.contains(&reader));
        if done.contains(&step.position) || published.contains(&step.name) || (only_feeds && has_fed()) {
            made.insert(at);
        }
    }
    plan.steps.iter().enumerate().filter(|(at, _)| made.contains(at)).map(|(_, step)| step).collect()
}

/// The run's end: as a success if nothing was open.
fn last(over: &Over, open: Option<&Step>) -> Transition {
    let Some(step) = open else {
        return Transition { run: Some(RunState::Succeeded), lines: vec![Line::of_run("INFO", "completed")], ..Transition::default() };
    };
    let (state, why) = over.end();
    let level = if state == RunState::Failed { "ERROR" } else { "WARN" };
    let end = StepEnd { comment: Some(why.to_owned()), ..StepEnd::default() };
    Transition {
        ended: Some((step.position, state, end)),
        run: Some(state),
        lines: vec![Line::of_run(level, why)],
        ..Transition::default()
    }
}

async fn write(engine: &Engine, claim: &Claim, transition: Transition) -> Result<bool> {
    record::write(&engine.0.db, claim, engine.0.clock.now(), transition).await
}
