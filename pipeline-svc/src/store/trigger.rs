//! Triggers of spaces.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Id, Result, Tx};
use sqlx::types::Json;

/// A trigger as it is stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Trigger {
    pub(crate) id: String,
    pub(crate) short_id: String,
    pub(crate) space_id: String,
    pub(crate) name: String,
    /// `scheduled`, `event` or `none`.
    pub(crate) kind: String,
    /// Its message of the contract.
    pub(crate) rule: Vec<u8>,
    /// `active` or `deleted`.
    pub(crate) state: String,
    pub(crate) created_by: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) modified_at: DateTime<Utc>,
}

const COLUMNS: &str = "t.id, t.short_id, t.space_id, t.name, t.kind, t.rule, t.state, t.created_by, t.created_at, t.modified_at";

/// Adds a trigger; a name that is taken is a unique violation.
pub(crate) async fn insert(tx: &mut Tx, trigger: &Trigger) -> sqlx::Result<()> {
    tx.query(
        "INSERT INTO start_trigger (id, short_id, space_id, name, kind, rule, state, created_by, created_at, modified_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(trigger.id.clone())
    .bind(trigger.short_id.clone())
    .bind(trigger.space_id.clone())
    .bind(trigger.name.clone())
    .bind(trigger.kind.clone())
    .bind(trigger.rule.clone())
    .bind(trigger.state.clone())
    .bind(trigger.created_by.clone())
    .bind(trigger.created_at)
    .bind(trigger.modified_at)
    .run()
    .await?;
    Ok(())
}

/// Hides a trigger; false if it is not there any more.
pub(crate) async fn delete(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> Result<bool> {
    let text = "UPDATE start_trigger SET state = 'deleted', modified_at = $2 WHERE id = $1 AND state = 'active'";
    Ok(tx.query(text).bind(id.to_owned()).bind(now).run().await? == 1)
}

/// A trigger of a space by its short name.
pub(crate) async fn find(db: &Db, space: Id, short: &str) -> Result<Option<Trigger>> {
    let text = format!("SELECT {COLUMNS} FROM start_trigger t WHERE t.space_id = $1 AND t.short_id = $2 AND t.state = 'active'");
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(space.to_string()).bind(short.to_owned()).opt().await?)
}

/// The same, as the transaction sees it.
pub(crate) async fn find_in(tx: &mut Tx, space: Id, short: &str) -> Result<Option<Trigger>> {
    let text = format!("SELECT {COLUMNS} FROM start_trigger t WHERE t.space_id = $1 AND t.short_id = $2 AND t.state = 'active'");
    Ok(tx.query(sqlx::AssertSqlSafe(text)).bind(space.to_string()).bind(short.to_owned()).opt().await?)
}

/// A trigger that is there, by its id, as the transaction sees it; nobody deletes it until the end.
pub(crate) async fn lock(tx: &mut Tx, id: &str) -> Result<Option<Trigger>> {
    let lock = tx.pick("", " FOR SHARE");
    let text = format!("SELECT {COLUMNS} FROM start_trigger t WHERE t.id = $1 AND t.state = 'active'{lock}");
    Ok(tx.query(sqlx::AssertSqlSafe(text)).bind(id.to_owned()).opt().await?)
}

/// Triggers, newest first, whose name is like a pattern in lower case; and how many there are.
pub(crate) async fn list(db: &Db, space: Id, like: &str, limit: i64, offset: i64) -> Result<(Vec<Trigger>, i64)> {
    let found = "FROM start_trigger t WHERE t.space_id = $1 AND lower(t.name) LIKE $2 ESCAPE '\\' AND t.state = 'active'";
    let page = format!("SELECT {COLUMNS} {found} ORDER BY t.created_at DESC, t.id DESC LIMIT $3 OFFSET $4");
    let page = db.query(sqlx::AssertSqlSafe(page)).bind(space.to_string()).bind(like.to_owned());
    let rows = page.bind(limit).bind(offset).all().await?;
    let counted = db.query(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) {found}"))).bind(space.to_string()).bind(like.to_owned());
    let (count,): (i64,) = counted.one().await?;
    Ok((rows, count))
}

/// Triggers of a space that are there, by their short names.
pub(crate) async fn of_names(db: &Db, space: Id, shorts: &[String]) -> Result<Vec<Trigger>> {
    let listed = db.pick("SELECT value FROM json_each($2)", "SELECT jsonb_array_elements_text($2)");
    let text = format!("SELECT {COLUMNS} FROM start_trigger t WHERE t.space_id = $1 AND t.short_id IN ({listed}) AND t.state = 'active'");
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(space.to_string()).bind(Json(shorts.to_vec())).all().await?)
}

/// A trigger, whether it is still there or not.
pub(crate) async fn of_id(tx: &mut Tx, id: &str) -> Result<Trigger> {
    let text = format!("SELECT {COLUMNS} FROM start_trigger t WHERE t.id = $1");
    Ok(tx.query(sqlx::AssertSqlSafe(text)).bind(id.to_owned()).one().await?)
}
