//! Starts of workflows, and which of their jobs come next.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Id, Result, Tx};

use super::workflow::Workflow;

/// One start of a workflow, with what it was at that moment.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Firing {
    pub(crate) id: String,
    pub(crate) short_id: String,
    pub(crate) workflow_id: String,
    pub(crate) trigger_id: String,
    /// The moment of the schedule; absent for a start by hand.
    pub(crate) slot: Option<DateTime<Utc>>,
    /// The contract's message `WorkflowNodes`.
    pub(crate) nodes: Vec<u8>,
    /// A principal as JSON.
    pub(crate) run_as: String,
    pub(crate) origin: String,
    pub(crate) at: DateTime<Utc>,
}

/// Adds a start; false if its slot was taken before.
pub(crate) async fn insert(tx: &mut Tx, firing: &Firing) -> Result<bool> {
    let added = tx
        .query(
            "INSERT INTO firing (id, short_id, workflow_id, trigger_id, slot, nodes, run_as, origin, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (workflow_id, slot) WHERE slot IS NOT NULL DO NOTHING",
        )
        .bind(firing.id.clone())
        .bind(firing.short_id.clone())
        .bind(firing.workflow_id.clone())
        .bind(firing.trigger_id.clone())
        .bind(firing.slot)
        .bind(firing.nodes.clone())
        .bind(firing.run_as.clone())
        .bind(firing.origin.clone())
        .bind(firing.at)
        .run()
        .await?;
    Ok(added == 1)
}

/// A start with its workflow, if that is still there; nobody else looks for its next jobs until the end of the transaction.
pub(crate) async fn lock(tx: &mut Tx, id: &str) -> Result<Option<(Firing, Workflow)>> {
    let lock = tx.pick("", " FOR NO KEY UPDATE");
    let text = format!("SELECT id, short_id, workflow_id, trigger_id, slot, nodes, run_as, origin, at FROM firing WHERE id = $1{lock}");
    let firing: Option<Firing> = tx.query(sqlx::AssertSqlSafe(text)).bind(id.to_owned()).opt().await?;
    let Some(firing) = firing else { return Ok(None) };
    let workflow = super::workflow::lock(tx, &firing.workflow_id).await?;
    Ok(workflow.map(|workflow| (firing, workflow)))
}

/// The jobs that a start has run, by their short names, with the state of the run.
pub(crate) async fn jobs(tx: &mut Tx, id: &str) -> Result<Vec<(String, String)>> {
    let text =
        "SELECT j.short_id, r.state FROM execution e JOIN run r ON r.id = e.run_id JOIN job j ON j.id = e.job_id WHERE e.firing_id = $1";
    Ok(tx.query(text).bind(id.to_owned()).all().await?)
}

/// Notes in the transaction that completes a run that its start has to be followed up, if it has one.
pub(crate) async fn note_completed(tx: &mut Tx, run: Id) -> Result<()> {
    tx.query(
        "INSERT INTO follow_up (run_id, firing_id) SELECT run_id, firing_id FROM execution WHERE run_id = $1 AND firing_id IS NOT NULL",
    )
    .bind(run.to_string())
    .run()
    .await?;
    Ok(())
}

/// Runs and their starts that are to be followed up.
pub(crate) async fn to_follow(db: &Db, limit: i64) -> Result<Vec<(String, String)>> {
    Ok(db.query("SELECT run_id, firing_id FROM follow_up ORDER BY run_id LIMIT $1").bind(limit).all().await?)
}

/// Takes a follow-up; false if another process was quicker.
pub(crate) async fn take(tx: &mut Tx, run: &str) -> Result<bool> {
    Ok(tx.query("DELETE FROM follow_up WHERE run_id = $1").bind(run.to_owned()).run().await? == 1)
}
