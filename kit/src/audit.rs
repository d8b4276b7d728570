//! The audit log: append-only, written in the same transaction as what it tells of, hash-chained per service.
//!
//! Writers only insert; chaining them there would make every write of a service wait for the one before it. A background task
//! ([`crate::housekeeping`]) links committed records into the chain within a second: each hash covers the hash before it.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Clock, Context, Db, Id, Result, Tx};

const SEAL_AT_ONCE: i64 = 1_000;
/// The advisory lock that keeps two replicas from sealing at the same time.
const SEAL_LOCK: i64 = 0x6d61_6461_6e67_0001;

/// One thing that somebody did.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// What was done, as `noun.verb`: `dataset.create`.
    pub action: &'a str,
    /// The id of the thing.
    pub thing: String,
    /// What else a later reader needs; never a secret or a personal value.
    pub detail: Value,
}

/// Writes a record into the transaction of the change.
pub async fn write(tx: &mut Tx, clock: &Clock, context: &Context, record: Record<'_>) -> Result<()> {
    tx.query("INSERT INTO audit (id, at, actor, request_id, action, thing, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(Id::generate().to_string())
        .bind(clock.now())
        .bind(context.principal.user.to_string())
        .bind(context.request_id.clone())
        .bind(record.action.to_owned())
        .bind(record.thing)
        .bind(record.detail.to_string())
        .run()
        .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    at: DateTime<Utc>,
    actor: String,
    request_id: String,
    action: String,
    thing: String,
    detail: String,
}

const COLUMNS: &str = "id, at, actor, request_id, action, thing, detail";

/// Links the records that are not linked yet.
pub async fn seal(db: &Db) -> Result<()> {
    let pending: Option<(String,)> = db.query("SELECT id FROM audit WHERE sealed_as IS NULL LIMIT 1").opt().await?;
    if pending.is_none() {
        return Ok(());
    }
    let mut tx = db.begin().await?;
    if let Tx::Postgres(_) = tx {
        tx.query("SELECT pg_advisory_xact_lock($1)").bind(SEAL_LOCK).run().await?;
    }
    let last: Option<(i64, String)> =
        tx.query("SELECT sealed_as, hash FROM audit WHERE sealed_as IS NOT NULL ORDER BY sealed_as DESC LIMIT 1").opt().await?;
    let (mut number, mut hash) = last.unwrap_or_default();
    let text = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM audit WHERE sealed_as IS NULL ORDER BY id LIMIT $1"));
    let rows: Vec<Row> = tx.query(text).bind(SEAL_AT_ONCE).all().await?;
    for row in rows {
        number += 1;
        hash = row.hash_after(&hash);
        tx.query("UPDATE audit SET sealed_as = $1, hash = $2 WHERE id = $3").bind(number).bind(hash.clone()).bind(row.id).run().await?;
    }
    Ok(tx.commit().await?)
}

/// Walks the whole chain. Returns the number of sealed records, or the position of the first one that was changed, removed or
/// slipped in.
pub async fn verify(db: &Db) -> Result<std::result::Result<i64, i64>> {
    let (mut number, mut hash) = (0_i64, String::new());
    loop {
        let text =
            sqlx::AssertSqlSafe(format!("SELECT sealed_as, hash, {COLUMNS} FROM audit WHERE sealed_as > $1 ORDER BY sealed_as LIMIT $2"));
        let rows: Vec<SealedRow> = db.query(text).bind(number).bind(SEAL_AT_ONCE).all().await?;
        if rows.is_empty() {
            return Ok(Ok(number));
        }
        for sealed in rows {
            hash = sealed.row.hash_after(&hash);
            if sealed.sealed_as != number + 1 || sealed.hash != hash {
                return Ok(Err(number + 1));
            }
            number = sealed.sealed_as;
        }
    }
}

#[derive(sqlx::FromRow)]
struct SealedRow {
    sealed_as: i64,
    hash: String,
    #[sqlx(flatten)]
    row: Row,
}

impl Row {
    /// Covers every field with its length, so that no two records read the same.
    fn hash_after(&self, previous: &str) -> String {
        let at = self.at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let mut digest = Sha256::new();
        for field in [previous, &self.id, &at, &self.actor, &self.request_id, &self.action, &self.thing, &self.detail] {
            digest.update((field.len() as u64).to_le_bytes());
            digest.update(field.as_bytes());
        }
        STANDARD.encode(digest.finalize())
    }
}
