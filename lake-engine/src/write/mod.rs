//! Rows become Parquet files below a table's folder; no version names them yet.
//!
//! Rows are gathered into blocks; each becomes one row group, so memory is bounded by a few blocks. Encoding runs on its own
//! thread while the next block is gathered. No file may have row ids of another one between its own, so every block has a
//! slot, and a file has blocks of one slot only.
//!
//! * New rows ([`write()`]): a block reserves exactly as many row ids as it has rows, so ids leave no gap. If somebody else got
//!   ids in between, the next block has another slot.
//! * Rows that keep their ids ([`keep`]): the caller says which ranges of ids are slots.

mod files;
mod kept;

use std::{pin::pin, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch},
    datatypes::{Int64Type, SchemaRef},
};
use futures::{Stream, StreamExt, stream};
use madang_lake::{DataFile, Result, RowIds, Schema, Staged, TableId};
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

use self::files::Files;
pub(crate) use self::kept::{Slots, keep};
use crate::{storage, store};

const BLOCK_ROWS: usize = 128 << 10;
const BLOCK_BYTES: usize = 32 << 20;

/// Where files go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) table: TableId,
}

/// Stored rows, in the order of their ids, that become one row group.
struct Block {
    batches: Vec<RecordBatch>,
    slot: i64,
}

/// What the encoding thread is told. Without the end, the files are removed.
enum Order {
    Write(Block),
    End,
}

/// Writes all rows under new ids. On an error, and if the caller leaves, the files written so far are removed.
pub(crate) async fn write(
    target: Target,
    schema: &Schema,
    batches: impl Stream<Item = Result<RecordBatch>> + Send,
    ids: &dyn RowIds,
) -> Result<Vec<DataFile>> {
    write_stored(target, schema.stored(), batches, ids).await
}

/// The same for columns of any type; the first of `stored` is that of the ids, which `batches` lack.
pub(crate) async fn write_stored(
    target: Target,
    stored: SchemaRef,
    batches: impl Stream<Item = Result<RecordBatch>> + Send,
    ids: &dyn RowIds,
) -> Result<Vec<DataFile>> {
    let (send, encoding) = start(target, stored.clone())?;
    let fed = feed(batches, &stored, ids, &send).await;
    finish(fed, send, encoding).await
}

/// Starts the encoding thread.
fn start(target: Target, stored: SchemaRef) -> Result<(mpsc::Sender<Order>, Encoding)> {
    let (send, receive) = mpsc::channel(1);
    let files = Files::new(target, stored)?;
    let handle = Handle::current();
    Ok((send, spawn_blocking(move || handle.block_on(files.write(receive)))))
}

type Encoding = JoinHandle<Result<Vec<DataFile>>>;

/// Orders the end, unless something failed, and waits for the files.
async fn finish(fed: Result<()>, send: mpsc::Sender<Order>, encoding: Encoding) -> Result<Vec<DataFile>> {
    if fed.is_ok() {
        let _ = send.send(Order::End).await; // refused only if encoding has failed, which it tells itself
    }
    drop(send);
    let written = encoding.await.map_err(storage)?;
    fed.and(written)
}

/// Gathers blocks, numbers their rows and hands them on.
async fn feed(
    batches: impl Stream<Item = Result<RecordBatch>> + Send,
    stored: &SchemaRef,
    ids: &dyn RowIds,
    send: &mpsc::Sender<Order>,
) -> Result<()> {
    let mut batches = pin!(batches);
    let mut gathered = Gathered::default();
    let (mut slot, mut expected) = (0, 0);
    loop {
        let batch = batches.next().await.transpose()?;
        let ended = batch.is_none();
        gathered.extend(batch);
        if gathered.is_full() || (ended && gathered.rows > 0) {
            let rows = i64::try_from(gathered.rows).map_err(storage)?;
            let first = ids.reserve(gathered.rows as u64).await?;
            if first != expected {
                slot = first;
            }
            expected = first + rows;
            let block = Block { batches: number(gathered.take(), stored, first)?, slot };
            if send.send(Order::Write(block)).await.is_err() {
                return Ok(()); // encoding has failed and tells why
            }
        }
        if ended {
            return Ok(());
        }
    }
}

/// Puts the row ids from `first` on before the columns.
fn number(batches: Vec<RecordBatch>, stored: &SchemaRef, first: i64) -> Result<Vec<RecordBatch>> {
    let mut next = first;
    let numbered = batches.into_iter().map(|batch| {
        let after = next + i64::try_from(batch.num_rows()).map_err(storage)?;
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(next..after));
        next = after;
        let columns = std::iter::once(ids).chain(batch.columns().iter().cloned()).collect();
        RecordBatch::try_new(stored.clone(), columns).map_err(storage)
    });
    numbered.collect()
}

/// The row ids of stored rows.
fn row_ids(batch: &RecordBatch) -> Result<&Int64Array> {
    let first = batch.columns().first().and_then(|column| column.as_primitive_opt::<Int64Type>());
    first.filter(|ids| ids.null_count() == 0).ok_or_else(|| storage("rows without their ids"))
}

/// Batches until they are enough for a block.
#[derive(Default)]
struct Gathered {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Gathered {
    fn extend(&mut self, batches: impl IntoIterator<Item = RecordBatch>) {
        for batch in batches.into_iter().filter(|batch| batch.num_rows() > 0) {
            self.rows += batch.num_rows();
            self.bytes += batch.get_array_memory_size();
            self.batches.push(batch);
        }
    }

    fn is_full(&self) -> bool {
        self.rows >= BLOCK_ROWS || self.bytes >= BLOCK_BYTES
    }

    fn take(&mut self) -> Vec<RecordBatch> {
        std::mem::take(self).batches
    }
}

impl Target {
    /// Removes a file; an absent one is fine.
    pub(crate) async fn remove(&self, file: &DataFile) -> Result<()> {
        let path = store::data_file(&self.table, &file.path)?;
        match self.store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(storage(error)),
        }
    }

    /// Makes sure that staged files are there, whole: a version that names an absent file could never be read.
    pub(crate) async fn check(&self, staged: &Staged) -> Result<()> {
        let checks: Vec<_> = staged.files.iter().map(|file| self.check_file(file)).collect();
        let mut checks = stream::iter(checks).buffer_unordered(8);
        while let Some(checked) = checks.next().await {
            checked?;
        }
        Ok(())
    }

    async fn check_file(&self, file: &DataFile) -> Result<()> {
        let path = store::data_file(&self.table, &file.path)?;
        match self.store.head(&path).await {
            Ok(found) if found.size == file.bytes => Ok(()),
            Ok(_) => Err(storage(format!("the staged file {path} has another size"))),
            Err(error) => Err(storage(error)),
        }
    }
}
