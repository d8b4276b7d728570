//! Buckets that somebody made or granted.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Id, Result, Tx};

/// A bucket that has a row.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) created_by: String,
    pub(crate) created_at: DateTime<Utc>,
}

/// What a space may do with a bucket.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Grant {
    pub(crate) bucket: String,
    pub(crate) space_id: String,
    /// `read` or `write`.
    pub(crate) access: String,
}

/// Adds a bucket, unless it has a row.
pub(crate) async fn insert(tx: &mut Tx, new: &Bucket) -> Result<()> {
    tx.query("INSERT INTO bucket (name, created_by, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING")
        .bind(new.name.clone())
        .bind(new.created_by.clone())
        .bind(new.created_at)
        .run()
        .await?;
    Ok(())
}

/// A bucket's row.
pub(crate) async fn find(db: &Db, name: &str) -> Result<Option<Bucket>> {
    Ok(db.query("SELECT name, created_by, created_at FROM bucket WHERE name = $1").bind(name.to_owned()).opt().await?)
}

/// Every bucket's row.
pub(crate) async fn all(db: &Db) -> Result<Vec<Bucket>> {
    Ok(db.query("SELECT name, created_by, created_at FROM bucket").all().await?)
}

/// Removes a bucket's row with its grants.
pub(crate) async fn delete(tx: &mut Tx, name: &str) -> Result<()> {
    for text in ["DELETE FROM bucket_grant WHERE bucket = $1", "DELETE FROM bucket WHERE name = $1"] {
        tx.query(text).bind(name.to_owned()).run().await?;
    }
    Ok(())
}

/// The grants of one bucket.
pub(crate) async fn grants(db: &Db, name: &str) -> Result<Vec<Grant>> {
    let text = "SELECT bucket, space_id, access FROM bucket_grant WHERE bucket = $1 ORDER BY space_id";
    Ok(db.query(text).bind(name.to_owned()).all().await?)
}

/// The grants of all buckets.
pub(crate) async fn all_grants(db: &Db) -> Result<Vec<Grant>> {
    Ok(db.query("SELECT bucket, space_id, access FROM bucket_grant ORDER BY bucket, space_id").all().await?)
}

/// Replaces the grants of a bucket.
pub(crate) async fn set_grants(tx: &mut Tx, name: &str, grants: &[(Id, bool)]) -> Result<()> {
    tx.query("DELETE FROM bucket_grant WHERE bucket = $1").bind(name.to_owned()).run().await?;
    for (space, write) in grants {
        tx.query("INSERT INTO bucket_grant (bucket, space_id, access) VALUES ($1, $2, $3)")
            .bind(name.to_owned())
            .bind(space.to_string())
            .bind(if *write { "write" } else { "read" }.to_owned())
            .run()
            .await?;
    }
    Ok(())
}

const FIRST_SPACE: &str = "first_space";

/// The space that has what nobody granted.
pub(crate) async fn first_space(db: &Db) -> Result<Option<String>> {
    let row: Option<(String,)> = db.query("SELECT value FROM setting WHERE name = $1").bind(FIRST_SPACE.to_owned()).opt().await?;
    Ok(row.map(|(space,)| space))
}

/// Notes it.
pub(crate) async fn set_first_space(tx: &mut Tx, space: Id) -> Result<()> {
    tx.query("INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
        .bind(FIRST_SPACE.to_owned())
        .bind(space.to_string())
        .run()
        .await?;
    Ok(())
}
