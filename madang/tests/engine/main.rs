//! The run engine against a catalogue that fails: every call is lost once, refused once, repeated once, and outlived once in turn. After
//! each, and one more run, every row must have been carried over exactly once.

#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

mod fault;
mod house;

use std::time::Duration;

use futures::{StreamExt, stream};
use madang_proto::pipeline::v1::RunState;

use crate::{
    fault::Fault,
    house::{House, ROWS},
};

/// Calls that one run makes of the catalogue, and a few more, so that the loops end beyond the last.
const CALLS: usize = 12;
/// Houses that are lived in at the same time.
const AT_ONCE: usize = 4;

/// Runs with one fault, then without; gives the state of the first run and the calls that it made.
async fn with_fault(fault: impl Fn(usize) -> Fault) {
    let walks = (0..CALLS).map(|call| {
        let fault = fault(call);
        async move {
            let house = House::new().await;
            house.upload(&ROWS[..2]).await;
            house.faults.set(Some((call, fault)));
            let first = house.run_to_end().await;
            let reached = house.faults.reached();
            house.faults.set(None);
            assert!(reached || first.state() == RunState::Succeeded, "{fault:?} at call {call}: {first:?}");
            house.check_steps(&first).await;
            house.upload(&ROWS[2..]).await;
            let second = house.run_to_end().await;
            assert_eq!(second.state(), RunState::Succeeded, "{fault:?} at call {call}: {second:?}");
            house.check_all_once(&format!("{fault:?} at call {call}, then {}", first.state().as_str_name())).await;
            reached
        }
    });
    let reached: Vec<bool> = stream::iter(walks).buffer_unordered(AT_ONCE).collect().await;
    let reached = reached.into_iter().filter(|reached| *reached).count();
    assert!((8..CALLS).contains(&reached), "the loop reaches every call and goes beyond the last: {reached}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_refused_once() {
    with_fault(|_| Fault::Refused).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_lost_once() {
    with_fault(|_| Fault::Lost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_repeated_once() {
    with_fault(|_| Fault::Twice).await;
}

/// A worker that stands still at each call in turn is outlived: another one takes the run up and ends it. What the first one does when it
/// wakes changes nothing; its publish is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_outlived_once() {
    let walks = (0..CALLS).map(|call| async move {
        let house = House::new().await;
        house.upload(&ROWS).await;
        house.faults.set(Some((call, Fault::Held)));
        let run = house.start().await;
        let held = tokio::time::timeout(Duration::from_secs(20), house.faults.until_held_or(house.ended(&run))).await.expect("it goes on");
        if !held {
            return None;
        }
        let ended = house.outlive(&run).await;
        assert_eq!((ended.state(), ended.attempts), (RunState::Succeeded, 2), "held at call {call}: {ended:?}");
        house.check_all_once(&format!("outlived at call {call}")).await;
        let status = house.faults.release().await;
        house.check_all_once(&format!("awake again at call {call}")).await;
        assert_eq!(house.run_to_end().await.state(), RunState::Succeeded);
        house.check_all_once(&format!("one more run after call {call}")).await;
        status
    });
    let statuses: Vec<_> = stream::iter(walks).buffer_unordered(AT_ONCE).collect().await;
    let statuses: Vec<_> = statuses.into_iter().flatten().collect();
    let commits: Vec<_> = statuses.iter().filter(|(method, _)| method.ends_with("/CommitTables")).collect();
    assert_eq!(commits.len(), 2, "two steps publish: {statuses:?}");
    for (method, status) in commits {
        assert_eq!(*status, tonic::Code::FailedPrecondition, "{method} of a worker that was outlived");
    }
}

/// One user's runs leave a seat to the others, although they came first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_user_leaves_a_seat_to_the_others() {
    let house = House::with(|config| config.workers = 2).await;
    house.upload(&ROWS).await;
    house.faults.set(Some((0, Fault::Held)));
    let (mine, waiting) = (house.start().await, house.start_another().await);
    assert!(house.faults.until_held_or(house.ended(&mine)).await);
    let other = house.as_somebody_else().await;
    let theirs = other.start_another().await;
    assert_eq!(other.ended(&theirs).await.state(), RunState::Succeeded);
    assert_eq!((house.look(&mine).await.state(), house.look(&waiting).await.state()), (RunState::Running, RunState::Queued));
    house.faults.release().await;
    for run in [&mine, &waiting] {
        assert_eq!(house.ended(run).await.state(), RunState::Succeeded);
    }
}
