//! The count at the end: every run in the list, ended once; a row for each step that succeeded, none for any other.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry};

use serde_json::Value;

use super::{
    door::Door,
    load::{Client, Load, POLL_EVERY, Work, ended},
};

/// Why a run ended whose workers were lost (`pipeline-svc/src/store/claim.rs`).
const LOST: &str = "the worker was lost once too often";
/// Runs in a list with their logs.
const LISTED: usize = 100;

/// Sums for the report.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) completed: usize,
    /// Their workers were lost twice.
    pub(crate) failed: usize,
    /// Begun again after a worker was lost.
    pub(crate) again: usize,
    /// Rows that the runs made.
    pub(crate) rows: usize,
    /// The longest from a first step to its run's end, in milliseconds.
    pub(crate) longest: i64,
    /// When the last one ended, in milliseconds since 1970.
    pub(crate) last_end: i64,
}

/// How often each number is in each table.
#[derive(Default)]
struct Tables(HashMap<String, BTreeMap<u64, usize>>);

impl Tables {
    async fn count(&mut self, door: &Door, table: &str) -> &BTreeMap<u64, usize> {
        match self.0.entry(table.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let mut counts = BTreeMap::new();
                for row in door.rows(table).await {
                    *counts.entry(row[0].as_u64().expect("a number")).or_default() += 1;
                }
                new.insert(counts)
            }
        }
    }
}

/// Looks at every run and at every row.
pub(crate) async fn count(door: &Door, load: &Load) -> Figures {
    let (mut figures, mut tables) = (Figures::default(), Tables::default());
    let mut made: HashMap<&str, usize> = HashMap::new();
    for client in &load.clients {
        let runs = listed(door, client).await;
        for (number, batch) in client.started() {
            let trace = &runs[&batch];
            note(&mut figures, trace);
            if let Work::Rows(steps) = &client.work {
                for (step, table) in steps {
                    let is_there = check_step(number, step, trace, tables.count(door, table).await.get(&number).copied().unwrap_or(0));
                    *made.entry(table).or_default() += usize::from(is_there);
                }
            }
        }
    }
    for (table, made) in &made {
        let there: usize = tables.count(door, table).await.iter().filter(|(number, _)| **number > 0).map(|(_, count)| count).sum();
        assert_eq!(there, *made, "rows of nobody in {table}");
    }
    figures.rows = made.values().sum();
    for client in &load.clients {
        if let Work::Mirror { of, to } = &client.work {
            let last = client.start(door, 0).await;
            assert_eq!(ended(door, &last, POLL_EVERY).await, "completed");
            let (of, to) = (tables.count(door, of).await.clone(), tables.count(door, to).await.clone());
            assert_eq!(of, to, "what was carried over, run by run, is what is there");
        }
    }
    figures
}

/// The traces of a client's runs: exactly those that it started.
async fn listed(door: &Door, client: &Client) -> HashMap<String, Value> {
    let traces = door.get(&format!("/api/v1/traces?pipeline_id={}", client.pipeline)).await;
    let traces: Vec<Value> = serde_json::from_value(traces).expect("a list");
    let listed: HashMap<String, Value> = traces.into_iter().map(|trace| (trace["id"].as_str().expect("an id").to_owned(), trace)).collect();
    let started: BTreeSet<String> = client.started().into_iter().map(|(_, batch)| batch).collect();
    assert!(started.len() <= LISTED);
    assert_eq!(listed.keys().cloned().collect::<BTreeSet<_>>(), started, "every run is in the list, and nothing else");
    listed
}

fn note(figures: &mut Figures, trace: &Value) {
    match trace["state"]["state"].as_str() {
        Some("completed") => figures.completed += 1,
        Some("failed") => {
            let steps = trace["state"]["steps"].as_object().expect("steps");
            assert!(steps.values().any(|step| step["comment"] == LOST), "failed by itself: {trace}");
            figures.failed += 1;
        }
        _ => unreachable!("it has not ended: {trace}"),
    }
    let logs = trace["logs"].as_array().expect("logs");
    let again = logs.iter().filter(|line| line["message"].as_str().is_some_and(|text| text.starts_with("taken up again"))).count();
    figures.again += again;
    let [began, ended] = ["start_time", "end_time"].map(|name| trace[name].as_i64().expect("a time"));
    figures.longest = figures.longest.max(ended - began);
    figures.last_end = figures.last_end.max(ended);
}

/// A step that succeeded has its row once, any other has none; tells whether it is there.
fn check_step(number: u64, step: &str, trace: &Value, rows: usize) -> bool {
    let told = &trace["state"]["steps"][step]["state"];
    let succeeded = told == "completed";
    assert_eq!(rows, usize::from(succeeded), "run {number}, step {step}: {trace}");
    assert!(trace["state"]["state"] != "completed" || succeeded, "run {number}: {trace}");
    succeeded
}
