//! The vacuum: files that nobody needs any more go, in the background.
//!
//! * Staged files that are in no version, a day after they were written ([`crate::publish`] takes none that old).
//! * Files that left the newest version longer ago than the dataset's option says. First the versions that need them are refused
//!   ("no longer kept"), then, after a time of grace for those who read them at that moment, the files go. Without the option all
//!   versions stay.
//! * Everything of a deleted dataset, a while after its deletion.

use std::time::Duration;

use chrono::TimeDelta;
use madang_kit::{Code, Drain, Error, Result, error::chain, housekeeping};
use madang_lake::{Snapshot, TableId};

use crate::{
    Catalog,
    error::lake_error,
    options,
    store::{
        publish as journal,
        table::Table,
        upkeep::{self as store, Upkeep},
    },
    tail,
};

/// How often it is looked at the clock, which tests may turn, whether it is time for a vacuum.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const VACUUM_EVERY: TimeDelta = TimeDelta::hours(1);
/// The age at which files that are in no version go.
const STAGED_FOR: TimeDelta = TimeDelta::days(1);
/// How long somebody who has resolved a version may read it: longer than any query or step.
const GRACE: TimeDelta = TimeDelta::hours(1);
/// How long a deleted dataset's files are kept, unless its options say another time.
const DELETED_FOR: TimeDelta = TimeDelta::days(7);

/// Cleans up now and then until the process drains.
pub(crate) fn spawn(catalog: Catalog, drain: &Drain) {
    let stop = drain.token();
    let last = std::sync::Arc::new(std::sync::Mutex::new(None));
    housekeeping::every(LOOK_EVERY, drain, "files not cleaned up yet", move || {
        let (catalog, stop, last) = (catalog.clone(), stop.clone(), last.clone());
        async move {
            let now = catalog.clock.now();
            {
                let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if last.is_some_and(|last| now.signed_duration_since(last) < VACUUM_EVERY) {
                    return Ok(());
                }
                *last = Some(now);
            }
            stop.run_until_cancelled(vacuum(&catalog)).await.unwrap_or(Ok(()))
        }
    });
}

/// Looks at every table. One that can't be cleaned up now holds up no other.
async fn vacuum(catalog: &Catalog) -> Result<()> {
    for table in catalog.lake.tables().await.map_err(lake_error)? {
        if let Err(error) = clean(catalog, &table).await {
            tracing::warn!(table = %table, error = %chain(&error), "a table is not cleaned up yet");
        }
    }
    Ok(())
}

async fn clean(catalog: &Catalog, table: &TableId) -> Result<()> {
    let now = catalog.clock.now();
    let Some(kept) = store::kept(&catalog.db, table.as_str()).await? else {
        return sweep(catalog, table, 0).await.map(drop); // staged for a table that never came to be
    };
    let retention = options::file_retention(&kept.options);
    if matches!(kept.state.as_str(), "deleted" | "purged") {
        if now.signed_duration_since(kept.modified_at) >= retention.unwrap_or(DELETED_FOR).max(GRACE) {
            let files = catalog.lake.remove(table).await.map_err(lake_error)?;
            tracing::info!(table = %table, files, "removed the table of a deleted dataset");
        }
        return Ok(());
    }
    let swept_to = sweep(catalog, table, kept.swept_to).await?;
    if swept_to > kept.swept_to {
        let mut tx = catalog.db.begin().await?;
        store::set_swept(&mut tx, &kept.id, swept_to).await?;
        store::look_again(&mut tx, &kept.id).await?;
        tx.commit().await?;
    }
    match retention {
        Some(retention) => expire(catalog, table, &kept, retention).await,
        None => Ok(()),
    }
}

/// Removes what was staged for nothing; gives the time up to which that is done.
async fn sweep(catalog: &Catalog, table: &TableId, from: i64) -> Result<i64> {
    let to = (catalog.clock.now() - STAGED_FOR).timestamp_millis();
    if to.saturating_sub(from) < VACUUM_EVERY.num_milliseconds() {
        return Ok(from); // just done, before a restart
    }
    let keep = journal::files_in_journal(&catalog.db, table.as_str()).await?;
    let files = catalog.lake.sweep(table, from, to, &keep).await.map_err(lake_error)?;
    if files > 0 {
        tracing::info!(table = %table, files, "removed files that were in no version");
    }
    Ok(to)
}

/// Either refuses versions from now on, or removes the files of those that were refused long enough.
async fn expire(catalog: &Catalog, table: &TableId, kept: &Upkeep, retention: TimeDelta) -> Result<()> {
    let now = catalog.clock.now();
    if kept.expired_to < kept.kept_from {
        if now.timestamp_millis().saturating_sub(kept.kept_since) < GRACE.num_milliseconds() {
            return Ok(());
        }
        let files = catalog.lake.expire(table, kept.expired_to, kept.kept_from).await.map_err(lake_error)?;
        tracing::info!(table = %table, files, version = kept.kept_from, "removed files that left the table long ago");
        let mut tx = catalog.db.begin().await?;
        store::set_expired(&mut tx, &kept.id, kept.kept_from).await?;
        return Ok(tx.commit().await?);
    }
    let newest = tail::settled(catalog, table).await?.version;
    let from = last_before(catalog, table, newest, (now - retention).timestamp_millis()).await?;
    if from <= kept.kept_from {
        return Ok(());
    }
    let mut tx = catalog.db.begin().await?;
    store::set_kept(&mut tx, &kept.id, from, now.timestamp_millis()).await?;
    Ok(tx.commit().await?)
}

/// The last version that was made before a time; 0 if there is none. Versions are in the order of their times.
async fn last_before(catalog: &Catalog, table: &TableId, newest: i64, time: i64) -> Result<i64> {
    let (mut low, mut high) = (0, newest);
    while low < high {
        let middle = low + (high - low + 1) / 2;
        let found = catalog.lake.history(table, Some(middle + 1), 1).await.map_err(lake_error)?;
        if found.first().is_some_and(|version| version.timestamp_ms < time) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(low)
}

/// A given version of a table that is there, unless it needs files that are no longer kept. What left before the first version that
/// is kept whole may be gone; so an older one must have no other files than that.
pub(crate) async fn older(catalog: &Catalog, table: &Table, id: &TableId, version: i64) -> Result<Snapshot> {
    let wanted = catalog.lake.snapshot(id, Some(version)).await.map_err(lake_error)?;
    if version >= table.kept_from {
        return Ok(wanted);
    }
    let whole = catalog.lake.snapshot(id, Some(table.kept_from)).await.map_err(lake_error)?;
    let is_kept = wanted.files.iter().all(|file| whole.files.iter().any(|there| there.path == file.path));
    if is_kept { Ok(wanted) } else { Err(Error::new(Code::NotFound, format!("version {version} is no longer kept"))) }
}
