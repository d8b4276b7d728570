//! Files by key. A row is there before the bytes are, and goes after them.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Error, Result, Tx};

/// A file.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct File {
    /// Names it on the object store.
    pub(crate) stored: String,
    pub(crate) key: String,
    pub(crate) owner_id: String,
    pub(crate) dataset: String,
    pub(crate) bytes: i64,
    /// In hexadecimal digits, as `sha256`.
    pub(crate) md5: String,
    pub(crate) sha256: String,
    pub(crate) content_type: String,
    pub(crate) private: i64,
}

/// Writes a file down before it is stored.
pub(crate) async fn expect(db: &Db, file: &File, now: DateTime<Utc>) -> Result<()> {
    let mut tx = db.begin().await?;
    let text = "INSERT INTO flow_file (stored, key, owner_id, dataset, state, bytes, md5, sha256, content_type, private, since)
        VALUES ($1, $2, $3, $4, 'waiting', $5, $6, $7, $8, $9, $10)";
    let query = tx.query(text).bind(file.stored.clone()).bind(file.key.clone()).bind(file.owner_id.clone()).bind(file.dataset.clone());
    let query = query.bind(file.bytes).bind(file.md5.clone()).bind(file.sha256.clone()).bind(file.content_type.clone());
    query.bind(file.private).bind(now).run().await?;
    Ok(tx.commit().await?)
}

/// Keeps a stored file under its key; if one is kept there already, this one goes. With `over`, the other one goes.
pub(crate) async fn keep(tx: &mut Tx, file: &File, over: bool, now: DateTime<Utc>) -> Result<()> {
    if over {
        let text = "UPDATE flow_file SET state = 'gone', since = $3 WHERE key = $1 AND stored <> $2 AND state = 'kept'";
        tx.query(text).bind(file.key.clone()).bind(file.stored.clone()).bind(now).run().await?;
    }
    let text = "UPDATE flow_file SET bytes = $2, md5 = $3, sha256 = $4, since = $5,
            state = CASE WHEN EXISTS (SELECT 1 FROM flow_file o WHERE o.key = flow_file.key AND o.state = 'kept') THEN 'gone' ELSE 'kept' END
        WHERE stored = $1 AND state = 'waiting'";
    let query = tx.query(text).bind(file.stored.clone()).bind(file.bytes).bind(file.md5.clone());
    query.bind(file.sha256.clone()).bind(now).run().await?;
    Ok(())
}

const SELECT: &str = "SELECT stored, key, owner_id, dataset, bytes, md5, sha256, content_type, private FROM flow_file";

/// The file under a key.
pub(crate) async fn find(db: &Db, key: &str) -> Result<Option<File>> {
    let text = format!("{SELECT} WHERE key = $1 AND state = 'kept'");
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(key.to_owned()).opt().await?)
}

/// Those of some keys under which a file is, one that is as private if that is said. They count as kept again now.
pub(crate) async fn kept(db: &Db, keys: &[String], private: Option<bool>, now: DateTime<Utc>) -> Result<Vec<String>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = serde_json::to_string(keys).map_err(Error::internal)?;
    let mut tx = db.begin().await?;
    let text = tx.pick(
        "UPDATE flow_file SET since = $2 WHERE state = 'kept' AND private = COALESCE($3, private)
             AND key IN (SELECT value FROM json_each($1)) RETURNING key",
        "UPDATE flow_file SET since = $2 WHERE state = 'kept' AND private = COALESCE($3, private)
             AND key IN (SELECT json_array_elements_text(CAST($1 AS JSON))) RETURNING key",
    );
    let rows: Vec<(String,)> = tx.query(text).bind(wanted).bind(now).bind(private.map(i64::from)).all().await?;
    tx.commit().await?;
    Ok(rows.into_iter().map(|(key,)| key).collect())
}

/// Says of a kept file who may read it, and that it is kept now; false if it went.
pub(crate) async fn keep_again(tx: &mut Tx, file: &File, now: DateTime<Utc>) -> Result<bool> {
    let text = "UPDATE flow_file SET private = $2, since = $3 WHERE stored = $1 AND state = 'kept'";
    Ok(tx.query(text).bind(file.stored.clone()).bind(file.private).bind(now).run().await? == 1)
}

/// Bytes of an owner's other files that are as private as one. Whoever brings files waits here for the one before him.
pub(crate) async fn bytes_beside(tx: &mut Tx, file: &File) -> Result<i64> {
    tx.query("UPDATE flow_counter SET value = value + 1 WHERE name = 'file'").run().await?;
    let text = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM flow_file
        WHERE owner_id = $1 AND state = 'kept' AND private = $2 AND key <> $3";
    let query = tx.query(text).bind(file.owner_id.clone()).bind(file.private).bind(file.key.clone());
    let (bytes,): (i64,) = query.one().await?;
    Ok(bytes)
}

