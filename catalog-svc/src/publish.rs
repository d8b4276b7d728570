//! The publish journal: how new table versions come to be.
//!
//! A publish changes one or several tables, all or none. First its files are staged. Then one database transaction writes the
//! commit record with everything that belongs to it ([`decide`]). From there on it is always rolled forward ([`roll_forward`]):
//! at once, by a retry, or at the next start. Each change carries its table's publish number into the Delta log, so applying one
//! twice does nothing; no lock is held meanwhile, because Delta's put-if-absent lets one of two writers win.
//!
//! A change that was made from a version of its table ([`Change::made_from`]) is refused if something was decided since that it
//! can't stand ([`harmless`]). Compaction changes no row, so whoever only read rows can stand it.

use std::time::Duration;

use madang_kit::{
    Clock, Code, Context, Drain, Error, Id, Result, Tx,
    audit::{self, Record},
    error::chain,
    housekeeping,
};
use madang_lake::{CommitInfo, DataFile, Schema, Snapshot, Staged, TableId, WriteMode};
use serde_json::json;

use crate::{
    Catalog,
    error::lake_error,
    store::{
        dataset, datastore,
        publish::{self as store, Change, RunStep},
        schema_version, table, tail,
    },
    tail::is_fold,
};

const RETRY_EVERY: Duration = Duration::from_secs(5);
/// Another writer getting in between so often means that something is broken.
const ATTEMPTS: usize = 1_000;
/// How long staged files may wait for their publish; the vacuum takes what is a day old.
const STAGED_FOR: Duration = Duration::from_hours(20);

/// A change whose commit record is written.
#[derive(Debug)]
pub(crate) struct Decided {
    table: TableId,
    number: i64,
    /// Whether nothing that was decided before waits to be applied.
    is_next: bool,
}

/// Writes the commit record into the caller's transaction.
///
/// # Errors
/// [`Code::Conflict`] if a table is no longer what the files were made for.
pub(crate) async fn decide(
    catalog: &Catalog,
    tx: &mut Tx,
    context: &Context,
    changes: &[Change],
    run: Option<&RunStep>,
) -> Result<Vec<Decided>> {
    let decided = record(catalog, tx, changes, run).await?;
    let now = catalog.clock.now();
    for change in changes {
        let columns = serde_json::to_string(&change.schema).map_err(Error::internal)?;
        dataset::touch_table(tx, &change.dataset.to_string(), change.table.as_str(), now, columns).await?;
        let rows: u64 = change.files.iter().map(|file| file.rows).sum();
        let detail = json!({"table": change.table, "mode": change.mode, "rows": rows, "run": run.map(|run| run.run)});
        let record = Record { action: "table.publish", thing: change.dataset.to_string(), detail };
        audit::write(tx, &catalog.clock, context, record).await?;
    }
    Ok(decided)
}

/// The commit record alone: for upkeep, which nobody asked for and which changes nothing that anybody sees.
///
/// # Errors
/// As [`decide`].
pub(crate) async fn record(catalog: &Catalog, tx: &mut Tx, changes: &[Change], run: Option<&RunStep>) -> Result<Vec<Decided>> {
    let publish = Id::generate().to_string();
    store::insert(tx, &publish, run, catalog.clock.now()).await?;
    let mut ordered: Vec<_> = changes.iter().collect();
    ordered.sort_by_key(|change| change.dataset); // one order for all, so that two publishes can't wait for each other
    let mut all = Vec::with_capacity(changes.len());
    for change in ordered {
        let decided = decide_table(catalog, tx, change).await?;
        store::insert_change(tx, &publish, decided.number, change).await?;
        all.push(decided);
    }
    Ok(all)
}

/// Checks that a table is still what the change was made for, and counts the publish.
async fn decide_table(catalog: &Catalog, tx: &mut Tx, change: &Change) -> Result<Decided> {
    let dataset = change.dataset.to_string();
    dataset::lock(tx, &dataset).await?;
    tail::exclude(tx, change.table.as_str()).await?;
    let there = table::lock_of(tx, &dataset, change.table.as_str()).await?;
    check_age(change)?;
    if let Some(table) = &there {
        check_key(change, table)?;
    }
    let is_next = there.as_ref().is_none_or(|table| !table.open);
    let (number, is_new_schema) = match (there, &change.made_for) {
        (Some(table), Some(schema)) if !table.dropped => {
            check_unchanged(tx, change, &table, schema).await?;
            check_columns(change, &table.schema)?;
            check_tail(tx, change).await?;
            (table.publishes + 1, table.schema != change.schema)
        }
        (Some(table), None) if is_blank(&table, change) => {
            change.schema.check().map_err(lake_error)?;
            check_tail(tx, change).await?;
            if table.dropped {
                datastore::bring_back(tx, &table.id).await?;
            }
            (table.publishes + 1, true)
        }
        (None, None) => {
            change.schema.check().map_err(lake_error)?;
            add_resource(catalog, tx, change, dataset).await?;
            table::insert(tx, change.table.as_str(), &change.schema).await?;
            (1, true)
        }
        _ => return Err(moved()),
    };
    table::set_decided(tx, change.table.as_str(), &change.schema, number).await?;
    if is_new_schema {
        schema_version::note(tx, change.table.as_str(), &change.schema).await?;
    }
    Ok(Decided { table: change.table.clone(), number, is_next })
}

