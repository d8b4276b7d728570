//! Claims: which worker may work on which run, and what it may write. Everything is conditional on the worker's fence, so that a
//! worker that lost its lease changes nothing any more.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Error, Id, Principal, Result, Tx, db::is_unique_violation};
use madang_proto::pipeline::v1::RunState;

use crate::{
    definition::Step,
    store::run::{self, STATES},
};

/// A run that is claimed by a worker.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) run: Id,
    pub(crate) steps: Vec<Step>,
    pub(crate) run_as: Principal,
    /// The number of this attempt, from 1.
    pub(crate) fence: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    definition: String,
    run_as: String,
    attempts: i64,
}

impl TryFrom<Row> for Claim {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            run: row.id.parse().map_err(Error::internal)?,
            steps: serde_json::from_str(&row.definition).map_err(Error::internal)?,
            run_as: serde_json::from_str(&row.run_as).map_err(Error::internal)?,
            fence: row.attempts,
        })
    }
}

/// The oldest run that waits or whose worker was lost, unless another run of the same pipeline is running or waits longer. Two workers
/// that see the same moment are told apart by the unique index on running pipelines.
macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "UPDATE run SET state = 'running', attempts = attempts + 1, lease_until = $1, started_at = COALESCE(started_at, $2)
             WHERE id = (
                 SELECT r.id FROM run r
                 WHERE (r.state = 'queued' OR (r.state = 'running' AND r.lease_until < $2))
                   AND NOT EXISTS (SELECT 1 FROM run o WHERE o.pipeline_id = r.pipeline_id AND o.id <> r.id
                       AND (o.state = 'running' OR (r.state = 'queued' AND o.state = 'queued' AND o.id < r.id)))
                 ORDER BY r.id LIMIT 1",
            $lock,
            ") RETURNING id, definition, run_as, attempts"
        )
    };
}

/// Claims a run until `lease_until`.
pub(crate) async fn claim(db: &Db, now: DateTime<Utc>, lease_until: DateTime<Utc>) -> Result<Option<Claim>> {
    let mut tx = db.begin().await?;
    let text = tx.pick(claim!(""), claim!(" FOR UPDATE OF r SKIP LOCKED"));
    let row: Option<Row> = match tx.query(text).bind(lease_until).bind(now).opt().await {
        Err(error) if is_unique_violation(&error) => return Ok(None), // another worker took a run of this pipeline just now
        row => row?,
    };
    tx.commit().await?;
    row.map(Claim::try_from).transpose()
}

/// Why a run failed whose workers were lost.
const LOST: &str = "the worker was lost once too often";

/// Fails runs whose worker was lost once too often, with their open steps; returns their number.
pub(crate) async fn give_up(db: &Db, now: DateTime<Utc>, max_attempts: i64) -> Result<usize> {
    let text = "SELECT id FROM run WHERE state = 'running' AND lease_until < $1 AND attempts >= $2 LIMIT 100";
    let lost: Vec<(String,)> = db.query(text).bind(now).bind(max_attempts).all().await?;
    for (id,) in &lost {
        fail_lost(db, id, now, max_attempts).await?;
    }
    Ok(lost.len())
}

async fn fail_lost(db: &Db, id: &str, now: DateTime<Utc>, max_attempts: i64) -> Result<()> {
    let mut tx = db.begin().await?;
    let failed = tx
        .query(
            "UPDATE run SET state = 'failed', finished_at = $1, lease_until = NULL
             WHERE id = $3 AND state = 'running' AND lease_until < $1 AND attempts >= $2",
        )
        .bind(now)
        .bind(max_attempts)
        .bind(id.to_owned())
        .run()
        .await?;
    if failed == 0 {
        return Ok(()); // its worker was only slow, or another one was quicker here
    }
    tx.query("UPDATE step_run SET state = 'failed', comment = $3, finished_at = $2 WHERE run_id = $1 AND state = 'running'")
        .bind(id.to_owned())
        .bind(now)
        .bind(LOST.to_owned())
        .run()
        .await?;
    run::log(&mut tx, id.parse().map_err(Error::internal)?, now, "ERROR", "", LOST).await?;
    Ok(tx.commit().await?)
}

/// Prolongs a lease; false if it was lost.
pub(crate) async fn renew(db: &Db, claim: &Claim, lease_until: DateTime<Utc>) -> Result<bool> {
    let mut tx = db.begin().await?;
    let renewed = tx
        .query("UPDATE run SET lease_until = $3 WHERE id = $1 AND attempts = $2 AND state = 'running'")
        .bind(claim.run.to_string())
        .bind(claim.fence)
        .bind(lease_until)
        .run()
        .await?;
    tx.commit().await?;
    Ok(renewed == 1)
}

/// Gives a run back, as if it had not been claimed.
pub(crate) async fn release(db: &Db, claim: &Claim) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.query("UPDATE run SET state = 'queued', attempts = attempts - 1, lease_until = NULL WHERE id = $1 AND attempts = $2 AND state = 'running'")
        .bind(claim.run.to_string())
        .bind(claim.fence)
        .run()
        .await?;
    Ok(tx.commit().await?)
}

/// Ends a run; false if the lease was lost.
pub(crate) async fn finish(tx: &mut Tx, claim: &Claim, state: RunState, now: DateTime<Utc>) -> Result<bool> {
    let finished = tx
        .query("UPDATE run SET state = $3, finished_at = $4, lease_until = NULL WHERE id = $1 AND attempts = $2 AND state = 'running'")
        .bind(claim.run.to_string())
        .bind(claim.fence)
        .bind(name(state))
        .bind(now)
        .run()
        .await?;
    Ok(finished == 1)
}

/// What is known of a step.
#[derive(Clone, Debug)]
pub(crate) struct StepRecord {
    pub(crate) position: i64,
    pub(crate) state: RunState,
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
    pub(crate) comment: Option<String>,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

/// Writes what is known of a step; false if the lease was lost.
pub(crate) async fn record_step(tx: &mut Tx, claim: &Claim, step: StepRecord) -> Result<bool> {
    let written = tx
        .query(
            "UPDATE step_run SET state = $3, rows_in = $4, rows_out = $5, comment = $6, started_at = $7, finished_at = $8
             WHERE run_id = $1 AND position = $2
               AND EXISTS (SELECT 1 FROM run WHERE id = $1 AND attempts = $9 AND state = 'running')",
        )
        .bind(claim.run.to_string())
        .bind(step.position)
        .bind(name(step.state))
        .bind(i64::try_from(step.rows_in).unwrap_or(i64::MAX))
        .bind(i64::try_from(step.rows_out).unwrap_or(i64::MAX))
        .bind(step.comment)
        .bind(step.started_at)
        .bind(step.finished_at)
        .bind(claim.fence)
        .run()
        .await?;
    Ok(written == 1)
}

fn name(state: RunState) -> String {
    STATES.iter().find(|row| row.0 == state).map_or("failed", |row| row.1).to_owned()
}
