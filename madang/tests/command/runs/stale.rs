//! A worker that stands still beyond its lease, and wakes: what it publishes then is refused, whatever became of its run.
//!
//! Two processes with one seat each. The first one, which the requests reach, works on a run that ends soon; so the run that is looked at
//! falls to the second one, which is stopped in its middle. A lease runs out at once when the clock is moved.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    crew::Crew,
    door::Door,
    load::{SOON, ended},
};
use crate::{dice::number, proof::tell};

/// More than a lease.
const LEASE_MS: i64 = 31_000;
/// On a busy machine the second one may notice that its lease was lost before it comes to publish: then nothing was tried,
/// and only a proof minds. (`madang/tests/engine/` holds the call itself.)
const TRIES: u64 = 3;
/// For what comes within seconds.
const LOOKS: u32 = 400;
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What the catalogue says of it (`catalog-svc/src/table.rs`).
const REFUSED: &str = "publish of an earlier attempt refused";
/// Waits until a moment, by the machine's clock, so that it waits no more when it is done again.
const SCRIPT: &str = "
import time
def run(t, options):
    time.sleep(max(0, options['parameters']['until'] - time.time()))
    return {'out': [{'number': options['parameters']['number']}]}
";
const VARIABLES: &[(&str, &str)] =
    &[("MADANG_PIPELINE_WORKERS", "1"), ("MADANG_PIPELINE_RUNS_PER_USER", "1000"), ("MADANG_PIPELINE_PYTHON", "python3")];

/// Two pipelines of one slow step, and who works on them.
struct Stage {
    crew: Crew,
    door: Door,
    pipelines: [String; 2],
    table: String,
    /// Rows of the table.
    rows: Vec<u64>,
    runs: u64,
}

impl Stage {
    async fn new() -> Option<Self> {
        let crew = Crew::of(2, VARIABLES).await?;
        let door = crew.door.clone();
        let code = door.make("/api/v1/codes", json!({"name": "slow", "type": "python"})).await;
        door.put_text(&format!("/api/v1/codes/{code}/file"), SCRIPT).await;
        let (source, table, other) = (door.dataset().await, door.dataset().await, door.dataset().await);
        door.upload(&source, "n\n0\n").await;
        let mut pipelines = [const { String::new() }; 2];
        for (pipeline, table) in pipelines.iter_mut().zip([&other, &table]) {
            let steps = json!([{"name": "s", "script": code, "inputs": {"t": source}, "outputs": {"out": table}}]);
            *pipeline = door.make("/api/v1/pipelines", json!({"name": "p", "steps": steps})).await;
        }
        Some(Self { crew, door, pipelines, table, rows: Vec::new(), runs: 0 })
    }

    /// Starts a run whose step takes some seconds from now.
    async fn start(&self, pipeline: usize, seconds: u64) -> String {
        let until = chrono::Utc::now() + Duration::from_secs(seconds);
        let body = json!({"parameters": {"number": self.runs, "until": until.timestamp()}});
        let told = self.door.post(&format!("/api/v1/pipelines/{}/run", self.pipelines[pipeline]), body).await;
        told["batch_id"].as_str().expect("an id").to_owned()
    }

    async fn trace(&self, batch: &str) -> Value {
        self.door.get(&format!("/api/v1/traces?batch_id={batch}")).await[0].clone()
    }

    /// A run of the second process, which is stopped in its middle, while the first one is free.
    async fn stopped(&mut self, seconds: u64) -> String {
        self.runs += 1;
        let short = self.start(0, 2).await;
        let run = self.start(1, seconds).await;
        self.until(&run, |trace| trace["state"]["steps"]["s"]["state"] == "running").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.crew.members[1].process.signal("STOP").await;
        self.until(&short, |trace| trace["state"]["state"] == "completed").await;
        run
    }

    async fn until(&self, batch: &str, holds: impl Fn(&Value) -> bool) {
        for _ in 0..LOOKS {
            if holds(&self.trace(batch).await) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        unreachable!("{}", self.trace(batch).await);
    }

    /// Publishes of earlier attempts that were refused.
    fn refusals(&self) -> usize {
        self.crew.others[0].told().matches(REFUSED).count()
    }

    /// Wakes the second process and waits until it has given its run up; whether it came to publish.
    async fn wake(&self) -> bool {
        let (refused, lost) = (self.refusals(), self.losses());
        self.crew.members[1].process.signal("CONT").await;
        for _ in 0..LOOKS {
            if self.losses() > lost {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        assert!(self.losses() > lost, "{}", self.crew.members[1].process.told());
        self.refusals() > refused
    }

    fn losses(&self) -> usize {
        self.crew.members[1].process.told().matches("lease lost").count()
    }

    async fn check(&self, about: &str) {
        let mut rows: Vec<u64> = self.door.rows(&self.table).await.iter().map(|row| row[0].as_u64().expect("a number")).collect();
        rows.sort_unstable();
        assert_eq!(rows, self.rows, "{about}");
    }
}

/// The run was taken up by another process, and published.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_outlived_publishes_nothing() {
    let Some(mut stage) = Stage::new().await else { return };
    let demanded = number("PROOF_STALE", 0);
    let (wanted, mut refused) = (demanded.max(1), 0);
    for _ in 0..wanted * TRIES {
        let run = stage.stopped(3).await;
        stage.crew.watch.forward(LEASE_MS);
        assert_eq!(ended(&stage.door, &run, SOON).await, "completed");
        stage.rows.push(stage.runs);
        stage.check("taken up").await;
        refused += u64::from(stage.wake().await);
        stage.check("awake again").await;
        if refused == wanted {
            break;
        }
    }
    assert!(refused >= demanded, "{refused} of {demanded} in {} tries", stage.runs);
    tell(&format!(
        "stale workers: {} runs taken up from a stopped worker, {refused} publishes tried after it woke, all refused",
        stage.runs
    ));
    stage.crew.leave().await;
}

/// The run was taken up by another process, which was lost, too; so it failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_of_a_failed_run_publishes_nothing() {
    let Some(mut stage) = Stage::new().await else { return };
    let demanded = number("PROOF_STALE", 0);
    let (wanted, mut refused) = (demanded.max(1), 0);
    for _ in 0..wanted * TRIES {
        let run = stage.stopped(6).await;
        stage.crew.watch.forward(LEASE_MS);
        let again = |trace: &Value| trace["logs"].as_array().is_some_and(|logs| logs.iter().any(|line| line["level"] == "WARN"));
        stage.until(&run, again).await;
        stage.crew.kill(0).await;
        stage.crew.start(0);
        stage.crew.members[0].process.serving().await;
        stage.crew.watch.forward(LEASE_MS);
        assert_eq!(ended(&stage.door, &run, SOON).await, "failed");
        refused += u64::from(stage.wake().await);
        stage.check("awake again").await;
        if refused == wanted {
            break;
        }
    }
    assert!(refused >= demanded, "{refused} of {demanded} in {} tries", stage.runs);
    tell(&format!(
        "stale workers: {} runs failed after two lost workers, {refused} publishes tried after one woke, all refused",
        stage.runs
    ));
    stage.crew.leave().await;
}
