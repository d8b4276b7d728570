//! Datasets that run by themselves (spec-store.md 2.6). Each moment is taken by one process, in the transaction that adds the
//! revision. However many moments were missed, one run makes up for them; while the scheduled run before is open, a moment is passed over.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use madang_kit::{
    Context, Drain, Error, Result,
    error::chain,
    timer::{self, Due},
};
use serde_json::Value;

use crate::{
    SpecStore,
    spec::schedule,
    store::{dataset, revision},
    upload::{self, Origin, Wanted},
};

/// The longest sleep: the clock may be moved, and other processes move timers.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Timers that are looked at in one go.
const AT_ONCE: i64 = 100;
/// Of these, so many at the same time: their commits share syncs.
const TOGETHER: usize = 8;

/// Starts the task that fires schedules.
pub(crate) fn start(store: &SpecStore, drain: &Drain) {
    let (store, stop) = (store.clone(), drain.token());
    drain.spawn(async move {
        stop.run_until_cancelled(async {
            loop {
                let next = match look(&store).await {
                    Ok(next) => next,
                    Err(error) => {
                        tracing::warn!(error = %chain(&error), "schedules were not looked at");
                        None
                    }
                };
                let until = next.and_then(|next| (next - store.clock.now()).to_std().ok()).unwrap_or(LOOK_EVERY).min(LOOK_EVERY);
                tokio::select! {
                    () = store.scheduled.heard() => {}
                    () = tokio::time::sleep(until) => {}
                }
            }
        })
        .await;
    });
}

/// Fires what is due, and tells when something is due next.
async fn look(store: &SpecStore) -> Result<Option<DateTime<Utc>>> {
    let now = store.clock.now();
    let next = timer::next(&store.db).await?;
    if next.is_none_or(|next| next > now) {
        return Ok(next);
    }
    let due = timer::due(&store.db, now, AT_ONCE).await?;
    futures::stream::iter(due)
        .for_each_concurrent(TOGETHER, |due| async move {
            if let Err(error) = fire(store, &due, now).await {
                tracing::warn!(dataset = due.owner, error = %chain(&error), "schedule not fired yet");
            }
        })
        .await;
    timer::next(&store.db).await
}

/// Takes a due moment, and all that came after it until now.
async fn fire(store: &SpecStore, due: &Due, now: DateTime<Utc>) -> Result<()> {
    let mut tx = store.db.begin().await?;
    let Some(dataset) = dataset::lock(&mut tx, &due.owner, now).await? else {
        timer::take(&mut tx, due, None).await?;
        return Ok(tx.commit().await?);
    };
    let spec: Value = serde_json::from_str(&dataset.spec).map_err(Error::internal)?;
    let schedule = schedule::read(spec.get("schedule").unwrap_or(&Value::Null)).unwrap_or_default();
    let next = schedule.and_then(|schedule| schedule.next(Some(due.due_at), now));
    if !timer::take(&mut tx, due, next).await? {
        return Ok(()); // another process was quicker
    }
    if revision::scheduled_is_open(&mut tx, &dataset.id).await? {
        tracing::info!(dataset = dataset.id, "the scheduled run before is still open: passed over");
        return Ok(tx.commit().await?);
    }
    let origin: Origin = serde_json::from_str(&dataset.origin).map_err(Error::internal)?;
    let context = Context::new(origin.principal.clone());
    match Wanted::again(&dataset.spec, origin, false, "schedule")? {
        Ok(wanted) => drop(upload::add(store, &mut tx, &context, wanted, now).await?),
        Err(refused) => tracing::warn!(dataset = dataset.id, reason = refused.text(), "a stored spec does not hold any more"),
    }
    tx.commit().await?;
    store.commands.ring();
    Ok(())
}
