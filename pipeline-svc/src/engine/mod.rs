//! The run engine: workers that take up queued runs, one at a time each.
//!
//! A worker holds its run under a lease that it prolongs while it works. If the worker is lost, the lease runs out and another one
//! takes the run up, at most [`MAX_ATTEMPTS`] times in all. Whatever a worker writes or publishes carries its fence.

mod step;

use std::time::Duration;

use chrono::TimeDelta;
use madang_kit::{Drain, Result, error::chain};
use madang_proto::pipeline::v1::RunState;
use tokio_util::sync::CancellationToken;

use crate::{
    Pipelines,
    store::claim::{self, Claim},
    store::run,
};

/// Attempts of a run in all (design: "Runs").
const MAX_ATTEMPTS: i64 = 2;
const LEASE: TimeDelta = TimeDelta::seconds(30);
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// How often an idle worker looks for runs whose worker was lost.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Starts the workers.
pub(crate) fn start(pipelines: &Pipelines, workers: usize, drain: &Drain) {
    for _ in 0..workers.max(1) {
        let worker = Worker { pipelines: pipelines.clone(), stop: drain.token() };
        drain.spawn(worker.work());
    }
}

struct Worker {
    pipelines: Pipelines,
    stop: CancellationToken,
}

/// How the work on a claimed run ended.
enum Outcome {
    Ended(RunState),
    /// Another worker has the run now.
    LeaseLost,
    /// The process stops; the run goes back into the queue.
    Interrupted,
}

impl Worker {
    async fn work(self) {
        while !self.stop.is_cancelled() {
            match self.claim().await {
                Ok(Some(claim)) => {
                    self.pipelines.queued.notify_one(); // there may be more for the next worker
                    if let Err(error) = self.run(&claim).await {
                        tracing::error!(run = %claim.run, error = %chain(&error), "run left to its lease");
                    }
                }
                Ok(None) => self.wait().await,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "no run could be claimed");
                    self.wait().await;
                }
            }
        }
    }

    async fn wait(&self) {
        tokio::select! {
            () = self.pipelines.queued.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn claim(&self) -> Result<Option<Claim>> {
        let now = self.pipelines.clock.now();
        let given_up = claim::give_up(&self.pipelines.db, now, MAX_ATTEMPTS).await?;
        if given_up > 0 {
            tracing::warn!(runs = given_up, "runs failed because their workers were lost");
        }
        claim::claim(&self.pipelines.db, now, now + LEASE).await
    }

    async fn run(&self, claim: &Claim) -> Result<()> {
        let outcome = tokio::select! {
            state = step::work_through(&self.pipelines, claim) => state?.map_or(Outcome::LeaseLost, Outcome::Ended),
            lost = self.keep_lease(claim) => lost,
        };
        match outcome {
            Outcome::Ended(state) => self.finish(claim, state).await,
            Outcome::Interrupted => claim::release(&self.pipelines.db, claim).await,
            Outcome::LeaseLost => {
                tracing::warn!(run = %claim.run, fence = claim.fence, "lease lost");
                Ok(())
            }
        }
    }

    /// Prolongs the lease until it is lost or the process stops.
    async fn keep_lease(&self, claim: &Claim) -> Outcome {
        while self.stop.run_until_cancelled(tokio::time::sleep(RENEW_EVERY)).await.is_some() {
            match claim::renew(&self.pipelines.db, claim, self.pipelines.clock.now() + LEASE).await {
                Ok(true) => {}
                Ok(false) => return Outcome::LeaseLost,
                Err(error) => tracing::warn!(run = %claim.run, error = %chain(&error), "lease not prolonged yet"),
            }
        }
        Outcome::Interrupted
    }

    async fn finish(&self, claim: &Claim, state: RunState) -> Result<()> {
        let now = self.pipelines.clock.now();
        let mut tx = self.pipelines.db.begin().await?;
        if claim::finish(&mut tx, claim, state, now).await? {
            let (level, message) = if state == RunState::Succeeded { ("INFO", "completed") } else { ("ERROR", "failed") };
            run::log(&mut tx, claim.run, now, level, "", message).await?;
        }
        Ok(tx.commit().await?)
    }
}
