//! Loads: a durable queue with one place for each resource.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx, db::Source};
use sqlx::types::Json;

/// A wish that resources become tables.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) resource_ids: Vec<String>,
    /// `xloader` or `datapusher`: under which name its state is told.
    pub(crate) kind: &'static str,
    /// What was loaded before is loaded again.
    pub(crate) forced: bool,
    /// JSON of whom it works for.
    pub(crate) principal: String,
    /// JSON: types of columns from now on; none = as before.
    pub(crate) types: Option<String>,
}

/// A load.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Load {
    pub(crate) resource_id: String,
    pub(crate) number: i64,
    pub(crate) kind: String,
    /// `pending`, `running`, `complete` or `error`.
    pub(crate) state: String,
    pub(crate) forced: bool,
    pub(crate) principal: String,
    pub(crate) attempts: i64,
    pub(crate) claim: String,
    pub(crate) requested_at: DateTime<Utc>,
    pub(crate) changed_at: DateTime<Utc>,
    /// Of what was loaded last.
    pub(crate) digest: String,
    pub(crate) loaded_rows: i64,
    pub(crate) bad_rows: i64,
    pub(crate) error: String,
    /// JSON: a list of lines with their times.
    pub(crate) log: String,
    /// JSON: PostgreSQL types by columns' names.
    pub(crate) types: String,
}

const COLUMNS: &str = "resource_id, number, kind, state, forced, principal, attempts, claim, requested_at, changed_at, digest, loaded_rows,
    bad_rows, error, log, types";

/// Puts a wish into the places of its resources; what is under way for earlier ones is given up.
pub(crate) async fn wish(source: &mut Source, wish: &Wish, now: DateTime<Utc>) -> Result<()> {
    let ids = source.pick("json_each($1) AS w", "jsonb_array_elements_text($1) AS w(value)");
    let text = format!(
        "INSERT INTO load (resource_id, number, kind, state, forced, principal, due_at, requested_at, changed_at, types)
         SELECT w.value, 1, $2, 'pending', $3, $4, $5, $5, $5, COALESCE($6, '{{}}') FROM {ids} WHERE true
         ON CONFLICT (resource_id) DO UPDATE SET number = load.number + 1, kind = excluded.kind, state = 'pending',
             forced = excluded.forced, principal = excluded.principal, attempts = 0, claim = '', due_at = excluded.due_at,
             requested_at = excluded.requested_at, changed_at = excluded.changed_at, error = '', log = '[]',
             types = COALESCE($6, load.types)"
    );
    let query = source.query(sqlx::AssertSqlSafe(text)).bind(Json(wish.resource_ids.clone())).bind(wish.kind.to_owned());
    query.bind(wish.forced).bind(wish.principal.clone()).bind(now).bind(wish.types.clone()).run().await?;
    Ok(())
}

/// The load of a resource.
pub(crate) async fn find(source: &mut Source, resource: &str) -> Result<Option<Load>> {
    let text = format!("SELECT {COLUMNS} FROM load WHERE resource_id = $1");
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(resource.to_owned()).opt().await?)
}

/// Whether a load may be taken.
pub(crate) async fn any_due(db: &Db, now: DateTime<Utc>) -> Result<bool> {
    let text = "SELECT number FROM load WHERE state IN ('pending', 'running') AND due_at <= $1 LIMIT 1";
    let row: Option<(i64,)> = db.query(text).bind(now).opt().await?;
    Ok(row.is_some())
}

/// Takes the load that has waited longest, until a time; one whose worker is lost counts as waiting.
pub(crate) async fn claim(tx: &mut Tx, claim: &str, now: DateTime<Utc>, until: DateTime<Utc>) -> Result<Option<Load>> {
    let skip = tx.pick("", "FOR UPDATE SKIP LOCKED");
    let text = format!(
        "UPDATE load SET state = 'running', claim = $1, due_at = $3, attempts = attempts + 1, changed_at = $2
         WHERE resource_id = (SELECT resource_id FROM load WHERE state IN ('pending', 'running') AND due_at <= $2
                              ORDER BY due_at LIMIT 1 {skip})
         RETURNING {COLUMNS}"
    );
    Ok(tx.query(sqlx::AssertSqlSafe(text)).bind(claim.to_owned()).bind(now).bind(until).opt().await?)
}

/// Whether a load was claimed by its worker and not wished for again since; prolongs the claim.
pub(crate) async fn hold(tx: &mut Tx, load: &Load, until: DateTime<Utc>) -> Result<bool> {
    let text = "UPDATE load SET due_at = $4 WHERE resource_id = $1 AND number = $2 AND claim = $3 AND state = 'running'";
    let query = tx.query(text).bind(load.resource_id.clone()).bind(load.number).bind(load.claim.clone());
    Ok(query.bind(until).run().await? == 1)
}

/// Writes how a load ended, if it is still its worker's.
pub(crate) async fn end(source: &mut Source, load: &Load, now: DateTime<Utc>) -> Result<bool> {
    let text =
        "UPDATE load SET state = $4, claim = '', digest = $5, loaded_rows = $6, bad_rows = $7, error = $8, log = $9, changed_at = $10,
            due_at = $10, forced = FALSE
        WHERE resource_id = $1 AND number = $2 AND claim = $3 AND state = 'running'";
    let query = source.query(text).bind(load.resource_id.clone()).bind(load.number).bind(load.claim.clone());
    let query = query.bind(load.state.clone()).bind(load.digest.clone()).bind(load.loaded_rows).bind(load.bad_rows);
    Ok(query.bind(load.error.clone()).bind(load.log.clone()).bind(now).run().await? == 1)
}

/// Puts a load back that shall be tried again later.
pub(crate) async fn put_back(tx: &mut Tx, load: &Load, due: DateTime<Utc>) -> Result<()> {
    let text = "UPDATE load SET state = 'pending', claim = '', due_at = $4, log = $5
        WHERE resource_id = $1 AND number = $2 AND claim = $3 AND state = 'running'";
    let query = tx.query(text).bind(load.resource_id.clone()).bind(load.number).bind(load.claim.clone());
    query.bind(due).bind(load.log.clone()).run().await?;
    Ok(())
}

/// Lets every load that was under way wait again: at a start, where nobody else can be at work on this database.
pub(crate) async fn put_all_back(tx: &mut Tx, now: DateTime<Utc>) -> Result<u64> {
    let text = "UPDATE load SET state = 'pending', claim = '', due_at = $1 WHERE state = 'running'";
    Ok(tx.query(text).bind(now).run().await?)
}
