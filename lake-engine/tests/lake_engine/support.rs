//! A lake in a temporary folder, and short words for what tests do with it.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use futures::TryStreamExt;
use madang_lake::{
    Change, Column, ColumnType, CommitInfo, Error, Format, Input, Inspection, Lake, Limits, Merge, Page, Positions, ReadOptions, Result,
    Rewrite, RowIds, RowStream, Schema, Snapshot, Staged, TableId, WriteMode, write_json_rows,
};
use madang_lake_engine::{Durability, Engine, EngineOptions};
use serde_json::Value;
use tempfile::TempDir;

/// A lake of its own, with a counter for row ids.
pub struct TestLake {
    pub engine: Engine,
    pub folder: TempDir,
    pub ids: Ids,
    inputs: AtomicU64,
}

#[derive(Default)]
pub struct Ids(AtomicI64);

#[async_trait]
impl RowIds for Ids {
    async fn reserve(&self, count: u64) -> Result<i64> {
        Ok(self.0.fetch_add(i64::try_from(count).unwrap(), Ordering::SeqCst) + 1)
    }
}

impl TestLake {
    pub fn new() -> Self {
        Self::with(Durability::Fast)
    }

    pub fn with(durability: Durability) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scratch = folder.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        let engine = open(folder.path().join("root"), scratch, durability);
        Self { engine, folder, ids: Ids::default(), inputs: AtomicU64::new(0) }
    }

    /// A second engine on the same folder, as another process would have.
    pub fn again(&self) -> Engine {
        open(self.folder.path().join("root"), self.folder.path().join("scratch"), Durability::Fast)
    }

    pub fn table_folder(&self, table: &TableId) -> PathBuf {
        self.folder.path().join("root/lake").join(table.as_str())
    }

    /// Names of the Parquet files below a table.
    pub fn data_files(&self, table: &TableId) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.table_folder(table)) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(|name| name != "_delta_log").collect()
    }

    pub fn input(&self, format: Format, bytes: impl AsRef<[u8]>) -> Input {
        let path = self.folder.path().join(format!("input-{}", self.inputs.fetch_add(1, Ordering::SeqCst)));
        std::fs::write(&path, bytes).unwrap();
        Input { path, format, delimiter: None }
    }

    pub fn csv(&self, bytes: impl AsRef<[u8]>) -> Input {
        self.input(Format::Csv, bytes)
    }

    pub async fn inspect(&self, bytes: impl AsRef<[u8]>) -> Result<Inspection> {
        self.inspect_as(Format::Csv, bytes).await
    }

    pub async fn inspect_as(&self, format: Format, bytes: impl AsRef<[u8]>) -> Result<Inspection> {
        self.engine.inspect(&self.input(format, bytes), &Limits::default()).await
    }

    pub async fn stage(&self, table: &TableId, bytes: impl AsRef<[u8]>, schema: &Schema) -> Result<Staged> {
        self.engine.stage(table, &self.csv(bytes), schema, &Limits::default(), &self.ids).await
    }

    /// Stages a file for a table that nobody sees.
    pub async fn stage_as(&self, format: Format, bytes: impl AsRef<[u8]>, schema: &Schema) -> Result<Staged> {
        self.engine.stage(&table_id(), &self.input(format, bytes), schema, &Limits::default(), &self.ids).await
    }

    /// A table with the rows of a file as version 1.
    pub async fn load_as(&self, format: Format, bytes: impl AsRef<[u8]>) -> Snapshot {
        let input = self.input(format, bytes);
        let schema = self.engine.inspect(&input, &Limits::default()).await.unwrap().schema;
        let empty = self.engine.create(&table_id(), &schema, &CommitInfo::default()).await.unwrap();
        let staged = self.engine.stage(&empty.table, &input, &schema, &Limits::default(), &self.ids).await.unwrap();
        self.commit(&empty, WriteMode::Append, staged).await.unwrap()
    }

    /// A table with the rows of a CSV text as version 1.
    pub async fn load(&self, bytes: impl AsRef<[u8]>) -> Snapshot {
        let bytes = bytes.as_ref();
        let schema = self.inspect(bytes).await.unwrap().schema;
        let table = table_id();
        let empty = self.engine.create(&table, &schema, &CommitInfo::default()).await.unwrap();
        self.append(&empty, bytes).await.unwrap()
    }

    pub async fn append(&self, before: &Snapshot, bytes: impl AsRef<[u8]>) -> Result<Snapshot> {
        let staged = self.stage(&before.table, bytes, &before.schema).await?;
        self.commit(before, WriteMode::Append, staged).await
    }

    pub async fn commit(&self, before: &Snapshot, mode: WriteMode, staged: Staged) -> Result<Snapshot> {
        self.committed(before, change(before, mode, staged)).await
    }

    /// Commits files in the place of others.
    pub async fn exchange(&self, before: &Snapshot, mode: WriteMode, rewrite: Rewrite) -> Result<Snapshot> {
        self.committed(before, exchange(before, mode, rewrite)).await
    }

    /// What the engine takes a version to hold without reading it is what others read in the log.
    async fn committed(&self, before: &Snapshot, change: Change) -> Result<Snapshot> {
        let after = self.engine.commit(&before.table, change).await?;
        assert_eq!(self.engine.snapshot(&before.table, None).await?, after);
        assert_eq!(self.again().snapshot(&before.table, None).await?, after);
        Ok(after)
    }

    /// Rows for a merge, staged from a CSV text.
    pub async fn rows_to_merge(&self, base: &Snapshot, bytes: impl AsRef<[u8]>, keys: &[&str]) -> Result<Merge> {
        let input = self.csv(bytes);
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let named = self.engine.inspect(&input, &Limits::default()).await?.schema.columns;
        let schema = base.schema.for_merge(&named.into_iter().map(|column| column.name).collect::<Vec<_>>(), &keys)?;
        let staged = self.engine.stage(&base.table, &input, &schema, &Limits::default(), &Positions::default()).await?;
        Ok(Merge { staged, schema, keys })
    }

    /// Merges the rows of a CSV text and commits.
    pub async fn merge(&self, base: &Snapshot, bytes: impl AsRef<[u8]>, keys: &[&str]) -> Result<Snapshot> {
        let rows = self.rows_to_merge(base, bytes, keys).await?;
        let rewrite = self.engine.merge(base, &rows, &Limits::default(), &self.ids).await;
        self.engine.discard(&base.table, &rows.staged).await?;
        self.exchange(base, WriteMode::Merge, rewrite?).await
    }

    /// All rows as JSON arrays, the row id first.
    pub async fn stored(&self, snapshot: &Snapshot) -> Vec<Value> {
        let columns = std::iter::once("_id").chain(snapshot.schema.columns.iter().map(|column| column.name.as_str()));
        let columns = Some(columns.map(str::to_owned).collect());
        self.read(snapshot, &ReadOptions { columns, ..ReadOptions::default() }).await.unwrap()
    }

    /// All visible rows as JSON arrays.
    pub async fn rows(&self, snapshot: &Snapshot) -> Vec<Value> {
        self.read(snapshot, &ReadOptions::default()).await.unwrap()
    }

    pub async fn read(&self, snapshot: &Snapshot, options: &ReadOptions) -> Result<Vec<Value>> {
        json(self.engine.read(snapshot, options, &Limits::default()).await?).await
    }

    pub async fn page(&self, snapshot: &Snapshot, offset: u64, limit: u64) -> Vec<Value> {
        self.read(snapshot, &ReadOptions { page: Some(Page { offset, limit }), ..ReadOptions::default() }).await.unwrap()
    }
}

