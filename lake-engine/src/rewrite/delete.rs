//! Rows that leave under conditions.

use arrow::{
    array::{AsArray, BooleanArray, RecordBatch},
    compute::filter_record_batch,
};
use datafusion::{error::DataFusionError, physical_expr::PhysicalExpr};
use futures::StreamExt;
use madang_lake::{DataFile, Filter, Limits, ROW_ID, ReadOptions, Result, Rewrite};

use super::{Rewriting, instead_of};
use crate::{
    query, storage,
    write::{self, Slots},
};

impl Rewriting<'_> {
    /// Looks for the files that hold such rows, then writes what stays of each anew. A file of which nothing stays just leaves.
    pub(crate) async fn delete(&self, filters: &[Filter], limits: Limits) -> Result<Rewrite> {
        let predicate = query::predicate(&self.base.schema, filters)?;
        let wanted = ReadOptions { columns: Some(vec![ROW_ID.to_owned()]), filters: filters.to_vec(), ..ReadOptions::default() };
        let holders = self.holders(query::select(self.store, self.scratch, self.base, &wanted, limits).await?).await?;
        let rows = holders.iter().map(|(_, count)| count).sum();
        let leaving: Vec<DataFile> = holders.iter().map(|(file, _)| file.clone()).collect();
        let partly: Vec<DataFile> = holders.into_iter().filter(|(file, count)| *count < file.rows).map(|(file, _)| file).collect();
        let stored = self.stored(&partly)?.batches;
        let staying = stored.map(move |batch| without(&batch?, predicate.as_ref()).map_err(storage));
        let files = write::keep(self.target(), self.base.schema.stored(), staying, &Slots::of(&partly)).await?;
        let rewrite = instead_of(&leaving, files, rows);
        if rewrite.staged.rows() + rows == leaving.iter().map(|file| file.rows).sum::<u64>() {
            return Ok(rewrite);
        }
        for file in &rewrite.staged.files {
            self.target().remove(file).await?;
        }
        Err(storage("the rows that leave and those that stay don't add up"))
    }
}

/// The rows for which a condition does not hold, or is neither true nor false.
fn without(batch: &RecordBatch, condition: &dyn PhysicalExpr) -> std::result::Result<RecordBatch, DataFusionError> {
    let holds = condition.evaluate(batch)?.into_array(batch.num_rows())?;
    let holds = holds.as_boolean_opt().ok_or_else(|| DataFusionError::Internal("a condition that is no condition".to_owned()))?;
    let stays: BooleanArray = holds.iter().map(|holds| Some(holds != Some(true))).collect();
    Ok(filter_record_batch(batch, &stays)?)
}
