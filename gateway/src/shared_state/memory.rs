//! Shared state in the memory of this one process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use madang_kit::{Db, Result};
use moka::{Expiry, future::Cache};

use super::{Group, Mark, Outcome, SharedState, Turn, bucket::Buckets, drawer::Drawers, quota::Quotas, turn::Turns};

const COUNTERS: u64 = 200_000;
const MARKS: u64 = 1_000_000;

/// In the memory of this process.
pub(crate) struct Memory {
    counters: Cache<String, Counter>,
    marks: Cache<String, (Mark, Duration)>,
    turns: Turns,
    buckets: Buckets,
    quotas: Quotas,
    drawers: Drawers,
}

#[derive(Clone)]
struct Counter {
    window: Duration,
    events: Arc<AtomicU32>,
}

/// A counter lives for its window.
struct Window;

impl Expiry<String, Counter> for Window {
    fn expire_after_create(&self, _: &String, counter: &Counter, _: std::time::Instant) -> Option<Duration> {
        Some(counter.window)
    }
}

/// A mark lives as long as it was to be kept.
impl Expiry<String, (Mark, Duration)> for Window {
    fn expire_after_create(&self, _: &String, (_, keep): &(Mark, Duration), _: std::time::Instant) -> Option<Duration> {
        Some(*keep)
    }
}

impl Memory {
    /// Nothing yet, but for the counts in the database.
    pub(crate) fn new(db: &Db) -> Self {
        Self {
            counters: Cache::builder().max_capacity(COUNTERS).expire_after(Window).build(),
            marks: Cache::builder().max_capacity(MARKS).expire_after(Window).build(),
            turns: Turns::default(),
            buckets: Buckets::default(),
            quotas: Quotas::new(db.clone()),
            drawers: Drawers::default(),
        }
    }
}

#[async_trait]
impl SharedState for Memory {
    async fn count(&self, key: &str, window: Duration) -> u32 {
        let fresh = async { Counter { window, events: Arc::default() } };
        let counter = self.counters.get_with_by_ref(key, fresh).await;
        counter.events.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    async fn counted(&self, key: &str) -> u32 {
        self.counters.get(key).await.map_or(0, |counter| counter.events.load(Ordering::Relaxed))
    }

    async fn forget(&self, key: &str) {
        self.counters.invalidate(key).await;
    }

    async fn first_mark(&self, name: &str, mark: Mark, keep: Duration) -> Mark {
        self.marks.get_with_by_ref(name, async { (mark, keep) }).await.0
    }

    async fn turn(&self, name: Mark, keep: Duration) -> Turn {
        self.turns.turn(name, keep).await
    }

    fn settle(&self, name: Mark, outcome: Outcome) {
        self.turns.settle(name, outcome);
    }

    async fn take(&self, bucket: &str, per_second: u32) -> Option<Duration> {
        self.buckets.take(bucket, per_second)
    }

    async fn spend(&self, access_key: &str, period: &str, limit: i64) -> Result<bool> {
        self.quotas.spend(access_key, period, limit).await
    }

    fn unspent(&self, access_key: &str, period: &str) -> i64 {
        self.quotas.unspent(access_key, period)
    }

    async fn give_back(&self) -> Result<()> {
        self.quotas.give_back().await
    }

    async fn keep(&self, group: Group, name: &str, text: String, time: Duration) {
        self.drawers.keep(group, name, text, time);
    }

    async fn kept(&self, name: &str) -> Option<String> {
        self.drawers.kept(name)
    }
}
