//! The tail: rows of tables that are not in files yet.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use madang_kit::{Db, Error, Result, Tx};
use madang_lake::Schema;
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::types::Json;

/// A row's cells by column.
pub(crate) type Cells = Map<String, Value>;

/// A table and what its tail adds up to. No change of the tail leaves all of it as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) dataset: String,
    pub(crate) schema: Schema,
    /// The last publish that was decided.
    pub(crate) publishes: i64,
    /// Whether it has columns that no version has.
    pub(crate) unfolded: bool,
    pub(crate) sum: Sum,
}

/// The number of a tail's rows, and the greatest and the sum of the changes that wrote them. Of two writes of a row the second has the greater
/// number, so between two folds the sum only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) rows: i64,
    pub(crate) top: i64,
    pub(crate) total: i64,
}

/// A row of the tail.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) id: i64,
    pub(crate) key: Option<String>,
    /// `None` = deleted.
    pub(crate) cells: Option<Cells>,
    pub(crate) in_files: bool,
    pub(crate) seq: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(rename = "row_id")]
    id: i64,
    key: Option<String>,
    body: Option<String>,
    in_files: bool,
    seq: i64,
}

impl TryFrom<Row> for Kept {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let cells = row.body.as_deref().map(serde_json::from_str).transpose().map_err(Error::internal)?;
        Ok(Self { id: row.id, key: row.key, cells, in_files: row.in_files, seq: row.seq })
    }
}

/// A row on its way into the tail.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Written {
    pub(crate) id: i64,
    pub(crate) key: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) in_files: bool,
}

const SELECT: &str = "SELECT row_id, key, body, in_files, seq FROM tail_row WHERE table_id = $1";

/// A table with the sum of its tail; `None` if there is none, or no more.
pub(crate) async fn state(db: &Db, table: &str) -> Result<Option<State>> {
    #[derive(sqlx::FromRow)]
    struct Found {
        dataset_id: String,
        columns: String,
        publishes: i64,
        unfolded: bool,
        rows: i64,
        top: i64,
        total: i64,
    }
    let text = "SELECT r.dataset_id, t.columns, t.publishes, t.unfolded, s.rows, s.top, s.total
        FROM lake_table t JOIN resource r ON r.id = t.id,
            (SELECT COUNT(*) AS rows, CAST(COALESCE(MAX(seq), 0) AS BIGINT) AS top, CAST(COALESCE(SUM(seq), 0) AS BIGINT) AS total
             FROM tail_row WHERE table_id = $1) s
        WHERE t.id = $1 AND NOT t.dropped";
    let found: Option<Found> = db.query(text).bind(table.to_owned()).opt().await?;
    let Some(found) = found else { return Ok(None) };
    Ok(Some(State {
        dataset: found.dataset_id,
        schema: serde_json::from_str(&found.columns).map_err(Error::internal)?,
        publishes: found.publishes,
        unfolded: found.unfolded,
        sum: Sum { rows: found.rows, top: found.top, total: found.total },
    }))
}

/// The last publish of a table that was decided.
pub(crate) async fn publishes(db: &Db, table: &str) -> Result<i64> {
    let row: Option<(i64,)> = db.query("SELECT publishes FROM lake_table WHERE id = $1").bind(table.to_owned()).opt().await?;
    Ok(row.map_or(-1, |(publishes,)| publishes))
}

/// A table's last publish and its columns; `None` if there is none, or no more.
pub(crate) async fn columns(db: &Db, table: &str) -> Result<Option<(i64, Schema)>> {
    let text = "SELECT publishes, columns FROM lake_table WHERE id = $1 AND NOT dropped";
    let row: Option<(i64, String)> = db.query(text).bind(table.to_owned()).opt().await?;
    row.map(|(publishes, columns)| Ok((publishes, serde_json::from_str(&columns).map_err(Error::internal)?))).transpose()
}

/// What a writer has looked at before: a table's last publish, and the revision of what the DataStore knows of it.
pub(crate) async fn standing(tx: &mut Tx, table: &str) -> Result<Option<(i64, i64)>> {
    let text = "SELECT t.publishes, COALESCE(d.revision, 0) FROM lake_table t LEFT JOIN datastore d ON d.table_id = t.id
        WHERE t.id = $1 AND NOT t.dropped";
    Ok(tx.query(text).bind(table.to_owned()).opt().await?)
}

