//! The database wrapper, idempotency and the audit chain, on SQLite and on PostgreSQL.
//!
//! PostgreSQL is used where `cargo xtask test` started one (`MADANG_TEST_POSTGRES`).

use chrono::{DateTime, Utc};
use madang_kit::{
    Clock, Context, Db, Drain, Id, Principal,
    audit::{self, Record},
    bell::Bell,
    db::{Durability, Migrations, is_unique_violation},
    idempotency::{self, Claim},
    timer,
};
use serde_json::json;
use sqlx::migrate::Migrator;
use tempfile::TempDir;

static NONE: Migrator = Migrator::DEFAULT;
static MIGRATIONS: Migrations = Migrations { sqlite: &NONE, postgres: &NONE };

/// A database that is gone after the test.
struct Scratch {
    db: Db,
    name: &'static str,
    _folder: TempDir,
}

/// One empty database of each kind.
async fn databases() -> Vec<Scratch> {
    let folder = TempDir::new().expect("folder");
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let mut all = vec![Scratch { db: open(&url).await, name: "sqlite", _folder: folder }];
    if let Ok(maintenance) = std::env::var("MADANG_TEST_POSTGRES") {
        let name = format!("kit_{}", Id::generate().ulid_lower());
        let server = Db::connect(&maintenance, Durability::Full).await.expect("PostgreSQL answers");
        let Db::Postgres(pool) = &server else { unreachable!("a postgres:// address") };
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create).execute(pool).await.expect("a new database");
        let (server, _) = maintenance.rsplit_once('/').expect("a database name");
        let folder = TempDir::new().expect("folder");
        all.push(Scratch { db: open(&format!("{server}/{name}")).await, name: "postgres", _folder: folder });
    }
    all
}

async fn open(url: &str) -> Db {
    let db = Db::connect(url, Durability::Full).await.expect("opens");
    db.migrate(&MIGRATIONS).await.expect("migrates");
    db.migrate(&MIGRATIONS).await.expect("migrates again");
    db
}

fn context(key: Option<&str>) -> Context {
    Context { idempotency_key: key.map(str::to_owned), ..Context::new(Principal::service("test")) }
}

#[tokio::test]
async fn values_come_back_as_they_went_in() {
    for Scratch { db, name, .. } in databases().await {
        let mut tx = db.begin().await.expect("begins");
        let table = "CREATE TABLE item (id TEXT PRIMARY KEY, n BIGINT, ok BOOLEAN, x DOUBLE PRECISION, at ";
        let kind = db.pick("TEXT)", "TIMESTAMPTZ)");
        tx.query(sqlx::AssertSqlSafe(format!("{table}{kind}"))).run().await.expect("a table");
        let now = Clock::default().now();
        let insert = "INSERT INTO item (id, n, ok, x, at) VALUES ($5, $1, $2, $3, $4)";
        let filled = tx.query(insert).bind(i64::MAX).bind(true).bind(0.1).bind(now).bind("가".to_owned());
        assert_eq!(filled.run().await.expect("a row"), 1, "{name}");
        let repeated = tx.query(insert).bind(None::<i64>).bind(false).bind(0.0).bind(now).bind("나".to_owned());
        repeated.run().await.expect("a row with a null");
        tx.commit().await.expect("commits");
        let row: (String, i64, bool, f64, DateTime<Utc>) =
            db.query("SELECT id, n, ok, x, at FROM item WHERE n IS NOT NULL").one().await.expect("the row");
        assert_eq!(row, ("가".to_owned(), i64::MAX, true, 0.1, now), "{name}");
    }
}

#[tokio::test]
async fn a_dropped_transaction_leaves_nothing() {
    for Scratch { db, name, .. } in databases().await {
        let clock = Clock::default();
        let mut tx = db.begin().await.expect("begins");
        write_audit(&mut tx, &clock, 1).await;
        drop(tx);
        let (count,): (i64,) = db.query("SELECT COUNT(*) FROM audit").one().await.expect("a count");
        assert_eq!(count, 0, "{name}");
    }
}

#[tokio::test]
async fn a_unique_violation_is_told_apart() {
    for Scratch { db, name, .. } in databases().await {
        let mut tx = db.begin().await.expect("begins");
        let insert = "INSERT INTO idempotency (scope, key, answer, expires_at) VALUES ('s', 'k', $1, $2)";
        tx.query(insert).bind(Vec::<u8>::new()).bind(Utc::now()).run().await.expect("first");
        let second = tx.query(insert).bind(Vec::<u8>::new()).bind(Utc::now()).run().await.expect_err("second");
        assert!(is_unique_violation(&second), "{name}");
    }
}

