//! Who does a thing first, and what came of it: remembered answers within a bound of memory.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use moka::{Expiry, sync::Cache};
use tokio::sync::watch;

use super::{Mark, Outcome, Turn};

/// Bytes of remembered answers; the least used go first.
const REMEMBERED_BYTES: u64 = 64 << 20;
/// What remembering costs beside the body, in bytes.
const OVERHEAD: usize = 512;
/// How long the others wait for the first.
const WAIT_WITHIN: Duration = Duration::from_mins(1);

/// Turns by name.
pub(super) struct Turns(Cache<Mark, Arc<Taken>>);

/// A turn that somebody took.
struct Taken {
    keep: Duration,
    state: watch::Sender<Option<Outcome>>,
}

/// A turn is remembered as long as it was to be kept.
struct Keep;

impl Expiry<Mark, Arc<Taken>> for Keep {
    fn expire_after_create(&self, _: &Mark, taken: &Arc<Taken>, _: Instant) -> Option<Duration> {
        Some(taken.keep)
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED_BYTES).weigher(|_, taken: &Arc<Taken>| taken.weight()).expire_after(Keep).build())
    }
}

impl Turns {
    pub(super) async fn turn(&self, name: Mark, keep: Duration) -> Turn {
        let until = tokio::time::Instant::now() + WAIT_WITHIN;
        loop {
            let entry = self.0.entry(name).or_insert_with(|| Arc::new(Taken { keep, state: watch::Sender::new(None) }));
            if entry.is_fresh() {
                return Turn::First;
            }
            let mut seen = entry.into_value().state.subscribe();
            let ended = tokio::time::timeout_at(until, seen.wait_for(Option::is_some)).await;
            match ended.map(|outcome| outcome.ok().and_then(|outcome| outcome.clone())) {
                Ok(Some(Outcome::Answer(answer))) => return Turn::Done(answer),
                Ok(Some(Outcome::TooLong)) => return Turn::NotKept,
                Ok(Some(Outcome::GivenUp) | None) => {} // it is taken out; the next round finds a free turn
                Err(_) => return Turn::Busy,
            }
        }
    }

    pub(super) fn settle(&self, name: Mark, outcome: Outcome) {
        let Some(taken) = self.0.get(&name) else { return };
        if matches!(outcome, Outcome::GivenUp) {
            self.0.invalidate(&name); // before the others are told, or they would find it again
        }
        let given_up = matches!(outcome, Outcome::GivenUp);
        taken.state.send_replace(Some(outcome));
        if !given_up {
            self.0.insert(name, taken); // weighed anew
        }
    }
}

impl Taken {
    fn weight(&self) -> u32 {
        let bytes = match &*self.state.borrow() {
            Some(Outcome::Answer(answer)) => answer.body.len(),
            _ => 0,
        };
        u32::try_from(bytes + OVERHEAD).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, StatusCode};
    use bytes::Bytes;

    use super::*;
    use crate::shared_state::Answer;

    const KEEP: Duration = Duration::from_mins(1);

    fn answer(text: &'static str) -> Outcome {
        Outcome::Answer(Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::from_static(text.as_bytes()) })
    }

    #[tokio::test]
    async fn others_wait_for_the_first_and_get_its_answer() {
        let turns = Arc::new(Turns::default());
        assert!(matches!(turns.turn([1; 32], KEEP).await, Turn::First));
        let waiting: Vec<_> =
            (0..5).map(|_| turns.clone()).map(|turns| tokio::spawn(async move { turns.turn([1; 32], KEEP).await })).collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(waiting.iter().all(|turn| !turn.is_finished()));
        turns.settle([1; 32], answer("once"));
        for turn in waiting {
            assert!(matches!(turn.await.expect("an end"), Turn::Done(answer) if answer.body == "once"));
        }
        assert!(matches!(turns.turn([1; 32], KEEP).await, Turn::Done(_)));
        assert!(matches!(turns.turn([2; 32], KEEP).await, Turn::First));
    }

    #[tokio::test]
    async fn a_turn_that_was_given_up_goes_to_exactly_one_other() {
        let turns = Arc::new(Turns::default());
        assert!(matches!(turns.turn([1; 32], KEEP).await, Turn::First));
        let waiting: Vec<_> = (0..5)
            .map(|_| turns.clone())
            .map(|turns| {
                tokio::spawn(async move {
                    let turn = turns.turn([1; 32], KEEP).await;
                    if matches!(turn, Turn::First) {
                        turns.settle([1; 32], answer("second"));
                    }
                    matches!(turn, Turn::First)
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        turns.settle([1; 32], Outcome::GivenUp);
        let mut first = 0;
        for turn in waiting {
            first += usize::from(turn.await.expect("an end"));
        }
        assert_eq!(first, 1);
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let turns = Turns::default();
        let body = Bytes::from(vec![0; 1 << 20]);
        for number in 0..200_u8 {
            assert!(matches!(turns.turn([number; 32], KEEP).await, Turn::First));
            let answer = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: body.clone() };
            turns.settle([number; 32], Outcome::Answer(answer));
        }
        turns.0.run_pending_tasks();
        assert!(turns.0.weighted_size() <= REMEMBERED_BYTES, "{}", turns.0.weighted_size());
    }
}