/// Whether nothing that a table holds will be seen: it was declared without columns, or taken away and is written over.
fn is_blank(table: &table::Table, change: &Change) -> bool {
    let declared = table.publishes == 0 && table.schema.columns.is_empty();
    declared || (table.dropped && change.mode == WriteMode::Overwrite)
}

/// A table is made for a resource that is there, or brings one: then it is the dataset's first table.
async fn add_resource(catalog: &Catalog, tx: &mut Tx, change: &Change, dataset: String) -> Result<()> {
    match table::resource_of(tx, &dataset, change.table.as_str()).await? {
        Some(true) => return Ok(()),
        None if table::primary_in(tx, &dataset).await?.is_none() => {}
        _ => return Err(moved()),
    }
    let resource = dataset::Resource {
        id: change.table.to_string(),
        dataset_id: dataset,
        name: change.resource_name.clone(),
        format: "CSV".to_owned(),
        created_at: catalog.clock.now(),
    };
    dataset::insert_resource(tx, &resource).await
}

/// Rows that a face brings must have been looked through for the table's unique key. What upkeep and the DataStore itself write has
/// none that is new.
fn check_key(change: &Change, table: &table::Table) -> Result<()> {
    let brings = match change.mode {
        WriteMode::Append | WriteMode::Overwrite | WriteMode::Merge => !change.files.is_empty() && !is_fold(change),
        WriteMode::Delete | WriteMode::Compact | WriteMode::Widen => false,
    };
    if brings && !table.unique_key.is_empty() && table.unique_key != change.unique_key {
        return Err(Error::new(Code::Conflict, UNCHECKED));
    }
    Ok(())
}

/// What was made from a version's rows does not know those of the tail. An append stands them; an overwrite that was made from nothing
/// takes them out.
async fn check_tail(tx: &mut Tx, change: &Change) -> Result<()> {
    let stands_them = matches!(change.mode, WriteMode::Append | WriteMode::Compact) || is_fold(change);
    if stands_them || !tail::has_rows(tx, change.table.as_str()).await? {
        return Ok(());
    }
    if change.mode == WriteMode::Overwrite && change.made_from.is_none() {
        return tail::clear(tx, change.table.as_str()).await;
    }
    Err(moved())
}

/// Files that waited so long may be taken by the vacuum before they are in a version.
fn check_age(change: &Change) -> Result<()> {
    let now = Clock::default().now_ms(); // the clock that their names were made by
    let oldest = change.files.iter().filter_map(DataFile::begun_at).min();
    let waited = oldest.map_or(0, |begun| now.saturating_sub(begun));
    if i128::from(waited) > STAGED_FOR.as_millis().cast_signed() { Err(moved()) } else { Ok(()) }
}

/// Checks that nothing was decided since that the change can't stand.
async fn check_unchanged(tx: &mut Tx, change: &Change, table: &table::Table, made_for: &Schema) -> Result<()> {
    if change.mode != WriteMode::Overwrite && table.schema != *made_for {
        return Err(moved());
    }
    if let Some(version) = change.made_from
        && store::changed_since(tx, &table.id, version, harmless(change.mode)).await?
    {
        return Err(moved());
    }
    // Row ids below this may lie between those of a file that compaction made.
    if change.mode == WriteMode::Append && !change.files.is_empty() {
        let settled = table::settled(tx, &table.id).await?;
        if change.files.iter().any(|file| file.first_row_id < settled) {
            return Err(moved());
        }
    }
    Ok(())
}

/// What may be decided between a version and a change that was made from it. A merge or a wider type must know every row and every
/// file; a delete may come before rows that were appended since; who read rows stands it if their files are others.
fn harmless(mode: WriteMode) -> Option<WriteMode> {
    match mode {
        WriteMode::Append | WriteMode::Overwrite => Some(WriteMode::Compact),
        WriteMode::Delete | WriteMode::Compact => Some(WriteMode::Append),
        WriteMode::Merge | WriteMode::Widen => None,
    }
}

/// Whatever could be refused is refused here, before the commit record: after it there is no way back.
fn check_columns(change: &Change, there: &Schema) -> Result<()> {
    change.schema.check().map_err(lake_error)?;
    match change.mode {
        WriteMode::Overwrite => Ok(()),
        WriteMode::Widen => there.check_widening(&change.schema).map_err(lake_error),
        WriteMode::Append | WriteMode::Merge | WriteMode::Delete | WriteMode::Compact => {
            there.check_growth(&change.schema).map_err(lake_error)
        }
    }
}

const UNCHECKED: &str = "the table got a unique key meanwhile";
const MOVED: &str = "the table was changed by somebody else meanwhile";

fn moved() -> Error {
    Error::new(Code::Conflict, MOVED)
}

