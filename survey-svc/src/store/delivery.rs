//! Webhooks and events on their way out.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx, db::Query};

use super::{PAGE, placeholders, rows_of};

/// Where a space's events go.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    pub(crate) secret: String,
}

/// An event.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) space_id: String,
    pub(crate) event: String,
    pub(crate) body: String,
    pub(crate) state: String,
    pub(crate) attempts: i64,
    pub(crate) status: Option<i64>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) next_at: DateTime<Utc>,
}

const SELECT: &str = "SELECT id, space_id, event, body, state, attempts, status, created_at, next_at FROM delivery";

/// The webhook of a space.
pub(crate) async fn webhook(db: &Db, space: &str) -> Result<Option<Webhook>> {
    Ok(db.query("SELECT url, secret FROM webhook WHERE space_id = $1").bind(space.to_owned()).opt().await?)
}

/// Sets the webhook of a space.
pub(crate) async fn put_webhook(tx: &mut Tx, space: &str, webhook: &Webhook) -> Result<()> {
    tx.query(
        "INSERT INTO webhook (space_id, url, secret) VALUES ($1, $2, $3)
         ON CONFLICT (space_id) DO UPDATE SET url = excluded.url, secret = excluded.secret",
    )
    .bind(space.to_owned())
    .bind(webhook.url.clone())
    .bind(webhook.secret.clone())
    .run()
    .await?;
    Ok(())
}

/// Removes the webhook of a space; what waits for it fails.
pub(crate) async fn delete_webhook(tx: &mut Tx, space: &str) -> Result<()> {
    tx.query("DELETE FROM webhook WHERE space_id = $1").bind(space.to_owned()).run().await?;
    tx.query("UPDATE delivery SET state = 'failed' WHERE space_id = $1 AND state = 'waiting'").bind(space.to_owned()).run().await?;
    Ok(())
}

/// Which of these spaces have a webhook.
pub(crate) async fn listening(tx: &mut Tx, spaces: Vec<String>) -> Result<HashSet<String>> {
    let text = format!("SELECT space_id FROM webhook WHERE space_id IN ({})", placeholders(1, spaces.len()));
    let query = tx.query(sqlx::AssertSqlSafe(text));
    let rows: Vec<(String,)> = spaces.into_iter().fold(query, Query::bind).all().await?;
    Ok(rows.into_iter().map(|(space,)| space).collect())
}

/// Puts events on their way.
pub(crate) async fn insert(tx: &mut Tx, events: &[Delivery]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let text = format!(
        "INSERT INTO delivery (id, space_id, event, body, state, attempts, created_at, next_at) VALUES {}",
        rows_of(events.len(), 8)
    );
    let mut query = tx.query(sqlx::AssertSqlSafe(text));
    for event in events {
        query = query
            .bind(event.id.clone())
            .bind(event.space_id.clone())
            .bind(event.event.clone())
            .bind(event.body.clone())
            .bind(event.state.clone())
            .bind(event.attempts)
            .bind(event.created_at)
            .bind(event.next_at);
    }
    query.run().await?;
    Ok(())
}

/// An event of a space.
pub(crate) async fn find(db: &Db, space: &str, id: &str) -> Result<Option<Delivery>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE space_id = $1 AND id = $2"));
    Ok(db.query(text).bind(space.to_owned()).bind(id.to_owned()).opt().await?)
}

/// Events of a space before one, newest first; one more than a page.
pub(crate) async fn list(db: &Db, space: &str, before: String) -> Result<Vec<Delivery>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE space_id = $1 AND id < $2 ORDER BY id DESC LIMIT {}", PAGE + 1));
    Ok(db.query(text).bind(space.to_owned()).bind(before).all().await?)
}

