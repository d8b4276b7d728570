//! Which worker may work on which flow. Everything that a worker writes is conditional on its fence.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Error, Id, Principal, Result, Tx, db::is_unique_violation};
use madang_proto::pipeline::v1::StartFlowRequest;
use prost::Message;

use super::close;

/// How often a flow is taken up.
pub(crate) const ATTEMPTS: i64 = 3;
/// Why the pipelines of a flow failed whose workers were lost, or that took too long.
pub(crate) const TIMED_OUT: &str = "Timed out";
/// Flows that are looked at in one go.
const AT_ONCE: i64 = 100;

/// A flow that is claimed by a worker.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) id: Id,
    pub(crate) request: StartFlowRequest,
    /// For whom it works.
    pub(crate) principal: Principal,
    pub(crate) fence: i64,
    pub(crate) attempt: i64,
    pub(crate) started_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    request: Vec<u8>,
    principal: String,
    fence: i64,
    attempts: i64,
    started_at: DateTime<Utc>,
}

impl TryFrom<Row> for Claim {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id.parse().map_err(Error::internal)?,
            request: StartFlowRequest::decode(row.request.as_slice()).map_err(Error::internal)?,
            principal: serde_json::from_str(&row.principal).map_err(Error::internal)?,
            fence: row.fence,
            attempt: row.attempts,
            started_at: row.started_at,
        })
    }
}

/// The oldest flow of the owner with the fewest at work, if he has room; it takes the lowest of his free places. Two workers that see the
/// same moment are told apart by the unique index on places.
macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "UPDATE flow SET state = 'running', attempts = attempts + 1, fence = fence + 1, lease_until = $1,
                 started_at = COALESCE(started_at, $2),
                 slot = (SELECT MIN(free.slot)
                     FROM (SELECT 0 AS slot UNION ALL SELECT o.slot + 1 FROM flow o WHERE o.owner_id = flow.owner_id AND o.state = 'running') free
                     WHERE NOT EXISTS (SELECT 1 FROM flow o WHERE o.owner_id = flow.owner_id AND o.state = 'running' AND o.slot = free.slot))
             WHERE state = 'queued' AND id = (
                 SELECT f.id FROM flow f WHERE f.state = 'queued'
                   AND (SELECT COUNT(*) FROM flow o WHERE o.owner_id = f.owner_id AND o.state = 'running') < $3
                 ORDER BY (SELECT COUNT(*) FROM flow o WHERE o.owner_id = f.owner_id AND o.state = 'running'), f.queued_at, f.id LIMIT 1",
            $lock,
            ") RETURNING id, request, principal, fence, attempts, started_at"
        )
    };
}

/// Claims a flow until `lease_until`; none if nothing waits that may run.
pub(crate) async fn claim(db: &Db, now: DateTime<Utc>, lease_until: DateTime<Utc>, per_owner: i64) -> Result<Option<Claim>> {
    let any: Option<(String,)> = db.query("SELECT id FROM flow WHERE state = 'queued' LIMIT 1").opt().await?;
    if any.is_none() {
        return Ok(None);
    }
    let mut tx = db.begin().await?;
    let text = tx.pick(claim!(""), claim!(" FOR UPDATE OF f SKIP LOCKED"));
    let row = tx.query(text).bind(lease_until).bind(now).bind(per_owner).opt::<Row>().await;
    let row = match row {
        Err(error) if is_unique_violation(&error) => return Ok(None), // another worker took that place just now
        row => row?,
    };
    tx.commit().await?;
    row.map(Claim::try_from).transpose()
}

/// Whether the claim still holds; locks the flow for the rest of the transaction.
pub(crate) async fn hold(tx: &mut Tx, claim: &Claim) -> Result<bool> {
    let text = "UPDATE flow SET fence = fence WHERE id = $1 AND fence = $2 AND state = 'running'";
    Ok(tx.query(text).bind(claim.id.to_string()).bind(claim.fence).run().await? == 1)
}

/// Prolongs a claim; false if it is lost.
pub(crate) async fn renew(db: &Db, claim: &Claim, lease_until: DateTime<Utc>) -> Result<bool> {
    let mut tx = db.begin().await?;
    let text = "UPDATE flow SET lease_until = $3 WHERE id = $1 AND fence = $2 AND state = 'running'";
    let held = tx.query(text).bind(claim.id.to_string()).bind(claim.fence).bind(lease_until).run().await? == 1;
    tx.commit().await?;
    Ok(held)
}

/// Gives a flow back whose process stops; the attempt does not count.
pub(crate) async fn release(db: &Db, claim: &Claim) -> Result<()> {
    let mut tx = db.begin().await?;
    let text = "UPDATE flow SET state = 'queued', slot = NULL, lease_until = NULL, attempts = attempts - 1
        WHERE id = $1 AND fence = $2 AND state = 'running'";
    tx.query(text).bind(claim.id.to_string()).bind(claim.fence).run().await?;
    Ok(tx.commit().await?)
}

/// Ends every claim: of a database that has one process, at its start. Flows that were taken up too often by then are closed by
/// [`recover`].
pub(crate) async fn end_all(db: &Db, now: DateTime<Utc>) -> Result<()> {
    let mut tx = db.begin().await?;
    let past = now - chrono::TimeDelta::milliseconds(1);
    tx.query("UPDATE flow SET lease_until = $1 WHERE state = 'running'").bind(past).run().await?;
    tx.query("UPDATE flow_publication SET lease_until = NULL, due_at = $1 WHERE state = 'waiting'").bind(past).run().await?;
    tx.commit().await?;
    recover(db, now).await?;
    Ok(())
}

/// Ends a flow all of whose pipelines have ended.
pub(crate) async fn finish(tx: &mut Tx, claim: &Claim, success: bool, now: DateTime<Utc>) -> Result<()> {
    let text = "UPDATE flow SET state = $2, slot = NULL, lease_until = NULL, finished_at = $3 WHERE id = $1";
    let state = super::State::ended(success).name().to_owned();
    tx.query(text).bind(claim.id.to_string()).bind(state).bind(now).run().await?;
    Ok(())
}

/// Puts flows whose worker was lost back into the queue; ends those that were there too often. Says whether it found any.
pub(crate) async fn recover(db: &Db, now: DateTime<Utc>) -> Result<bool> {
    let any: Option<(String,)> =
        db.query("SELECT id FROM flow WHERE state = 'running' AND lease_until < $1 LIMIT 1").bind(now).opt().await?;
    if any.is_none() {
        return Ok(false);
    }
    let mut tx = db.begin().await?;
    let text = "UPDATE flow SET state = 'queued', slot = NULL, lease_until = NULL
        WHERE state = 'running' AND lease_until < $1 AND attempts < $2";
    tx.query(text).bind(now).bind(ATTEMPTS).run().await?;
    let text = tx.pick(
        "SELECT flow_id, attempts FROM flow WHERE state = 'running' AND lease_until < $1 LIMIT $2",
        "SELECT flow_id, attempts FROM flow WHERE state = 'running' AND lease_until < $1 LIMIT $2 FOR UPDATE SKIP LOCKED",
    );
    let lost: Vec<(String, i64)> = tx.query(text).bind(now).bind(AT_ONCE).all().await?;
    for (flow, attempt) in lost {
        close(&mut tx, &flow, attempt, TIMED_OUT, now).await?;
    }
    tx.commit().await?;
    Ok(true)
}
