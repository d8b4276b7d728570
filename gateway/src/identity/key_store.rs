//! The tables of access keys and of their use: nothing but SQL.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx};

/// An access key as stored, with what its user is.
#[derive(Clone, sqlx::FromRow)]
pub(crate) struct AccessKeyRow {
    pub(crate) access_key: String,
    /// Encrypted.
    pub(crate) secret: String,
    pub(crate) secret_mark: Option<String>,
    pub(crate) user_id: String,
    pub(crate) space_id: String,
    /// `active` or `disabled`.
    pub(crate) state: String,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) per_second: Option<i64>,
    pub(crate) per_day: Option<i64>,
    pub(crate) per_month: Option<i64>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) user_name: String,
    pub(crate) user_state: String,
    pub(crate) sysadmin: bool,
    /// The user's roles in the key's space; `None` if the user is no member any more.
    pub(crate) member_role: Option<String>,
}

const KEY: &str = "SELECT k.access_key, k.secret, k.secret_mark, k.user_id, k.space_id, k.state, k.expires_at, k.per_second, k.per_day,
    k.per_month, k.created_at, u.name AS user_name, u.state AS user_state, u.sysadmin, m.role AS member_role
    FROM access_key k JOIN user_account u ON u.id = k.user_id
    LEFT JOIN space_member m ON m.space_id = k.space_id AND m.user_id = k.user_id";

fn key_where(condition: &'static str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!("{KEY} WHERE {condition}"))
}

/// A key by its public half, or else by the mark of its secret.
pub(crate) async fn find(db: &Db, access_key: &str, mark: String) -> Result<Option<AccessKeyRow>> {
    let text = key_where("k.access_key = $1 OR k.secret_mark = $2");
    let mut found: Vec<AccessKeyRow> = db.query(text).bind(access_key.to_owned()).bind(mark).all().await?;
    let named = found.iter().position(|row| row.access_key == access_key).unwrap_or_default();
    Ok(if found.is_empty() { None } else { Some(found.swap_remove(named)) })
}

/// A key by its public half.
pub(crate) async fn key(db: &Db, access_key: &str) -> Result<Option<AccessKeyRow>> {
    Ok(db.query(key_where("k.access_key = $1")).bind(access_key.to_owned()).opt().await?)
}

/// Keys by their public half, from one on.
pub(crate) async fn keys(db: &Db, after: &str, limit: i64) -> Result<Vec<AccessKeyRow>> {
    let text = key_where("k.access_key > $1 ORDER BY k.access_key LIMIT $2");
    Ok(db.query(text).bind(after.to_owned()).bind(limit).all().await?)
}

