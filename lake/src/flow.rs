//! Rows between the nodes of a data flow: of more types than a table can hold, and nowhere but in scratch files.

use std::collections::HashMap;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use serde_json::Value;

use crate::{Conform, DataFile, Limits, Object, Place, Result, RowStream, Snapshot, TableId};

/// The column that numbers the rows of a relation in their order, from 1. A statement over relations sees it first; no column of a
/// user's may have this name.
pub const ROW_NUMBER: &str = "#row";

/// Rows in files that no version names, in their order.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Names the files' folder.
    pub table: TableId,
    /// The columns, without [`ROW_NUMBER`].
    pub schema: SchemaRef,
    /// In row order.
    pub files: Vec<DataFile>,
}

impl Relation {
    /// Rows in all files.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Bytes in all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

impl From<Snapshot> for Relation {
    fn from(snapshot: Snapshot) -> Self {
        Self { schema: snapshot.schema.arrow(), table: snapshot.table, files: snapshot.files }
    }
}

/// How objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectFormat {
    /// Delimited by commas (RFC 4180).
    Csv,
    /// An array of objects, or objects one after the other; written one a line.
    Json,
    /// Parquet without nested columns.
    Parquet,
}

impl ObjectFormat {
    /// What a file's name ends with.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Parquet => "parquet",
        }
    }
}

/// A SELECT over relations.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The statement.
    pub sql: String,
    /// A value for each `$name`.
    pub values: HashMap<String, Value>,
    /// Whether tables have [`ROW_NUMBER`] as their first column.
    pub numbered: bool,
    /// Whether joins sort both sides, which can go to the disk, instead of keeping one in memory.
    pub sorted_joins: bool,
}

/// What nodes need of the engine.
#[async_trait]
pub trait Flow: Send + Sync + 'static {
    /// Runs one read-only SELECT over the given relations and no others.
    async fn ask(&self, question: &Question, tables: &HashMap<String, Relation>, limits: &Limits) -> Result<RowStream>;

    /// The columns that a SELECT over tables with these columns gives.
    async fn describe(&self, question: &Question, tables: &HashMap<String, SchemaRef>) -> Result<SchemaRef>;

    /// The rows of a relation or of a table's version, in their order.
    fn rows(&self, relation: &Relation) -> Result<RowStream>;

    /// Keeps rows in scratch. With `durable`, they survive a power failure.
    async fn keep(&self, rows: RowStream, durable: bool) -> Result<Relation>;

    /// Removes the files of a relation in scratch; files of any other table are left alone.
    async fn forget(&self, relation: &Relation) -> Result<()>;

    /// The rows of one object as they stand in it: text in each column of `columns` that a CSV or JSON object has, and the types of the
    /// file for Parquet. Columns that it lacks are left out, others are not read.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] has no place here: an object that is not what was listed is [`crate::Error::Invalid`].
    async fn read_object(&self, object: &Object, format: ObjectFormat, columns: &[String], limits: &Limits) -> Result<RowStream>;

    /// Writes rows into files of a stage: each of them, in order, gets as many rows as `sizes` says, the last one all that are left.
    async fn write_objects(&self, rows: RowStream, format: ObjectFormat, sizes: &[u64], stage: &Place) -> Result<Vec<String>>;

    /// The bytes of a file of a stage.
    async fn staged(&self, stage: &Place, file: &str) -> Result<BoxStream<'static, Result<Bytes>>>;
}

/// Rows in other columns, and how many of their values did not fit.
pub struct Conformed {
    /// The rows.
    pub rows: RowStream,
    /// Counts while the rows are read.
    pub bad_values: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl RowStream {
    /// The same rows in other columns; a value that does not fit becomes null and is counted.
    pub fn conformed(self, conform: Conform) -> Conformed {
        use futures::StreamExt;
        let bad_values = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let (schema, counter) = (conform.schema(), bad_values.clone());
        let batches = self.batches.map(move |batch| {
            let (batch, bad) = conform.apply(&batch?)?;
            counter.fetch_add(bad, std::sync::atomic::Ordering::Relaxed);
            Ok(batch)
        });
        Conformed { rows: Self { schema, batches: batches.boxed() }, bad_values }
    }
}
