//! Surveys.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx};

use super::PAGE;

/// A survey.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Survey {
    pub(crate) id: String,
    pub(crate) space_id: String,
    pub(crate) title: String,
    pub(crate) definition: String,
    pub(crate) responses: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

const SELECT: &str = "SELECT id, space_id, title, definition, responses, created_at, updated_at FROM survey";
/// Of a list, which shows no definitions.
const BRIEF: &str = "SELECT id, space_id, title, '' AS definition, responses, created_at, updated_at FROM survey";

/// Adds a survey.
pub(crate) async fn insert(tx: &mut Tx, new: &Survey, created_by: &str) -> Result<()> {
    tx.query(
        "INSERT INTO survey (id, space_id, title, definition, responses, created_by, created_at, updated_at)
         VALUES ($1, $2, $3, $4, 0, $5, $6, $7)",
    )
    .bind(new.id.clone())
    .bind(new.space_id.clone())
    .bind(new.title.clone())
    .bind(new.definition.clone())
    .bind(created_by.to_owned())
    .bind(new.created_at)
    .bind(new.updated_at)
    .run()
    .await?;
    Ok(())
}

/// A survey.
pub(crate) async fn find(db: &Db, id: &str) -> Result<Option<Survey>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1"));
    Ok(db.query(text).bind(id.to_owned()).opt().await?)
}

/// A survey, locked until the transaction ends: whoever changes it, its groups or their counts does this first.
pub(crate) async fn lock(tx: &mut Tx, id: &str) -> Result<Option<Survey>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1{}", tx.pick("", " FOR UPDATE")));
    Ok(tx.query(text).bind(id.to_owned()).opt().await?)
}

/// The same without reading more than its space and how many responses it has.
pub(crate) async fn lock_count(tx: &mut Tx, id: &str) -> Result<Option<(String, i64)>> {
    let text =
        tx.pick("SELECT space_id, responses FROM survey WHERE id = $1", "SELECT space_id, responses FROM survey WHERE id = $1 FOR UPDATE");
    Ok(tx.query(text).bind(id.to_owned()).opt().await?)
}

/// Waits until nobody has a survey locked, and keeps it so until the transaction ends. On SQLite one transaction writes at a time anyway.
pub(crate) async fn lock_shared(tx: &mut Tx, id: &str) -> Result<()> {
    let text = tx.pick("SELECT id FROM survey WHERE id = $1", "SELECT id FROM survey WHERE id = $1 FOR SHARE");
    let _: Option<(String,)> = tx.query(text).bind(id.to_owned()).opt().await?;
    Ok(())
}

/// Surveys of a space, newest first, from one on; one more than a page.
pub(crate) async fn list(db: &Db, space: &str, from: Option<String>, running: bool) -> Result<Vec<Survey>> {
    let running = if running {
        "AND EXISTS (SELECT 1 FROM collect_group g WHERE g.survey_id = survey.id AND g.space_id = $1 AND g.status = 'RUNNING')"
    } else {
        ""
    };
    let text = sqlx::AssertSqlSafe(format!("{BRIEF} WHERE space_id = $1 AND id <= $2 {running} ORDER BY id DESC LIMIT {}", PAGE + 1));
    Ok(db.query(text).bind(space.to_owned()).bind(from.unwrap_or_else(last_id)).all().await?)
}

/// No id sorts after it.
pub(crate) fn last_id() -> String {
    "g".to_owned()
}

/// Changes a survey that is locked.
pub(crate) async fn update(tx: &mut Tx, survey: &Survey) -> Result<()> {
    tx.query("UPDATE survey SET title = $2, definition = $3, updated_at = $4 WHERE id = $1")
        .bind(survey.id.clone())
        .bind(survey.title.clone())
        .bind(survey.definition.clone())
        .bind(survey.updated_at)
        .run()
        .await?;
    Ok(())
}

/// Removes a survey that is locked, and its groups, none of which has started.
pub(crate) async fn delete(tx: &mut Tx, id: &str) -> Result<()> {
    tx.query("DELETE FROM collect_group WHERE survey_id = $1").bind(id.to_owned()).run().await?;
    tx.query("DELETE FROM survey WHERE id = $1").bind(id.to_owned()).run().await?;
    Ok(())
}

/// Whether one of its groups was ever started.
pub(crate) async fn has_started(tx: &mut Tx, id: &str) -> Result<bool> {
    let row: Option<(String,)> =
        tx.query("SELECT id FROM collect_group WHERE survey_id = $1 AND started LIMIT 1").bind(id.to_owned()).opt().await?;
    Ok(row.is_some())
}