/// All rows of a tail, as a transaction sees them.
pub(crate) async fn rows_in(tx: &mut Tx, table: &str) -> Result<Vec<Kept>> {
    let rows: Vec<Row> = tx.query(SELECT).bind(table.to_owned()).all().await?;
    rows.into_iter().map(Kept::try_from).collect()
}

/// Sets the columns that a table has from now on, which no version has yet.
pub(crate) async fn set_columns(tx: &mut Tx, table: &str, schema: &Schema) -> Result<()> {
    let columns = serde_json::to_string(schema).map_err(Error::internal)?;
    let text = "UPDATE lake_table SET columns = $2, unfolded = TRUE WHERE id = $1";
    tx.query(text).bind(table.to_owned()).bind(columns).run().await?;
    Ok(())
}

/// All rows of a tail.
pub(crate) async fn rows(db: &Db, table: &str) -> Result<Vec<Kept>> {
    let rows: Vec<Row> = db.query(SELECT).bind(table.to_owned()).all().await?;
    rows.into_iter().map(Kept::try_from).collect()
}

/// The id and the change of each row, as a transaction sees them.
pub(crate) async fn marks(tx: &mut Tx, table: &str) -> Result<Vec<(i64, i64)>> {
    Ok(tx.query("SELECT row_id, seq FROM tail_row WHERE table_id = $1").bind(table.to_owned()).all().await?)
}

/// Whether a table has a tail.
pub(crate) async fn has_rows(tx: &mut Tx, table: &str) -> Result<bool> {
    let row: Option<(i64,)> = tx.query("SELECT seq FROM tail_row WHERE table_id = $1 LIMIT 1").bind(table.to_owned()).opt().await?;
    Ok(row.is_some())
}

/// Rows of the tail with one of these keys or ids.
pub(crate) async fn with(tx: &mut Tx, table: &str, keys: Vec<String>, ids: Vec<i64>) -> Result<Vec<Kept>> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for (column, list, text) in [("key", Json(Value::from(keys)), true), ("row_id", Json(Value::from(ids)), false)] {
        if list.0.as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        let elements = if text { "SELECT jsonb_array_elements_text($2)" } else { "SELECT CAST(jsonb_array_elements_text($2) AS BIGINT)" };
        let from = tx.pick("SELECT value FROM json_each($2)", elements);
        let text = format!("{SELECT} AND {column} IN ({from})");
        let rows: Vec<Row> = tx.query(sqlx::AssertSqlSafe(text)).bind(table.to_owned()).bind(list).all().await?;
        for row in rows {
            if seen.insert(row.id) {
                found.push(Kept::try_from(row)?);
            }
        }
    }
    Ok(found)
}

/// Keeps folds and publishes of a table away until the transaction ends; other writers may come.
pub(crate) async fn share(tx: &mut Tx, table: &str) -> Result<()> {
    if let Tx::Postgres(_) = tx {
        tx.query("SELECT pg_advisory_xact_lock_shared($1)").bind(number(&("tail", table))).run().await?;
    }
    Ok(()) // SQLite has one writer
}

/// Waits for all writers of a table's tail, and keeps others away until the transaction ends.
pub(crate) async fn exclude(tx: &mut Tx, table: &str) -> Result<()> {
    if let Tx::Postgres(_) = tx {
        tx.query("SELECT pg_advisory_xact_lock($1)").bind(number(&("tail", table))).run().await?;
    }
    Ok(())
}

/// Waits for whoever writes rows with the same keys, and keeps others from it until the transaction ends.
pub(crate) async fn lock_keys<'a>(tx: &mut Tx, table: &str, keys: impl Iterator<Item = &'a String>) -> Result<()> {
    if let Tx::Postgres(_) = tx {
        let mut numbers: Vec<i64> = keys.map(|key| number(&("key", table, key))).collect();
        numbers.sort_unstable(); // one order for all, so that two can't wait for each other
        numbers.dedup();
        let text = "SELECT COUNT(pg_advisory_xact_lock(n)) FROM (SELECT CAST(jsonb_array_elements_text($1) AS BIGINT) AS n ORDER BY n) s";
        let _: Option<(i64,)> = tx.query(text).bind(Json(Value::from(numbers))).opt().await?;
    }
    Ok(())
}

fn number(parts: &impl Hash) -> i64 {
    let mut hasher = DefaultHasher::new(); // the same in every process of one build; of two builds the rows' own key decides
    parts.hash(&mut hasher);
    hasher.finish().cast_signed()
}

