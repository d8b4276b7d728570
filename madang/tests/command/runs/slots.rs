//! Schedules, minute by minute, while processes are killed: each minute at which one was up is fired once, and nothing else is.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use chrono::{DateTime, SecondsFormat};
use futures::future::join_all;
use serde_json::{Value, json};

use super::crew::Crew;
use crate::{
    dice::{Dice, number},
    proof::tell,
};

const MINUTE: i64 = 60_000;
/// 2026-03-12T09:00:30Z, in milliseconds.
const BEGIN: i64 = 1_773_306_030_000;
/// Minutes whose records are shown for a pipeline, less those that were missed.
const MINUTES: u64 = 80;
/// How soon a moment must be taken, also after a kill.
const SOON: Duration = Duration::from_secs(25);
/// A start in the middle of a minute, before the moment counts as missed.
const INTO_MINUTE_MS: u64 = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_minute_is_fired_once_by_several_processes() {
    let Some(crew) = Crew::of(2, &[]).await else { return };
    fire("schedules, PostgreSQL, two processes", crew).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_minute_is_fired_once_by_one_process() {
    fire("schedules, SQLite, one process", Crew::alone(&[]).await).await;
}

async fn fire(name: &str, crew: Crew) {
    let dice = Dice::new(name);
    let slots = number("PROOF_SLOTS", 80);
    let pipelines = slots.div_ceil(MINUTES).max(8);
    let mut calendar = Calendar::new(crew, pipelines).await;
    let minutes = slots.div_ceil(pipelines);
    let (mut killed, mut away) = (0, 0);
    for _ in 0..minutes {
        match dice.below(8) {
            0 => {
                calendar.pass_while_away(&dice).await;
                away += 1;
            }
            1..4 => {
                calendar.pass_while_killed(&dice).await;
                killed += 1;
            }
            _ => calendar.pass(&dice),
        }
        calendar.check_minute().await;
    }
    let missed = calendar.check_all().await;
    tell(&format!(
        "{name}: {} moments of {pipelines} pipelines in {minutes} minutes, each fired once with one run; {killed} kills just after a moment; \
         {away} times nobody was up for some minutes, which is {missed} times noted as missed and never made up for",
        minutes * pipelines
    ));
    calendar.crew.leave().await;
}

/// Pipelines that run each minute, and what must have become of the minutes so far.
struct Calendar {
    crew: Crew,
    pipelines: Vec<String>,
    /// The minute that has begun, in milliseconds since 1970.
    minute: i64,
    expected: BTreeMap<String, &'static str>,
}

impl Calendar {
    async fn new(crew: Crew, pipelines: u64) -> Self {
        crew.watch.set(BEGIN);
        let body = json!({"name": "매분", "options": {"schedule": {"cron": "* * * * *"}}});
        let pipelines = join_all((0..pipelines).map(|_| crew.door.make("/api/v1/pipelines", body.clone()))).await;
        assert_eq!(pipelines.iter().collect::<BTreeSet<_>>().len(), pipelines.len());
        Self { crew, pipelines, minute: BEGIN - BEGIN % MINUTE, expected: BTreeMap::new() }
    }

    /// The clock passes a full minute.
    fn pass(&mut self, dice: &Dice) {
        self.forward(1, dice);
        self.expect("fired");
    }

    /// A process is killed soon after: some moments may be taken by then, others not.
    async fn pass_while_killed(&mut self, dice: &Dice) {
        self.pass(dice);
        tokio::time::sleep(dice.time_below(Duration::from_millis(1_200))).await;
        self.crew.kill_any(dice).await;
        self.crew.serving().await;
    }

    /// Nobody is up for some minutes: of these, the first is noted as missed, and the last is taken if it was less than a minute ago.
    async fn pass_while_away(&mut self, dice: &Dice) {
        for member in 0..self.crew.members.len() {
            self.crew.kill(member).await;
        }
        self.forward(1, dice);
        let more = dice.below(4);
        if more > 0 {
            self.expect("missed");
            self.forward(i64::try_from(more).expect("small"), dice);
        }
        self.expect("fired");
        for member in 0..self.crew.members.len() {
            self.crew.start(member);
        }
        self.crew.serving().await;
    }

    fn forward(&mut self, minutes: i64, dice: &Dice) {
        self.minute += minutes * MINUTE;
        self.crew.watch.set(self.minute + i64::try_from(dice.below(INTO_MINUTE_MS)).expect("small"));
    }

    fn expect(&mut self, outcome: &'static str) {
        let time = DateTime::from_timestamp_millis(self.minute).expect("a time").to_rfc3339_opts(SecondsFormat::Secs, true);
        self.expected.insert(time, outcome);
    }

    /// Waits until every pipeline's newest record is that of the minute.
    async fn check_minute(&self) {
        let (newest, began) = (self.expected.last_key_value().expect("a minute").0, Instant::now());
        for pipeline in &self.pipelines {
            loop {
                let slots = self.slots(pipeline).await;
                if slots.last().is_some_and(|slot| slot["time"] == *newest) {
                    break;
                }
                assert!(began.elapsed() < SOON, "{newest} of {pipeline} is not taken: {:?}", slots.last());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert!(self.crew.watch.now() < self.minute + MINUTE, "the machine is too slow for this test");
    }

    /// Compares all records, and the runs; gives how many moments were noted as missed.
    async fn check_all(&self) -> usize {
        for pipeline in &self.pipelines {
            let slots = self.slots(pipeline).await;
            let found: Vec<_> = slots.iter().map(|slot| (text(&slot["time"]), text(&slot["outcome"]))).collect();
            let expected: Vec<_> = self.expected.iter().map(|(time, outcome)| (time.clone(), (*outcome).to_owned())).collect();
            assert_eq!(found, expected, "{pipeline}");
            let fired: BTreeSet<_> = slots.iter().filter_map(|slot| slot["batch_id"].as_str()).collect();
            let told = self.crew.door.get(&format!("/api/v1/traces/pipelines/{pipeline}/?limit=1000")).await;
            let runs = told["items"].as_object().expect("runs");
            assert_eq!(runs.keys().map(String::as_str).collect::<BTreeSet<_>>(), fired, "a run for each moment, and no other");
            assert!(runs.values().all(|run| run["state"]["state"] == "completed"));
        }
        self.expected.values().filter(|outcome| **outcome == "missed").count() * self.pipelines.len()
    }

    /// What became of a pipeline's moments, the oldest first.
    async fn slots(&self, pipeline: &str) -> Vec<Value> {
        let told = self.crew.door.get(&format!("/api/v1/pipelines/{pipeline}/schedule")).await;
        told["slots"].as_array().expect("slots").iter().rev().cloned().collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
