//! What every service does in the background for its own database.

use std::time::Duration;

use crate::{Clock, Db, Drain, Result, audit, error::chain, idempotency};

const SEAL_EVERY: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_mins(10);

/// Seals audit records, empties the write-ahead log and forgets expired answers until the process drains.
pub fn spawn(db: &Db, clock: &Clock, drain: &Drain) {
    let sealing = db.clone();
    every(SEAL_EVERY, drain, "audit records not sealed yet", move || {
        let db = sealing.clone();
        async move { audit::seal(&db).await }
    });
    let folding = db.clone();
    every(SWEEP_EVERY, drain, "the write-ahead log not emptied yet", move || {
        let db = folding.clone();
        async move {
            db.fold_log().await?;
            Ok(())
        }
    });
    let (sweeping, clock) = (db.clone(), clock.clone());
    every(SWEEP_EVERY, drain, "expired answers not removed yet", move || {
        let (db, clock) = (sweeping.clone(), clock.clone());
        async move {
            let mut tx = db.begin().await?;
            idempotency::sweep(&mut tx, &clock).await?;
            Ok(tx.commit().await?)
        }
    });
}

/// Does something now and then until the process drains; a failure is logged and tried again next time.
pub fn every<F, W>(period: Duration, drain: &Drain, failure: &'static str, work: W)
where
    F: Future<Output = Result<()>> + Send,
    W: Fn() -> F + Send + 'static,
{
    let stop = drain.token();
    drain.spawn(async move {
        while stop.run_until_cancelled(tokio::time::sleep(period)).await.is_some() {
            if let Err(error) = work().await {
                tracing::warn!(error = %chain(&error), "{failure}");
            }
        }
    });
}
