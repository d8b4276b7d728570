//! The tail: row-level changes that are durable in the catalogue's database and become files later (ARCHITECTURE.md, "The tail").
//!
//! [`view()`] is a table as it is now: its newest version and what lies above it. [`fold()`] makes that a version. [`settled`] is for whoever reads versions, pins
//! one or makes files from one: nothing lies above it when it answers.

mod fold;
mod view;

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use madang_kit::{Error, Id, Result};
use madang_lake::{Snapshot, TableId};

pub(crate) use self::{
    fold::{fold, is_fold, spawn},
    view::{Base, View, base, view},
};
use crate::{Catalog, error::lake_error, publish, store::table};

/// Row ids that are reserved at once for single rows.
const BLOCK: i64 = 64;
/// How long a block may be used: row ids that were reserved long ago may lie inside of files (compaction).
const BLOCK_FOR_MS: i64 = 600_000;
/// Tables whose blocks or tails are kept in memory.
const TABLES: usize = 1_000;

/// What a process keeps in memory of tails.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tails {
    blocks: Arc<Mutex<HashMap<String, Block>>>,
    loaded: Arc<Mutex<HashMap<String, Arc<view::Loaded>>>>,
    folding: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
}

#[derive(Clone, Debug)]
struct Block {
    ids: Range<i64>,
    since: i64,
}

impl Tails {
    /// Whether a block in memory has so many ids above one; a block that begins below it is forgotten.
    fn has(&self, table: &str, count: i64, above: i64, now: i64) -> bool {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if blocks.get(table).is_some_and(|block| block.ids.start <= above) {
            blocks.remove(table);
        }
        let block = blocks.get(table).filter(|block| now.saturating_sub(block.since) < BLOCK_FOR_MS);
        block.is_some_and(|block| block.ids.end - block.ids.start >= count)
    }

    /// An id from a block in memory.
    fn take(&self, table: &str, now: i64) -> Option<i64> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.get_mut(table).filter(|block| now.saturating_sub(block.since) < BLOCK_FOR_MS)?.ids.next()
    }

    fn keep(&self, table: &str, block: Block) {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if blocks.len() >= TABLES {
            blocks.clear(); // the ids stay gaps
        }
        match blocks.get_mut(table).filter(|before| before.ids.end == block.ids.start) {
            Some(before) => before.ids.end = block.ids.end,
            None => drop(blocks.insert(table.to_owned(), block)),
        }
    }

    /// One fold of a table at a time in this process.
    async fn alone(&self, table: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut folding = self.folding.lock().unwrap_or_else(PoisonError::into_inner);
            folding.retain(|_, lock| Arc::strong_count(lock) > 1);
            folding.entry(table.to_owned()).or_default().clone()
        };
        lock.lock_owned().await
    }
}

/// Makes sure that there are ids in memory for so many new rows of a table, all above the one that its files end with.
pub(crate) async fn have_ids(catalog: &Catalog, table: &str, count: i64, above: i64) -> Result<()> {
    let now = catalog.clock.now_ms();
    if catalog.tails.has(table, count, above, now) {
        return Ok(());
    }
    let id: Id = table.parse().map_err(Error::internal)?;
    let count = count.max(BLOCK);
    let first = table::reserve_row_ids(&catalog.db, id, count).await?;
    catalog.tails.keep(table, Block { ids: first..first + count, since: now });
    Ok(())
}

/// The id of a new row, from those in memory. What is not used stays a gap.
pub(crate) fn next_id(catalog: &Catalog, table: &str) -> Option<i64> {
    catalog.tails.take(table, catalog.clock.now_ms())
}

/// The newest version of a table, with everything folded in.
pub(crate) async fn settled(catalog: &Catalog, table: &TableId) -> Result<Snapshot> {
    fold(catalog, table.as_str()).await?;
    publish::roll_forward(catalog, table).await
}

/// The same; `None` while the table has no column, so that it can have no version.
pub(crate) async fn settled_if_any(catalog: &Catalog, table: &table::Table) -> Result<Option<Snapshot>> {
    if table.schema.columns.is_empty() && table.publishes == 0 {
        return Ok(None);
    }
    let id: TableId = table.id.parse().map_err(lake_error)?;
    if table.unfolded { settled(catalog, &id).await.map(Some) } else { publish::newest(catalog, &id, table).await.map(Some) }
}
