//! The run engine. Each process has seats; whoever sits on one works on one run.
//!
//! A run that finds a free seat when it is asked for is worked on at once: it is added as claimed, in the transaction that adds it. All
//! others wait in the database, where every process claims them as seats become free. A worker holds its run under a lease; if the
//! worker is lost, the lease runs out and another one takes the run up, as often as the run's kind allows.

mod again;
mod close;
pub(crate) mod flow;
mod input;
mod output;
mod step;
mod walk;
mod work;
mod worker;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use madang_kit::{Clock, Db, Drain, Id, Result, bell::Bell, error::chain};
use madang_lake::{Flow, Lake, Objects};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub(crate) use self::work::python::Python;
use self::worker::Worker;
use crate::{
    catalogue::Catalogue,
    connection::Vault,
    store::{
        claim::{self, Claim, Claimed, LEASE, Shares},
        run::RunKind,
    },
};

/// How often a process looks for runs whose worker was lost, and for what it was not told of.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often what runs left behind is looked for, and how old it must be: older than any run.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
const LITTER_AFTER: Duration = Duration::from_hours(48);

/// The engine; clones are the same one.
#[derive(Clone)]
pub(crate) struct Engine(Arc<Inner>);

struct Inner {
    db: Db,
    lake: Arc<dyn Lake>,
    catalog: Catalogue,
    flow: Arc<dyn Flow>,
    objects: Arc<dyn Objects>,
    vault: Vault,
    bad_percent: u64,
    clock: Clock,
    python: Python,
    shares: Shares,
    seats: Arc<Semaphore>,
    /// Rung when there may be something to claim.
    queued: Bell,
    /// Rung when a run should stop.
    cancelled: Bell,
    /// Told when a run of a job has ended here.
    completed: Notify,
    /// The runs that are worked on here.
    working: Mutex<HashMap<Id, Working>>,
    drain: Drain,
}

/// A run that is worked on here.
#[derive(Clone)]
struct Working {
    /// Asks it to stop.
    stop: CancellationToken,
    /// Set once it has ended.
    ended: CancellationToken,
}

/// What an engine is made of.
pub(crate) struct Parts {
    pub(crate) db: Db,
    pub(crate) lake: Arc<dyn Lake>,
    pub(crate) catalog: Catalogue,
    pub(crate) flow: Arc<dyn Flow>,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) vault: Vault,
    /// Of a hundred values that a job reads, so many may be unreadable.
    pub(crate) bad_percent: u64,
    pub(crate) clock: Clock,
    pub(crate) python: Python,
    pub(crate) seats: usize,
    pub(crate) shares: Shares,
}

/// A free seat, until it is dropped.
pub(crate) struct Seat {
    _permit: OwnedSemaphorePermit,
}

impl Engine {
    /// Starts an engine that works until the process drains.
    pub(crate) fn start(parts: Parts, drain: &Drain) -> Self {
        let engine = Self(Arc::new(Inner {
            queued: Bell::new("madang_run_queued", &parts.db, drain),
            cancelled: Bell::new("madang_run_cancelled", &parts.db, drain),
            db: parts.db,
            lake: parts.lake,
            catalog: parts.catalog,
            flow: parts.flow,
            objects: parts.objects,
            vault: parts.vault,
            bad_percent: parts.bad_percent,
            clock: parts.clock,
            python: parts.python,
            shares: parts.shares,
            seats: Arc::new(Semaphore::new(parts.seats)),
            completed: Notify::new(),
            working: Mutex::default(),
            drain: drain.clone(),
        }));
        drain.spawn(engine.clone().serve());
        let sweeping = engine.clone();
        madang_kit::housekeeping::every(SWEEP_EVERY, drain, "scratch files not removed yet", move || {
            let (lake, objects) = (sweeping.0.lake.clone(), sweeping.0.objects.clone());
            async move {
                objects.sweep_stages(LITTER_AFTER).await.map_err(madang_kit::Error::internal)?;
                lake.sweep_scratch(LITTER_AFTER).await.map_err(madang_kit::Error::internal)
            }
        });
        flow::serve(&engine, drain);
        engine
    }

