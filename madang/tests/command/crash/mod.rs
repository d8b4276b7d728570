//! Killed at random moments: what was acknowledged is there, nothing is there twice, and nothing by halves.
//!
//! A few kills on each database here; `cargo xtask prove lake` makes many of them (`CRASH_ROUNDS`) and keeps the figures.
#![allow(clippy::print_stdout, reason = "seeds and figures are for the person who runs the tests")]

mod book;
pub(crate) mod dice;
mod run;
mod table;
mod work;

use std::{
    fs::File,
    io::Write as _,
    time::{Duration, Instant},
};

use futures::future::join_all;
use reqwest::header::HeaderMap;

use self::{
    book::Figures,
    dice::{Dice, rounds},
    table::Table,
    work::TABLES,
};
use crate::{
    databases::Databases,
    hub::{Hub, Place},
};

/// Writers are at work for at most this long; one time in four longer, so that small files are put together meanwhile.
const WORK: Duration = Duration::from_secs(2);
const LONG_WORK: Duration = Duration::from_secs(9);
/// A table's history would make each look at it longer: new tables after so many kills.
const KILLS_PER_TABLE: u64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_survive_kills_on_sqlite() {
    Fire::new("SQLite", Place::new()).run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_survive_kills_on_postgres() {
    let Some(databases) = Databases::new().await else { return };
    Fire::new("PostgreSQL", Place::with(databases.variables())).run().await;
    databases.remove().await;
}

/// A first start that is killed at any moment leaves a folder in which the next one works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_survives_kills() {
    let dice = Dice::new("first starts");
    let mut usual = Duration::from_secs(2);
    let folders = rounds().div_ceil(4);
    for _ in 0..folders {
        let place = Place::new();
        for _ in 0..2 {
            let mut hub = place.start(&[], &[]);
            tokio::time::sleep(dice.time_below(usual)).await;
            hub.kill().await;
        }
        let hub = place.up().await;
        usual = hub.ready_after * 2;
        let admin = hub.admin().await;
        Table::new(&hub, &admin, &TABLES[0]).await.takes_rows(&hub, &admin).await;
    }
    tell(&format!("first starts: {folders} folders, each start killed twice at a random moment, then ready and writable"));
}

/// One hub that is killed again and again.
struct Fire {
    name: &'static str,
    dice: Dice,
    place: Place,
    figures: Figures,
    kills: Kills,
    tables: Vec<Table>,
    old_tables: Vec<Table>,
    last_start: Duration,
    slowest_start: Duration,
}

#[derive(Default)]
struct Kills {
    starting: u64,
    started: u64,
    working: u64,
}

impl Fire {
    fn new(name: &'static str, place: Place) -> Self {
        let (figures, kills) = (Figures::default(), Kills::default());
        Self {
            name,
            dice: Dice::new(name),
            place,
            figures,
            kills,
            tables: Vec::new(),
            old_tables: Vec::new(),
            last_start: Duration::ZERO,
            slowest_start: Duration::ZERO,
        }
    }

    async fn run(mut self) {
        let rounds = rounds();
        let began = Instant::now();
        for round in 0..rounds {
            // One in three falls into a start, which may have something to mend from the kill before.
            if round > 0 && self.dice.below(3) == 0 { self.kill_while_starting().await } else { self.kill_while_working(round).await }
        }
        let (hub, admin) = self.up().await;
        for table in self.old_tables.iter().chain(&self.tables) {
            table.look(&hub, &admin, &mut self.figures).await;
            table.takes_rows(&hub, &admin).await;
            table.look(&hub, &admin, &mut self.figures).await;
        }
        self.report(rounds, began);
    }

    /// A moment of the start, or soon after it.
    async fn kill_while_starting(&mut self) {
        let moment = self.dice.time_below(self.last_start.mul_f64(1.2));
        let mut starting = self.place.start(&[], &[]);
        tokio::time::sleep(moment).await;
        let ready = starting.ready_line().is_some();
        starting.kill().await;
        *(if ready { &mut self.kills.started } else { &mut self.kills.starting }) += 1;
    }

    /// A moment while all writers are at work.
    async fn kill_while_working(&mut self, round: u64) {
        let (hub, admin) = self.up().await;
        for table in &self.tables {
            table.look(&hub, &admin, &mut self.figures).await;
        }
        if round.is_multiple_of(KILLS_PER_TABLE) || self.tables.is_empty() {
            let new = join_all(TABLES.iter().map(|plan| Table::new(&hub, &admin, plan))).await;
            self.old_tables.append(&mut std::mem::replace(&mut self.tables, new));
        }
        let work = if self.dice.below(4) == 0 { LONG_WORK } else { WORK };
        let kill = kill(hub.pid(), self.dice.time_below(work));
        tokio::join!(join_all(self.tables.iter().map(|table| table.write(&hub, &admin))), kill);
        self.kills.working += 1;
    }

    async fn up(&mut self) -> (Hub, HeaderMap) {
        let hub = self.place.up().await;
        self.last_start = hub.ready_after;
        self.slowest_start = self.slowest_start.max(hub.ready_after);
        let admin = hub.admin().await;
        (hub, admin)
    }

    fn report(&mut self, rounds: u64, began: Instant) {
        for table in self.old_tables.iter().chain(&self.tables) {
            table.count(&mut self.figures);
        }
        let Figures { acknowledged, gone, unanswered_there, unanswered_not_there, versions, compactions } = self.figures;
        tell(&format!(
            "{}: {rounds} kills ({} while it started, {} just after, {} among uploads) in {:.0} s, slowest start after a kill {:.2} s",
            self.name,
            self.kills.starting,
            self.kills.started,
            self.kills.working,
            began.elapsed().as_secs_f64(),
            self.slowest_start.as_secs_f64(),
        ));
        tell(&format!("{}: {acknowledged} uploads acknowledged, all there, each once and whole", self.name));
        tell(&format!(
            "{}: {unanswered_there} uploads there whole although the kill took their answer, {unanswered_not_there} not there at all, \
             {} refused; {versions} versions, none missing, {compactions} of them compactions",
            self.name,
            gone - unanswered_not_there,
        ));
    }
}

/// Prints a finding; a proof also keeps it for its report.
pub(crate) fn tell(line: &str) {
    println!("{line}");
    if let Ok(path) = std::env::var("PROOF_FINDINGS") {
        let mut file = File::options().create(true).append(true).open(path).expect("a file");
        writeln!(file, "{line}").expect("a line");
    }
}

/// `kill -9` after a while.
async fn kill(pid: u32, after: Duration) {
    tokio::time::sleep(after).await;
    let killed = tokio::process::Command::new("sh").args(["-c", "kill -s KILL \"$1\"", "sh", &pid.to_string()]).status().await;
    assert!(killed.expect("sh").success());
}