/// Whether a publish was refused for what others did; made from what is there now, it may succeed.
pub(crate) fn is_moved(error: &Error) -> bool {
    error.code == Code::Conflict && error.message == MOVED
}

/// Whether a publish was refused because the table has a unique key that the rows were not looked through for.
pub(crate) fn is_unchecked(error: &Error) -> bool {
    error.code == Code::Conflict && error.message == UNCHECKED
}

/// Applies a change that was decided just now, if it is its table's next and nobody comes in between; gives its version. Otherwise it
/// is left to [`roll_forward`].
pub(crate) async fn apply_next(catalog: &Catalog, change: &Change, decided: &[Decided]) -> Option<i64> {
    let decided = decided.iter().find(|decided| decided.table == change.table && decided.is_next)?;
    apply(catalog, change.clone(), decided.number).await.ok().flatten()
}

/// A table's newest snapshot, with everything that was decided.
pub(crate) async fn newest(catalog: &Catalog, id: &TableId, table: &table::Table) -> Result<Snapshot> {
    if table.open { roll_forward(catalog, id).await } else { catalog.lake.snapshot(id, None).await.map_err(lake_error) }
}

/// Applies what is decided for a table and returns its newest snapshot.
pub(crate) async fn roll_forward(catalog: &Catalog, table: &TableId) -> Result<Snapshot> {
    for _ in 0..ATTEMPTS {
        let Some(open) = store::open_changes(&catalog.db, table.as_str()).await?.into_iter().next() else {
            return catalog.lake.snapshot(table, None).await.map_err(lake_error); // others may have applied later ones meanwhile
        };
        match apply(catalog, open.change, open.number).await {
            Ok(_) | Err(madang_lake::Error::Conflict { .. }) => {}
            Err(madang_lake::Error::Storage(cause)) => return Err(not_applied(cause)),
            Err(impossible) => {
                set_aside(catalog, table, open.number, &impossible).await?;
                return Err(not_applied(impossible.into()));
            }
        }
    }
    Err(Error::new(Code::Unavailable, "the table is too busy"))
}

/// The same for a change that stands whether or not it can be applied now; gives the version, if it could.
pub(crate) async fn roll_forward_later(catalog: &Catalog, table: &TableId) -> Option<i64> {
    match roll_forward(catalog, table).await {
        Ok(snapshot) => Some(snapshot.version),
        Err(error) => {
            tracing::warn!(table = %table, error = %chain(&error), "a publish is not applied yet");
            None
        }
    }
}

/// A decided change that can't be applied yet. Not a refusal: it stands.
fn not_applied(cause: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error { code: Code::Unavailable, message: "the table can't be written now".to_owned(), fields: Vec::new(), cause: Some(cause) }
}

/// A change that can never be applied must not hold up those behind it. That it was decided is a defect; its files stay.
async fn set_aside(catalog: &Catalog, table: &TableId, number: i64, why: &madang_lake::Error) -> Result<()> {
    tracing::error!(table = %table, number, error = %why, "a decided publish can't be applied and was set aside");
    let mut tx = catalog.db.begin().await?;
    store::set_aside(&mut tx, table.as_str(), number).await?;
    Ok(tx.commit().await?)
}

/// Makes the version of a decided change; gives its number unless somebody else had done so.
async fn apply(catalog: &Catalog, change: Change, number: i64) -> madang_lake::Result<Option<i64>> {
    let info = CommitInfo { timestamp_ms: catalog.clock.now_ms(), publish: number, run: None, parameters: change.parameters };
    let current = match catalog.lake.snapshot(&change.table, None).await {
        Err(madang_lake::Error::NotFound(_)) => catalog.lake.create(&change.table, &change.schema, &info).await?,
        other => other?,
    };
    let table = change.table;
    let wanted = madang_lake::Change {
        base: current.version,
        mode: change.mode,
        schema: change.schema,
        staged: Staged { files: change.files, columns: 0 },
        leaving: change.leaving,
        info,
    };
    let snapshot = catalog.lake.commit(&table, wanted).await?;
    let is_first = store::set_applied(&catalog.db, table.as_str(), number, snapshot.version).await;
    Ok(is_first.map_err(madang_lake::Error::storage)?.then_some(snapshot.version))
}

/// Applies everything that is decided, as after a crash. One table that can't be written now holds up no other.
pub(crate) async fn roll_forward_all(catalog: &Catalog) -> Result<()> {
    for id in store::open_tables(&catalog.db).await? {
        let table = id.parse().map_err(lake_error)?;
        match roll_forward(catalog, &table).await {
            Ok(_) => tracing::info!(table = %table, "rolled a publish forward"),
            Err(error) => tracing::warn!(table = %table, error = %chain(&error), "a publish is not applied yet"),
        }
    }
    Ok(())
}

/// Tries again what could not be applied at once, until the process drains.
pub(crate) fn spawn_retries(catalog: Catalog, drain: &Drain) {
    housekeeping::every(RETRY_EVERY, drain, "a publish is not applied yet", move || {
        let catalog = catalog.clone();
        async move { roll_forward_all(&catalog).await }
    });
}

#[cfg(test)]
mod tests;
