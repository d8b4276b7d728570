//! Claims: which worker may work on which run. Everything that a worker writes is conditional on its fence, so that a worker that lost
//! its lease changes nothing any more.

use chrono::{DateTime, TimeDelta, Utc};
use madang_kit::{Db, Error, Id, Principal, Result, Tx, db::is_unique_violation};
use madang_proto::pipeline::v1::RunState;
use serde_json::{Map, Value};

use super::{record, run::RunKind};
use crate::plan::Plan;

/// A run that is claimed by a worker.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) run: Id,
    pub(crate) kind: RunKind,
    /// The thing that is run; checkpoints are its own.
    pub(crate) subject: Id,
    pub(crate) plan: Plan,
    pub(crate) parameters: Map<String, Value>,
    pub(crate) run_as: Principal,
    pub(crate) fence: i64,
    /// The number of this attempt, from 1.
    pub(crate) attempt: i64,
    /// When it is over at the latest.
    pub(crate) deadline: DateTime<Utc>,
}

/// How many runs of one kind may be worked on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    pub(crate) per_user: i64,
    pub(crate) per_space: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    kind: String,
    subject_id: String,
    definition: Vec<u8>,
    parameters: String,
    run_as: String,
    fence: i64,
    attempts: i64,
    started_at: DateTime<Utc>,
}

/// The columns of a [`Row`].
macro_rules! claimed {
    () => {
        "id, kind, subject_id, definition, parameters, run_as, fence, attempts, started_at"
    };
}

impl Claim {
    /// Whether nobody had the run before; who did may have given it back.
    pub(crate) fn is_first(&self) -> bool {
        self.fence == 1
    }
}

impl TryFrom<Row> for Claim {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let kind = RunKind::parse(&row.kind);
        let parameters = serde_json::from_str(&row.parameters).map_err(Error::internal)?;
        let plan = kind.plan(&row.definition, &parameters)?;
        Ok(Self {
            run: row.id.parse().map_err(Error::internal)?,
            kind,
            subject: row.subject_id.parse().map_err(Error::internal)?,
            parameters,
            run_as: serde_json::from_str(&row.run_as).map_err(Error::internal)?,
            fence: row.fence,
            attempt: row.attempts,
            deadline: row.started_at.checked_add_signed(plan.timeout).unwrap_or(DateTime::<Utc>::MAX_UTC),
            plan,
        })
    }
}

/// Of the runs that wait longest under their keys, the one whose owner has the fewest at work, then the oldest; if its key, its owner
/// and its space have room. It gets the lowest free slot of its key: two workers that see the same moment are told apart by the unique
/// index on slots.
macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "UPDATE run SET state = 'running', attempts = attempts + 1, fence = fence + 1, lease_until = $1,
                 started_at = COALESCE(started_at, $2),
                 serial_slot = (SELECT MIN(free.slot)
                     FROM (SELECT 0 AS slot UNION ALL SELECT o.serial_slot + 1 FROM run o WHERE o.serial_key = run.serial_key AND o.state = 'running') free
                     WHERE NOT EXISTS (SELECT 1 FROM run o WHERE o.serial_key = run.serial_key AND o.state = 'running' AND o.serial_slot = free.slot))
             WHERE state = 'queued' AND id = (
                 SELECT r.id FROM run r JOIN (SELECT MIN(id) AS id FROM run WHERE state = 'queued' GROUP BY serial_key) head ON head.id = r.id
                 WHERE r.state = 'queued'
                   AND (SELECT COUNT(*) FROM run o WHERE o.serial_key = r.serial_key AND o.state = 'running') < r.serial_limit
                   AND (SELECT COUNT(*) FROM run o WHERE o.owner_id = r.owner_id AND o.state = 'running') < $3
                   AND (SELECT COUNT(*) FROM run o WHERE o.space_id = r.space_id AND o.state = 'running') < $4
                 ORDER BY (SELECT COUNT(*) FROM run o WHERE o.owner_id = r.owner_id AND o.state = 'running'), r.id LIMIT 1",
            $lock,
            ") RETURNING ",
            claimed!()
        )
    };
}

