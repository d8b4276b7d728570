//! Jobs of spaces.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Id, Result, Tx};
use sqlx::types::Json;

/// A job as it is stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) short_id: String,
    pub(crate) space_id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// Its message of the contract.
    pub(crate) definition: Vec<u8>,
    pub(crate) condition: Vec<u8>,
    pub(crate) max_concurrent_runs: i64,
    /// `runnable`, `draft`, `editing` or `deleted`.
    pub(crate) state: String,
    pub(crate) revision: i64,
    pub(crate) created_by: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) modified_at: DateTime<Utc>,
}

/// A job with what its runs add.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Shown {
    #[sqlx(flatten)]
    pub(crate) job: Job,
    /// Its state, or `running`, `stopped` or `unknown` while it has runs.
    pub(crate) status: String,
    /// Of its newest run.
    pub(crate) last_state: Option<String>,
    pub(crate) last_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "j.id, j.short_id, j.space_id, j.name, j.description, j.definition, j.condition, j.max_concurrent_runs, j.state,
    j.revision, j.created_by, j.created_at, j.modified_at";

/// What a job is at the moment `$2` (dataflow.md 5.1).
const STATUS: &str = "CASE WHEN j.state = 'deleted' THEN 'deleted'
    WHEN NOT EXISTS (SELECT 1 FROM run r WHERE r.subject_id = j.id AND r.state IN ('queued', 'running')) THEN j.state
    WHEN NOT EXISTS (SELECT 1 FROM run r WHERE r.subject_id = j.id AND r.state IN ('queued', 'running') AND r.cancel_at IS NULL) THEN 'stopped'
    WHEN EXISTS (SELECT 1 FROM run r WHERE r.subject_id = j.id AND r.state = 'running' AND r.lease_until < $2) THEN 'unknown'
    ELSE 'running' END";

const LAST: &str = "(SELECT r.state FROM run r WHERE r.subject_id = j.id ORDER BY r.id DESC LIMIT 1) AS last_state,
    (SELECT r.queued_at FROM run r WHERE r.subject_id = j.id ORDER BY r.id DESC LIMIT 1) AS last_at";

