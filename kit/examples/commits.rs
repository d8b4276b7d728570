//! How many commits a second a database acknowledges: `commits <database URL> grouped|each|fast <writers> <seconds>` prints one JSON object.
//!
//! `grouped` is what the hub does; `each` is SQLite by itself, with a sync inside each commit on the one writing connection;
//! `fast` is `MADANG_DURABILITY=fast`. `cargo xtask bench commits` compares them.
#![allow(clippy::print_stdout, reason = "a command-line tool")]

use std::{
    error::Error,
    str::FromStr as _,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use madang_kit::{
    Db, Id,
    db::{Durability, Migrations},
};
use sqlx::{
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous},
};

static NONE: Migrator = Migrator::DEFAULT;
static MIGRATIONS: Migrations = Migrations { sqlite: &NONE, postgres: &NONE };

/// About what an audit record of the hub is.
const INSERT: &str = "INSERT INTO idempotency (scope, key, answer, expires_at) VALUES ('s', $1, $2, $3)";
const ANSWER: usize = 300;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

enum Store {
    Ours(Db),
    Each(SqlitePool),
}

impl Store {
    async fn open(url: &str, mode: &str) -> Outcome<Self> {
        let durability = if mode == "fast" { Durability::Fast } else { Durability::Full };
        let ours = Db::connect(url, durability).await?;
        ours.migrate(&MIGRATIONS).await?;
        if mode != "each" {
            return Ok(Self::Ours(ours));
        }
        ours.close().await;
        let options = SqliteConnectOptions::from_str(url)?.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        Ok(Self::Each(SqlitePoolOptions::new().max_connections(1).connect_with(options).await?))
    }

    async fn commit(&self) -> Outcome<()> {
        let (key, answer, now) = (Id::generate().to_string(), vec![0_u8; ANSWER], chrono::Utc::now());
        match self {
            Self::Ours(db) => {
                let mut tx = db.begin().await?;
                tx.query(INSERT).bind(key).bind(answer).bind(now).run().await?;
                tx.commit().await?;
            }
            Self::Each(pool) => {
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                sqlx::query(INSERT).bind(key).bind(answer).bind(now).execute(&mut *tx).await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, mode, writers, seconds] = words.as_slice() else { return Err("give a URL, a mode, writers and seconds".into()) };
    let store: &'static Store = Box::leak(Box::new(Store::open(url, mode).await?));
    let (writers, length) = (writers.parse::<u64>()?, Duration::from_secs_f64(seconds.parse()?));
    let commits: &'static AtomicU64 = Box::leak(Box::default());
    let began = Instant::now();
    let tasks = (0..writers).map(|_| {
        tokio::spawn(async move {
            while began.elapsed() < length {
                store.commit().await?;
                commits.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Ok(())
        })
    });
    for ended in futures::future::join_all(tasks).await {
        ended??;
    }
    let (seconds, commits) = (began.elapsed().as_secs_f64(), commits.load(Ordering::Relaxed));
    println!("{}", serde_json::json!({"commits": commits, "seconds": seconds}));
    Ok(())
}
