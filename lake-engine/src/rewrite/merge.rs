//! Rows that are merged by their keys.
//!
//! Three questions to the engine: which rows of the table have a key of the new ones (their files are rewritten), what those files
//! hold afterwards, and which new rows match nothing. Joins and sorts go to the disk when memory is not enough.

use futures::{StreamExt, TryStreamExt, stream};
use madang_lake::{DataFile, Error, Limits, Merge, Result, Rewrite, RowIds, RowStream, Snapshot};

use super::{Rewriting, instead_of};
use crate::{
    query::{self, Join, Sides},
    rows,
    write::{self, Slots},
};

/// New rows that are kept in memory for a join; more are sorted, as is the table.
const ROWS_IN_MEMORY: u64 = 100_000;
/// Bytes of their files.
const BYTES_IN_MEMORY: u64 = 16 << 20;

impl Rewriting<'_> {
    pub(crate) async fn merge(&self, rows: &Merge, limits: Limits, ids: &dyn RowIds) -> Result<Rewrite> {
        self.base.schema.check_keys(&rows.keys)?;
        let bytes: u64 = rows.staged.files.iter().map(|file| file.bytes).sum();
        if rows.staged.rows() <= ROWS_IN_MEMORY && bytes <= BYTES_IN_MEMORY {
            match self.merge_by(Join::InMemory, rows, limits, ids).await {
                Err(Error::LimitExceeded(_)) => {} // few rows, but large ones
                other => return other,
            }
        }
        self.merge_by(Join::Sorted, rows, limits, ids).await
    }

    async fn merge_by(&self, join: Join, rows: &Merge, limits: Limits, ids: &dyn RowIds) -> Result<Rewrite> {
        let new = Snapshot::new(self.base.table.clone(), 0, rows.schema.clone(), rows.staged.files.clone());
        let all = Sides { base: self.base.clone(), new, keys: rows.keys.clone(), join };
        let holders = self.holders(self.ask(&all, Sides::matched, limits).await?).await?;
        let matched = holders.iter().map(|(_, count)| count).sum();
        let leaving: Vec<DataFile> = holders.into_iter().map(|(file, _)| file).collect();
        let kept = self.rewrite_matched(&all, &leaving, limits).await?;
        match self.append_unmatched(&all, limits, ids).await {
            Ok(added) => Ok(instead_of(&leaving, kept.into_iter().chain(added).collect(), matched)),
            Err(error) => {
                for file in &kept {
                    self.target().remove(file).await?;
                }
                Err(error)
            }
        }
    }

    async fn rewrite_matched(&self, all: &Sides, leaving: &[DataFile], limits: Limits) -> Result<Vec<DataFile>> {
        if leaving.is_empty() {
            return Ok(Vec::new());
        }
        let merged = self.ask(&Sides { base: self.only(leaving), ..all.clone() }, Sides::merged, limits).await?;
        write::keep(self.target(), self.base.schema.stored(), merged.batches, &Slots::of(leaving)).await
    }

    async fn append_unmatched(&self, all: &Sides, limits: Limits, ids: &dyn RowIds) -> Result<Vec<DataFile>> {
        let mut unmatched = self.ask(all, Sides::unmatched, limits).await?;
        let Some(first) = first(&mut unmatched).await? else { return Ok(Vec::new()) }; // then no column can be missing
        let RowStream { schema, batches } = unmatched;
        let rows = RowStream { schema, batches: stream::iter([Ok(first)]).chain(batches).boxed() };
        write::write(self.target(), &self.base.schema, rows::fit(rows, &self.base.schema)?, ids).await
    }

    async fn ask(&self, sides: &Sides, question: query::MergeQuestion, limits: Limits) -> Result<RowStream> {
        query::merge(self.store, self.scratch, sides, question, limits).await
    }
}

/// The first batch with rows.
async fn first(rows: &mut RowStream) -> Result<Option<arrow::array::RecordBatch>> {
    while let Some(batch) = rows.batches.try_next().await? {
        if batch.num_rows() > 0 {
            return Ok(Some(batch));
        }
    }
    Ok(None)
}
