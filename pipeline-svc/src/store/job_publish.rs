//! Commit records of jobs' runs.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Error, Id, Result};

use super::{claim::Claim, record};

/// A commit record that is not done yet.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Record {
    pub(crate) run_id: String,
    pub(crate) body: String,
    pub(crate) tables: Option<Vec<u8>>,
}

#[derive(sqlx::FromRow)]
struct Abandoned {
    #[sqlx(flatten)]
    record: Record,
    run_as: String,
    fence: i64,
}

/// Writes the commit record; false if the lease was lost, and then nothing.
pub(crate) async fn decide(db: &Db, claim: &Claim, now: DateTime<Utc>, body: String, tables: Option<Vec<u8>>) -> Result<bool> {
    let mut tx = db.begin().await?;
    if !record::hold(&mut tx, claim, now, None).await? {
        return Ok(false);
    }
    tx.query("INSERT INTO job_publish (run_id, body, tables, created_at) VALUES ($1, $2, $3, $4)")
        .bind(claim.run.to_string())
        .bind(body)
        .bind(tables)
        .bind(now)
        .run()
        .await?;
    tx.commit().await?;
    Ok(true)
}

/// The open record of a run.
pub(crate) async fn of_run(db: &Db, run: Id) -> Result<Option<Record>> {
    Ok(db.query("SELECT run_id, body, tables FROM job_publish WHERE run_id = $1").bind(run.to_string()).opt().await?)
}

/// Open records of runs that nobody works on any more, with whom they work for.
pub(crate) async fn abandoned(db: &Db, limit: i64) -> Result<Vec<(Record, madang_kit::Principal, i64)>> {
    let found: Vec<Abandoned> = db
        .query(
            "SELECT p.run_id, p.body, p.tables, r.run_as, r.fence FROM job_publish p JOIN run r ON r.id = p.run_id
             WHERE r.state NOT IN ('queued', 'running') ORDER BY p.created_at LIMIT $1",
        )
        .bind(limit)
        .all()
        .await?;
    found.into_iter().map(|found| Ok((found.record, serde_json::from_str(&found.run_as).map_err(Error::internal)?, found.fence))).collect()
}

/// Forgets a record that is done, or that came to nothing.
pub(crate) async fn forget(db: &Db, run: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.query("DELETE FROM job_publish WHERE run_id = $1").bind(run.to_owned()).run().await?;
    Ok(tx.commit().await?)
}
