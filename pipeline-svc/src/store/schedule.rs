//! Schedules, and what became of the moments that they named.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Error, Id, Principal, Result, Tx};

/// When a pipeline runs by itself, and on whose behalf.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) cron: String,
    pub(crate) run_as: Principal,
}

/// Writes a pipeline's schedule.
pub(crate) async fn put(tx: &mut Tx, pipeline: Id, schedule: &Schedule) -> Result<()> {
    tx.query(
        "INSERT INTO schedule (pipeline_id, cron, run_as) VALUES ($1, $2, $3)
         ON CONFLICT (pipeline_id) DO UPDATE SET cron = excluded.cron, run_as = excluded.run_as",
    )
    .bind(pipeline.to_string())
    .bind(schedule.cron.clone())
    .bind(serde_json::to_string(&schedule.run_as).map_err(Error::internal)?)
    .run()
    .await?;
    Ok(())
}

/// Removes a pipeline's schedule.
pub(crate) async fn delete(tx: &mut Tx, pipeline: Id) -> Result<()> {
    tx.query("DELETE FROM schedule WHERE pipeline_id = $1").bind(pipeline.to_string()).run().await?;
    Ok(())
}

/// A pipeline's schedule.
pub(crate) async fn find(db: &Db, pipeline: &str) -> Result<Option<Schedule>> {
    let text = "SELECT cron, run_as FROM schedule WHERE pipeline_id = $1";
    let row: Option<(String, String)> = db.query(text).bind(pipeline.to_owned()).opt().await?;
    row.map(|(cron, run_as)| Ok(Schedule { cron, run_as: serde_json::from_str(&run_as).map_err(Error::internal)? })).transpose()
}

/// When a pipeline runs by itself, as the transaction sees it.
pub(crate) async fn cron_of(tx: &mut Tx, pipeline: Id) -> Result<Option<String>> {
    let text = "SELECT cron FROM schedule WHERE pipeline_id = $1";
    let row: Option<(String,)> = tx.query(text).bind(pipeline.to_string()).opt().await?;
    Ok(row.map(|(cron,)| cron))
}

/// One moment of a schedule.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Slot {
    pub(crate) at: DateTime<Utc>,
    /// `fired`, `skipped`, `missed` or `refused`.
    pub(crate) outcome: String,
    pub(crate) run_id: Option<String>,
    pub(crate) comment: Option<String>,
}

/// Moments of one pipeline that are kept.
const KEPT_SLOTS: i64 = 1_000;

/// Notes what became of a moment.
pub(crate) async fn add_slot(tx: &mut Tx, pipeline: Id, slot: &Slot) -> Result<()> {
    tx.query(
        "INSERT INTO slot (pipeline_id, at, outcome, run_id, comment) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (pipeline_id, at) DO NOTHING",
    )
    .bind(pipeline.to_string())
    .bind(slot.at)
    .bind(slot.outcome.clone())
    .bind(slot.run_id.clone())
    .bind(slot.comment.clone())
    .run()
    .await?;
    tx.query(
        "DELETE FROM slot WHERE pipeline_id = $1 AND at <= (SELECT at FROM slot WHERE pipeline_id = $1 ORDER BY at DESC LIMIT 1 OFFSET $2)",
    )
    .bind(pipeline.to_string())
    .bind(KEPT_SLOTS)
    .run()
    .await?;
    Ok(())
}

/// The last moments of a pipeline, newest first.
pub(crate) async fn slots(db: &Db, pipeline: Id, limit: i64) -> Result<Vec<Slot>> {
    let text = "SELECT at, outcome, run_id, comment FROM slot WHERE pipeline_id = $1 ORDER BY at DESC LIMIT $2";
    Ok(db.query(text).bind(pipeline.to_string()).bind(limit).all().await?)
}
