//! Random numbers from a seed that can be given again (`CRASH_SEED`).

use std::{sync::Mutex, time::Duration};

use crate::proof::tell;

/// SplitMix64: good enough to choose moments.
#[derive(Debug)]
pub(crate) struct Dice(Mutex<u64>);

impl Dice {
    /// From `CRASH_SEED`, or anew; prints the seed, so that a failure can be looked for again.
    pub(crate) fn new(of: &str) -> Self {
        let given = std::env::var("CRASH_SEED").ok().map(|text| text.parse().expect("CRASH_SEED is a number"));
        let seed = given.unwrap_or_else(|| u64::from(chrono::Utc::now().timestamp_subsec_nanos()));
        tell(&format!("{of}: CRASH_SEED={seed}"));
        Self(Mutex::new(seed))
    }

    /// A number below `end`.
    pub(crate) fn below(&self, end: u64) -> u64 {
        let mut state = self.0.lock().expect("a lock");
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = *state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % end
    }

    /// A time shorter than `end`.
    pub(crate) fn time_below(&self, end: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(end.as_micros()).expect("a short time").max(1)))
    }
}

/// A number that a proof sets by a variable; a small one otherwise.
pub(crate) fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("the variable is a number"))
}