/// Bytes of the files that an owner has: those that everybody may read, and those that he alone may.
pub(crate) async fn bytes_of(db: &Db, owner: &str) -> Result<(i64, i64)> {
    let text = "SELECT CAST(COALESCE(SUM(CASE WHEN private = 0 THEN bytes ELSE 0 END), 0) AS BIGINT),
            CAST(COALESCE(SUM(CASE WHEN private = 0 THEN 0 ELSE bytes END), 0) AS BIGINT)
        FROM flow_file WHERE owner_id = $1 AND state = 'kept'";
    Ok(db.query(text).bind(owner.to_owned()).one().await?)
}

/// Makes all files of a dataset its owner's alone.
pub(crate) async fn hide(tx: &mut Tx, owner: &str, dataset: &str) -> Result<()> {
    let text = "UPDATE flow_file SET private = 1 WHERE owner_id = $1 AND dataset = $2 AND private <> 1";
    tx.query(text).bind(owner.to_owned()).bind(dataset.to_owned()).run().await?;
    Ok(())
}

/// Lets everybody read some of a dataset's files.
pub(crate) async fn show(tx: &mut Tx, owner: &str, dataset: &str, keys: &[String]) -> Result<()> {
    let keys = serde_json::to_string(keys).map_err(Error::internal)?;
    let text = tx.pick(
        "UPDATE flow_file SET private = 0 WHERE owner_id = $1 AND dataset = $2 AND private <> 0
             AND key IN (SELECT value FROM json_each($3))",
        "UPDATE flow_file SET private = 0 WHERE owner_id = $1 AND dataset = $2 AND private <> 0
             AND key IN (SELECT json_array_elements_text(CAST($3 AS JSON)))",
    );
    tx.query(text).bind(owner.to_owned()).bind(dataset.to_owned()).bind(keys).run().await?;
    Ok(())
}

/// Lets files of a dataset go: all, or those that were kept at that time or before.
pub(crate) async fn let_go(tx: &mut Tx, owner: &str, dataset: &str, before: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<()> {
    let text = "UPDATE flow_file SET state = 'gone', since = $3
        WHERE owner_id = $1 AND dataset = $2 AND state <> 'gone' AND since <= COALESCE($4, since)";
    tx.query(text).bind(owner.to_owned()).bind(dataset.to_owned()).bind(now).bind(before).run().await?;
    Ok(())
}

/// Lets one file go that came to nothing.
pub(crate) async fn give_up(db: &Db, stored: &str, now: DateTime<Utc>) -> Result<()> {
    let mut tx = db.begin().await?;
    let text = "UPDATE flow_file SET state = 'gone', since = $2 WHERE stored = $1 AND state = 'waiting'";
    tx.query(text).bind(stored.to_owned()).bind(now).run().await?;
    Ok(tx.commit().await?)
}

/// Lets files go that waited since before a time, and names some that went before another.
pub(crate) async fn swept(db: &Db, waited: DateTime<Utc>, went: DateTime<Utc>, now: DateTime<Utc>, limit: i64) -> Result<Vec<String>> {
    let mut tx = db.begin().await?;
    tx.query("UPDATE flow_file SET state = 'gone', since = $2 WHERE state = 'waiting' AND since < $1").bind(waited).bind(now).run().await?;
    tx.commit().await?;
    let text = "SELECT stored FROM flow_file WHERE state = 'gone' AND since < $1 ORDER BY since LIMIT $2";
    let rows: Vec<(String,)> = db.query(text).bind(went).bind(limit).all().await?;
    Ok(rows.into_iter().map(|(stored,)| stored).collect())
}

/// Forgets a file whose bytes were removed.
pub(crate) async fn forget(db: &Db, stored: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.query("DELETE FROM flow_file WHERE stored = $1 AND state = 'gone'").bind(stored.to_owned()).run().await?;
    Ok(tx.commit().await?)
}

/// What an address answered last: its ETag, and the key of the copy.
pub(crate) async fn seen(db: &Db, owner: &str, dataset: &str, url: &str) -> Result<Option<(String, String)>> {
    let text = "SELECT tag, key FROM flow_source WHERE owner_id = $1 AND dataset = $2 AND url = $3";
    Ok(db.query(text).bind(owner.to_owned()).bind(dataset.to_owned()).bind(url.to_owned()).opt().await?)
}

/// Notes what an address answered.
pub(crate) async fn note_seen(tx: &mut Tx, owner: &str, dataset: &str, url: &str, tag: &str, key: &str) -> Result<()> {
    let text = "INSERT INTO flow_source (owner_id, dataset, url, tag, key) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (owner_id, dataset, url) DO UPDATE SET tag = excluded.tag, key = excluded.key";
    let query = tx.query(text).bind(owner.to_owned()).bind(dataset.to_owned()).bind(url.to_owned());
    query.bind(tag.to_owned()).bind(key.to_owned()).run().await?;
    Ok(())
}
