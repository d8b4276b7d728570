//! Uploads that are merged by keys (dhub.md section 7).

use std::collections::{BTreeMap, BTreeSet};

use madang_kit::{Error, Result};
use madang_lake::{Limits, Merge, Positions, Schema, Snapshot, TableId, WriteMode};

use crate::{
    Catalog,
    error::lake_error,
    receive::ReceivedFile,
    tail,
    upload::{Ids, Prepared, discard, stage},
};

/// Columns in a key.
const MAX_KEYS: usize = 100;
/// What a merge may take; beyond this much memory it sorts on the disk.
const LIMITS: Limits = Limits { memory_bytes: 256 << 20, ..Limits::STEP };

/// Checks that there are keys if and only if they are needed.
pub(crate) fn check_keys(mode: WriteMode, keys: &[String]) -> Result<()> {
    match (mode, keys.len()) {
        (WriteMode::Merge, 0) => Err(Error::invalid("keys", "missing", "a merge needs keys")),
        (WriteMode::Merge, 1..=MAX_KEYS) => Ok(()),
        (WriteMode::Merge, _) => Err(Error::invalid("keys", "too_many", format!("a merge has at most {MAX_KEYS} keys"))),
        (_, 0) => Ok(()),
        _ => Err(Error::invalid("keys", "mode", "only a merge has keys")),
    }
}

/// What the table's history tells of the keys.
pub(crate) fn told(keys: &[String]) -> BTreeMap<String, String> {
    if keys.is_empty() { BTreeMap::new() } else { BTreeMap::from([("keys".to_owned(), keys.join(","))]) }
}

/// Stages the files' rows by themselves, then what they make of the table.
pub(crate) async fn prepare(
    catalog: &Catalog,
    table: &TableId,
    is_there: bool,
    schema: &Schema,
    files: &[ReceivedFile],
    keys: &[String],
) -> Result<Prepared> {
    schema.check_keys(keys).map_err(|error| Error::invalid("keys", "column", error.to_string()))?;
    let base = if is_there { Some(tail::settled(catalog, table).await?) } else { None };
    let made_from = base.as_ref().map(|snapshot| snapshot.version);
    let base = base.unwrap_or_else(|| Snapshot::new(table.clone(), 0, schema.clone(), Vec::new()));
    let columns = base.schema.for_merge(&named(catalog, files).await?, keys).map_err(lake_error)?;
    let new = stage(catalog, table, files, &columns, &Positions::default()).await?;
    let merge = Merge { staged: new.staged, schema: columns, keys: keys.to_vec() };
    let merged = catalog.lake.merge(&base, &merge, &LIMITS, &Ids::new(catalog, table)?).await;
    discard(catalog, table, &merge.staged).await;
    let mut rewrite = merged.map_err(lake_error)?;
    rewrite.staged.columns = merge.staged.columns;
    Ok(Prepared { staged: rewrite.staged, leaving: rewrite.leaving, made_from, rows: new.rows })
}

/// The columns of the files. A row takes the cells of its file's columns; in one upload all rows take the same ones.
async fn named(catalog: &Catalog, files: &[ReceivedFile]) -> Result<Vec<String>> {
    let mut first: Option<Vec<String>> = None;
    for file in files {
        let found = catalog.lake.inspect(&file.input, &catalog.limits).await.map_err(lake_error)?.schema.columns;
        let found: Vec<String> = found.into_iter().map(|column| column.name).collect();
        let Some(known) = &first else {
            first = Some(found);
            continue;
        };
        if known.iter().collect::<BTreeSet<_>>() != found.iter().collect() {
            return Err(Error::invalid("file", "columns", "the files of a merge must have the same columns"));
        }
    }
    Ok(first.unwrap_or_default())
}
