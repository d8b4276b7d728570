//! Commits on SQLite share syncs, and none is acknowledged before its own.
//!
//! The writers are in a process of their own (this program once more, with [`writers`] as its only test), so that it can be
//! killed, and so that `strace` can count its syncs, slow them down and let one fail. Where there is no `strace`, those tests say so.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the processes talk by their output")]

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use madang_kit::{
    Code, Db,
    db::{Durability, Migrations},
};
use sqlx::migrate::Migrator;
use tempfile::TempDir;

static NONE: Migrator = Migrator::DEFAULT;
static MIGRATIONS: Migrations = Migrations { sqlite: &NONE, postgres: &NONE };

const FOLDER: &str = "GROUP_COMMIT_FOLDER";
const WRITERS: &str = "GROUP_COMMIT_WRITERS";
const COMMITS: &str = "GROUP_COMMIT_COMMITS";
const FIRST: &str = "GROUP_COMMIT_FIRST";
const FAST: &str = "GROUP_COMMIT_FAST";

async fn open(folder: &Path, durability: Durability) -> Db {
    let db = Db::connect(&format!("sqlite:{}", folder.join("test.db").display()), durability).await.expect("opens");
    db.migrate(&MIGRATIONS).await.expect("migrates");
    db
}

async fn insert(db: &Db, number: u64) -> madang_kit::Result<()> {
    let mut tx = db.begin().await?;
    let insert = "INSERT INTO idempotency (scope, key, answer, expires_at) VALUES ('s', $1, $2, $3)";
    tx.query(insert).bind(number.to_string()).bind(vec![0_u8; 500]).bind(chrono::Utc::now()).run().await?;
    Ok(tx.commit().await?)
}

async fn numbers(db: &Db) -> madang_kit::Result<BTreeSet<u64>> {
    let rows: Vec<(String,)> = db.query("SELECT key FROM idempotency").all().await?;
    Ok(rows.iter().map(|row| row.0.parse().expect("a number")).collect())
}

/// The other process: commits one row after another from many tasks and prints each acknowledged number.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "it is started by the tests below"]
async fn writers() {
    let number_of = |name: &str| std::env::var(name).expect("a variable").parse::<u64>().expect("a number");
    let folder = std::env::var(FOLDER).expect("a folder");
    let durability = if std::env::var(FAST).is_ok() { Durability::Fast } else { Durability::Full };
    let db = open(Path::new(&folder), durability).await;
    println!("ready");
    let (first, commits, tasks) = (number_of(FIRST), number_of(COMMITS), number_of(WRITERS));
    let next: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(first)));
    let tasks = (0..tasks).map(|_| {
        let db = db.clone();
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= first + commits {
                    return Ok(());
                }
                insert(&db, number).await?;
                println!("ack {number}");
            }
        })
    });
    let outcomes: Vec<_> = futures::future::join_all(tasks).await.into_iter().map(|ended| ended.expect("no panic")).collect();
    if outcomes.iter().any(Result::is_err) {
        let refusals = [insert(&db, first + commits).await, numbers(&db).await.map(drop)];
        for refused in outcomes.into_iter().chain(refusals).filter_map(Result::err) {
            println!("refused {}", refused.code.name());
        }
    }
}

/// This program as the other process, behind `before`.
fn start(before: &[&str], folder: &Path, writers: u64, first: u64, commits: u64) -> Command {
    let program = std::env::current_exe().expect("this program");
    let mut words = before.iter().map(OsStr::new).chain([program.as_os_str()]);
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).args(["--ignored", "--exact", "writers", "--nocapture", "--test-threads=1"]);
    for (name, number) in [(WRITERS, writers), (FIRST, first), (COMMITS, commits)] {
        command.env(name, number.to_string());
    }
    command.env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// What it printed until its end.
fn lines_of(child: &mut Child) -> Vec<String> {
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok).collect();
    child.wait().expect("it ends");
    lines
}

fn acknowledged(lines: &[String]) -> BTreeSet<u64> {
    lines.iter().filter_map(|line| line.strip_prefix("ack ")?.parse().ok()).collect()
}

#[tokio::test]
async fn a_kill_loses_no_acknowledged_commit() {
    let folder = TempDir::new().expect("a folder");
    let mut all = BTreeSet::new();
    for round in 0..3 {
        let mut child = start(&[], folder.path(), 50, round * 1_000_000, 1_000_000).spawn().expect("it starts");
        let pid = child.id();
        let killer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200 + u64::from(pid % 7) * 40));
            Command::new("sh").args(["-c", "kill -s KILL \"$1\"", "sh", &pid.to_string()]).status().expect("sh")
        });
        all.extend(acknowledged(&lines_of(&mut child)));
        assert!(killer.join().expect("no panic").success());
        let there = numbers(&open(folder.path(), Durability::Full).await).await.expect("rows");
        let lost: Vec<_> = all.difference(&there).collect();
        assert!(lost.is_empty(), "round {round}: lost {lost:?} of {}", all.len());
    }
    assert!(!all.is_empty(), "nothing was acknowledged before the kills");
}

