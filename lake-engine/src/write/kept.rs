//! Rows that keep their ids.

use std::pin::pin;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::{Stream, StreamExt};
use madang_lake::{DataFile, Result};
use tokio::sync::mpsc;

use super::{Block, Gathered, Order, Target, finish, row_ids, start};
use crate::storage;

/// Ranges of row ids, ascending and apart. Rows of one may share a file.
#[derive(Clone, Debug)]
pub(crate) struct Slots(Vec<(i64, i64)>);

impl Slots {
    /// A slot for each file.
    pub(crate) fn of(files: &[DataFile]) -> Self {
        Self(files.iter().map(|file| (file.first_row_id, file.last_row_id)).collect())
    }

    /// Slots that are given, ascending and apart.
    pub(crate) fn ranges(ranges: Vec<(i64, i64)>) -> Self {
        Self(ranges)
    }

    /// One slot for all files.
    pub(crate) fn over(files: &[DataFile]) -> Self {
        Self(files.first().zip(files.last()).map(|(first, last)| (first.first_row_id, last.last_row_id)).into_iter().collect())
    }

    /// The place of the slot that an id is in.
    pub(crate) fn place(&self, id: i64) -> Option<usize> {
        let at = self.0.partition_point(|slot| slot.1 < id);
        self.0.get(at).filter(|slot| slot.0 <= id).map(|_| at)
    }
}

/// Writes stored rows, which come in the order of their ids. On an error, and if the caller leaves, the files written so far
/// are removed.
pub(crate) async fn keep(
    target: Target,
    stored: SchemaRef,
    rows: impl Stream<Item = Result<RecordBatch>> + Send,
    slots: &Slots,
) -> Result<Vec<DataFile>> {
    let (send, encoding) = start(target, stored.clone())?;
    let fed = feed(rows, &stored, slots, &send).await;
    finish(fed, send, encoding).await
}

async fn feed(
    rows: impl Stream<Item = Result<RecordBatch>> + Send,
    stored: &SchemaRef,
    slots: &Slots,
    send: &mpsc::Sender<Order>,
) -> Result<()> {
    let mut rows = pin!(rows);
    let mut gathered = Gathered::default();
    let (mut place, mut last) = (0, i64::MIN);
    while let Some(batch) = rows.next().await.transpose()? {
        let batch = RecordBatch::try_new(stored.clone(), batch.columns().to_vec()).map_err(storage)?;
        for (at, piece) in pieces(&batch, slots, &mut last)? {
            if (at != place || gathered.is_full()) && !flush(&mut gathered, place, send).await? {
                return Ok(()); // encoding has failed and tells why
            }
            place = at;
            gathered.extend([piece]);
        }
    }
    flush(&mut gathered, place, send).await.map(drop)
}

/// Hands a block on; false if nobody takes it any more.
async fn flush(gathered: &mut Gathered, place: usize, send: &mpsc::Sender<Order>) -> Result<bool> {
    if gathered.rows == 0 {
        return Ok(true);
    }
    let block = Block { batches: gathered.take(), slot: i64::try_from(place).map_err(storage)? };
    Ok(send.send(Order::Write(block)).await.is_ok())
}

/// A batch cut where the slot changes. Ids that do not ascend, or are in no slot, are refused: they would make a table wrong.
fn pieces(batch: &RecordBatch, slots: &Slots, last: &mut i64) -> Result<Vec<(usize, RecordBatch)>> {
    let ids = row_ids(batch)?.values();
    let mut pieces = Vec::new();
    let (mut from, mut current) = (0, None);
    for (at, id) in ids.iter().enumerate() {
        if *id <= *last {
            return Err(storage("rows are not in the order of their ids"));
        }
        *last = *id;
        let place = slots.place(*id).ok_or_else(|| storage(format!("row {id} belongs to none of the files")))?;
        if let Some(before) = current.filter(|before| *before != place) {
            pieces.push((before, batch.slice(from, at - from)));
            from = at;
        }
        current = Some(place);
    }
    pieces.extend(current.map(|place| (place, batch.slice(from, batch.num_rows() - from))));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::Int64Array,
        datatypes::{DataType, Field, Schema},
    };

    use super::*;

    fn batch(ids: &[i64]) -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![Field::new("_id", DataType::Int64, false)]));
        RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(ids.to_vec()))]).expect("a batch")
    }

    #[test]
    fn rows_are_cut_at_slots() {
        let slots = Slots(vec![(1, 3), (10, 19), (20, 20)]);
        let cut = |ids: &[i64]| {
            let mut last = i64::MIN;
            let pieces = pieces(&batch(ids), &slots, &mut last).map_err(|error| error.to_string())?;
            Ok::<_, String>(pieces.into_iter().map(|(at, piece)| (at, piece.num_rows())).collect::<Vec<_>>())
        };
        assert_eq!(cut(&[1, 3, 10, 11, 19, 20]), Ok(vec![(0, 2), (1, 3), (2, 1)]));
        assert_eq!(cut(&[]), Ok(vec![]));
        for wrong in [&[3, 3][..], &[3, 1], &[4], &[21], &[0]] {
            assert!(cut(wrong).is_err(), "{wrong:?}");
        }
    }
}
