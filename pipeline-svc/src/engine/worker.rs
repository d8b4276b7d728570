//! One worker on one run: it walks the steps while the lease is prolonged, and stops when the run should stop.

use std::time::Duration;

use madang_kit::{Error, Result, error::chain};
use madang_proto::pipeline::v1::RunState;
use tokio_util::sync::CancellationToken;

use super::{
    Engine,
    walk::{Stopped, Walk},
};
use crate::store::{
    claim::{self, Claim, LEASE, Lease},
    record::{self, Line, StepEnd, Transition},
};

const RENEW_EVERY: Duration = Duration::from_secs(10);
/// How often the clock, which tests may shift, is compared with the run's deadline.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(1);

pub(super) struct Worker<'a> {
    engine: &'a Engine,
    claim: &'a Claim,
    /// Set when somebody wants the run to stop.
    cancel: CancellationToken,
}

/// Why nobody may go on with the run here.
enum Away {
    /// Another worker has it, or it has ended.
    LeaseLost,
    /// The process stops.
    Draining,
}

/// Why a run is stopped before its end.
#[derive(Clone, Copy)]
enum Halt {
    Cancelled,
    TimedOut,
}

impl<'a> Worker<'a> {
    pub(super) fn new(engine: &'a Engine, claim: &'a Claim, cancel: CancellationToken) -> Self {
        Self { engine, claim, cancel }
    }

    /// Works until the run has ended, or is somebody else's.
    pub(super) async fn work(&self) -> Result<()> {
        let halt = CancellationToken::new();
        let mut why = None;
        let away = {
            let mut walk = Box::pin(Walk::begin(self.engine, self.claim, &halt));
            let mut lease = Box::pin(self.keep_lease());
            loop {
                tokio::select! {
                    stopped = &mut walk => match stopped? {
                        Stopped::Ended => return Ok(()),
                        Stopped::LeaseLost => break Away::LeaseLost,
                        Stopped::Halted(position) => return self.end(why.unwrap_or(Halt::Cancelled), position).await,
                    },
                    away = &mut lease => break away,
                    halted = self.halted(), if why.is_none() => {
                        why = Some(halted);
                        halt.cancel();
                    }
                }
            }
        };
        match away {
            Away::Draining => claim::release(&self.engine.0.db, self.claim).await,
            Away::LeaseLost => {
                tracing::warn!(run = %self.claim.run, fence = self.claim.fence, "lease lost");
                Ok(())
            }
        }
    }

    /// Prolongs the lease until it is lost or the process stops.
    async fn keep_lease(&self) -> Away {
        let engine = &self.engine.0;
        while engine.drain.token().run_until_cancelled(tokio::time::sleep(RENEW_EVERY)).await.is_some() {
            match claim::renew(&engine.db, self.claim, engine.clock.now() + LEASE).await {
                Ok(Lease::Held) => {}
                Ok(Lease::Cancelled) => self.cancel.cancel(),
                Ok(Lease::Lost) => return Away::LeaseLost,
                Err(error) => tracing::warn!(run = %self.claim.run, error = %chain(&error), "lease not prolonged yet"),
            }
        }
        Away::Draining
    }

    async fn halted(&self) -> Halt {
        while self.engine.0.clock.now() < self.claim.deadline {
            if self.cancel.run_until_cancelled(tokio::time::sleep(LOOK_AT_CLOCK)).await.is_none() {
                return Halt::Cancelled;
            }
        }
        Halt::TimedOut
    }

    /// Ends a run that was stopped, with the step that it was stopped in.
    async fn end(&self, why: Halt, position: usize) -> Result<()> {
        let (state, level, message) = match why {
            Halt::Cancelled => (RunState::Cancelled, "WARN", "cancelled".to_owned()),
            Halt::TimedOut => {
                let seconds = self.claim.plan.timeout.num_seconds();
                (RunState::Failed, "ERROR", format!("timeout: the run took longer than {seconds} seconds"))
            }
        };
        let end = StepEnd { comment: Some(message.clone()), ..StepEnd::default() };
        let transition = Transition {
            ended: Some((position, state, end)),
            run: Some(state),
            lines: vec![Line::of_run(level, &message)],
            ..Transition::default()
        };
        let engine = &self.engine.0;
        match record::write(&engine.db, self.claim, engine.clock.now(), transition).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::internal(error)),
        }
    }
}