    /// A seat for a run that is about to be added, if one is free and the process goes on.
    pub(crate) fn seat(&self) -> Option<Seat> {
        if self.0.drain.token().is_cancelled() {
            return None;
        }
        self.0.seats.clone().try_acquire_owned().ok().map(|permit| Seat { _permit: permit })
    }

    /// How many runs each user and space may have at work.
    pub(crate) fn shares(&self) -> Shares {
        self.0.shares
    }

    /// Works on a run that was added as claimed.
    pub(crate) fn work(&self, claim: Claim, seat: Seat) {
        let working = Working { stop: CancellationToken::new(), ended: CancellationToken::new() };
        self.working().insert(claim.run, working.clone());
        let engine = self.clone();
        self.0.drain.spawn(async move {
            let run = claim.run;
            if let Err(error) = Worker::new(&engine, &claim, working.stop).work().await {
                tracing::error!(run = %run, error = %chain(&error), "run left to its lease");
            }
            engine.working().remove(&run);
            working.ended.cancel();
            if claim.kind == RunKind::Job {
                engine.0.completed.notify_one();
            }
            drop(seat);
            engine.ring();
        });
    }

    /// Says that there may be something to claim.
    pub(crate) fn ring(&self) {
        self.0.queued.ring();
    }

    /// Stops runs that were asked to, wherever they are worked on.
    pub(crate) fn stop(&self, run: Id) {
        match self.working().get(&run) {
            Some(working) => working.stop.cancel(),
            None => self.0.cancelled.ring(),
        }
    }

    /// Ends when a run that is worked on here has ended; at once if it is not.
    pub(crate) async fn ended(&self, run: Id) {
        let ended = self.working().get(&run).map(|working| working.ended.clone());
        if let Some(ended) = ended {
            ended.cancelled().await;
        }
    }

    /// Ends when a run of a job has ended here.
    pub(crate) async fn completed(&self) {
        self.0.completed.notified().await;
    }

    fn working(&self) -> std::sync::MutexGuard<'_, HashMap<Id, Working>> {
        self.0.working.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(self) {
        let stop = self.0.drain.token();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.queued.heard() => Ok(()),
                () = self.0.cancelled.heard() => self.stop_cancelled().await,
                _ = look.tick() => self.recover().await,
            };
            let done = match done {
                Ok(()) => self.fill_seats().await,
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                tracing::warn!(error = %chain(&error), "no run could be claimed");
            }
        }
    }

    /// Claims runs as long as there are seats and runs.
    async fn fill_seats(&self) -> Result<()> {
        while let Some(seat) = self.seat() {
            let now = self.0.clock.now();
            match claim::claim(&self.0.db, now, now + LEASE, self.0.shares).await? {
                Claimed::Run(claim) => self.work(*claim, seat),
                Claimed::Broken(run) => tracing::error!(run = %run, "a run's definition can't be read"),
                Claimed::Lost => {}
                Claimed::Nothing => return Ok(()),
            }
        }
        Ok(())
    }

    async fn recover(&self) -> Result<()> {
        let now = self.0.clock.now();
        let (requeued, over) = claim::recover(&self.0.db, now, now + LEASE).await?;
        if requeued > 0 || !over.is_empty() {
            tracing::warn!(requeued, over = over.len(), "runs whose workers were lost");
        }
        for run in over {
            let engine = self.clone();
            self.0.drain.spawn(async move {
                if let Err(error) = close::close(&engine, &run).await {
                    tracing::warn!(run = %run.claim.run, error = %chain(&error), "run not closed yet");
                }
                engine.ring();
            });
        }
        Ok(())
    }

    async fn stop_cancelled(&self) -> Result<()> {
        for run in claim::to_cancel(&self.0.db).await? {
            if let Some(working) = self.working().get(&run) {
                working.stop.cancel();
            }
        }
        Ok(())
    }
}
