//! What all gateways of an installation share for a short time. One trait; kept in memory while there is one process.

use std::time::Duration;

use async_trait::async_trait;
use moka::{Expiry, future::Cache};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

const COUNTERS: u64 = 200_000;
const MARKS: u64 = 1_000_000;

/// A digest that is compared and no more.
pub(crate) type Mark = [u8; 32];

/// Short-lived state of an installation.
#[async_trait]
pub(crate) trait SharedState: Send + Sync {
    /// Counts an event and returns how often it happened within the window that its first one opened.
    async fn count(&self, key: &str, window: Duration) -> u32;

    /// How often an event happened within its window.
    async fn counted(&self, key: &str) -> u32;

    /// Forgets an event.
    async fn forget(&self, key: &str);

    /// The first mark that came under this name within a time: this one, or an earlier one.
    async fn first_mark(&self, name: &str, mark: Mark, keep: Duration) -> Mark;
}

/// In the memory of this process.
pub(crate) struct Memory {
    counters: Cache<String, Counter>,
    marks: Cache<String, (Mark, Duration)>,
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

impl Default for Memory {
    fn default() -> Self {
        let counters = Cache::builder().max_capacity(COUNTERS).expire_after(Window).build();
        Self { counters, marks: Cache::builder().max_capacity(MARKS).expire_after(Window).build() }
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
}