/// What a try to claim gave.
pub(crate) enum Claimed {
    Run(Box<Claim>),
    /// A run whose definition can't be read any more; it was failed.
    Broken(Id),
    /// Another worker took the run just now; there may be more.
    Lost,
    Nothing,
}

/// Claims a run until `lease_until` and notes that its first open step runs, in one transaction.
pub(crate) async fn claim(db: &Db, now: DateTime<Utc>, lease_until: DateTime<Utc>, shares: Shares) -> Result<Claimed> {
    let mut tx = db.begin().await?;
    let text = tx.pick(claim!(""), claim!(" FOR UPDATE OF r SKIP LOCKED"));
    let row = tx.query(text).bind(lease_until).bind(now).bind(shares.per_user).bind(shares.per_space).opt::<Row>().await;
    let row = match row {
        Err(error) if is_unique_violation(&error) => return Ok(Claimed::Lost),
        row => row?,
    };
    let Some(row) = row else { return Ok(Claimed::Nothing) };
    let run: Id = row.id.parse().map_err(Error::internal)?;
    let claimed = match Claim::try_from(row) {
        Ok(claim) => {
            if claim.is_first()
                && let Some(first) = claim.plan.steps.first()
            {
                record::begin_step(&mut tx, claim.run, first.position, now).await?;
            }
            Claimed::Run(Box::new(claim))
        }
        Err(error) => {
            fail_whole(&mut tx, run, &error.message, now).await?;
            Claimed::Broken(run)
        }
    };
    tx.commit().await?;
    Ok(claimed)
}

/// A run that was added as running by the request itself.
pub(crate) fn handed_over(run: &super::run::NewRun, plan: Plan) -> Claim {
    Claim {
        run: run.id,
        kind: run.kind,
        subject: run.subject,
        parameters: run.parameters.clone(),
        run_as: run.run_as.clone(),
        fence: 1,
        attempt: 1,
        deadline: run.queued_at.checked_add_signed(plan.timeout).unwrap_or(DateTime::<Utc>::MAX_UTC),
        plan,
    }
}

/// Why a run ended whose workers were lost.
const LOST: &str = "the worker was lost once too often";
/// Runs that are looked at in one go.
const AT_ONCE: i64 = 100;

/// A run that nobody may work on any more: its workers were lost too often, or it was to be cancelled. It is to be closed.
pub(crate) struct Over {
    pub(crate) claim: Claim,
    pub(crate) cancelled: bool,
}

impl Over {
    /// How the run ends, and why.
    pub(crate) fn end(&self) -> (RunState, &'static str) {
        if self.cancelled { (RunState::Cancelled, "cancelled") } else { (RunState::Failed, LOST) }
    }
}

/// Puts runs whose worker was lost back into the queue; takes those that were there too often, and those that were to be cancelled, until
/// `lease_until`. Returns how many are in the queue again, and those that were taken.
pub(crate) async fn recover(db: &Db, now: DateTime<Utc>, lease_until: DateTime<Utc>) -> Result<(u64, Vec<Over>)> {
    let text = "SELECT id FROM run WHERE state = 'running' AND lease_until < $1 LIMIT 1";
    let any: Option<(String,)> = db.query(text).bind(now).opt().await?;
    if any.is_none() {
        return Ok((0, Vec::new()));
    }
    let mut tx = db.begin().await?;
    let requeued = tx
        .query(
            "UPDATE run SET state = 'queued', lease_until = NULL, serial_slot = NULL
             WHERE state = 'running' AND lease_until < $1 AND attempts < attempts_limit AND cancel_at IS NULL",
        )
        .bind(now)
        .run()
        .await?;
    let text = tx.pick(
        "SELECT id, cancel_at IS NOT NULL AS cancelled FROM run WHERE state = 'running' AND lease_until < $1 LIMIT $2",
        "SELECT id, cancel_at IS NOT NULL AS cancelled FROM run WHERE state = 'running' AND lease_until < $1 LIMIT $2 FOR UPDATE SKIP LOCKED",
    );
    let found: Vec<(String, bool)> = tx.query(text).bind(now).bind(AT_ONCE).all().await?;
    let mut over = Vec::new();
    for (id, cancelled) in found {
        let text = concat!("UPDATE run SET fence = fence + 1, lease_until = $2 WHERE id = $1 RETURNING ", claimed!());
        let row: Row = tx.query(text).bind(id.clone()).bind(lease_until).one().await?;
        match Claim::try_from(row) {
            Ok(claim) => over.push(Over { claim, cancelled }),
            Err(error) => fail_whole(&mut tx, id.parse().map_err(Error::internal)?, &error.message, now).await?,
        }
    }
    tx.commit().await?;
    Ok((requeued, over))
}