/// The number of a new change: greater than that of every row that the transaction sees.
pub(crate) async fn next_change(tx: &mut Tx) -> Result<i64> {
    let text = tx.pick("UPDATE tail_change SET last = last + 1 RETURNING last", "SELECT nextval('tail_change')");
    let (change,): (i64,) = tx.query(text).one().await?;
    Ok(change)
}

/// Writes rows; one that is there already is replaced.
pub(crate) async fn put(tx: &mut Tx, table: &str, change: i64, now: i64, rows: Vec<Written>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let keys: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let forget = tx.pick(
        "UPDATE tail_row SET key = NULL WHERE table_id = $2 AND key IS NOT NULL AND row_id IN (SELECT value FROM json_each($1))",
        "UPDATE tail_row SET key = NULL WHERE table_id = $2 AND key IS NOT NULL
         AND row_id IN (SELECT CAST(jsonb_array_elements_text($1) AS BIGINT))",
    );
    if rows.len() > 1 {
        tx.query(forget).bind(Json(Value::from(keys))).bind(table.to_owned()).run().await?; // keys may change places
    }
    let text = tx.pick(
        "INSERT INTO tail_row (table_id, row_id, key, body, in_files, seq, at)
         SELECT $2, e.value ->> 'id', e.value ->> 'key', e.value ->> 'body', e.value ->> 'in_files', $3, $4 FROM json_each($1) AS e WHERE true
         ON CONFLICT (table_id, row_id) DO UPDATE SET key = excluded.key, body = excluded.body, seq = excluded.seq",
        "INSERT INTO tail_row (table_id, row_id, key, body, in_files, seq, at)
         SELECT $2, CAST(e.value ->> 'id' AS BIGINT), e.value ->> 'key', e.value ->> 'body', CAST(e.value ->> 'in_files' AS BOOLEAN), $3, $4
         FROM jsonb_array_elements($1) AS e(value)
         ON CONFLICT (table_id, row_id) DO UPDATE SET key = excluded.key, body = excluded.body, seq = excluded.seq",
    );
    tx.query(text).bind(Json(rows)).bind(table.to_owned()).bind(change).bind(now).run().await?;
    Ok(())
}

/// Takes rows out of the tail that are in files now.
pub(crate) async fn remove(tx: &mut Tx, table: &str, ids: Vec<i64>) -> Result<()> {
    let text = tx.pick(
        "DELETE FROM tail_row WHERE table_id = $2 AND row_id IN (SELECT value FROM json_each($1))",
        "DELETE FROM tail_row WHERE table_id = $2 AND row_id IN (SELECT CAST(jsonb_array_elements_text($1) AS BIGINT))",
    );
    tx.query(text).bind(Json(Value::from(ids))).bind(table.to_owned()).run().await?;
    Ok(())
}

/// Notes of rows that were written again while a fold worked that a file holds their earlier state now.
pub(crate) async fn set_in_files(tx: &mut Tx, table: &str, ids: Vec<i64>) -> Result<()> {
    let text = tx.pick(
        "UPDATE tail_row SET in_files = TRUE WHERE table_id = $2 AND row_id IN (SELECT value FROM json_each($1))",
        "UPDATE tail_row SET in_files = TRUE WHERE table_id = $2 AND row_id IN (SELECT CAST(jsonb_array_elements_text($1) AS BIGINT))",
    );
    tx.query(text).bind(Json(Value::from(ids))).bind(table.to_owned()).run().await?;
    Ok(())
}

/// Takes all rows out of a tail.
pub(crate) async fn clear(tx: &mut Tx, table: &str) -> Result<()> {
    tx.query("DELETE FROM tail_row WHERE table_id = $1").bind(table.to_owned()).run().await?;
    Ok(())
}

/// Notes whether a table has columns that no version has.
pub(crate) async fn set_unfolded(tx: &mut Tx, table: &str, unfolded: bool) -> Result<()> {
    tx.query("UPDATE lake_table SET unfolded = $2 WHERE id = $1").bind(table.to_owned()).bind(unfolded).run().await?;
    Ok(())
}

/// Tables whose tail has so many rows, or one that came before a time (milliseconds).
pub(crate) async fn due(db: &Db, rows: i64, before: i64, limit: i64) -> Result<Vec<String>> {
    let text = "SELECT table_id FROM tail_row JOIN resource r ON r.id = table_id WHERE r.state = 'active' GROUP BY table_id HAVING COUNT(*) >= $1 OR MIN(at) <= $2 ORDER BY table_id LIMIT $3";
    let found: Vec<(String,)> = db.query(text).bind(rows).bind(before).bind(limit).all().await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}
