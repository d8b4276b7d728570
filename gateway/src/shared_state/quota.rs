//! Calendar quotas. The count stands in the database, and a process takes requests from it in blocks of a hundredth of the quota: few
//! writes, no count is lost whatever happens to the process, and several gateways share one quota. A crash leaves at most one block
//! counted and not used.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use madang_kit::{Db, Result};
use moka::sync::Cache;
use tokio::sync::Mutex;

use crate::identity::key_store;

const BLOCKS: u64 = 200_000;
/// A block is this part of the quota, and at most [`LARGEST_BLOCK`].
const PART: i64 = 100;
const LARGEST_BLOCK: i64 = 1_000;
/// How long a quota that was found used up is not asked for again.
const USED_UP_FOR: Duration = Duration::from_secs(1);

/// Blocks of requests by key and period.
pub(super) struct Quotas {
    db: Db,
    blocks: Cache<(String, String), Arc<Block>>,
}

#[derive(Default)]
struct Block {
    left: AtomicI64,
    /// Who takes the next block, takes it for all who wait: since when, and of which quota, nothing was left.
    used_up: Mutex<Option<(Instant, i64)>>,
}

impl Quotas {
    pub(super) fn new(db: Db) -> Self {
        Self { db, blocks: Cache::builder().max_capacity(BLOCKS).build() }
    }

    pub(super) async fn spend(&self, access_key: &str, period: &str, limit: i64) -> Result<bool> {
        let block = self.blocks.get_with((access_key.to_owned(), period.to_owned()), Arc::default);
        if block.take() {
            return Ok(true);
        }
        let mut used_up = block.used_up.lock().await;
        if block.take() {
            return Ok(true);
        }
        if used_up.is_some_and(|(since, of)| of == limit && since.elapsed() < USED_UP_FOR) {
            return Ok(false);
        }
        let mut tx = self.db.begin().await?;
        let taken = key_store::take_usage(&mut tx, access_key, period, limit, (limit / PART).clamp(1, LARGEST_BLOCK)).await?;
        tx.commit().await?;
        *used_up = (taken == 0).then(|| (Instant::now(), limit));
        block.left.fetch_add((taken - 1).max(0), Ordering::Relaxed);
        Ok(taken > 0)
    }

    pub(super) fn unspent(&self, access_key: &str, period: &str) -> i64 {
        let block = self.blocks.get(&(access_key.to_owned(), period.to_owned()));
        block.map_or(0, |block| block.left.load(Ordering::Relaxed))
    }

    pub(super) async fn give_back(&self) -> Result<()> {
        let left: Vec<_> = self.blocks.iter().map(|(name, block)| (name, block.left.swap(0, Ordering::Relaxed))).collect();
        let mut left = left.into_iter().filter(|(_, left)| *left > 0).peekable();
        if left.peek().is_none() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        for (name, left) in left {
            key_store::return_usage(&mut tx, &name.0, &name.1, left).await?;
        }
        Ok(tx.commit().await?)
    }
}

impl Block {
    fn take(&self) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| (left > 0).then(|| left - 1)).is_ok()
    }
}