/// Adds a key.
pub(crate) async fn insert(tx: &mut Tx, row: &AccessKeyRow) -> Result<(), sqlx::Error> {
    tx.query(
        "INSERT INTO access_key (access_key, secret, secret_mark, user_id, space_id, state, expires_at, per_second, per_day, per_month,
             created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(row.access_key.clone())
    .bind(row.secret.clone())
    .bind(row.secret_mark.clone())
    .bind(row.user_id.clone())
    .bind(row.space_id.clone())
    .bind(row.state.clone())
    .bind(row.expires_at)
    .bind(row.per_second)
    .bind(row.per_day)
    .bind(row.per_month)
    .bind(row.created_at)
    .run()
    .await?;
    note_change(tx).await
}

/// Writes what may change of a key.
pub(crate) async fn update(tx: &mut Tx, row: &AccessKeyRow) -> Result<bool> {
    let text = "UPDATE access_key SET state = $2, expires_at = $3, per_second = $4, per_day = $5, per_month = $6 WHERE access_key = $1";
    let query = tx.query(text).bind(row.access_key.clone()).bind(row.state.clone()).bind(row.expires_at);
    let changed = query.bind(row.per_second).bind(row.per_day).bind(row.per_month).run().await?;
    note_change(tx).await?;
    Ok(changed == 1)
}

/// Removes a key and the counts of its use.
pub(crate) async fn delete(tx: &mut Tx, access_key: &str) -> Result<bool> {
    let removed = tx.query("DELETE FROM access_key WHERE access_key = $1").bind(access_key.to_owned()).run().await?;
    tx.query("DELETE FROM key_usage WHERE access_key = $1").bind(access_key.to_owned()).run().await?;
    note_change(tx).await?;
    Ok(removed == 1)
}

/// Keys whose secrets have no mark under this master key yet.
pub(crate) async fn unmarked(db: &Db, prefix: &str, limit: i64) -> Result<Vec<(String, String)>> {
    let text = "SELECT access_key, secret FROM access_key WHERE secret_mark IS NULL OR substr(secret_mark, 1, $2) <> $1 LIMIT $3";
    let length = i32::try_from(prefix.chars().count()).unwrap_or(i32::MAX);
    Ok(db.query(text).bind(prefix.to_owned()).bind(length).bind(limit).all().await?)
}

/// Marks a key's secret.
pub(crate) async fn set_mark(tx: &mut Tx, access_key: &str, mark: String) -> Result<()> {
    tx.query("UPDATE access_key SET secret_mark = $2 WHERE access_key = $1").bind(access_key.to_owned()).bind(mark).run().await?;
    Ok(())
}

/// Encrypted secrets with the keys that they belong to.
pub(crate) async fn secrets(db: &Db, limit: i64) -> Result<Vec<(String, String)>> {
    Ok(db.query("SELECT access_key, secret FROM access_key ORDER BY access_key LIMIT $1").bind(limit).all().await?)
}

/// Tells every gateway that what it has cached of users, spaces and keys may be old.
pub(crate) async fn note_change(tx: &mut Tx) -> Result<(), sqlx::Error> {
    tx.query("UPDATE identity_revision SET number = number + 1 WHERE id = 1").run().await?;
    Ok(())
}

/// Grows with each change of a user, a space or a key.
pub(crate) async fn revision(db: &Db) -> Result<i64> {
    let (number,): (i64,) = db.query("SELECT number FROM identity_revision WHERE id = 1").one().await?;
    Ok(number)
}

/// Takes up to `wanted` requests of a period's quota; gives how many there were left to take.
pub(crate) async fn take_usage(tx: &mut Tx, access_key: &str, period: &str, limit: i64, wanted: i64) -> Result<i64> {
    let text = "INSERT INTO key_usage (access_key, period, used) VALUES ($1, $2, 0) ON CONFLICT (access_key, period) DO NOTHING";
    tx.query(text).bind(access_key.to_owned()).bind(period.to_owned()).run().await?;
    let text = tx.pick(
        "SELECT used FROM key_usage WHERE access_key = $1 AND period = $2",
        "SELECT used FROM key_usage WHERE access_key = $1 AND period = $2 FOR UPDATE",
    );
    let (used,): (i64,) = tx.query(text).bind(access_key.to_owned()).bind(period.to_owned()).one().await?;
    let taken = wanted.min(limit.saturating_sub(used)).max(0);
    let text = "UPDATE key_usage SET used = used + $3 WHERE access_key = $1 AND period = $2";
    tx.query(text).bind(access_key.to_owned()).bind(period.to_owned()).bind(taken).run().await?;
    Ok(taken)
}

/// Gives back what was taken and not used.
pub(crate) async fn return_usage(tx: &mut Tx, access_key: &str, period: &str, left: i64) -> Result<()> {
    let text = "UPDATE key_usage SET used = used - $3 WHERE access_key = $1 AND period = $2 AND used >= $3";
    tx.query(text).bind(access_key.to_owned()).bind(period.to_owned()).bind(left).run().await?;
    Ok(())
}

/// What keys used in these two periods: key, period, requests.
pub(crate) async fn usage(db: &Db, from: &str, to: &str, day: &str, month: &str) -> Result<Vec<(String, String, i64)>> {
    let text = "SELECT access_key, period, used FROM key_usage WHERE access_key >= $1 AND access_key <= $2 AND period IN ($3, $4)";
    Ok(db.query(text).bind(from.to_owned()).bind(to.to_owned()).bind(day.to_owned()).bind(month.to_owned()).all().await?)
}

/// Forgets periods before these. A month's text sorts before the texts of its days.
pub(crate) async fn sweep_usage(tx: &mut Tx, month: &str) -> Result<u64> {
    Ok(tx.query("DELETE FROM key_usage WHERE period < $1").bind(month.to_owned()).run().await?)
}
