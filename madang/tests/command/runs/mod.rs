//! Runs while workers are killed, stopped and outlived, and schedules across restarts: each ends once, with its rows once.
//!
//! A few here; `cargo xtask prove runs` takes many (`PROOF_RUNS`, `PROOF_SLOTS`) and keeps the figures.

mod count;
mod crew;
mod door;
mod load;
mod slots;
mod stale;
mod stopped;

use std::time::Instant;

use self::{crew::Crew, load::Load};
use crate::{
    dice::{Dice, number},
    proof::tell,
};

/// Workers, in processes of their own or not.
const WORKERS: usize = 4;
/// One user's runs: all that there are, also those whose workers were lost and whose leases have not run out.
const SHARE: (&str, &str) = ("MADANG_PIPELINE_RUNS_PER_USER", "1000");
/// From a run's first step to its end: two leases of 30 s and the looks after them, and the work of others in between.
const ENDED_WITHIN_MS: i64 = 100_000;
/// At most one kill for so many runs, so that a few of them are soon done.
const RUNS_PER_KILL: u64 = 5;
const MAX_CLIENTS: u64 = 100;
const MIN_CLIENTS: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_ends_once_although_workers_are_killed_on_postgres() {
    let runs = number("PROOF_RUNS", 40);
    let Some(crew) = Crew::of(WORKERS, &[SHARE, ("MADANG_PIPELINE_WORKERS", "1")]).await else { return };
    kill_workers("PostgreSQL, four processes", crew, runs).await;
}

/// Each kill takes four workers at once, the catalogue and the door, so that more runs are lost twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_ends_once_although_the_hub_is_killed_on_sqlite() {
    let runs = number("PROOF_RUNS", 40).min(1_000);
    let crew = Crew::alone(&[SHARE, ("MADANG_PIPELINE_WORKERS", "4")]).await;
    kill_workers("SQLite, one process", crew, runs).await;
}

async fn kill_workers(name: &str, mut crew: Crew, runs: u64) {
    let dice = Dice::new(name);
    let door = crew.door.clone();
    let load = Load::new(&door, runs, (runs / 10).clamp(MIN_CLIENTS, MAX_CLIENTS)).await;
    let began = Instant::now();
    let watch = crew.watch.clone();
    let killing = async {
        let kills = crew.kill_while(&dice, runs / RUNS_PER_KILL, || load.is_busy()).await;
        (kills, watch.now())
    };
    let ((), (kills, last_kill)) = tokio::join!(load.work(&door), killing);
    let took = began.elapsed().as_secs_f64();
    let figures = count::count(&door, &load).await;
    assert!(figures.longest < ENDED_WITHIN_MS, "a run took {} ms", figures.longest);
    assert_eq!(figures.completed + figures.failed, usize::try_from(load.runs).expect("a number"));
    tell(&format!(
        "{name}: {} runs in {took:.0} s ({:.1} a second), {kills} kills; each is in the list once and has ended",
        load.runs,
        f64::from(u32::try_from(load.runs).expect("small")) / took
    ));
    tell(&format!(
        "{name}: {} completed, {} failed because their workers were lost twice, {} taken up again; {} steps succeeded and have their row \
         once, no other step has one",
        figures.completed, figures.failed, figures.again, figures.rows
    ));
    tell(&format!(
        "{name}: the longest took {} s from its first step to its end; the last ended {} s after the last kill",
        figures.longest / 1_000,
        (figures.last_end - last_kill) / 1_000
    ));
    crew.leave().await;
}