/// Fails a run that can't be worked on, with its open step.
async fn fail_whole(tx: &mut Tx, run: Id, why: &str, now: DateTime<Utc>) -> Result<()> {
    tx.query("UPDATE run SET state = 'failed', finished_at = $2, lease_until = NULL, serial_slot = NULL WHERE id = $1")
        .bind(run.to_string())
        .bind(now)
        .run()
        .await?;
    tx.query("UPDATE step_run SET state = 'failed', comment = $3, finished_at = $2 WHERE run_id = $1 AND state = 'running'")
        .bind(run.to_string())
        .bind(now)
        .bind(why.to_owned())
        .run()
        .await?;
    record::log(tx, run, now, &record::Line::of_run("ERROR", why)).await
}

/// What a worker learns when it prolongs its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    Held,
    /// Somebody wants the run to stop.
    Cancelled,
    Lost,
}

/// Prolongs a lease.
pub(crate) async fn renew(db: &Db, claim: &Claim, lease_until: DateTime<Utc>) -> Result<Lease> {
    let mut tx = db.begin().await?;
    let renewed: Option<(bool,)> = tx
        .query("UPDATE run SET lease_until = $3 WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING cancel_at IS NOT NULL")
        .bind(claim.run.to_string())
        .bind(claim.fence)
        .bind(lease_until)
        .opt()
        .await?;
    tx.commit().await?;
    Ok(match renewed {
        Some((false,)) => Lease::Held,
        Some((true,)) => Lease::Cancelled,
        None => Lease::Lost,
    })
}

/// Gives a run back, as if it had not been claimed.
pub(crate) async fn release(db: &Db, claim: &Claim) -> Result<()> {
    let mut tx = db.begin().await?;
    let released = tx
        .query(
            "UPDATE run SET state = 'queued', attempts = attempts - 1, lease_until = NULL, serial_slot = NULL
             WHERE id = $1 AND fence = $2 AND state = 'running'",
        )
        .bind(claim.run.to_string())
        .bind(claim.fence)
        .run()
        .await?;
    if released == 1 {
        tx.query("UPDATE step_run SET state = 'queued', started_at = NULL WHERE run_id = $1 AND state = 'running'")
            .bind(claim.run.to_string())
            .run()
            .await?;
    }
    Ok(tx.commit().await?)
}

/// Asks a run to stop. One that waits is ended here; true if it was.
pub(crate) async fn cancel(tx: &mut Tx, run: Id, now: DateTime<Utc>) -> Result<bool> {
    let ended = tx
        .query("UPDATE run SET state = 'cancelled', cancel_at = $2, finished_at = $2 WHERE id = $1 AND state = 'queued'")
        .bind(run.to_string())
        .bind(now)
        .run()
        .await?;
    if ended == 1 {
        record::log(tx, run, now, &record::Line::of_run("WARN", "cancelled")).await?;
        return Ok(true);
    }
    tx.query("UPDATE run SET cancel_at = COALESCE(cancel_at, $2) WHERE id = $1 AND state = 'running'")
        .bind(run.to_string())
        .bind(now)
        .run()
        .await?;
    Ok(false)
}

/// Runs that are worked on and should stop.
pub(crate) async fn to_cancel(db: &Db) -> Result<Vec<Id>> {
    let rows: Vec<(String,)> = db.query("SELECT id FROM run WHERE state = 'running' AND cancel_at IS NOT NULL").all().await?;
    rows.into_iter().map(|(id,)| id.parse().map_err(Error::internal)).collect()
}

/// The lease that a worker takes.
pub(crate) const LEASE: TimeDelta = TimeDelta::seconds(30);
