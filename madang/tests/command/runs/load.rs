//! What is asked of the hub: clients that each have a pipeline, start runs of it, and poll the last one until it has ended.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde_json::{Value, json};

use super::door::Door;

/// Runs that a client starts before it waits for them.
const GROUP: u64 = 10;
/// As the tutorial's client does it; many of them take turns, so that looking is not all that the hub does.
pub(crate) const POLL_EVERY: Duration = Duration::from_secs(3);
/// For one run that ends soon.
pub(crate) const SOON: Duration = Duration::from_millis(200);
const POLLS_A_SECOND: u32 = 10;
/// For a group of runs: several lost workers, one after another.
const PATIENCE: Duration = Duration::from_mins(10);
/// Tables that several pipelines append to.
const TABLES: usize = 10;
/// Each run of these pipelines has a second step, which reads what the first one made.
const TWO_STEPS_EVERY: usize = 4;
/// Each run of these pipelines carries over what is new in a table.
const MIRROR_EVERY: usize = 10;

/// All clients.
pub(crate) struct Load {
    pub(crate) clients: Vec<Client>,
    pub(crate) runs: u64,
    started: AtomicU64,
    ended: AtomicU64,
}

/// One client with its pipeline.
pub(crate) struct Client {
    pub(crate) pipeline: String,
    pub(crate) work: Work,
    numbers: Vec<u64>,
    /// The number and the id of each run.
    started: Mutex<Vec<(u64, String)>>,
}

/// What a run does.
pub(crate) enum Work {
    /// Its step of this name appends a row with the run's number to this table.
    Rows(Vec<(&'static str, String)>),
    /// Carries over the new rows of one table into another.
    Mirror { of: String, to: String },
}

impl Load {
    /// So many runs, shared out among so many clients.
    pub(crate) async fn new(door: &Door, runs: u64, clients: u64) -> Self {
        let source = door.dataset().await;
        door.upload(&source, "n\n0\n").await;
        let tables = join_all((0..TABLES).map(|_| door.dataset())).await;
        for table in &tables {
            door.upload(table, "number\n0\n").await; // so that a mirror finds the table
        }
        let each = runs / clients;
        let mut made = Vec::new();
        for (at, client) in (0..clients).enumerate() {
            let table = tables[at % TABLES].clone();
            let (work, steps) = if at % MIRROR_EVERY == MIRROR_EVERY - 1 {
                mirror(door, table).await
            } else {
                rows(door, &source, table, at % TWO_STEPS_EVERY == 0).await
            };
            let pipeline = door.make("/api/v1/pipelines", json!({"name": "p", "steps": steps})).await;
            made.push(Client { pipeline, work, numbers: (1..=each).map(|run| client * each + run).collect(), started: Mutex::default() });
        }
        Self { clients: made, runs: each * clients, started: AtomicU64::new(0), ended: AtomicU64::new(0) }
    }

    /// All clients at once, until every run has ended.
    pub(crate) async fn work(&self, door: &Door) {
        join_all(self.clients.iter().map(|client| client.work(door, self))).await;
    }

    /// Runs that are not known to have ended, while there are more than one a client.
    pub(crate) fn is_busy(&self) -> bool {
        self.runs - self.ended.load(Ordering::Relaxed) > self.clients.len() as u64 || self.started.load(Ordering::Relaxed) < self.runs
    }
}

impl Client {
    async fn work(&self, door: &Door, load: &Load) {
        for group in self.numbers.chunks(usize::try_from(GROUP).expect("small")) {
            let mut last = String::new();
            for number in group {
                last = self.start(door, *number).await;
                load.started.fetch_add(1, Ordering::Relaxed);
            }
            let every = POLL_EVERY.max(Duration::from_secs(1) * u32::try_from(load.clients.len()).expect("some") / POLLS_A_SECOND);
            ended(door, &last, every).await; // and so have those before it: runs of one pipeline wait for one another
            load.ended.fetch_add(group.len() as u64, Ordering::Relaxed);
        }
    }

    /// Starts a run, once however often the request has to be sent.
    pub(crate) async fn start(&self, door: &Door, number: u64) -> String {
        let body = if let Work::Rows(_) = self.work { json!({"parameters": {"number": number}}) } else { json!({}) };
        let told = door.post(&format!("/api/v1/pipelines/{}/run", self.pipeline), body).await;
        let batch = told["batch_id"].as_str().expect("an id").to_owned();
        self.started.lock().unwrap_or_else(PoisonError::into_inner).push((number, batch.clone()));
        batch
    }

    /// The number and the id of each run.
    pub(crate) fn started(&self) -> Vec<(u64, String)> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Polls a run until it has ended; gives its state.
pub(crate) async fn ended(door: &Door, batch: &str, every: Duration) -> String {
    let began = Instant::now();
    loop {
        let told = door.get(&format!("/api/v1/batches/{batch}")).await;
        if told["status"] != "running" {
            return told["status"].as_str().expect("a state").to_owned();
        }
        assert!(began.elapsed() < PATIENCE, "it does not end: {told}");
        tokio::time::sleep(every).await;
    }
}

async fn mirror(door: &Door, of: String) -> (Work, Value) {
    let to = door.dataset().await;
    let steps = json!([step("carry", &json!(of), &to, "SELECT number FROM t", "cdc")]);
    (Work::Mirror { of, to }, steps)
}

async fn rows(door: &Door, source: &str, table: String, has_two_steps: bool) -> (Work, Value) {
    let mut steps = vec![step("row", &json!(source), &table, "SELECT n + $number AS number FROM t", "full")];
    let mut rows = vec![("row", table)];
    if has_two_steps {
        let second = door.dataset().await;
        steps.push(step("again", &json!({"step": "row", "output": "o"}), &second, "SELECT number FROM t", "full"));
        rows.push(("again", second));
    }
    (Work::Rows(rows), json!(steps))
}

fn step(name: &str, input: &Value, table: &str, query: &str, read_mode: &str) -> Value {
    let options = json!({"query": query, "read_mode": read_mode, "write_mode": "append"});
    json!({"name": name, "script": "sql", "inputs": {"t": input}, "outputs": {"o": table}, "options": options})
}