/// Spaces with events that are due: those behind one first, then from the beginning.
pub(crate) async fn due(db: &Db, now: DateTime<Utc>, behind: &str, limit: usize) -> Result<Vec<String>> {
    let text = "SELECT w.space_id FROM webhook w WHERE EXISTS
            (SELECT 1 FROM delivery d WHERE d.space_id = w.space_id AND d.state = 'waiting' AND d.next_at <= $1)
        ORDER BY (w.space_id <= $2), w.space_id LIMIT $3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows: Vec<(String,)> = db.query(text).bind(now).bind(behind.to_owned()).bind(limit).all().await?;
    Ok(rows.into_iter().map(|(space,)| space).collect())
}

/// Takes events of a space that are due, the longest due first: until then nobody else tries them.
pub(crate) async fn take(db: &Db, space: &str, now: DateTime<Utc>, until: DateTime<Utc>, limit: usize) -> Result<Vec<Delivery>> {
    let mut tx = db.begin().await?;
    let locked = tx.pick("", " FOR UPDATE SKIP LOCKED");
    let text = format!(
        "UPDATE delivery SET next_at = $3, attempts = attempts + 1 WHERE id IN
             (SELECT id FROM delivery WHERE space_id = $1 AND state = 'waiting' AND next_at <= $2 ORDER BY next_at LIMIT $4{locked})
         RETURNING id, space_id, event, body, state, attempts, status, created_at, next_at"
    );
    let query = tx.query(sqlx::AssertSqlSafe(text)).bind(space.to_owned()).bind(now).bind(until);
    let taken = query.bind(i64::try_from(limit).unwrap_or(i64::MAX)).all().await?;
    tx.commit().await?;
    Ok(taken)
}

/// Puts an event on its way again, as if it were new.
pub(crate) async fn renew(db: &Db, id: &str, now: DateTime<Utc>) -> Result<()> {
    let mut tx = db.begin().await?;
    let text = "UPDATE delivery SET state = 'waiting', attempts = 0, status = NULL, next_at = $2 WHERE id = $1";
    tx.query(text).bind(id.to_owned()).bind(now).run().await?;
    Ok(tx.commit().await?)
}

/// Notes how an attempt ended, unless the event was given up meanwhile.
pub(crate) async fn note(db: &Db, delivery: &Delivery) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.query("UPDATE delivery SET state = $2, status = $3, next_at = $4 WHERE id = $1 AND state = 'waiting'")
        .bind(delivery.id.clone())
        .bind(delivery.state.clone())
        .bind(delivery.status)
        .bind(delivery.next_at)
        .run()
        .await?;
    Ok(tx.commit().await?)
}

/// Webhooks whose secrets are not sealed under the current master key, behind one: (space, secret).
pub(crate) async fn old_secrets(db: &Db, current: &str, behind: &str, limit: i64) -> Result<Vec<(String, String)>> {
    let text = "SELECT space_id, secret FROM webhook WHERE substr(secret, 1, $1) <> $2 AND space_id > $3 ORDER BY space_id LIMIT $4";
    let length = i32::try_from(current.chars().count()).unwrap_or(i32::MAX);
    Ok(db.query(text).bind(length).bind(current.to_owned()).bind(behind.to_owned()).bind(limit).all().await?)
}

/// Replaces a secret's sealed form, unless somebody was quicker.
pub(crate) async fn reseal(tx: &mut Tx, space: &str, old: &str, new: String) -> Result<()> {
    let text = "UPDATE webhook SET secret = $3 WHERE space_id = $1 AND secret = $2";
    tx.query(text).bind(space.to_owned()).bind(old.to_owned()).bind(new).run().await?;
    Ok(())
}

/// Forgets events that ended long ago; those that came as their webhook went end here.
pub(crate) async fn sweep(db: &Db, before: DateTime<Utc>) -> Result<()> {
    let mut tx = db.begin().await?;
    let orphaned = "UPDATE delivery SET state = 'failed'
        WHERE state = 'waiting' AND NOT EXISTS (SELECT 1 FROM webhook w WHERE w.space_id = delivery.space_id)";
    tx.query(orphaned).run().await?;
    tx.query("DELETE FROM delivery WHERE state <> 'waiting' AND created_at < $1").bind(before).run().await?;
    Ok(tx.commit().await?)
}
