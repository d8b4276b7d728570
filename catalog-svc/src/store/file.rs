//! Uploaded files. A row is there before the bytes are, and goes after them, so that none is forgotten.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx, db::Source};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What was uploaded as a resource; its owner is the resource.
    Resource,
    /// The rows that a resource's table lacks; its owner is the resource.
    BadRows,
    /// A picture of a group or an organization, which owns it.
    Image,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::BadRows => "bad-rows",
            Self::Image => "image",
        }
    }
}

/// A file.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct File {
    /// Names it on the object store.
    pub(crate) key: String,
    pub(crate) name: String,
    /// Empty = unknown.
    pub(crate) media_type: String,
    pub(crate) bytes: i64,
    /// In hexadecimal digits.
    pub(crate) sha256: String,
    /// When it came.
    pub(crate) since: DateTime<Utc>,
}

/// Writes a file down before it is stored.
pub(crate) async fn expect(tx: &mut Tx, key: &str, kind: Kind, name: &str, media_type: &str, now: DateTime<Utc>) -> Result<()> {
    let text = "INSERT INTO file (key, kind, name, media_type, state, since) VALUES ($1, $2, $3, $4, 'waiting', $5)";
    let query = tx.query(text).bind(key.to_owned()).bind(kind.name().to_owned()).bind(name.to_owned());
    query.bind(media_type.to_owned()).bind(now).run().await?;
    Ok(())
}

/// Gives a stored file to its owner; the one that he had goes. Part of the change that the file belongs to.
pub(crate) async fn keep(source: &mut Source, file: &File, kind: Kind, owner: &str) -> Result<bool> {
    release(source, kind, owner, file.since).await?;
    let text = "UPDATE file SET state = 'kept', kind = $2, owner_id = $3, bytes = $4, sha256 = $5, since = $6, name = $7
        WHERE key = $1 AND state = 'waiting'";
    let query = source.query(text).bind(file.key.clone()).bind(kind.name().to_owned()).bind(owner.to_owned());
    let kept = query.bind(file.bytes).bind(file.sha256.clone()).bind(file.since).bind(file.name.clone()).run().await?;
    Ok(kept == 1)
}

/// Lets the file of an owner go, if he has one.
pub(crate) async fn release(source: &mut Source, kind: Kind, owner: &str, now: DateTime<Utc>) -> Result<()> {
    let text = "UPDATE file SET state = 'gone', since = $3 WHERE kind = $1 AND owner_id = $2 AND state = 'kept'";
    source.query(text).bind(kind.name().to_owned()).bind(owner.to_owned()).bind(now).run().await?;
    Ok(())
}

/// Lets files go whose change did not happen.
pub(crate) async fn give_up(tx: &mut Tx, key: &str, now: DateTime<Utc>) -> Result<()> {
    let text = "UPDATE file SET state = 'gone', since = $2 WHERE key = $1 AND state = 'waiting'";
    tx.query(text).bind(key.to_owned()).bind(now).run().await?;
    Ok(())
}

const SELECT: &str = "SELECT key, name, media_type, bytes, sha256, since FROM file";

/// The file of an owner.
pub(crate) async fn find(db: &Db, kind: Kind, owner: &str) -> Result<Option<File>> {
    let text = format!("{SELECT} WHERE kind = $1 AND owner_id = $2 AND state = 'kept'");
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(kind.name().to_owned()).bind(owner.to_owned()).opt().await?)
}

/// A picture by its name.
pub(crate) async fn image(db: &Db, name: &str) -> Result<Option<File>> {
    let text = format!("{SELECT} WHERE kind = 'image' AND name = $1 AND state = 'kept' LIMIT 1");
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(name.to_owned()).opt().await?)
}

/// Lets the files go whose resource was deleted or is no upload any more, and those whose change never came.
pub(crate) async fn let_go(tx: &mut Tx, waited_since: DateTime<Utc>, now: DateTime<Utc>) -> Result<u64> {
    let text = "UPDATE file SET state = 'gone', since = $2 WHERE (state = 'waiting' AND since < $1)
        OR (state = 'kept' AND kind IN ('resource', 'bad-rows')
            AND NOT EXISTS (SELECT 1 FROM resource r WHERE r.id = file.owner_id AND r.state = 'active'))
        OR (state = 'kept' AND kind = 'image' AND NOT EXISTS (SELECT 1 FROM organization o WHERE o.id = file.owner_id))";
    Ok(tx.query(text).bind(waited_since).bind(now).run().await?)
}

/// Keys of files that went before a time.
pub(crate) async fn gone(db: &Db, before: DateTime<Utc>, limit: i64) -> Result<Vec<String>> {
    let text = "SELECT key FROM file WHERE state = 'gone' AND since < $1 ORDER BY since LIMIT $2";
    let rows: Vec<(String,)> = db.query(text).bind(before).bind(limit).all().await?;
    Ok(rows.into_iter().map(|(key,)| key).collect())
}

/// Forgets a file whose bytes were removed.
pub(crate) async fn forget(tx: &mut Tx, key: &str) -> Result<()> {
    tx.query("DELETE FROM file WHERE key = $1 AND state = 'gone'").bind(key.to_owned()).run().await?;
    Ok(())
}
