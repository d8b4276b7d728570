//! Rows into the files of a stage: CSV with a header, JSON one object a line, Parquet. Memory is bounded by one batch, for Parquet by
//! one row group.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::StreamExt;
use madang_lake::{ObjectFormat, Place, RAW_JSON, Result, RowStream, write_csv_header, write_csv_rows, write_json_lines};
use object_store::{ObjectStore, buffered::BufWriter};
use parquet::{
    arrow::AsyncArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use tokio::io::AsyncWriteExt;

use super::as_text;
use crate::{objects, storage};

/// Rows of a Parquet row group; they are in memory until it is full.
const GROUP_ROWS: usize = 128 << 10;
/// Bytes of text that are gathered before they are handed on.
const PIECE: usize = 1 << 20;

/// Writes all rows and gives the names of the files, in order.
pub(super) async fn write(
    store: &Arc<dyn ObjectStore>,
    rows: RowStream,
    format: ObjectFormat,
    sizes: &[u64],
    stage: &Place,
) -> Result<Vec<String>> {
    let RowStream { schema, mut batches } = rows;
    let mut files = Files { store: store.clone(), format, stage: stage.clone(), schema, sizes: sizes.to_vec(), names: Vec::new() };
    let mut open = files.next()?;
    while let Some(batch) = batches.next().await {
        let mut batch = batch?;
        while open.left < batch.num_rows() as u64 && files.names.len() < files.sizes.len() {
            let take = usize::try_from(open.left).map_err(storage)?;
            open.add(&batch.slice(0, take)).await?;
            batch = batch.slice(take, batch.num_rows() - take);
            open.end().await?;
            open = files.next()?;
        }
        open.left = open.left.saturating_sub(batch.num_rows() as u64);
        open.add(&batch).await?;
    }
    open.end().await?;
    while files.names.len() < files.sizes.len() {
        files.next()?.end().await?;
    }
    Ok(files.names)
}

struct Files {
    store: Arc<dyn ObjectStore>,
    format: ObjectFormat,
    stage: Place,
    schema: SchemaRef,
    sizes: Vec<u64>,
    names: Vec<String>,
}

impl Files {
    fn next(&mut self) -> Result<Open> {
        let number = self.names.len();
        let name = format!("part-{number:05}");
        let path = objects::stage_file(&self.stage, &name)?;
        self.names.push(name);
        let sink = BufWriter::new(self.store.clone(), path);
        let writer = match self.format {
            ObjectFormat::Parquet => Writer::Parquet(Box::new(parquet(sink, &self.schema)?)),
            ObjectFormat::Json => Writer::Text { sink: Box::new(sink), text: Vec::new(), json: true },
            ObjectFormat::Csv => {
                let mut text = Vec::new();
                write_csv_header(&self.schema, &mut text);
                Writer::Text { sink: Box::new(sink), text, json: false }
            }
        };
        Ok(Open { writer, left: self.sizes.get(number).copied().unwrap_or(u64::MAX) })
    }
}

fn parquet(sink: BufWriter, schema: &SchemaRef) -> Result<AsyncArrowWriter<BufWriter>> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).map_err(storage)?))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_created_by(concat!("madang ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    AsyncArrowWriter::try_new(sink, schema.clone(), Some(properties)).map_err(storage)
}

/// The file being written.
struct Open {
    writer: Writer,
    /// Rows that it still takes.
    left: u64,
}

enum Writer {
    Parquet(Box<AsyncArrowWriter<BufWriter>>),
    Text { sink: Box<BufWriter>, text: Vec<u8>, json: bool },
}

impl Open {
    async fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.writer {
            Writer::Parquet(writer) => writer.write(batch).await.map_err(storage),
            Writer::Text { sink, text, json } => {
                if *json {
                    write_json_lines(&for_json(batch)?, text)?;
                } else {
                    write_csv_rows(&as_text(&printable(batch)?, is_decimal, |field| field)?, text)?;
                }
                if text.len() >= PIECE {
                    sink.put(std::mem::take(text).into()).await.map_err(storage)?;
                }
                Ok(())
            }
        }
    }

    async fn end(self) -> Result<()> {
        match self.writer {
            Writer::Parquet(mut writer) => writer.finish().await.map(drop).map_err(storage),
            Writer::Text { mut sink, text, .. } => {
                sink.put(text.into()).await.map_err(storage)?;
                sink.shutdown().await.map_err(storage)
            }
        }
    }
}

/// Decimals are JSON numbers with all their digits.
fn for_json(batch: &RecordBatch) -> Result<RecordBatch> {
    as_text(&printable(batch)?, is_decimal, |field| field.with_metadata([(RAW_JSON.to_owned(), String::new())].into()))
}

fn is_decimal(kind: &DataType) -> bool {
    matches!(kind, DataType::Decimal128(..))
}

/// Bytes as Base64.
fn printable(batch: &RecordBatch) -> Result<RecordBatch> {
    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        match column.as_binary_opt::<i32>() {
            Some(bytes) if *column.data_type() == DataType::Binary => {
                let texts: StringArray = bytes.iter().map(|bytes| bytes.map(|bytes| STANDARD.encode(bytes))).collect();
                fields.push(Field::new(field.name(), DataType::Utf8, true));
                columns.push(Arc::new(texts));
            }
            _ => {
                fields.push(field.as_ref().clone());
                columns.push(column.clone());
            }
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(storage)
}
