//! Folding: what lies above a table's files becomes a version.
//!
//! Files are staged from one look at the table. One transaction then writes the commit record, takes the folded rows out of the tail, and
//! notes of rows that were written again meanwhile that a file holds their earlier state: so a row is never lost and never there twice,
//! whenever the process ends. It waits for the table's writers and keeps them away, but for no longer than it takes.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use madang_kit::{Code, Drain, Error, Result, Tx, check, error::chain, housekeeping};
use madang_lake::{Rewrite, WriteMode};

use super::view::{View, view};
use crate::{
    Catalog, publish,
    store::{publish::Change, tail as store},
    upload::discard,
};

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A tail of so many rows is folded soon,
const ROWS: i64 = 10_000;
/// and every row after a while.
const AFTER: Duration = Duration::from_secs(30);
/// Tables at one look.
const TABLES: i64 = 100;
/// How often files are made again because the table was published to meanwhile.
const ATTEMPTS: usize = 20;
/// What a version's history says of a fold.
const SOURCE: (&str, &str) = ("source", "tail");

/// Whether a change is a fold.
pub(crate) fn is_fold(change: &Change) -> bool {
    change.parameters.get(SOURCE.0).is_some_and(|source| source == SOURCE.1)
}

/// Folds what is due until the process drains. One table that can't be folded now holds up no other.
pub(crate) fn spawn(catalog: Catalog, drain: &Drain) {
    let stop = drain.token();
    housekeeping::every(LOOK_EVERY, drain, "rows not folded yet", move || {
        let (catalog, stop) = (catalog.clone(), stop.clone());
        async move { stop.run_until_cancelled(look(&catalog)).await.unwrap_or(Ok(())) }
    });
}

async fn look(catalog: &Catalog) -> Result<()> {
    let before = catalog.clock.now_ms().saturating_sub(i64::try_from(AFTER.as_millis()).unwrap_or(i64::MAX));
    for table in store::due(&catalog.db, ROWS, before, TABLES).await? {
        if let Err(error) = fold(catalog, &table).await {
            tracing::warn!(table, error = %chain(&error), "a table's rows are not folded yet");
        }
    }
    Ok(())
}

/// Makes a version of a table and everything that lies above its files now. A table that has no column can have none.
pub(crate) async fn fold(catalog: &Catalog, table: &str) -> Result<()> {
    let Some(state) = store::state(&catalog.db, table).await? else { return Ok(()) };
    if !is_due(&state) {
        return Ok(());
    }
    let _alone = catalog.tails.alone(table).await;
    for _ in 0..ATTEMPTS {
        let Some(view) = view(catalog, table).await? else { return Ok(()) };
        if !is_due(&view.state) {
            return Ok(());
        }
        match once(catalog, table, &view).await {
            Err(error) if publish::is_moved(&error) => tracing::debug!(table, "the table was published to during a fold; starting again"),
            other => return other,
        }
    }
    Err(Error::new(Code::Conflict, "the table is being changed by others; try again"))
}

fn is_due(state: &store::State) -> bool {
    !state.schema.columns.is_empty() && (state.sum.rows > 0 || state.unfolded || state.publishes == 0)
}

async fn once(catalog: &Catalog, table: &str, view: &View) -> Result<()> {
    let _rewriting = catalog.rewriting.begin(&view.snapshot.table);
    let rewrite = catalog.lake.fold(&view.snapshot, false).await.map_err(crate::error::lake_error)?;
    let decided = decide(catalog, table, view, &rewrite).await;
    if let Err(error) = decided {
        if error.is_refusal() {
            discard(catalog, &view.snapshot.table, &rewrite.staged).await; // else the commit record may stand, and it names these files
        }
        return Err(error);
    }
    catalog.tails.forget(table);
    publish::roll_forward_later(catalog, &view.snapshot.table).await;
    tracing::debug!(table, rows = rewrite.rows, "folded");
    Ok(())
}

async fn decide(catalog: &Catalog, table: &str, view: &View, rewrite: &Rewrite) -> Result<()> {
    let change = Change {
        table: view.snapshot.table.clone(),
        dataset: check::id("dataset_id", &view.state.dataset)?,
        mode: if rewrite.leaving.is_empty() { WriteMode::Append } else { WriteMode::Merge },
        made_for: Some(view.state.schema.clone()),
        made_from: (view.state.publishes > 0).then_some(view.snapshot.version),
        schema: view.state.schema.clone(),
        files: rewrite.staged.files.clone(),
        leaving: rewrite.leaving.clone(),
        parameters: BTreeMap::from([(SOURCE.0.to_owned(), SOURCE.1.to_owned())]),
        resource_name: String::new(),
        unique_key: Vec::new(),
    };
    let mut tx = catalog.db.begin().await?;
    publish::record(catalog, &mut tx, std::slice::from_ref(&change), None).await?;
    take_out(&mut tx, table, view).await?;
    store::set_unfolded(&mut tx, table, false).await?;
    Ok(tx.commit().await?)
}

/// Takes the folded rows out of the tail; those that were written again meanwhile stay.
async fn take_out(tx: &mut Tx, table: &str, view: &View) -> Result<()> {
    let folded = view.loaded.iter().flat_map(|loaded| &loaded.marks);
    let folded: HashMap<i64, (i64, bool)> = folded.map(|(id, seq, lives)| (*id, (*seq, *lives))).collect();
    if folded.is_empty() {
        return Ok(());
    }
    let (mut done, mut again) = (Vec::new(), Vec::new());
    for (id, seq) in store::marks(tx, table).await? {
        match folded.get(&id) {
            Some((same, _)) if *same == seq => done.push(id),
            Some((_, true)) => again.push(id),
            _ => {}
        }
    }
    store::remove(tx, table, done).await?;
    if again.is_empty() { Ok(()) } else { store::set_in_files(tx, table, again).await }
}
