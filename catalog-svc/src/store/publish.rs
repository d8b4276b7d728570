//! The publish journal.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use madang_kit::{Db, Error, Id, Result, Tx};
use madang_lake::{DataFile, Schema, TableId, WriteMode};
use serde::{Deserialize, Serialize};

/// What a publish does to one table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) table: TableId,
    /// The dataset that it belongs to.
    pub(crate) dataset: Id,
    pub(crate) mode: WriteMode,
    /// The columns that the files were made for; `None` = the table was not there.
    pub(crate) made_for: Option<Schema>,
    /// The version that the files were made from, if they were made from this table.
    pub(crate) made_from: Option<i64>,
    /// The columns from now on.
    pub(crate) schema: Schema,
    pub(crate) files: Vec<DataFile>,
    /// Paths of the files that leave, unless all or none do.
    #[serde(default)]
    pub(crate) leaving: Vec<String>,
    /// What the history tells beside the operation.
    #[serde(default)]
    pub(crate) parameters: BTreeMap<String, String>,
    /// The new resource's name, if the table is new.
    pub(crate) resource_name: String,
    /// The unique key for which the rows were looked through.
    #[serde(default)]
    pub(crate) unique_key: Vec<String>,
}

/// A step of a run that publishes, under its fence.
#[derive(Clone, Debug)]
pub(crate) struct RunStep {
    pub(crate) run: Id,
    pub(crate) step: String,
    pub(crate) fence: i64,
}

/// A decided change of one table that may not be applied yet.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) number: i64,
    pub(crate) change: Change,
}

#[derive(sqlx::FromRow)]
struct Row {
    number: i64,
    change: String,
}

/// Writes the commit record of a publish.
pub(crate) async fn insert(tx: &mut Tx, id: &str, run: Option<&RunStep>, now: DateTime<Utc>) -> Result<()> {
    tx.query("INSERT INTO publish (id, run_id, step, created_at) VALUES ($1, $2, $3, $4)")
        .bind(id.to_owned())
        .bind(run.map(|run| run.run.to_string()))
        .bind(run.map(|run| run.step.clone()))
        .bind(now)
        .run()
        .await?;
    Ok(())
}

/// Adds what a publish does to one table.
pub(crate) async fn insert_change(tx: &mut Tx, publish: &str, number: i64, change: &Change) -> Result<()> {
    let text = serde_json::to_string(change).map_err(Error::internal)?;
    tx.query("INSERT INTO publish_change (publish_id, table_id, number, change, kind) VALUES ($1, $2, $3, $4, $5)")
        .bind(publish.to_owned())
        .bind(change.table.to_string())
        .bind(number)
        .bind(text)
        .bind(change.mode.name().to_owned())
        .run()
        .await?;
    Ok(())
}

/// The decided changes of a table that are not applied yet, in order.
pub(crate) async fn open_changes(db: &Db, table: &str) -> Result<Vec<Open>> {
    let rows: Vec<Row> = db
        .query("SELECT number, change FROM publish_change WHERE table_id = $1 AND version IS NULL ORDER BY number")
        .bind(table.to_owned())
        .all()
        .await?;
    let open = |row: Row| Ok(Open { number: row.number, change: serde_json::from_str(&row.change).map_err(Error::internal)? });
    rows.into_iter().map(open).collect()
}

/// Tables with changes that are not applied yet.
pub(crate) async fn open_tables(db: &Db) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = db.query("SELECT DISTINCT table_id FROM publish_change WHERE version IS NULL").all().await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Whether a table's rows or files were changed after a version, applied or not, in another way than `harmless`.
pub(crate) async fn changed_since(tx: &mut Tx, table: &str, version: i64, harmless: Option<WriteMode>) -> Result<bool> {
    let found: Option<(i64,)> = tx
        .query("SELECT number FROM publish_change WHERE table_id = $1 AND (version IS NULL OR version > $2) AND kind <> $3 LIMIT 1")
        .bind(table.to_owned())
        .bind(version)
        .bind(harmless.map_or("", WriteMode::name).to_owned())
        .opt()
        .await?;
    Ok(found.is_some())
}

/// The files that changes of a table name which are not applied, or never can be.
pub(crate) async fn files_in_journal(db: &Db, table: &str) -> Result<HashSet<String>> {
    let rows: Vec<(String,)> =
        db.query("SELECT change FROM publish_change WHERE table_id = $1 AND change <> ''").bind(table.to_owned()).all().await?;
    let mut named = HashSet::new();
    for (text,) in rows {
        let change: Change = serde_json::from_str(&text).map_err(Error::internal)?;
        named.extend(change.files.into_iter().map(|file| file.path));
    }
    Ok(named)
}

