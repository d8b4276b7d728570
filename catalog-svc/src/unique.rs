//! Unique keys (ckan.md section 6): a table has one since the DataStore gave it one, and it holds whatever face writes.
//!
//! The DataStore's own writes know every key. Who brings files finds out in [`publish::decide`](crate::publish::decide) that the
//! table has a key, has the rows looked through by [`check`], and decides again.

use std::collections::{HashMap, HashSet};

use futures::TryStreamExt;
use madang_kit::{Code, Error, Result};
use madang_lake::{Limits, Snapshot, WriteMode};

use crate::{
    Catalog,
    error::lake_error,
    store::{publish::Change, table},
    tail,
};

/// What looking for keys that are there twice may take; beyond this much memory it sorts on the disk.
const LIMITS: Limits = Limits { memory_bytes: 256 << 20, ..Limits::STEP };

/// Whether two rows have the same cells in these columns, none of them empty.
pub(crate) async fn is_twice(catalog: &Catalog, snapshot: Snapshot, key: &[String]) -> madang_lake::Result<bool> {
    let quoted: Vec<String> = key.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    let filled: Vec<String> = quoted.iter().map(|name| format!("{name} IS NOT NULL")).collect();
    let sql = format!(
        "SELECT COUNT(*) AS rows FROM \"rows\" WHERE {} GROUP BY {} HAVING COUNT(*) > 1 LIMIT 1",
        filled.join(" AND "),
        quoted.join(", ")
    );
    let tables = HashMap::from([("rows".to_owned(), snapshot)]);
    let mut twice = catalog.lake.query_numbered(&sql, &tables, &LIMITS).await?;
    while let Some(batch) = twice.batches.try_next().await? {
        if batch.num_rows() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Looks whether the table's key holds after a change that brings files, and binds the change to what was seen.
///
/// # Errors
/// [`Code::Conflict`] if it would not hold.
pub(crate) async fn check(catalog: &Catalog, change: &mut Change) -> Result<()> {
    let Some(table) = table::find(&catalog.db, change.table.as_str()).await? else { return Ok(()) };
    let key = table.unique_key;
    if let Some(gone) = key.iter().find(|name| change.schema.column(name).is_none()) {
        return Err(refused(&key, &format!("there must be a column '{gone}'")));
    }
    let before = tail::settled(catalog, &change.table).await?;
    let leaving: HashSet<&str> = change.leaving.iter().map(String::as_str).collect();
    let mut files = match change.mode {
        WriteMode::Overwrite => Vec::new(),
        _ => before.files.into_iter().filter(|file| !leaving.contains(file.path.as_str())).collect(),
    };
    files.extend(change.files.iter().cloned());
    files.sort_by_key(|file| file.first_row_id);
    let after = Snapshot::new(change.table.clone(), before.version, change.schema.clone(), files);
    if is_twice(catalog, after, &key).await.map_err(lake_error)? {
        return Err(refused(&key, "two rows would have the same; a merge by it replaces rows that are there"));
    }
    change.made_from = Some(before.version);
    change.unique_key = key;
    Ok(())
}

fn refused(key: &[String], why: &str) -> Error {
    Error::new(Code::Conflict, format!("the table's unique key is ({}): {why}", key.join(", ")))
}
