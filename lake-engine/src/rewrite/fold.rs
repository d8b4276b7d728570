//! What lies above a version's files becomes files: those that hold a row concerned are written anew, other rows get files of their own
//! between them.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{AsArray, BooleanArray, RecordBatch},
    compute::{concat_batches, filter_record_batch, sort_to_indices, take},
    datatypes::Int64Type,
};
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use madang_lake::{DataFile, Result, Rewrite, Tail};

use super::{Rewriting, instead_of};
use crate::{
    storage,
    write::{self, Slots},
};

/// A file with the rows of the tail that belong into it, or rows between two files.
struct Part {
    file: Option<DataFile>,
    rows: Range<usize>,
}

impl Rewriting<'_> {
    /// Writes the tail into files; with `whole` every file is written anew.
    pub(crate) async fn fold(&self, whole: bool) -> Result<Rewrite> {
        let empty = || Tail::new(&self.base.schema, Vec::new()).map(Arc::new);
        let tail = self.base.tail.clone().map_or_else(empty, Ok)?;
        let parts = parts(&self.base.files, &tail, whole);
        let leaving: Vec<DataFile> = parts.iter().filter_map(|part| part.file.clone()).collect();
        let slots = Slots::ranges(parts.iter().map(|part| range(part, tail.ids())).collect());
        let mut rows = Vec::with_capacity(parts.len());
        for part in parts {
            rows.push(self.merged(part, &tail)?);
        }
        let files = write::keep(self.target(), self.base.schema.stored(), stream::iter(rows).flatten(), &slots).await?;
        Ok(instead_of(&leaving, files, tail.rows.num_rows() as u64))
    }

    /// The rows of a part in the order of their ids.
    fn merged(&self, part: Part, tail: &Arc<Tail>) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let Some(file) = part.file else {
            let rows = tail.rows.slice(part.rows.start, part.rows.len());
            return Ok(stream::iter([Ok(rows)]).boxed());
        };
        let stored = self.stored(&[file])?.batches;
        let state = (stored, part.rows, tail.clone());
        let merged = stream::try_unfold(Some(state), |state| async move {
            let Some((mut stored, rows, tail)) = state else { return Ok(None) };
            match stored.try_next().await? {
                Some(batch) => {
                    let (merged, rest) = merge(&batch, rows, &tail)?;
                    Ok(Some((merged, Some((stored, rest, tail)))))
                }
                None => Ok(Some((tail.rows.slice(rows.start, rows.len()), None))),
            }
        });
        Ok(merged.boxed())
    }
}

fn parts(files: &[DataFile], tail: &Tail, whole: bool) -> Vec<Part> {
    let (ids, mut next, mut parts) = (tail.ids(), 0, Vec::new());
    for file in files {
        let before = ids.partition_point(|id| *id < file.first_row_id).max(next);
        let through = ids.partition_point(|id| *id <= file.last_row_id).max(before);
        if before > next {
            parts.push(Part { file: None, rows: next..before });
        }
        let first = tail.masked.partition_point(|id| *id < file.first_row_id);
        let is_masked = tail.masked.get(first).is_some_and(|id| *id <= file.last_row_id);
        if whole || is_masked || through > before {
            parts.push(Part { file: Some(file.clone()), rows: before..through });
        }
        next = through;
    }
    if ids.len() > next {
        parts.push(Part { file: None, rows: next..ids.len() });
    }
    parts
}

fn range(part: &Part, ids: &[i64]) -> (i64, i64) {
    if let Some(file) = &part.file {
        (file.first_row_id, file.last_row_id)
    } else {
        let rows = ids.get(part.rows.clone()).unwrap_or_default();
        (rows.first().copied().unwrap_or_default(), rows.last().copied().unwrap_or_default())
    }
}

/// A batch without the rows that no longer count and with those of the tail up to its last id; and which of the tail come later.
fn merge(batch: &RecordBatch, rows: Range<usize>, tail: &Tail) -> Result<(RecordBatch, Range<usize>)> {
    let ids =
        batch.columns().first().and_then(|ids| ids.as_primitive_opt::<Int64Type>()).ok_or_else(|| storage("rows without their ids"))?;
    let last = ids.values().last().copied().unwrap_or(i64::MIN);
    let batch = RecordBatch::try_new(tail.rows.schema(), batch.columns().to_vec()).map_err(storage)?;
    let counts: BooleanArray = ids.values().iter().map(|id| Some(tail.masked.binary_search(id).is_err())).collect();
    let staying = filter_record_batch(&batch, &counts).map_err(storage)?;
    let end = tail.ids().partition_point(|id| *id <= last).clamp(rows.start, rows.end);
    if end == rows.start {
        return Ok((staying, rows));
    }
    let both = concat_batches(&tail.rows.schema(), [&staying, &tail.rows.slice(rows.start, end - rows.start)]).map_err(storage)?;
    let order = sort_to_indices(both.column(0), None, None).map_err(storage)?;
    let columns = both.columns().iter().map(|column| take(column, &order, None).map_err(storage)).collect::<Result<Vec<_>>>()?;
    Ok((RecordBatch::try_new(both.schema(), columns).map_err(storage)?, end..rows.end))
}
