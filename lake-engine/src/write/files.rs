//! The encoding side: row groups into files, files into the store.

use arrow::datatypes::SchemaRef;
use madang_lake::{DataFile, Result};
use object_store::buffered::BufWriter;
use parquet::{
    arrow::{AsyncArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Block, Order, Target, row_ids};
use crate::{storage, store};

const FILE_ROWS: u64 = 2 << 20;
const FILE_BYTES: usize = 256 << 20;

/// The files of one staging.
pub(super) struct Files {
    target: Target,
    schema: SchemaRef,
    properties: WriterProperties,
    done: Vec<DataFile>,
}

/// The file being written.
struct Open {
    name: String,
    writer: AsyncArrowWriter<BufWriter>,
    rows: u64,
    first_row_id: i64,
    last_row_id: i64,
    slot: i64,
}

impl Files {
    /// Files of stored rows: the row id first.
    pub(super) fn new(target: Target, schema: SchemaRef) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).map_err(storage)?))
            .set_max_row_group_row_count(None) // a block is a row group, whatever its size
            .set_created_by(concat!("madang ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        Ok(Self { target, schema, properties, done: Vec::new() })
    }

    /// Writes block after block until the end is ordered.
    pub(super) async fn write(mut self, orders: mpsc::Receiver<Order>) -> Result<Vec<DataFile>> {
        match self.write_all(orders).await {
            Ok(true) => Ok(self.done),
            Ok(false) => {
                self.remove().await;
                Ok(Vec::new()) // the caller has an error of its own, or is gone
            }
            Err(error) => {
                self.remove().await;
                Err(error)
            }
        }
    }

    /// Says whether the end was ordered.
    async fn write_all(&mut self, mut orders: mpsc::Receiver<Order>) -> Result<bool> {
        let mut current = None;
        loop {
            match orders.recv().await {
                Some(Order::Write(block)) => current = Some(self.add(current, block).await?),
                Some(Order::End) => {
                    self.close(current).await?;
                    return Ok(true);
                }
                None => {
                    abandon(current).await;
                    return Ok(false);
                }
            }
        }
    }

    /// Puts a block into the current file if it fits there, else into a new one.
    async fn add(&mut self, current: Option<Open>, block: Block) -> Result<Open> {
        let mut open = match current {
            Some(open) if open.takes(&block) => open,
            full => {
                self.close(full).await?;
                self.open(block.slot)?
            }
        };
        match open.add(block).await {
            Ok(()) => Ok(open),
            Err(error) => {
                abandon(Some(open)).await;
                Err(error)
            }
        }
    }

    fn open(&self, slot: i64) -> Result<Open> {
        let name = format!("part-{}.parquet", Uuid::now_v7());
        let path = store::data_file(&self.target.table, &name)?;
        let sink = BufWriter::new(self.target.store.clone(), path);
        let options = ArrowWriterOptions::new().with_properties(self.properties.clone()).with_skip_arrow_metadata(true);
        let writer = AsyncArrowWriter::try_new_with_options(sink, self.schema.clone(), options).map_err(storage)?;
        Ok(Open { name, writer, rows: 0, first_row_id: i64::MAX, last_row_id: i64::MIN, slot })
    }

    async fn close(&mut self, current: Option<Open>) -> Result<()> {
        let Some(mut open) = current else { return Ok(()) };
        if let Err(error) = open.writer.finish().await {
            abandon(Some(open)).await;
            return Err(storage(error));
        }
        self.done.push(DataFile {
            path: open.name,
            bytes: open.writer.bytes_written() as u64,
            rows: open.rows,
            first_row_id: open.first_row_id,
            last_row_id: open.last_row_id,
        });
        Ok(())
    }

    async fn remove(&self) {
        for file in &self.done {
            if let Err(error) = self.target.remove(file).await {
                tracing::warn!(table = %self.target.table, file = %file.path, error = %error, "could not remove a staged file");
            }
        }
    }
}

impl Open {
    fn takes(&self, block: &Block) -> bool {
        block.slot == self.slot && self.rows < FILE_ROWS && self.writer.bytes_written() < FILE_BYTES
    }

    async fn add(&mut self, block: Block) -> Result<()> {
        for batch in block.batches {
            let ids = row_ids(&batch)?;
            self.first_row_id = self.first_row_id.min(ids.values().first().copied().unwrap_or(i64::MAX));
            self.last_row_id = self.last_row_id.max(ids.values().last().copied().unwrap_or(i64::MIN));
            self.writer.write(&batch).await.map_err(storage)?;
            self.rows += batch.num_rows() as u64;
        }
        self.writer.flush().await.map_err(storage)
    }
}

/// Gives up a file that is not finished, so that the store keeps no part of it.
async fn abandon(current: Option<Open>) {
    let Some(open) = current else { return };
    let mut sink = open.writer.into_inner();
    if let Err(error) = sink.abort().await {
        tracing::debug!(error = %error, "could not abort an upload");
    }
}
