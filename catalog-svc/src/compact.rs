//! Compaction: small files that follow each other become larger ones, in the background, as a version of its own (`OPTIMIZE`).
//!
//! Files are of tiers by their rows, each [`FANOUT`] times the one below. A run of neighbours is put together only if the result
//! is of a higher tier than every one of them; so a row is written at most once per tier, and all rewriting of n rows stays in
//! O(n log n). A table is left with fewer than [`MIN_FILES`] files per tier and the full ones.
//!
//! Nobody waits for a compaction and nobody starts again for its sake: it keeps away from tables that somebody rewrites, and if
//! the table was changed in its way meanwhile, it gives up until the next time.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use madang_kit::{Code, Drain, Error, Result, check, error::chain, housekeeping};
use madang_lake::{DataFile, Rewrite, Snapshot, TableId, WriteMode};

use crate::{
    Catalog,
    error::lake_error,
    publish,
    store::{
        publish::Change,
        table as tables,
        upkeep::{self as store, Grown},
    },
    upload::discard,
};

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Tables at one look.
const TABLES: i64 = 100;
/// Versions that one look adds to one table.
const ROUNDS: usize = 20;

/// How many times larger the files of a tier are than those of the one below.
const FANOUT: u64 = 8;
/// Fewer files are not worth a version.
const MIN_FILES: usize = 8;
/// Files, rows and bytes that are put together at once.
const MAX_FILES: usize = 1_000;
const MAX_ROWS: u64 = 4 << 20;
const MAX_BYTES: u64 = 1 << 30;
/// A file with so many rows or bytes stays as it is.
const FULL_ROWS: u64 = 1 << 20;
const FULL_BYTES: u64 = 64 << 20;
/// Row ids that were reserved so long ago belong to no upload any more. Longer than staging an upload or a step may take.
const SETTLE_AFTER: Duration = Duration::from_hours(2);

/// Looks for small files until the process drains.
pub(crate) fn spawn(catalog: Catalog, drain: &Drain) {
    let stop = drain.token();
    housekeeping::every(LOOK_EVERY, drain, "tables not compacted yet", move || {
        let (catalog, stop) = (catalog.clone(), stop.clone());
        async move { stop.run_until_cancelled(look(&catalog)).await.unwrap_or(Ok(())) }
    });
}

/// Looks at every table that was published to since the last time. One that can't be compacted now holds up no other.
async fn look(catalog: &Catalog) -> Result<()> {
    for grown in store::grown(&catalog.db, TABLES).await? {
        match compact(catalog, &grown).await {
            Ok(true) => {
                let mut tx = catalog.db.begin().await?;
                store::set_compacted(&mut tx, &grown.id, grown.publishes).await?;
                tx.commit().await?;
            }
            Ok(false) => {} // somebody is at it
            Err(error) => tracing::warn!(table = %grown.id, error = %chain(&error), "a table is not compacted yet"),
        }
    }
    Ok(())
}

