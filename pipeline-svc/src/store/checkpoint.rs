//! Pins and checkpoints: which version of an input a step reads, and up to which it has read.

use std::collections::HashMap;

use madang_kit::{Db, Id, Result, Tx};

/// The version of an input that a step of a run reads.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Pin {
    pub(crate) step: String,
    pub(crate) input: String,
    pub(crate) table_id: String,
    pub(crate) version: i64,
    /// The version up to which the step had read this table before; absent = nothing of it.
    pub(crate) since: Option<i64>,
}

/// Every pin of a run.
pub(crate) async fn pins(db: &Db, run: Id) -> Result<Vec<Pin>> {
    let text = "SELECT step, input, table_id, version, since FROM run_pin WHERE run_id = $1";
    Ok(db.query(text).bind(run.to_string()).all().await?)
}

/// Writes a pin, over an earlier one of the same input.
pub(crate) async fn pin(tx: &mut Tx, run: Id, pin: &Pin) -> Result<()> {
    tx.query(
        "INSERT INTO run_pin (run_id, step, input, table_id, version, since) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (run_id, step, input) DO UPDATE SET table_id = excluded.table_id, version = excluded.version, since = excluded.since",
    )
    .bind(run.to_string())
    .bind(pin.step.clone())
    .bind(pin.input.clone())
    .bind(pin.table_id.clone())
    .bind(pin.version)
    .bind(pin.since)
    .run()
    .await?;
    Ok(())
}

/// A step's checkpoints by input: table and version.
pub(crate) async fn of_step(db: &Db, subject: Id, step: &str) -> Result<HashMap<String, (String, i64)>> {
    let rows: Vec<(String, String, i64)> = db
        .query("SELECT input, table_id, version FROM checkpoint WHERE subject_id = $1 AND step = $2")
        .bind(subject.to_string())
        .bind(step.to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|(input, table, version)| (input, (table, version))).collect())
}

/// Notes that what a pin names has been read and published.
pub(crate) async fn advance(tx: &mut Tx, subject: Id, pin: &Pin) -> Result<()> {
    tx.query(
        "INSERT INTO checkpoint (subject_id, step, input, table_id, version) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (subject_id, step, input) DO UPDATE SET table_id = excluded.table_id, version = excluded.version",
    )
    .bind(subject.to_string())
    .bind(pin.step.clone())
    .bind(pin.input.clone())
    .bind(pin.table_id.clone())
    .bind(pin.version)
    .run()
    .await?;
    Ok(())
}
