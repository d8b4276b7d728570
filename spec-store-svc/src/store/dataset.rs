//! Datasets.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx};

/// A dataset as it is stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Dataset {
    pub(crate) id: String,
    pub(crate) owner_id: String,
    pub(crate) name: String,
    pub(crate) findability: String,
    pub(crate) certified: bool,
    pub(crate) spec: String,
    /// [`crate::upload::Origin`] as JSON.
    pub(crate) origin: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

const COLUMNS: &str = "d.id, d.owner_id, d.name, d.findability, d.certified, d.spec, d.origin, d.created_at, d.updated_at";

/// A dataset that is not deleted.
pub(crate) async fn find(db: &Db, id: &str) -> Result<Option<Dataset>> {
    let text = format!("SELECT {COLUMNS} FROM dataset d WHERE d.id = $1 AND d.deleted_at IS NULL");
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(id.to_owned()).opt().await?)
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> Result<Option<Dataset>> {
    if tx
        .query("UPDATE owner SET touched_at = $2 WHERE id = (SELECT owner_id FROM dataset WHERE id = $1)")
        .bind(id.to_owned())
        .bind(now)
        .run()
        .await?
        == 0
    {
        return Ok(None);
    }
    let text = format!("SELECT {COLUMNS} FROM dataset d WHERE d.id = $1 AND d.deleted_at IS NULL");
    Ok(tx.query(sqlx::AssertSqlSafe(text)).bind(id.to_owned()).opt().await?)
}

/// Locks an owner, who is made if he is new: of his datasets one is changed at a time.
pub(crate) async fn lock_owner(tx: &mut Tx, owner_id: &str, now: DateTime<Utc>) -> Result<()> {
    let text = "INSERT INTO owner (id, touched_at) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET touched_at = excluded.touched_at";
    tx.query(text).bind(owner_id.to_owned()).bind(now).run().await?;
    Ok(())
}

/// How many datasets an owner has beside this one.
pub(crate) async fn others(tx: &mut Tx, owner_id: &str, id: &str) -> Result<i64> {
    let text = "SELECT CAST(COUNT(*) AS BIGINT) FROM dataset WHERE owner_id = $1 AND id <> $2 AND deleted_at IS NULL";
    let (number,): (i64,) = tx.query(text).bind(owner_id.to_owned()).bind(id.to_owned()).one().await?;
    Ok(number)
}

/// Whether a dataset is there.
pub(crate) async fn exists(tx: &mut Tx, id: &str) -> Result<bool> {
    let text = "SELECT CAST(1 AS BIGINT) FROM dataset WHERE id = $1 AND deleted_at IS NULL";
    Ok(tx.query(text).bind(id.to_owned()).opt::<(i64,)>().await?.is_some())
}

/// Writes a dataset with its newest spec and gives the number of its next revision and when it was made. What was deleted begins anew,
/// but for its numbers.
pub(crate) async fn put(tx: &mut Tx, dataset: &Dataset) -> Result<(i64, DateTime<Utc>)> {
    let text = "INSERT INTO dataset (id, owner_id, name, findability, certified, spec, origin, last_revision, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9)
         ON CONFLICT (id) DO UPDATE SET findability = excluded.findability, spec = excluded.spec, origin = excluded.origin,
             last_revision = dataset.last_revision + 1, updated_at = excluded.updated_at,
             certified = CASE WHEN dataset.deleted_at IS NULL THEN dataset.certified ELSE excluded.certified END,
             created_at = CASE WHEN dataset.deleted_at IS NULL THEN dataset.created_at ELSE excluded.created_at END,
             deleted_at = NULL
         RETURNING last_revision, created_at";
    let query = tx.query(text).bind(dataset.id.clone()).bind(dataset.owner_id.clone()).bind(dataset.name.clone());
    let query = query.bind(dataset.findability.clone()).bind(dataset.certified).bind(dataset.spec.clone());
    Ok(query.bind(dataset.origin.clone()).bind(dataset.created_at).bind(dataset.updated_at).one().await?)
}

/// When a dataset runs by itself next, read on the connection that holds its owner: with one more each, a crowd would wait for ever.
pub(crate) async fn due_at(tx: &mut Tx, id: &str) -> Result<Option<DateTime<Utc>>> {
    let row: Option<(DateTime<Utc>,)> = tx.query("SELECT due_at FROM timer WHERE owner = $1").bind(id.to_owned()).opt().await?;
    Ok(row.map(|(due_at,)| due_at))
}

/// Hides a dataset; gives the number of its last revision.
pub(crate) async fn delete(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> Result<i64> {
    let text =
        "UPDATE dataset SET deleted_at = $2, spec = '{}', listed = NULL, owner = '', title = '', description = '', words = '' WHERE id = $1
         RETURNING last_revision";
    let (number,): (i64,) = tx.query(text).bind(id.to_owned()).bind(now).one().await?;
    Ok(number)
}

/// A dataset with its newest revision.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) findability: String,
    pub(crate) certified: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) due_at: Option<DateTime<Utc>>,
    pub(crate) revision_id: String,
    pub(crate) number: i64,
    pub(crate) state: String,
    pub(crate) trigger_kind: String,
    pub(crate) begun_at: DateTime<Utc>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

const LINE: &str = "SELECT d.id, d.name, d.findability, d.certified, d.created_at, d.updated_at, t.due_at, r.id AS revision_id, r.number,
        r.state, r.trigger_kind, r.created_at AS begun_at, r.finished_at
    FROM dataset d JOIN revision r ON r.dataset_id = d.id AND r.number = d.last_revision LEFT JOIN timer t ON t.owner = d.id";

/// An owner's datasets by name, after one; only what everybody may find unless `all`.
pub(crate) async fn list(db: &Db, owner_id: &str, after: &str, all: bool, limit: i64) -> Result<Vec<Line>> {
    let text = format!(
        "{LINE} WHERE d.owner_id = $1 AND d.name > $2 AND d.deleted_at IS NULL AND (d.findability = 'published' OR $3) ORDER BY d.name LIMIT $4"
    );
    let query = db.query(sqlx::AssertSqlSafe(text)).bind(owner_id.to_owned()).bind(after.to_owned()).bind(all).bind(limit);
    Ok(query.all().await?)
}

/// One dataset with its newest revision.
pub(crate) async fn line(db: &Db, id: &str) -> Result<Option<Line>> {
    let text = format!("{LINE} WHERE d.id = $1 AND d.deleted_at IS NULL");
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(id.to_owned()).opt().await?)
}