/// Compacts a table until nothing is left to do; false if somebody else came in between.
async fn compact(catalog: &Catalog, grown: &Grown) -> Result<bool> {
    let table: TableId = grown.id.parse().map_err(lake_error)?;
    for _ in 0..ROUNDS {
        if catalog.rewriting.has(&table) {
            return Ok(false);
        }
        let settled = settle(catalog, &grown.id).await?; // before the version is read: later ids than these may still come into it
        let snapshot = publish::roll_forward(catalog, &table).await?;
        let Some(run) = plan(&snapshot.files, settled) else { return Ok(true) };
        let files = snapshot.files.get(run).unwrap_or_default();
        let rewrite = catalog.lake.compact(&snapshot, files).await.map_err(lake_error)?;
        if !publish(catalog, grown, &snapshot, &rewrite).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn settle(catalog: &Catalog, table: &str) -> Result<i64> {
    let now = catalog.clock.now_ms();
    let before = now.saturating_sub(i64::try_from(SETTLE_AFTER.as_millis()).unwrap_or(i64::MAX));
    let mut tx = catalog.db.begin().await?;
    let settled = tables::settle(&mut tx, table, now, before).await?;
    tx.commit().await?;
    Ok(settled)
}

/// Publishes the new files, unless somebody is at the table or has been.
async fn publish(catalog: &Catalog, grown: &Grown, base: &Snapshot, rewrite: &Rewrite) -> Result<bool> {
    let decided = if catalog.rewriting.has(&base.table) { Err(given_up()) } else { decide(catalog, grown, base, rewrite).await };
    match decided {
        Ok(()) => {
            publish::roll_forward_later(catalog, &base.table).await;
            tracing::debug!(table = %base.table, files = rewrite.leaving.len(), rows = rewrite.staged.rows(), "compacted");
            Ok(true)
        }
        Err(error) => {
            if error.is_refusal() {
                discard(catalog, &base.table, &rewrite.staged).await; // else the commit record may stand, and it names these files
            }
            if error.code == Code::Conflict { Ok(false) } else { Err(error) }
        }
    }
}

fn given_up() -> Error {
    Error::new(Code::Conflict, "the table is being rewritten")
}

async fn decide(catalog: &Catalog, grown: &Grown, base: &Snapshot, rewrite: &Rewrite) -> Result<()> {
    let change = Change {
        table: base.table.clone(),
        dataset: check::id("dataset_id", &grown.dataset_id)?,
        mode: WriteMode::Compact,
        made_for: Some(base.schema.clone()),
        made_from: Some(base.version),
        schema: base.schema.clone(),
        files: rewrite.staged.files.clone(),
        leaving: rewrite.leaving.clone(),
        parameters: BTreeMap::new(),
        resource_name: String::new(),
        unique_key: Vec::new(),
    };
    let mut tx = catalog.db.begin().await?;
    publish::record(catalog, &mut tx, std::slice::from_ref(&change), None).await?;
    Ok(tx.commit().await?)
}

/// The next run of files to put together, if there is one. Runs that make the largest files come first.
fn plan(files: &[DataFile], settled: i64) -> Option<Range<usize>> {
    let tiers: Vec<Option<u32>> = files.iter().map(tier).collect();
    let highest = tiers.iter().flatten().max()?;
    (0..=*highest).rev().find_map(|top| {
        let enough = FANOUT.saturating_pow(top + 1);
        let fits = |at: usize| tiers.get(at).copied().flatten().is_some_and(|tier| tier <= top);
        runs(files, settled, fits).into_iter().find(|run| {
            let rows: u64 = files.get(run.clone()).unwrap_or_default().iter().map(|file| file.rows).sum();
            run.len() >= MIN_FILES && rows >= enough
        })
    })
}

/// The tier of a file; a full one has none.
fn tier(file: &DataFile) -> Option<u32> {
    let full = file.rows >= FULL_ROWS || file.bytes >= FULL_BYTES;
    (!full).then(|| file.rows.max(1).ilog(FANOUT))
}

/// The longest runs of neighbours that fit and may be put together, within what is put together at once.
fn runs(files: &[DataFile], settled: i64, fits: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let (mut rows, mut bytes) = (0, 0);
    for (at, file) in files.iter().enumerate().filter(|(at, _)| fits(*at)) {
        let before = at.checked_sub(1).and_then(|before| files.get(before));
        let last = runs.last_mut().filter(|run| run.end == at && run.len() < MAX_FILES);
        let last = last.filter(|_| before.is_some_and(|before| are_neighbours(before, file, settled)));
        if let Some(run) = last.filter(|_| rows + file.rows <= MAX_ROWS && bytes + file.bytes <= MAX_BYTES) {
            run.end = at + 1;
        } else {
            (rows, bytes) = (0, 0);
            runs.push(at..at + 1);
        }
        rows += file.rows;
        bytes += file.bytes;
    }
    runs
}

/// Whether no row can come between two files that follow each other.
fn are_neighbours(before: &DataFile, after: &DataFile, settled: i64) -> bool {
    after.first_row_id == before.last_row_id + 1 || after.first_row_id <= settled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(first: i64, rows: u64) -> DataFile {
        DataFile { path: String::new(), bytes: 1_000 + rows * 20, rows, first_row_id: first, last_row_id: first + rows.cast_signed() - 1 }
    }

    /// Puts together what the plan says; gives the rows that were written.
    fn compact_all(files: &mut Vec<DataFile>) -> u64 {
        let mut written = 0;
        while let Some(run) = plan(files, 0) {
            let together: Vec<_> = files[run.clone()].to_vec();
            let rows = together.iter().map(|file| file.rows).sum();
            let highest = together.iter().filter_map(tier).max();
            files.splice(run, [file(together[0].first_row_id, rows)]);
            assert!(together.len() >= MIN_FILES && (rows >= FULL_ROWS || highest < Some(rows.ilog(FANOUT))), "{together:?}");
            written += rows;
        }
        written
    }

    #[test]
    fn small_uploads_become_few_files_and_little_work() {
        for (uploads, rows, look_after) in [(1_000, 1, 1_000), (1_000, 1, 7), (20_000, 1, 50), (20_000, 3, 13), (3_000, 900, 1)] {
            let (mut files, mut written, mut next) = (Vec::new(), 0, 1);
            for upload in 1..=uploads {
                files.push(file(next, rows));
                next += rows.cast_signed();
                if upload % look_after == 0 {
                    written += compact_all(&mut files);
                }
            }
            written += compact_all(&mut files);
            let total = uploads * rows;
            assert!(files.len() <= 50, "{} files of {uploads} uploads", files.len());
            assert!(written <= total * u64::from(total.ilog(FANOUT) + 1), "{written} rows were written for {total}");
            assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), total);
        }
    }

    #[test]
    fn gaps_are_crossed_when_nobody_can_fill_them() {
        let files: Vec<_> = (0..16).map(|at| file(1 + at * 10, 1)).collect(); // 1, 11, 21, …, 151
        assert_eq!(plan(&files, 0), None);
        assert_eq!(plan(&files, 150), Some(0..15));
        assert_eq!(plan(&files, 151), Some(0..16));
        assert_eq!(plan(&files, 61), None, "seven files");
        assert_eq!(plan(&files, 71), Some(0..8));
    }

    #[test]
    fn full_files_stay() {
        let mut files: Vec<_> = (0..9).map(|at| file(1 + at, 1)).collect();
        files[4].bytes = FULL_BYTES;
        assert_eq!(plan(&files, 0), None);
        assert_eq!(plan(&[], 0), None);
    }
}
