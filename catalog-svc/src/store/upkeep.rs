//! What is known of tables for their upkeep: compaction and vacuum.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx};

/// A table that was published to since compaction looked at it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Grown {
    pub(crate) id: String,
    pub(crate) dataset_id: String,
    /// The last publish when it was looked for.
    pub(crate) publishes: i64,
}

/// A table as the vacuum sees it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Upkeep {
    pub(crate) id: String,
    /// State, options and last change of its dataset; of a resource that was deleted alone its own state and deletion.
    pub(crate) state: String,
    pub(crate) options: String,
    pub(crate) modified_at: DateTime<Utc>,
    /// Milliseconds since 1970.
    pub(crate) swept_to: i64,
    pub(crate) kept_from: i64,
    /// Milliseconds since 1970.
    pub(crate) kept_since: i64,
    pub(crate) expired_to: i64,
}

/// Tables that may have grown small files.
pub(crate) async fn grown(db: &Db, limit: i64) -> Result<Vec<Grown>> {
    let text = "SELECT t.id, r.dataset_id, t.publishes FROM lake_table t
        JOIN resource r ON r.id = t.id JOIN dataset d ON d.id = r.dataset_id
        WHERE t.publishes > t.compacted AND r.state = 'active' AND d.state = 'active' ORDER BY t.id LIMIT $1";
    Ok(db.query(text).bind(limit).all().await?)
}

/// Notes up to which publish a table has been looked at.
pub(crate) async fn set_compacted(tx: &mut Tx, id: &str, publishes: i64) -> Result<()> {
    tx.query("UPDATE lake_table SET compacted = $2 WHERE id = $1").bind(id.to_owned()).bind(publishes).run().await?;
    Ok(())
}

/// Lets compaction look at a table again: row ids may have settled.
pub(crate) async fn look_again(tx: &mut Tx, id: &str) -> Result<()> {
    tx.query("UPDATE lake_table SET compacted = publishes - 1 WHERE id = $1 AND compacted >= publishes").bind(id.to_owned()).run().await?;
    Ok(())
}

/// A table with its dataset, deleted ones included.
pub(crate) async fn kept(db: &Db, id: &str) -> Result<Option<Upkeep>> {
    let text = "SELECT t.id, CASE WHEN r.state = 'deleted' THEN r.state ELSE d.state END AS state, d.options,
            CASE WHEN r.state = 'deleted' THEN COALESCE(r.modified_at, d.modified_at) ELSE d.modified_at END AS modified_at,
            t.swept_to, t.kept_from, t.kept_since, t.expired_to
        FROM lake_table t JOIN resource r ON r.id = t.id JOIN dataset d ON d.id = r.dataset_id WHERE t.id = $1";
    Ok(db.query(text).bind(id.to_owned()).opt().await?)
}

/// Notes up to when files were looked at that nobody may need.
pub(crate) async fn set_swept(tx: &mut Tx, id: &str, to: i64) -> Result<()> {
    tx.query("UPDATE lake_table SET swept_to = $2 WHERE id = $1").bind(id.to_owned()).bind(to).run().await?;
    Ok(())
}

/// Notes from which version on all files are kept.
pub(crate) async fn set_kept(tx: &mut Tx, id: &str, from: i64, since: i64) -> Result<()> {
    let text = "UPDATE lake_table SET kept_from = $2, kept_since = $3 WHERE id = $1 AND kept_from < $2";
    tx.query(text).bind(id.to_owned()).bind(from).bind(since).run().await?;
    Ok(())
}

/// Notes up to which version the files that were taken out are removed.
pub(crate) async fn set_expired(tx: &mut Tx, id: &str, to: i64) -> Result<()> {
    tx.query("UPDATE lake_table SET expired_to = $2 WHERE id = $1").bind(id.to_owned()).bind(to).run().await?;
    Ok(())
}