const SET_APPLIED: &str = "UPDATE publish_change SET version = $3, change = '' WHERE table_id = $1 AND number = $2 AND version IS NULL";
const SET_VERSION: &str = "UPDATE lake_table SET version = $2 WHERE id = $1 AND (version IS NULL OR version < $2)";
/// Both in one round trip, not waited for: if a power failure takes it back, the next look finds the publish in the log.
const NOTE: &str = "WITH calm AS (SELECT set_config('synchronous_commit', 'off', true) AS off),
    applied AS (UPDATE publish_change SET version = $3, change = ''
        WHERE table_id = $1 AND number = $2 AND version IS NULL AND (SELECT off FROM calm) = 'off' RETURNING 1),
    current AS (UPDATE lake_table SET version = $3 WHERE id = $1 AND (version IS NULL OR version < $3) RETURNING 1)
    SELECT CAST(COUNT(*) AS BIGINT) FROM applied";

/// Notes that a change was applied as a version; its files stand in the Delta log from now on. The first note counts: whoever
/// applies a change a second time is told the newest version, which may be a later one. Tells whether this was the first.
pub(crate) async fn set_applied(db: &Db, table: &str, number: i64, version: i64) -> Result<bool> {
    if let Db::Postgres(_) = db {
        let (noted,): (i64,) = db.query(NOTE).bind(table.to_owned()).bind(number).bind(version).one().await?;
        return Ok(noted == 1);
    }
    let mut tx = db.begin().await?;
    let noted = tx.query(SET_APPLIED).bind(table.to_owned()).bind(number).bind(version).run().await?;
    tx.query(SET_VERSION).bind(table.to_owned()).bind(version).run().await?;
    tx.commit_unsynced().await?;
    Ok(noted == 1)
}

/// The version of a change that was set aside.
const SET_ASIDE: i64 = -1;

/// Takes a change that can never be applied out of the way; what it wanted stays for whoever looks into it.
pub(crate) async fn set_aside(tx: &mut Tx, table: &str, number: i64) -> Result<()> {
    tx.query("UPDATE publish_change SET version = $3 WHERE table_id = $1 AND number = $2")
        .bind(table.to_owned())
        .bind(number)
        .bind(SET_ASIDE)
        .run()
        .await?;
    Ok(())
}

/// The tables of the publish that a run's step already made.
pub(crate) async fn tables_of(tx: &mut Tx, run: &RunStep) -> Result<Option<Vec<String>>> {
    let rows: Vec<(String,)> = tx
        .query(
            "SELECT c.table_id FROM publish p JOIN publish_change c ON c.publish_id = p.id
             WHERE p.run_id = $1 AND p.step = $2",
        )
        .bind(run.run.to_string())
        .bind(run.step.clone())
        .all()
        .await?;
    Ok((!rows.is_empty()).then(|| rows.into_iter().map(|(id,)| id).collect()))
}

/// The versions that a run's step made, by table.
pub(crate) async fn versions_of(db: &Db, run: &RunStep) -> Result<Vec<(String, i64)>> {
    Ok(db
        .query(
            "SELECT c.table_id, c.version FROM publish p JOIN publish_change c ON c.publish_id = p.id
             WHERE p.run_id = $1 AND p.step = $2 AND c.version >= 0",
        )
        .bind(run.run.to_string())
        .bind(run.step.clone())
        .all()
        .await?)
}

/// The steps of a run that have published.
pub(crate) async fn steps_of(tx: &mut Tx, run: Id) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = tx.query("SELECT step FROM publish WHERE run_id = $1").bind(run.to_string()).all().await?;
    Ok(rows.into_iter().map(|(step,)| step).collect())
}

/// Raises the fence of a run; false if a higher one was seen.
pub(crate) async fn raise_fence(tx: &mut Tx, run: Id, fence: i64) -> Result<bool> {
    let raised = tx
        .query(
            "INSERT INTO run_fence (run_id, fence) VALUES ($1, $2)
             ON CONFLICT (run_id) DO UPDATE SET fence = excluded.fence WHERE run_fence.fence <= excluded.fence",
        )
        .bind(run.to_string())
        .bind(fence)
        .run()
        .await?;
    Ok(raised == 1)
}
