//! The Spec Store's tables in its own database: one file per thing, nothing but SQL.

pub(crate) mod command;
pub(crate) mod dataset;
pub(crate) mod listing;
pub(crate) mod pipeline;
pub(crate) mod revision;

use madang_kit::{Db, Result, Tx, db::Migrations};
use sqlx::migrate::Migrator;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// The Spec Store's migrations.
pub(crate) static MIGRATIONS: Migrations = Migrations { sqlite: &SQLITE, postgres: &POSTGRES };

/// The number of the last event of flows that was kept.
pub(crate) async fn last_event(db: &Db) -> Result<i64> {
    let (number,): (i64,) = db.query("SELECT number FROM cursor WHERE name = 'flows'").one().await?;
    Ok(number)
}

/// Keeps the number of an event, unless a later one is kept.
pub(crate) async fn keep_event(tx: &mut Tx, number: i64) -> Result<()> {
    tx.query("UPDATE cursor SET number = $1 WHERE name = 'flows' AND number < $1").bind(number).run().await?;
    Ok(())
}
