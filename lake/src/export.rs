//! Whole tables as files, streamed: CSV, JSON, Parquet, Arrow.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};

use crate::{
    Encoder, Error, Result, RowStream,
    render::{write_csv_header, write_csv_rows, write_json_objects},
};

/// Rows that a Parquet row group holds; they are in memory until it is full.
const ROW_GROUP: usize = 64 * 1_024;

/// How a table is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Header and rows (RFC 4180).
    Csv,
    /// An array of objects.
    Json,
    /// One Parquet file.
    Parquet,
    /// The Arrow IPC stream format.
    Arrow,
}

impl ExportFormat {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Csv, "csv", "text/csv; charset=utf-8"),
        (Self::Json, "json", "application/json"),
        (Self::Parquet, "parquet", "application/vnd.apache.parquet"),
        (Self::Arrow, "arrow", "application/vnd.apache.arrow.stream"),
    ];

    /// Reads `csv`, `json`, `parquet` or `arrow`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The media type.
    pub fn media_type(self) -> &'static str {
        Self::ALL.iter().find(|row| row.0 == self).map_or("application/octet-stream", |row| row.2)
    }
}

/// The bytes of a table, as its rows come.
pub fn export(rows: RowStream, format: ExportFormat) -> BoxStream<'static, Result<Bytes>> {
    let written = stream::try_unfold(State::Start(rows, format), |state| async move { state.next().await });
    written.filter(|piece| futures::future::ready(!matches!(piece, Ok(piece) if piece.is_empty()))).boxed()
}

enum State {
    Start(RowStream, ExportFormat),
    Rows(BoxStream<'static, Result<RecordBatch>>, Box<dyn Writer>),
    End,
}

impl State {
    async fn next(self) -> Result<Option<(Bytes, Self)>> {
        match self {
            Self::Start(rows, format) => {
                let mut writer = writer(format, &rows.schema)?;
                Ok(Some((writer.start()?, Self::Rows(rows.batches, writer))))
            }
            Self::Rows(mut batches, mut writer) => match batches.next().await {
                Some(batch) => {
                    let bytes = writer.write(&batch?)?;
                    Ok(Some((bytes, Self::Rows(batches, writer))))
                }
                None => Ok(Some((writer.finish()?, Self::End))),
            },
            Self::End => Ok(None),
        }
    }
}

/// One format being written.
trait Writer: Send {
    fn start(&mut self) -> Result<Bytes> {
        Ok(Bytes::new())
    }
    fn write(&mut self, batch: &RecordBatch) -> Result<Bytes>;
    fn finish(self: Box<Self>) -> Result<Bytes>;
}

fn writer(format: ExportFormat, schema: &SchemaRef) -> Result<Box<dyn Writer>> {
    Ok(match format {
        ExportFormat::Csv => Box::new(Csv(schema.clone())),
        ExportFormat::Json => Box::new(Json { first: true }),
        ExportFormat::Parquet => Box::new(Parquet::new(schema)?),
        ExportFormat::Arrow => Box::new(Arrow(Encoder::new(schema)?)),
    })
}

struct Csv(SchemaRef);

impl Writer for Csv {
    fn start(&mut self) -> Result<Bytes> {
        let mut out = Vec::new();
        write_csv_header(&self.0, &mut out);
        Ok(out.into())
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<Bytes> {
        let mut out = Vec::new();
        write_csv_rows(batch, &mut out)?;
        Ok(out.into())
    }

    fn finish(self: Box<Self>) -> Result<Bytes> {
        Ok(Bytes::new())
    }
}

struct Json {
    first: bool,
}

impl Writer for Json {
    fn start(&mut self) -> Result<Bytes> {
        Ok(Bytes::from_static(b"["))
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<Bytes> {
        if batch.num_rows() == 0 {
            return Ok(Bytes::new());
        }
        let mut out = if std::mem::take(&mut self.first) { Vec::new() } else { vec![b','] };
        write_json_objects(batch, &mut out)?;
        Ok(out.into())
    }

    fn finish(self: Box<Self>) -> Result<Bytes> {
        Ok(Bytes::from_static(b"]"))
    }
}

struct Arrow(Encoder);

impl Writer for Arrow {
    fn write(&mut self, batch: &RecordBatch) -> Result<Bytes> {
        Ok(self.0.encode(batch)?.concat().into())
    }

    fn finish(self: Box<Self>) -> Result<Bytes> {
        Ok(self.0.finish()?.concat().into())
    }
}

struct Parquet {
    writer: ArrowWriter<Sink>,
    sink: Sink,
}

impl Parquet {
    fn new(schema: &SchemaRef) -> Result<Self> {
        let sink = Sink::default();
        let properties =
            WriterProperties::builder().set_compression(Compression::SNAPPY).set_max_row_group_row_count(Some(ROW_GROUP)).build();
        let writer = ArrowWriter::try_new(sink.clone(), schema.clone(), Some(properties)).map_err(Error::storage)?;
        Ok(Self { writer, sink })
    }
}

impl Writer for Parquet {
    fn write(&mut self, batch: &RecordBatch) -> Result<Bytes> {
        self.writer.write(batch).map_err(Error::storage)?;
        Ok(self.sink.take())
    }

    fn finish(self: Box<Self>) -> Result<Bytes> {
        self.writer.close().map_err(Error::storage)?;
        Ok(self.sink.take())
    }
}

/// What the Parquet writer wrote and nobody took yet.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