/// Sixteen at once: one has the effect, all get its answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_has_one_effect() {
    for Scratch { db, name, .. } in databases().await {
        let tasks = (0..16).map(|number| {
            let db = db.clone();
            tokio::spawn(async move {
                let (clock, context) = (Clock::default(), context(Some("same")));
                let mut tx = db.begin().await.expect("begins");
                match idempotency::claim::<prost_types::Timestamp>(&mut tx, &clock, &context, "Make").await.expect("claims") {
                    Claim::Done(answer) => (answer.seconds, false),
                    Claim::New(ticket) => {
                        let answer = prost_types::Timestamp { seconds: number, nanos: 0 };
                        ticket.record(&mut tx, &answer).await.expect("records");
                        tx.commit().await.expect("commits");
                        (number, true)
                    }
                }
            })
        });
        let outcomes: Vec<_> = futures::future::join_all(tasks).await.into_iter().map(|outcome| outcome.expect("ends")).collect();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.1).count(), 1, "{name}: one effect");
        assert!(outcomes.iter().all(|outcome| outcome.0 == outcomes[0].0), "{name}: one answer: {outcomes:?}");
    }
}

#[tokio::test]
async fn the_audit_chain_shows_every_change() {
    for Scratch { db, name, .. } in databases().await {
        let clock = Clock::default();
        for number in 0..5 {
            let mut tx = db.begin().await.expect("begins");
            write_audit(&mut tx, &clock, number).await;
            tx.commit().await.expect("commits");
        }
        let (one, other) = tokio::join!(audit::seal(&db), audit::seal(&db));
        one.and(other).expect("two replicas seal at the same time");
        assert_eq!(audit::verify(&db).await.expect("verifies"), Ok(5), "{name}");

        change(&db, "UPDATE audit SET thing = 'other' WHERE sealed_as = 3").await;
        assert_eq!(audit::verify(&db).await.expect("verifies"), Err(3), "{name}: a changed record");
        change(&db, "DELETE FROM audit WHERE sealed_as = 2").await;
        assert_eq!(audit::verify(&db).await.expect("verifies"), Err(2), "{name}: a removed record");
    }
}

async fn write_audit(tx: &mut madang_kit::Tx, clock: &Clock, number: i64) {
    let record = Record { action: "thing.make", thing: number.to_string(), detail: json!({"number": number}) };
    audit::write(tx, clock, &context(None), record).await.expect("writes");
}

async fn change(db: &Db, text: &'static str) {
    let mut tx = db.begin().await.expect("begins");
    tx.query(text).run().await.expect("changes");
    tx.commit().await.expect("commits");
}

/// Of many that find a timer due, one takes the moment; a timer that was set anew meanwhile is nobody's.
#[tokio::test]
async fn a_moment_is_taken_once() {
    for Scratch { db, name, .. } in databases().await {
        let first: DateTime<Utc> = "2026-03-12T09:00:00Z".parse().expect("a time");
        let (second, third) = (first + chrono::TimeDelta::minutes(1), first + chrono::TimeDelta::minutes(2));
        let set = async |owner: &str, at| {
            let mut tx = db.begin().await.expect("begins");
            timer::set(&mut tx, owner, at).await.expect("set");
            tx.commit().await.expect("commits");
        };
        set("a", first).await;
        set("b", third).await;
        assert_eq!(timer::next(&db).await.expect("read"), Some(first), "{name}");
        let due = timer::due(&db, second, 10).await.expect("read");
        assert_eq!(due.iter().map(|due| due.owner.as_str()).collect::<Vec<_>>(), ["a"], "{name}");
        let takers = (0..8).map(|_| {
            let (db, due) = (db.clone(), due[0].clone());
            tokio::spawn(async move {
                let mut tx = db.begin().await.expect("begins");
                let taken = timer::take(&mut tx, &due, Some(second)).await.expect("asked");
                tx.commit().await.expect("commits");
                taken
            })
        });
        let mut taken = 0;
        for taker in takers.collect::<Vec<_>>() {
            taken += usize::from(taker.await.expect("no panic"));
        }
        assert_eq!((taken, timer::next_of(&db, "a").await.expect("read")), (1, Some(second)), "{name}");
        let stale = timer::due(&db, second, 10).await.expect("read");
        set("a", third).await;
        let mut tx = db.begin().await.expect("begins");
        assert!(!timer::take(&mut tx, &stale[0], None).await.expect("asked"), "{name}");
        timer::clear(&mut tx, "a").await.expect("cleared");
        tx.commit().await.expect("commits");
        assert_eq!(timer::next_of(&db, "a").await.expect("read"), None, "{name}");
    }
}

/// A bell is heard here, and on PostgreSQL by whoever has the same database.
#[tokio::test]
async fn a_bell_is_heard_on_the_same_database() {
    for Scratch { db, name, .. } in databases().await {
        let drain = Drain::default();
        let (here, there) = (Bell::new("test_bell", &db, &drain), Bell::new("test_bell", &db, &drain));
        let heard = async |bell: &Bell| tokio::time::timeout(std::time::Duration::from_millis(500), bell.heard()).await.is_ok();
        if name == "postgres" {
            assert!(heard(&here).await && heard(&there).await, "it rings once when others can be heard");
        }
        here.ring();
        assert!(heard(&here).await, "{name}");
        assert_eq!(heard(&there).await, name == "postgres", "{name}");
        assert!(!heard(&here).await, "{name}: not by its own echo");
        drain.start();
    }
}
