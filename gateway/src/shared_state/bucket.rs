//! Token buckets: so many a second, and as many at once.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use moka::sync::Cache;

const BUCKETS: u64 = 200_000;
/// A bucket that nobody takes from is full again by then.
const IDLE: Duration = Duration::from_mins(1);

/// Buckets by name.
pub(super) struct Buckets(Cache<String, Arc<Mutex<Bucket>>>);

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Default for Buckets {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(BUCKETS).time_to_idle(IDLE).build())
    }
}

impl Buckets {
    /// Takes a token, or tells how long until there is one.
    pub(super) fn take(&self, name: &str, per_second: u32) -> Option<Duration> {
        let full = || Arc::new(Mutex::new(Bucket { tokens: f64::from(per_second), at: Instant::now() }));
        let bucket = self.0.entry_by_ref(name).or_insert_with(full).into_value();
        bucket.lock().unwrap_or_else(PoisonError::into_inner).take(per_second, Instant::now())
    }
}

impl Bucket {
    fn take(&mut self, per_second: u32, now: Instant) -> Option<Duration> {
        let (rate, passed) = (f64::from(per_second.max(1)), now.saturating_duration_since(self.at));
        self.tokens = (self.tokens + passed.as_secs_f64() * rate).min(rate);
        self.at = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return None;
        }
        Some(Duration::from_secs_f64((1.0 - self.tokens) / rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_at_once_as_in_a_second_and_then_one_by_one() {
        let start = Instant::now();
        let mut bucket = Bucket { tokens: 5.0, at: start };
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert!((0..5).all(|_| bucket.take(5, at(0)).is_none()));
        assert_eq!(bucket.take(5, at(0)), Some(Duration::from_millis(200)));
        assert!(bucket.take(5, at(201)).is_none() && bucket.take(5, at(201)).is_some());
        assert!((0..5).all(|_| bucket.take(5, at(60_000)).is_none()), "never more than a second's worth");
        assert!(bucket.take(5, at(60_000)).is_some());
    }
}