/// Runs the other process under `strace` and returns its acknowledgements, its other lines and the calls that were traced.
fn traced(folder: &Path, options: &[&str], writers: u64, commits: u64, fast: bool) -> Option<(BTreeSet<u64>, Vec<String>, Vec<String>)> {
    let log = folder.join("calls").display().to_string();
    let usual = ["strace", "-f", "-y", "-qq", "-o", &log, "-e", "trace=fdatasync,fsync,pwrite64,write"];
    let mut command = start(&[&usual, options].concat(), folder, writers, 0, commits);
    if fast {
        command.env(FAST, "1");
    }
    let Ok(mut child) = command.spawn() else {
        eprintln!("there is no strace here: nothing was checked");
        return None;
    };
    let lines = lines_of(&mut child);
    let calls = std::fs::read_to_string(&log).expect("the traced calls").lines().map(str::to_owned).collect();
    Some((acknowledged(&lines), lines, calls))
}

fn is_sync_of_log(call: &str) -> bool {
    (call.contains("fdatasync(") || call.contains("fsync(")) && call.contains("test.db-wal>")
}

#[test]
fn fifty_writers_share_syncs() {
    let folder = TempDir::new().expect("a folder");
    // Syncs so slow that even a busy machine has every writer waiting for the next one.
    let slow = ["-e", "inject=fdatasync:delay_enter=50000"];
    let Some((acknowledged, lines, calls)) = traced(folder.path(), &slow, 50, 500, false) else { return };
    assert_eq!(acknowledged.len(), 500, "{lines:?}");
    let syncs = calls.iter().filter(|call| is_sync_of_log(call)).count();
    assert!((5..250).contains(&syncs), "{syncs} syncs for 500 commits");
}

/// Each write to the log is followed by a sync before its acknowledgement is printed.
#[test]
fn an_acknowledgement_comes_after_the_sync() {
    let folder = TempDir::new().expect("a folder");
    let Some((acknowledged, lines, calls)) = traced(folder.path(), &[], 1, 40, false) else { return };
    assert_eq!(acknowledged.len(), 40, "{lines:?}");
    let (mut unsynced, mut told) = (false, 0);
    for call in &calls {
        if call.contains("pwrite64(") && call.contains("test.db-wal>") {
            unsynced = true;
        } else if is_sync_of_log(call) {
            unsynced = false;
        } else if call.contains("write(") && call.contains("\"ack ") {
            assert!(!unsynced, "told before it was synced: {call}");
            told += 1;
        }
    }
    assert_eq!(told, 40);
}

#[test]
fn fast_leaves_syncing_to_the_system() {
    let folder = TempDir::new().expect("a folder");
    let Some((acknowledged, lines, calls)) = traced(folder.path(), &[], 4, 100, true) else { return };
    assert_eq!(acknowledged.len(), 100, "{lines:?}");
    let syncs = calls.iter().filter(|call| is_sync_of_log(call)).count();
    assert!(syncs <= 3, "{syncs} syncs: more than a new log needs");
}

#[tokio::test]
async fn nothing_is_acknowledged_after_a_failed_sync() {
    let folder = TempDir::new().expect("a folder");
    let failing = ["-e", "inject=fdatasync:error=EIO:when=4+"]; // the fourth of each thread
    let Some((acknowledged, lines, _)) = traced(folder.path(), &failing, 8, 5_000, false) else { return };
    assert!(!acknowledged.is_empty() && acknowledged.len() < 5_000, "{}", acknowledged.len());
    let refused: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("refused ")).collect();
    assert_eq!(refused, vec![Code::Unavailable.name(); 8 + 2], "each writer, a later commit and a later read");
    let there = numbers(&open(folder.path(), Durability::Full).await).await.expect("a restart helps");
    assert!(acknowledged.is_subset(&there));
}

#[tokio::test]
async fn a_database_in_memory_needs_no_log() {
    let db = Db::connect("sqlite::memory:", Durability::Full).await.expect("opens");
    db.migrate(&MIGRATIONS).await.expect("migrates");
    insert(&db, 7).await.expect("commits");
    assert_eq!(numbers(&db).await.expect("rows"), BTreeSet::from([7]));
}

/// The log is removed when the last connection closes, and made anew by the next.
#[tokio::test]
async fn a_closed_database_opens_again() {
    let folder = TempDir::new().expect("a folder");
    for number in 0..3 {
        let db = open(folder.path(), Durability::Full).await;
        insert(&db, number).await.expect("commits");
        assert_eq!(numbers(&db).await.expect("rows").len() as u64, number + 1);
        db.close().await;
        assert!(!folder.path().join("test.db-wal").exists(), "the log was folded in");
    }
}