fn open(root: PathBuf, scratch: PathBuf, durability: Durability) -> Engine {
    Engine::open(EngineOptions { durability, scratch, ..EngineOptions::new(root) }).unwrap()
}

pub fn change(before: &Snapshot, mode: WriteMode, staged: Staged) -> Change {
    Change {
        base: before.version,
        mode,
        schema: before.schema.clone(),
        staged,
        leaving: Vec::new(),
        info: CommitInfo { timestamp_ms: 1_772_341_200_000, ..CommitInfo::default() },
    }
}

/// A change that puts files in the place of others.
pub fn exchange(before: &Snapshot, mode: WriteMode, rewrite: Rewrite) -> Change {
    Change { leaving: rewrite.leaving, ..change(before, mode, rewrite.staged) }
}

pub async fn batches(rows: RowStream) -> Result<Vec<RecordBatch>> {
    rows.batches.try_collect().await
}

/// A stream's rows as JSON arrays.
pub async fn json(rows: RowStream) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for batch in batches(rows).await? {
        let mut text = b"[".to_vec();
        write_json_rows(&batch, &mut text)?;
        text.push(b']');
        found.extend(serde_json::from_slice::<Vec<Value>>(&text).unwrap());
    }
    Ok(found)
}

pub fn table_id() -> TableId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("00000000-0000-7000-8000-{:012x}", NEXT.fetch_add(1, Ordering::SeqCst)).parse().unwrap()
}

pub fn schema(columns: &[(&str, ColumnType, bool)]) -> Schema {
    Schema { columns: columns.iter().map(|(name, kind, nullable)| column(name, *kind, *nullable)).collect() }
}

pub fn column(name: &str, kind: ColumnType, nullable: bool) -> Column {
    Column { name: name.to_owned(), kind, nullable }
}

/// `name:type` of each column, a `?` behind those that hold nulls.
pub fn described(inspection: &Inspection) -> String {
    let columns = inspection.schema.columns.iter().map(|c| format!("{}:{}{}", c.name, c.kind.name(), if c.nullable { "?" } else { "" }));
    columns.collect::<Vec<_>>().join(" ")
}

/// The text of a refusal that is for the caller.
pub fn refusal<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Err(error @ (Error::Invalid(_) | Error::BadRow { .. })) => error.to_string(),
        other => panic!("not refused: {:.2000}", format!("{other:?}")),
    }
}

pub fn limit<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Err(Error::LimitExceeded(text)) => text,
        other => panic!("no limit reached: {:.2000}", format!("{other:?}")),
    }
}
