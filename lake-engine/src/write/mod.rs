//! Rows become Parquet files below a table's folder; no version names them yet.
//!
//! Rows are gathered into blocks. Each block reserves exactly as many row ids as it has rows and becomes one row group,
//! so ids leave no gap and memory is bounded by a few blocks. A file's ids are contiguous: if somebody else got ids in
//! between, the next block starts a new file. Encoding runs on its own thread while the next block is gathered.

mod files;

use std::{pin::pin, sync::Arc};

use arrow::array::RecordBatch;
use futures::{Stream, StreamExt, stream};
use madang_lake::{DataFile, Result, RowIds, Schema, Staged, TableId};
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::{runtime::Handle, sync::mpsc, task::spawn_blocking};

use self::files::Files;
use crate::{storage, store};

const BLOCK_ROWS: usize = 128 << 10;
const BLOCK_BYTES: usize = 32 << 20;

/// Where files go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) table: TableId,
}

/// Rows that become one row group.
struct Block {
    batches: Vec<RecordBatch>,
    first_row_id: i64,
}

/// What the encoding thread is told. Without the end, the files are removed.
enum Order {
    Write(Block),
    End,
}

/// Writes all rows. On an error, and if the caller leaves, the files written so far are removed.
pub(crate) async fn write(
    target: Target,
    schema: &Schema,
    batches: impl Stream<Item = Result<RecordBatch>> + Send,
    ids: &dyn RowIds,
) -> Result<Vec<DataFile>> {
    let (send, receive) = mpsc::channel(1);
    let files = Files::new(target, schema)?;
    let handle = Handle::current();
    let encoding = spawn_blocking(move || handle.block_on(files.write(receive)));
    let fed = feed(batches, ids, &send).await;
    if fed.is_ok() {
        let _ = send.send(Order::End).await; // refused only if encoding has failed, which it tells itself
    }
    drop(send);
    let written = encoding.await.map_err(storage)?;
    fed.and(written)
}

/// Gathers blocks and hands them on.
async fn feed(batches: impl Stream<Item = Result<RecordBatch>> + Send, ids: &dyn RowIds, send: &mpsc::Sender<Order>) -> Result<()> {
    let mut batches = pin!(batches);
    let mut gathered = Vec::new();
    let (mut rows, mut bytes) = (0, 0);
    loop {
        let batch = batches.next().await.transpose()?;
        let ended = batch.is_none();
        for batch in batch.into_iter().filter(|batch| batch.num_rows() > 0) {
            rows += batch.num_rows();
            bytes += batch.get_array_memory_size();
            gathered.push(batch);
        }
        if rows > 0 && (ended || rows >= BLOCK_ROWS || bytes >= BLOCK_BYTES) {
            let first_row_id = ids.reserve(rows as u64).await?;
            let block = Block { batches: std::mem::take(&mut gathered), first_row_id };
            (rows, bytes) = (0, 0);
            if send.send(Order::Write(block)).await.is_err() {
                return Ok(()); // encoding has failed and tells why
            }
        }
        if ended {
            return Ok(());
        }
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
