//! Connections to databases of users.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx};

/// A connection; its password stays sealed.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Connection {
    pub(crate) id: String,
    pub(crate) space_id: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) host: String,
    pub(crate) port: i64,
    pub(crate) database: String,
    pub(crate) username: String,
    pub(crate) secret: String,
    pub(crate) tls: String,
    pub(crate) created_by: String,
    pub(crate) created_at: DateTime<Utc>,
}

const SELECT: &str = "SELECT id, space_id, name, kind, host, port, database, username, secret, tls, created_by, created_at FROM connection";

/// Adds a connection.
pub(crate) async fn insert(tx: &mut Tx, new: &Connection) -> sqlx::Result<u64> {
    tx.query(
        "INSERT INTO connection (id, space_id, name, kind, host, port, database, username, secret, tls, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(new.id.clone())
    .bind(new.space_id.clone())
    .bind(new.name.clone())
    .bind(new.kind.clone())
    .bind(new.host.clone())
    .bind(new.port)
    .bind(new.database.clone())
    .bind(new.username.clone())
    .bind(new.secret.clone())
    .bind(new.tls.clone())
    .bind(new.created_by.clone())
    .bind(new.created_at)
    .run()
    .await
}

/// A connection of a space, by id or name.
pub(crate) async fn find(db: &Db, space: &str, word: &str) -> Result<Option<Connection>> {
    let text = sqlx::AssertSqlSafe(format!(
        "{SELECT} WHERE space_id = $1 AND (id = $2 OR name = $2) ORDER BY CASE WHEN id = $2 THEN 0 ELSE 1 END LIMIT 1"
    ));
    Ok(db.query(text).bind(space.to_owned()).bind(word.to_owned()).opt().await?)
}

/// The connections of a space, by name.
pub(crate) async fn list(db: &Db, space: &str, limit: i64) -> Result<Vec<Connection>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE space_id = $1 ORDER BY name LIMIT $2"));
    Ok(db.query(text).bind(space.to_owned()).bind(limit).all().await?)
}

/// How many connections a space has.
pub(crate) async fn count(tx: &mut Tx, space: &str) -> Result<i64> {
    let (count,): (i64,) = tx.query("SELECT COUNT(*) FROM connection WHERE space_id = $1").bind(space.to_owned()).one().await?;
    Ok(count)
}

/// Removes a connection.
pub(crate) async fn delete(tx: &mut Tx, id: &str) -> Result<()> {
    tx.query("DELETE FROM connection WHERE id = $1").bind(id.to_owned()).run().await?;
    Ok(())
}
