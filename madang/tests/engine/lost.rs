//! Runs whose workers are lost at their worst moments: after a step has published, before that is written down.

use std::{collections::HashSet, time::Duration};

use futures::{StreamExt, stream};
use madang_proto::pipeline::v1::{Run, RunState};

use crate::{
    AT_ONCE,
    house::{House, LEASE_MS, ROWS},
    proof::tell,
};

/// Every write of a run's progress, as a statement that the database is made to refuse: none of what its transaction holds is kept, and
/// the worker is lost to its run.
const WRITES: &[&str] = &[
    "UPDATE ON step_run WHEN NEW.name = 'copy' AND NEW.state = 'succeeded'",
    "UPDATE ON step_run WHEN NEW.name = 'sum' AND NEW.state = 'running'",
    "UPDATE ON step_run WHEN NEW.name = 'sum' AND NEW.state = 'succeeded'",
    "INSERT ON checkpoint",
    "INSERT ON run_log",
    "UPDATE ON run WHEN NEW.state = 'succeeded'",
];
/// Far longer than a run takes.
const UNDISTURBED: Duration = Duration::from_millis(1_500);

/// A run whose worker could not write.
async fn disturbed(house: &House, write: &str) -> Run {
    house.refuse(write).await;
    let run = house.start().await;
    tokio::time::sleep(UNDISTURBED).await;
    let found = house.look(&run).await;
    assert_eq!(found.state(), RunState::Running, "{write}: {found:?}");
    run
}

/// A step that can't write down what it reads fails, and has published nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_without_pins_fails() {
    let house = House::new().await;
    house.upload(&ROWS).await;
    house.refuse("INSERT ON run_pin").await;
    let failed = house.run_to_end().await;
    assert_eq!(failed.state(), RunState::Failed, "{failed:?}");
    house.check_steps(&failed).await;
    house.allow().await;
    assert_eq!(house.run_to_end().await.state(), RunState::Succeeded);
    house.check_all_once("after a run without pins").await;
}

/// Each write of a run's progress fails: the next attempt finds out what there is and ends the run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_failed_once() {
    let walks = WRITES.iter().map(|write| async move {
        let house = House::new().await;
        house.upload(&ROWS[..2]).await;
        let run = disturbed(&house, write).await;
        house.allow().await;
        house.upload(&ROWS[2..3]).await; // not to be seen by this run: its pins stand, if it had come to write them
        house.move_clock(LEASE_MS);
        let ended = house.ended(&run).await;
        assert_eq!((ended.state(), ended.attempts), (RunState::Succeeded, 2), "{write}: {ended:?}");
        house.upload(&ROWS[3..]).await;
        assert_eq!(house.run_to_end().await.state(), RunState::Succeeded);
        house.check_all_once(write).await;
    });
    let count = stream::iter(walks).buffer_unordered(AT_ONCE).count().await;
    tell(&format!("faults: {count} writes of a run's progress failed in turn, then taken up again; every row carried over once"));
}

/// Each write fails in both attempts, so that the run is closed: what it published counts as done and as read, the rest failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_failed_for_good() {
    let walks = WRITES.iter().map(|write| async move {
        let house = House::new().await;
        house.upload(&ROWS[..2]).await;
        let run = disturbed(&house, write).await;
        house.move_clock(LEASE_MS);
        house.until(&run, |run| run.attempts == 2).await;
        tokio::time::sleep(UNDISTURBED).await;
        house.allow().await;
        house.move_clock(2 * LEASE_MS);
        let ended = house.ended(&run).await;
        house.check_steps(&ended).await;
        let states: HashSet<_> = ended.steps.iter().map(madang_proto::pipeline::v1::StepRun::state).collect();
        let all_made = states == HashSet::from([RunState::Succeeded]);
        assert_eq!(ended.state() == RunState::Succeeded, all_made, "{write}: {ended:?}");
        house.upload(&ROWS[2..]).await;
        assert_eq!(house.run_to_end().await.state(), RunState::Succeeded);
        house.check_all_once(write).await;
        all_made
    });
    let ends: Vec<bool> = stream::iter(walks).buffer_unordered(AT_ONCE).collect().await;
    let made = ends.iter().filter(|made| **made).count();
    assert!(made > 0 && made < ends.len(), "{ends:?}");
    tell(&format!(
        "faults: {} writes failed for good in turn: {made} runs closed as completed, {} as failed; a step counts as done exactly if it had \
         published, and the next run carries over every other row once",
        ends.len(),
        ends.len() - made
    ));
}

/// Both attempts stand still before they publish. When they wake, the run has failed: what they ask for is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_run_publishes_nothing_any_more() {
    let house = House::new().await;
    house.upload(&ROWS).await;
    house.faults.hold_all("/CommitTables");
    let run = house.start().await;
    for attempt in 1..=2 {
        assert!(house.faults.until_held_or(house.ended(&run)).await, "attempt {attempt}");
        house.move_clock(attempt * LEASE_MS);
    }
    let ended = house.ended(&run).await;
    assert_eq!((ended.state(), ended.attempts), (RunState::Failed, 2), "{ended:?}");
    for _ in 1..=2 {
        let (method, status) = house.faults.release().await.expect("it was held");
        assert_eq!(status, tonic::Code::FailedPrecondition, "{method}");
    }
    house.check_steps(&ended).await;
    house.faults.set(None);
    assert_eq!(house.run_to_end().await.state(), RunState::Succeeded);
    house.check_all_once("after a failed run").await;
}

impl House {
    /// From now on the pipelines' database refuses a write: `INSERT ON table`, `UPDATE ON table WHEN …`.
    pub(crate) async fn refuse(&self, write: &str) {
        let text = match write.split_once(" WHEN ") {
            Some((before, condition)) => {
                format!("CREATE TRIGGER refused BEFORE {before} WHEN {condition} BEGIN SELECT RAISE(ABORT, 'refused'); END")
            }
            None => format!("CREATE TRIGGER refused BEFORE {write} BEGIN SELECT RAISE(ABORT, 'refused'); END"),
        };
        self.change(text).await;
    }

    /// It takes every write again.
    pub(crate) async fn allow(&self) {
        self.change("DROP TRIGGER refused".to_owned()).await;
    }

    async fn change(&self, text: String) {
        let mut tx = self.database.begin().await.unwrap();
        tx.query(sqlx::AssertSqlSafe(text)).run().await.unwrap();
        tx.commit().await.unwrap();
    }
}
