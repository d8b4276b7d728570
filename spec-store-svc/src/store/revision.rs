//! Revisions.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx};

use crate::state::State;

/// A revision as it is stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Revision {
    pub(crate) id: String,
    pub(crate) dataset_id: String,
    pub(crate) number: i64,
    pub(crate) state: String,
    pub(crate) trigger_kind: String,
    pub(crate) external: bool,
    pub(crate) findability: String,
    pub(crate) spec: String,
    /// JSON: an array of lines.
    pub(crate) errors: String,
    /// JSON: an object, if there is one.
    pub(crate) stats: Option<String>,
    /// JSON: an array of lines, if there are any.
    pub(crate) logs: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

impl Revision {
    /// Its state.
    pub(crate) fn state(&self) -> State {
        State::parse(&self.state)
    }
}

const COLUMNS: &str =
    "r.id, r.dataset_id, r.number, r.state, r.trigger_kind, r.external, r.findability, r.spec, r.errors, r.stats, r.logs, r.created_at,
    r.updated_at, r.finished_at";

/// Adds a revision, pending.
pub(crate) async fn insert(tx: &mut Tx, revision: &Revision) -> Result<()> {
    let text = "INSERT INTO revision (id, dataset_id, number, state, trigger_kind, external, spec, errors, attempt, created_at, updated_at,
            findability)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9, $10)";
    let query = tx.query(text).bind(revision.id.clone()).bind(revision.dataset_id.clone()).bind(revision.number);
    let query = query.bind(revision.state.clone()).bind(revision.trigger_kind.clone()).bind(revision.external);
    query
        .bind(revision.spec.clone())
        .bind(revision.errors.clone())
        .bind(revision.created_at)
        .bind(revision.findability.clone())
        .run()
        .await?;
    Ok(())
}

/// Which revision of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one with this number.
    Number(i64),
    /// The one with the greatest number.
    Latest,
    /// The one with the greatest number that succeeded.
    Successful,
}

/// A revision of a dataset.
pub(crate) async fn find(db: &Db, dataset_id: &str, which: Which) -> Result<Option<Revision>> {
    let rule = match which {
        Which::Number(_) => "r.number = $2",
        Which::Latest => "r.number > $2",
        Which::Successful => "r.number > $2 AND r.state = 'success'",
    };
    let number = if let Which::Number(number) = which { number } else { 0 };
    let text = format!("SELECT {COLUMNS} FROM revision r WHERE r.dataset_id = $1 AND {rule} ORDER BY r.number DESC LIMIT 1");
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(dataset_id.to_owned()).bind(number).opt().await?)
}

/// The state of a revision.
pub(crate) async fn state(db: &Db, id: &str) -> Result<Option<State>> {
    let row: Option<(String,)> = db.query("SELECT state FROM revision WHERE id = $1").bind(id.to_owned()).opt().await?;
    Ok(row.map(|(state,)| State::parse(&state)))
}

/// An open revision, locked until the transaction ends. Only those of one execution.
pub(crate) async fn lock_open(tx: &mut Tx, id: &str, external: bool, now: DateTime<Utc>) -> Result<Option<Revision>> {
    let text = "UPDATE revision SET updated_at = $2 WHERE id = $1 AND external = $3 AND state IN ('pending', 'running')";
    if tx.query(text).bind(id.to_owned()).bind(now).bind(external).run().await? == 0 {
        return Ok(None);
    }
    let text = format!("SELECT {COLUMNS} FROM revision r WHERE r.id = $1");
    Ok(tx.query(sqlx::AssertSqlSafe(text)).bind(id.to_owned()).opt().await?)
}

/// Writes what an event changed.
pub(crate) async fn update(tx: &mut Tx, revision: &Revision) -> Result<()> {
    let text = "UPDATE revision SET state = $2, errors = $3, stats = $4, logs = $5, finished_at = $6, updated_at = $7 WHERE id = $1";
    let query = tx.query(text).bind(revision.id.clone()).bind(revision.state.clone()).bind(revision.errors.clone());
    let query = query.bind(revision.stats.clone()).bind(revision.logs.clone());
    query.bind(revision.finished_at).bind(revision.updated_at).run().await?;
    Ok(())
}

/// Notes which dataset of the catalogue a revision was published as.
pub(crate) async fn published(tx: &mut Tx, id: &str, dataset: &str) -> Result<()> {
    tx.query("UPDATE revision SET published_as = $2 WHERE id = $1").bind(id.to_owned()).bind(dataset.to_owned()).run().await?;
    Ok(())
}

/// Whether a revision of a dataset that ran by itself is still open.
pub(crate) async fn scheduled_is_open(tx: &mut Tx, dataset_id: &str) -> Result<bool> {
    let text = "SELECT CAST(1 AS BIGINT) FROM revision
         WHERE dataset_id = $1 AND trigger_kind = 'schedule' AND state IN ('pending', 'running') LIMIT 1";
    Ok(tx.query(text).bind(dataset_id.to_owned()).opt::<(i64,)>().await?.is_some())
}

/// The line of a revision in a list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) number: i64,
    pub(crate) state: String,
    pub(crate) trigger_kind: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

/// Revisions of a dataset before a number, the newest first.
pub(crate) async fn list(db: &Db, dataset_id: &str, before: i64, limit: i64) -> Result<Vec<Line>> {
    let text = "SELECT id, number, state, trigger_kind, created_at, finished_at FROM revision
         WHERE dataset_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3";
    Ok(db.query(text).bind(dataset_id.to_owned()).bind(before).bind(limit).all().await?)
}

/// Open revisions of which nothing was heard since a time, with who works on them.
pub(crate) async fn stale(db: &Db, since: DateTime<Utc>, limit: i64) -> Result<Vec<(String, bool)>> {
    let text = "SELECT id, external FROM revision WHERE state IN ('pending', 'running') AND updated_at < $1 ORDER BY updated_at LIMIT $2";
    Ok(db.query(text).bind(since).bind(limit).all().await?)
}

/// Removes a dataset's revisions with their pipelines.
pub(crate) async fn delete_all(tx: &mut Tx, dataset_id: &str) -> Result<()> {
    let text = "DELETE FROM pipeline WHERE flow_id IN (SELECT id FROM revision WHERE dataset_id = $1)";
    tx.query(text).bind(dataset_id.to_owned()).run().await?;
    tx.query("DELETE FROM revision WHERE dataset_id = $1").bind(dataset_id.to_owned()).run().await?;
    Ok(())
}