/// Adds a job; a name that is taken is a unique violation.
pub(crate) async fn insert(tx: &mut Tx, job: &Job) -> sqlx::Result<()> {
    tx.query(
        "INSERT INTO job (id, short_id, space_id, name, description, definition, condition, max_concurrent_runs, state, revision,
             created_by, created_at, modified_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(job.id.clone())
    .bind(job.short_id.clone())
    .bind(job.space_id.clone())
    .bind(job.name.clone())
    .bind(job.description.clone())
    .bind(job.definition.clone())
    .bind(job.condition.clone())
    .bind(job.max_concurrent_runs)
    .bind(job.state.clone())
    .bind(job.revision)
    .bind(job.created_by.clone())
    .bind(job.created_at)
    .bind(job.modified_at)
    .run()
    .await?;
    Ok(())
}

/// Writes a changed job over the revision before; false if that is no longer the stored one. A name that is taken is a unique violation.
pub(crate) async fn update(tx: &mut Tx, job: &Job) -> sqlx::Result<bool> {
    let updated = tx
        .query(
            "UPDATE job SET name = $2, description = $3, definition = $4, condition = $5, max_concurrent_runs = $6, state = $7, revision = $8,
                 modified_at = $9
             WHERE id = $1 AND revision = $8 - 1 AND state <> 'deleted'",
        )
        .bind(job.id.clone())
        .bind(job.name.clone())
        .bind(job.description.clone())
        .bind(job.definition.clone())
        .bind(job.condition.clone())
        .bind(job.max_concurrent_runs)
        .bind(job.state.clone())
        .bind(job.revision)
        .bind(job.modified_at)
        .run()
        .await?;
    Ok(updated == 1)
}

/// Hides a job; its executions stay.
pub(crate) async fn delete(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> Result<()> {
    let text = "UPDATE job SET state = 'deleted', modified_at = $2 WHERE id = $1";
    tx.query(text).bind(id.to_owned()).bind(now).run().await?;
    Ok(())
}

/// Says that what a job links to has gone, unless it was changed since the run was queued that found it out.
pub(crate) async fn mark_editing(tx: &mut Tx, id: Id, run: Id) -> Result<()> {
    let text = "UPDATE job SET state = 'editing'
                WHERE id = $1 AND state = 'runnable' AND modified_at <= (SELECT queued_at FROM run WHERE id = $2)";
    tx.query(text).bind(id.to_string()).bind(run.to_string()).run().await?;
    Ok(())
}

/// A job of a space by its short name, as the transaction sees it; nobody else changes it until the end.
pub(crate) async fn lock(tx: &mut Tx, space: Id, short: &str) -> Result<Option<Job>> {
    let lock = tx.pick("", " FOR NO KEY UPDATE");
    let text = format!("SELECT {COLUMNS} FROM job j WHERE j.space_id = $1 AND j.short_id = $2 AND j.state <> 'deleted'{lock}");
    Ok(tx.query(sqlx::AssertSqlSafe(text)).bind(space.to_string()).bind(short.to_owned()).opt().await?)
}

/// The same for several, in the order of their ids, so that two who lock never wait for each other.
pub(crate) async fn lock_all(tx: &mut Tx, space: &str, shorts: Vec<String>) -> Result<Vec<Job>> {
    let listed = tx.pick("SELECT value FROM json_each($2)", "SELECT jsonb_array_elements_text($2)");
    let lock = tx.pick("", " FOR NO KEY UPDATE");
    let text = format!(
        "SELECT {COLUMNS} FROM job j WHERE j.space_id = $1 AND j.short_id IN ({listed}) AND j.state <> 'deleted' ORDER BY j.id{lock}"
    );
    Ok(tx.query(sqlx::AssertSqlSafe(text)).bind(space.to_owned()).bind(Json(shorts)).all().await?)
}

/// Runs of a job that wait or are worked on.
pub(crate) async fn active(tx: &mut Tx, id: &str) -> Result<i64> {
    let text = "SELECT COUNT(*) FROM run WHERE subject_id = $1 AND state IN ('queued', 'running')";
    let (active,): (i64,) = tx.query(text).bind(id.to_owned()).one().await?;
    Ok(active)
}

/// A job of a space by its short name.
pub(crate) async fn find(db: &Db, space: Id, short: &str, now: DateTime<Utc>) -> Result<Option<Shown>> {
    let text = format!(
        "SELECT {COLUMNS}, {STATUS} AS status, {LAST} FROM job j WHERE j.space_id = $1 AND j.short_id = $3 AND j.state <> 'deleted'"
    );
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(space.to_string()).bind(now).bind(short.to_owned()).opt().await?)
}

/// What a list is narrowed to.
pub(crate) struct Filter {
    pub(crate) space: Id,
    /// A LIKE pattern in lower case; `%` = all.
    pub(crate) like: String,
    /// Empty = all but deleted ones.
    pub(crate) status: &'static str,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
}

/// Jobs, newest first, without their definitions; and how many there are.
pub(crate) async fn list(db: &Db, filter: &Filter, now: DateTime<Utc>) -> Result<(Vec<Shown>, i64)> {
    let columns = COLUMNS.replace("j.definition", db.pick("X'' AS definition", "''::BYTEA AS definition"));
    let found = format!("SELECT {columns}, {STATUS} AS status FROM job j WHERE j.space_id = $1 AND lower(j.name) LIKE $3 ESCAPE '\\'");
    let wanted = "(j.status = $4 OR ($4 = '' AND j.status <> 'deleted'))";
    let page = format!("SELECT j.*, {LAST} FROM ({found}) j WHERE {wanted} ORDER BY j.created_at DESC, j.id DESC LIMIT $5 OFFSET $6");
    let rows = db
        .query(sqlx::AssertSqlSafe(page))
        .bind(filter.space.to_string())
        .bind(now)
        .bind(filter.like.clone())
        .bind(filter.status.to_owned())
        .bind(filter.limit)
        .bind(filter.offset)
        .all()
        .await?;
    let counted = format!("SELECT COUNT(*) FROM ({found}) j WHERE {wanted}");
    let (count,): (i64,) = db
        .query(sqlx::AssertSqlSafe(counted))
        .bind(filter.space.to_string())
        .bind(now)
        .bind(filter.like.clone())
        .bind(filter.status.to_owned())
        .one()
        .await?;
    Ok((rows, count))
}

/// Names of jobs of a space that are there, by their short names.
pub(crate) async fn names(db: &Db, space: Id, shorts: &[String]) -> Result<Vec<(String, String)>> {
    let listed = db.pick("SELECT value FROM json_each($2)", "SELECT jsonb_array_elements_text($2)");
    let text = format!("SELECT j.short_id, j.name FROM job j WHERE j.space_id = $1 AND j.short_id IN ({listed}) AND j.state <> 'deleted'");
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(space.to_string()).bind(Json(shorts.to_vec())).all().await?)
}

/// Whether a space has a job of this short name, or had it.
pub(crate) async fn existed(db: &Db, space: Id, short: &str) -> Result<bool> {
    let text = "SELECT id FROM job WHERE space_id = $1 AND short_id = $2";
    let found: Option<(String,)> = db.query(text).bind(space.to_string()).bind(short.to_owned()).opt().await?;
    Ok(found.is_some())
}

/// Which of these short names are jobs of a space, as the transaction sees it.
pub(crate) async fn there(tx: &mut Tx, space: &str, shorts: Vec<String>) -> Result<Vec<String>> {
    let listed = tx.pick("SELECT value FROM json_each($2)", "SELECT jsonb_array_elements_text($2)");
    let text = format!("SELECT j.short_id FROM job j WHERE j.space_id = $1 AND j.short_id IN ({listed}) AND j.state <> 'deleted'");
    let rows: Vec<(String,)> = tx.query(sqlx::AssertSqlSafe(text)).bind(space.to_owned()).bind(Json(shorts)).all().await?;
    Ok(rows.into_iter().map(|(short,)| short).collect())
}
