//! Rows that keep their ids while their files are written anew (copy on write, file by file).
//!
//! Nothing here changes a file or a version: files are read, others are written, and a commit exchanges them.

mod delete;
mod fold;
mod merge;

use std::{path::Path, sync::Arc};

use arrow::{array::AsArray, datatypes::Int64Type};
use futures::TryStreamExt;
use madang_lake::{DataFile, Error, ROW_ID, ReadOptions, Result, Rewrite, RowStream, Schema, Snapshot, Staged};
use object_store::ObjectStore;

use crate::{
    read::{self, Footers},
    rows, storage,
    write::{self, Slots, Target},
};

/// One version whose rows are rewritten.
pub(crate) struct Rewriting<'a> {
    pub(crate) store: &'a Arc<dyn ObjectStore>,
    pub(crate) footers: &'a Footers,
    pub(crate) scratch: &'a Path,
    pub(crate) base: &'a Snapshot,
}

impl Rewriting<'_> {
    /// All files in wider columns.
    pub(crate) async fn widen(&self, schema: &Schema) -> Result<Rewrite> {
        schema.check()?;
        self.base.schema.check_widening(schema)?;
        let rows = rows::fit_stored(self.stored(&self.base.files)?, schema)?;
        let files = write::keep(self.target(), schema.stored(), rows, &Slots::of(&self.base.files)).await?;
        Ok(instead_of(&self.base.files, files, 0))
    }

    /// Files that follow each other, as few files.
    pub(crate) async fn compact(&self, files: &[DataFile]) -> Result<Rewrite> {
        if !self.base.files.windows(files.len().max(1)).any(|run| run == files) {
            return Err(Error::invalid("only files that follow each other can be put together"));
        }
        let rows = self.stored(files)?.batches;
        let made = write::keep(self.target(), self.base.schema.stored(), rows, &Slots::over(files)).await?;
        Ok(instead_of(files, made, 0))
    }

    /// The stored rows of some files of the version, in the order of their ids.
    fn stored(&self, files: &[DataFile]) -> Result<RowStream> {
        let columns = self.base.schema.columns.iter().map(|column| column.name.clone());
        let columns = std::iter::once(ROW_ID.to_owned()).chain(columns).collect();
        read::read(self.store, self.footers, &self.only(files), &ReadOptions { columns: Some(columns), ..ReadOptions::default() })
    }

    /// The version as if it had only some of its files.
    fn only(&self, files: &[DataFile]) -> Snapshot {
        Snapshot { files: files.to_vec(), tail: None, ..self.base.clone() }
    }

    /// The files that hold rows of which only the ids are given, each with their number.
    async fn holders(&self, mut ids: RowStream) -> Result<Vec<(DataFile, u64)>> {
        let slots = Slots::of(&self.base.files);
        let mut counts = vec![0_u64; self.base.files.len()];
        while let Some(batch) = ids.batches.try_next().await? {
            let column = batch.columns().first().and_then(|column| column.as_primitive_opt::<Int64Type>());
            for id in column.ok_or_else(|| storage("rows without their ids"))?.iter().flatten() {
                let count = slots.place(id).and_then(|at| counts.get_mut(at));
                *count.ok_or_else(|| storage(format!("row {id} is in none of the files")))? += 1;
            }
        }
        Ok(self.base.files.iter().cloned().zip(counts).filter(|(_, count)| *count > 0).collect())
    }

    fn target(&self) -> Target {
        Target { store: self.store.clone(), table: self.base.table.clone() }
    }
}

/// Files in the place of others.
fn instead_of(leaving: &[DataFile], files: Vec<DataFile>, rows: u64) -> Rewrite {
    let leaving = leaving.iter().map(|file| file.path.clone()).collect();
    Rewrite { staged: Staged { files, columns: 0 }, leaving, rows }
}
