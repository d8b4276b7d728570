//! Brings an index to the end of the log.

use std::{
    collections::{HashMap, HashSet},
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use madang_kit::{Code, Drain, Error, Result, error::chain, housekeeping};

use super::{
    document::document,
    fault,
    index::{Batch, Disk},
    load,
};
use crate::{
    Catalog,
    store::search::{self as store, Change, Changes},
};

/// How often the log is looked at if nobody searches.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Datasets of one commit.
const BATCH: usize = 500;
/// Ways in which a new index catches up before the old one has to wait for it.
const CATCH_UPS_MAX: usize = 20;
/// How often older entries of the log are removed.
const PRUNE_EVERY: Duration = Duration::from_mins(1);

/// An index and how far it has followed the log.
#[derive(Default)]
pub(super) struct Follower {
    disk: Option<Disk>,
    /// Everything before this place is in the index.
    place: i64,
    /// What is in the index from there on: dataset to number and place.
    applied: HashMap<String, (i64, i64)>,
}

/// Follows the log until the process stops.
pub(crate) fn spawn(catalog: Catalog, drain: &Drain) {
    let (stop, db) = (drain.token(), catalog.db.clone());
    housekeeping::every(PRUNE_EVERY, drain, "the log of changes is not pruned yet", move || {
        let db = db.clone();
        async move { store::prune(&db).await }
    });
    drain.spawn(async move {
        let search = catalog.search.clone();
        loop {
            let number = search.0.started.fetch_add(1, Ordering::SeqCst) + 1;
            let Some(outcome) = stop.run_until_cancelled(step(&catalog)).await else { return };
            if let Err(error) = &outcome {
                tracing::warn!(error = %chain(error), "the search index can't follow");
            }
            search.0.ended.send_replace((number, outcome.is_ok()));
            let waited = stop.run_until_cancelled(tokio::time::timeout(LOOK_EVERY, search.0.wake.notified())).await;
            if waited.is_none() {
                return;
            }
        }
    });
}

/// One way to the end of the log.
async fn step(catalog: &Catalog) -> Result<()> {
    let mut follower = catalog.search.0.follower.lock().await;
    if follower.disk.is_none() {
        let (root, site) = (catalog.search.0.root.clone(), site(catalog));
        *follower = Follower::of(blocking(move || Disk::open(&root, &site).map_err(fault)).await?);
    }
    if follower.catch_up(catalog).await?.is_none() {
        // The database is older than the index: it was put back.
        let (root, site) = (catalog.search.0.root.clone(), site(catalog));
        let disk = blocking(move || {
            let disk = Disk::create(&root, &site).map_err(fault)?;
            disk.serve(&root).map_err(Error::internal)?;
            Ok(disk)
        });
        *follower = Follower::of(disk.await?);
        follower.catch_up(catalog).await?;
    }
    follower.show(catalog);
    Ok(())
}

/// Builds an index beside the one that serves, and puts it in its place.
///
/// # Errors
/// [`Code::Conflict`] if one is being built.
pub(crate) async fn rebuild(catalog: &Catalog) -> Result<u64> {
    let search = &catalog.search.0;
    let _building = search.building.try_lock().map_err(|_| Error::new(Code::Conflict, "the search index is being built already"))?;
    let (root, site) = (search.root.clone(), site(catalog));
    let mut fresh = Follower::of(blocking(move || Disk::create(&root, &site).map_err(fault)).await?);
    for _ in 0..CATCH_UPS_MAX {
        if fresh.catch_up(catalog).await?.is_none_or(|changes| changes <= BATCH) {
            break;
        }
    }
    let mut serving = search.follower.lock().await;
    fresh.catch_up(catalog).await?;
    if let Some(disk) = &fresh.disk {
        disk.serve(&search.root).map_err(Error::internal)?;
    }
    fresh.show(catalog);
    let count = fresh.disk.as_ref().map_or(0, |disk| disk.reader.searcher().num_docs());
    *serving = fresh;
    Ok(count)
}

/// What documents depend on beside the database.
fn site(catalog: &Catalog) -> String {
    format!("{} {}", catalog.site.site_id, catalog.site.remove_deleted_packages)
}

impl Follower {
    fn of(disk: Disk) -> Self {
        Self { place: disk.checkpoint.place, disk: Some(disk), applied: HashMap::new() }
    }

    /// Lets searches use the index.
    fn show(&self, catalog: &Catalog) {
        if let Some(disk) = &self.disk {
            let mut serving = catalog.search.0.serving.write().unwrap_or_else(PoisonError::into_inner);
            *serving = Some((disk.fields.clone(), disk.reader.clone()));
        }
    }

    /// Goes to the end of the log; tells how many datasets had changed, or nothing if the log ends before the index does.
    async fn catch_up(&mut self, catalog: &Catalog) -> Result<Option<usize>> {
        let Changes { horizon, changes } = store::changes(&catalog.db, self.place).await?;
        if horizon < self.place {
            return Ok(None);
        }
        let is_new = |change: &Change| self.applied.get(&change.dataset).is_none_or(|(seq, _)| *seq < change.seq);
        let fresh: Vec<Change> = changes.into_iter().filter(is_new).collect();
        let (mut known, mut wanted) = (HashSet::new(), Vec::new());
        for change in &fresh {
            if known.insert(change.dataset.as_str()) {
                wanted.push((change.dataset.clone(), change.place));
            }
        }
        for (number, batch) in wanted.chunks(BATCH).enumerate() {
            let next = wanted.get((number + 1) * BATCH).map_or(horizon, |(_, place)| (*place).min(horizon));
            self.apply(catalog, batch.iter().map(|(dataset, _)| dataset.clone()).collect(), next).await?;
        }
        for change in &fresh {
            let newest = self.applied.entry(change.dataset.clone()).or_insert((change.seq, change.place));
            *newest = (newest.0.max(change.seq), newest.1.max(change.place));
        }
        self.place = horizon;
        self.applied.retain(|_, (_, place)| *place >= horizon);
        Ok(Some(wanted.len()))
    }

    /// Brings some datasets into the index as they are now.
    async fn apply(&mut self, catalog: &Catalog, ids: Vec<String>, place: i64) -> Result<()> {
        let entries = load::entries(catalog, ids.clone()).await?;
        let Some(mut disk) = self.disk.take() else { return Err(Error::internal("there is no index")) };
        let (site_id, now) = (catalog.site.site_id.clone(), catalog.clock.now().timestamp_micros());
        let applied = blocking(move || {
            let documents = entries.iter().map(|entry| document(&disk.fields, entry, &site_id, now));
            let documents = documents.collect::<tantivy::Result<_>>().map_err(fault)?;
            disk.apply(Batch { ids, documents, place }).map_err(fault)?;
            Ok(disk)
        });
        self.disk = Some(applied.await?); // after a failure it is opened anew
        Ok(())
    }
}

/// Work of the disk and the processor, away from the threads that answer.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}
