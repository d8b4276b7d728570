//! Who works off flows: a flow is held for a minute and that is prolonged; a lost worker's flow is taken up by others, at most three times.

use std::time::Duration;

use chrono::TimeDelta;
use madang_kit::{Drain, Result, error::chain, housekeeping};

use super::{Flows, run};
use crate::store::flow::{
    self as store,
    claim::{self, Claim, TIMED_OUT},
};

const LEASE: TimeDelta = TimeDelta::seconds(60);
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// How often a worker that nobody wakes looks around.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a worker waits whose flow could not be worked on for a fault of ours.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts the workers, and who looks for flows that lost theirs.
pub(super) fn spawn(flows: &Flows, drain: &Drain) {
    for _ in 0..flows.bounds.workers {
        let (flows, stop) = (flows.clone(), drain.token());
        drain.spawn(async move {
            while !stop.is_cancelled() {
                match take(&flows).await {
                    Ok(Some(claim)) => {
                        flows.waiting.ring(); // there may be more for others
                        if stop.run_until_cancelled(Box::pin(work(&flows, &claim))).await.is_none()
                            && let Err(error) = claim::release(&flows.db, &claim).await
                        {
                            tracing::warn!(error = %chain(&error), "a flow is not given back; its lease runs out");
                        }
                        flows.waiting.ring(); // its owner has room again
                    }
                    Ok(None) => {
                        let heard = tokio::time::timeout(LOOK_EVERY, flows.waiting.heard());
                        let _ = stop.run_until_cancelled(heard).await;
                    }
                    Err(error) => {
                        tracing::warn!(error = %chain(&error), "flows not looked at yet");
                        let _ = stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await;
                    }
                }
            }
        });
    }
    let flows = flows.clone();
    housekeeping::every(LOOK_EVERY, drain, "flows that lost their worker are not looked for", move || {
        let flows = flows.clone();
        async move {
            if claim::recover(&flows.db, flows.clock.now()).await? {
                flows.waiting.ring();
                flows.events.ring();
            }
            Ok(())
        }
    });
}

async fn take(flows: &Flows) -> Result<Option<Claim>> {
    let now = flows.clock.now();
    claim::claim(&flows.db, now, now + LEASE, flows.bounds.per_owner).await
}

/// Works on a flow until it has ended, or is somebody else's.
async fn work(flows: &Flows, claim: &Claim) {
    let limit = TimeDelta::from_std(flows.bounds.of(&claim.request).time).unwrap_or(TimeDelta::MAX);
    let worked = tokio::select! {
        worked = run::run(flows, claim) => worked,
        () = held(flows, claim) => return,
        () = passed(flows, claim, limit) => close(flows, claim).await,
    };
    if let Err(error) = worked {
        tracing::error!(flow = claim.request.flow_id, error = %chain(&error), "a flow could not be worked on; it is taken up again");
        tokio::time::sleep(PAUSE).await;
        if let Err(error) = give_back(flows, claim).await {
            tracing::warn!(error = %chain(&error), "a flow is not given back; its lease runs out");
        }
    }
}

/// Prolongs the lease; ends when it is lost: somebody cancelled the flow, or took it up.
async fn held(flows: &Flows, claim: &Claim) {
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        match claim::renew(&flows.db, claim, flows.clock.now() + LEASE).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(error = %chain(&error), "a flow's lease is not prolonged yet"),
        }
    }
}

async fn passed(flows: &Flows, claim: &Claim, limit: TimeDelta) {
    while flows.clock.now() - claim.started_at < limit {
        tokio::time::sleep(PAUSE).await;
    }
}

async fn close(flows: &Flows, claim: &Claim) -> Result<()> {
    let mut tx = flows.db.begin().await?;
    if claim::hold(&mut tx, claim).await? {
        store::close(&mut tx, &claim.request.flow_id, claim.attempt, TIMED_OUT, flows.clock.now()).await?;
        tx.commit().await?;
        flows.events.ring();
    }
    Ok(())
}

/// Lets the lease run out now: the attempt counts.
async fn give_back(flows: &Flows, claim: &Claim) -> Result<()> {
    claim::renew(&flows.db, claim, flows.clock.now() - LEASE).await?;
    Ok(())
}
