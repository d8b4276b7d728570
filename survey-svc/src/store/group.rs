//! Collect groups.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx};

/// A collect group.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) survey_id: String,
    pub(crate) space_id: String,
    pub(crate) serial: String,
    pub(crate) name: String,
    pub(crate) channel: String,
    pub(crate) status: String,
    pub(crate) started: bool,
    pub(crate) target: Option<i64>,
    pub(crate) responses: i64,
    pub(crate) is_using_hmac: bool,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// Every column, in the order of the struct.
const SELECT: &str = "SELECT id, survey_id, space_id, serial, name, channel, status, started, target, responses, is_using_hmac,
    started_at, completed_at, created_at, updated_at FROM collect_group";

/// Adds a group.
pub(crate) async fn insert(tx: &mut Tx, new: &Group) -> Result<()> {
    tx.query(
        "INSERT INTO collect_group (id, survey_id, space_id, serial, name, channel, status, started, target, responses, is_using_hmac,
             started_at, completed_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(new.id.clone())
    .bind(new.survey_id.clone())
    .bind(new.space_id.clone())
    .bind(new.serial.clone())
    .bind(new.name.clone())
    .bind(new.channel.clone())
    .bind(new.status.clone())
    .bind(new.started)
    .bind(new.target)
    .bind(new.responses)
    .bind(new.is_using_hmac)
    .bind(new.started_at)
    .bind(new.completed_at)
    .bind(new.created_at)
    .bind(new.updated_at)
    .run()
    .await?;
    Ok(())
}

/// A group by id.
pub(crate) async fn find(db: &Db, id: &str) -> Result<Option<Group>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1"));
    Ok(db.query(text).bind(id.to_owned()).opt().await?)
}

/// The same in a transaction that has locked its survey.
pub(crate) async fn find_in(tx: &mut Tx, id: &str) -> Result<Option<Group>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1"));
    Ok(tx.query(text).bind(id.to_owned()).opt().await?)
}

/// A group by its serial.
pub(crate) async fn by_serial(db: &Db, serial: &str) -> Result<Option<Group>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE serial = $1"));
    Ok(db.query(text).bind(serial.to_owned()).opt().await?)
}

/// The groups of a survey, oldest first.
pub(crate) async fn list(db: &Db, survey: &str, limit: i64) -> Result<Vec<Group>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE survey_id = $1 ORDER BY id LIMIT $2"));
    Ok(db.query(text).bind(survey.to_owned()).bind(limit).all().await?)
}

/// How many groups a survey has.
pub(crate) async fn count(tx: &mut Tx, survey: &str) -> Result<i64> {
    let (count,): (i64,) = tx.query("SELECT COUNT(*) FROM collect_group WHERE survey_id = $1").bind(survey.to_owned()).one().await?;
    Ok(count)
}

/// Writes everything of a group that may change; its survey is locked.
pub(crate) async fn update(tx: &mut Tx, group: &Group) -> Result<()> {
    tx.query(
        "UPDATE collect_group SET name = $2, channel = $3, status = $4, started = $5, target = $6, responses = $7, is_using_hmac = $8,
             started_at = $9, completed_at = $10, updated_at = $11 WHERE id = $1",
    )
    .bind(group.id.clone())
    .bind(group.name.clone())
    .bind(group.channel.clone())
    .bind(group.status.clone())
    .bind(group.started)
    .bind(group.target)
    .bind(group.responses)
    .bind(group.is_using_hmac)
    .bind(group.started_at)
    .bind(group.completed_at)
    .bind(group.updated_at)
    .run()
    .await?;
    Ok(())
}

/// Groups whose time to start or to complete has come: (id, survey).
pub(crate) async fn due(db: &Db, now: DateTime<Utc>, limit: i64) -> Result<Vec<(String, String)>> {
    let text = "SELECT id, survey_id FROM collect_group WHERE (status = 'READY' AND started_at <= $1)
        OR (status IN ('RUNNING', 'PAUSED') AND completed_at <= $1) ORDER BY id LIMIT $2";
    Ok(db.query(text).bind(now).bind(limit).all().await?)
}

/// A group by its name, in a transaction that has locked its survey.
pub(crate) async fn named_in(tx: &mut Tx, survey: &str, name: &str) -> Result<Option<Group>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE survey_id = $1 AND name = $2 AND status = 'COMPLETED' ORDER BY id LIMIT 1"));
    Ok(tx.query(text).bind(survey.to_owned()).bind(name.to_owned()).opt().await?)
}
