//! The table store of [`madang_lake`], on Delta Lake and DataFusion; the only crate that knows either.
//!
//! * A table is the folder `lake/<table id>/` below the root: Parquet files and a Delta log, without deletion vectors
//!   or column mapping, so that other engines can open it. `_id` is its first column.
//! * Writing: [`Engine`] converts a file (`ingest/`) or a row stream into Parquet files of disjoint `_id` ranges (`write/`), and
//!   one commit makes them a version (`delta/`).
//! * Rewriting: merges, deletes, wider columns and compaction write files that take the place of others (`rewrite/`).
//! * A file with bad rows (`load.rs`, `ingest/lenient/`): types from the whole file, bad rows in a list.
//! * Object Storage (`objects/`), uploaded files (`files.rs`) and the rows between the nodes of data flows (`flow/`).
//! * Reading: a page seeks by row counts (`read.rs`); a query is planned over resolved file lists only (`query/`).

mod delta;
mod files;
mod flow;
mod ingest;
mod load;
mod objects;
mod query;
mod read;
mod rewrite;
mod rows;
mod scan;
mod scratch;
mod store;
mod vacuum;
mod write;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use futures::stream::BoxStream;
use madang_lake::{
    Change, CommitInfo, DataFile, Error, Files, Filter, Found, Input, Inspection, Lake, Limits, Load, Loaded, Merge, Objects, ReadOptions,
    Reader, RecordOptions, Records, Result, Rewrite, RowIds, RowStream, Schema, Search, Snapshot, Staged, TableId, VersionInfo,
};
use object_store::ObjectStore;
use serde_json::Value;

pub use store::{Durability, Root};

/// What an engine is made of.
#[derive(Debug)]
pub struct EngineOptions {
    /// Where tables live; a table is the folder `lake/<table id>/` below it.
    pub root: Root,
    /// Whether writes to a local folder reach the disk before they are acknowledged.
    pub durability: Durability,
    /// A local folder for files that live only as long as one call: transcoded input, spilled query state. It must exist.
    pub scratch: PathBuf,
}

impl EngineOptions {
    /// Tables below `root`, durable, with the system's temporary folder as scratch.
    pub fn new(root: impl Into<Root>) -> Self {
        Self { root: root.into(), durability: Durability::default(), scratch: std::env::temp_dir() }
    }
}

/// The table store. Cheap to share behind an [`Arc`]; it holds caches, no locks across I/O.
#[derive(Debug)]
pub struct Engine {
    store: Arc<dyn ObjectStore>,
    tables: delta::Tables,
    footers: read::Footers,
    columns: read::Columns,
    indexes: scan::Indexes,
    scratch: PathBuf,
    objects: Held,
}

impl Engine {
    /// Opens the store; makes a local root folder if it is absent. It reads no table yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a root that no store serves, [`Error::Storage`] if the store can't be opened.
    pub fn open(options: EngineOptions) -> Result<Self> {
        let folder = store::folder_of(&options.root)?;
        let store = store::open(options.root, options.durability)?;
        let objects = objects::open(folder, options.durability == Durability::Full, &store)?;
        let tables = delta::Tables::new(store.clone());
        let footers = read::Footers::default();
        let columns = read::Columns::new(store.clone(), footers.clone());
        let indexes = scan::Indexes::default();
        Ok(Self { tables, footers, columns, indexes, store, scratch: options.scratch, objects: Held(objects) })
    }

    /// Object Storage below the same root.
    pub fn objects(&self) -> Arc<dyn Objects> {
        self.objects.0.clone()
    }

    /// Uploaded files below the same root.
    pub fn files(&self) -> Arc<dyn Files> {
        Arc::new(files::Stored { store: self.store.clone(), folder: files::FILES })
    }

    /// Files that flows bring and make, below the same root.
    pub fn flow_files(&self) -> Arc<dyn Files> {
        Arc::new(files::Stored { store: self.store.clone(), folder: files::FLOWS })
    }
}

/// Object Storage, which has nothing to print.
struct Held(Arc<dyn Objects>);

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Objects")
    }
}

impl Reader for Engine {
    fn records(&self, path: &Path, options: &RecordOptions, limits: &Limits) -> BoxStream<'static, Result<Records>> {
        ingest::records::read(path, options, *limits, &self.scratch)
    }
}

#[async_trait]
impl Lake for Engine {
    async fn inspect(&self, input: &Input, limits: &Limits) -> Result<Inspection> {
        ingest::inspect(input, *limits, &self.scratch).await
    }

    async fn stage(&self, table: &TableId, input: &Input, schema: &Schema, limits: &Limits, ids: &dyn RowIds) -> Result<Staged> {
        schema.check()?;
        let ingest::Converting { batches, columns } = ingest::convert(input, schema, *limits, &self.scratch);
        let files = write::write(self.target(table), schema, batches, ids).await?;
        Ok(Staged { files, columns: columns.await.map_err(storage)? })
    }

    async fn load(&self, table: &TableId, load: &Load, limits: &Limits, ids: &dyn RowIds) -> Result<Loaded> {
        load::load(self, table, load, *limits, ids).await
    }

    async fn stage_rows(&self, table: &TableId, rows: RowStream, schema: &Schema, ids: &dyn RowIds) -> Result<Staged> {
        schema.check()?;
        let columns = u32::try_from(rows.schema.fields().len()).map_err(storage)?;
        let files = write::write(self.target(table), schema, rows::fit(rows, schema)?, ids).await?;
        Ok(Staged { files, columns })
    }

    async fn merge(&self, base: &Snapshot, rows: &Merge, limits: &Limits, ids: &dyn RowIds) -> Result<Rewrite> {
        self.rewriting(base).merge(rows, *limits, ids).await
    }

    async fn delete(&self, base: &Snapshot, filters: &[Filter], limits: &Limits) -> Result<Rewrite> {
        self.rewriting(base).delete(filters, *limits).await
    }

    async fn widen(&self, base: &Snapshot, schema: &Schema) -> Result<Rewrite> {
        self.rewriting(base).widen(schema).await
    }

    async fn compact(&self, base: &Snapshot, files: &[DataFile]) -> Result<Rewrite> {
        self.rewriting(base).compact(files).await
    }

    async fn discard(&self, table: &TableId, staged: &Staged) -> Result<()> {
        let target = self.target(table);
        for file in &staged.files {
            target.remove(file).await?;
        }
        Ok(())
    }

    async fn create(&self, table: &TableId, schema: &Schema, info: &CommitInfo) -> Result<Snapshot> {
        schema.check()?;
        self.tables.create(table, schema, info).await
    }

    async fn commit(&self, table: &TableId, change: Change) -> Result<Snapshot> {
        change.schema.check()?;
        self.tables.commit(table, change).await
    }

    async fn snapshot(&self, table: &TableId, version: Option<i64>) -> Result<Snapshot> {
        self.tables.snapshot(table, version).await
    }

    async fn read(&self, snapshot: &Snapshot, options: &ReadOptions, limits: &Limits) -> Result<RowStream> {
        if options.filters.is_empty() && options.sort.is_empty() {
            if snapshot.tail.is_none() {
                return read::read(&self.store, &self.footers, snapshot, options);
            }
            if let Some(page) = options.page.filter(|page| page.limit <= scan::PAGE_ROWS) {
                return scan::page(self.scan(snapshot), options.columns.as_deref(), page, limits).await;
            }
        }
        query::select(&self.store, &self.scratch, snapshot, options, *limits).await
    }

    async fn count(&self, snapshot: &Snapshot, filters: &[Filter], limits: &Limits) -> Result<u64> {
        if filters.is_empty() {
            return Ok(snapshot.rows());
        }
        query::count(&self.store, &self.scratch, snapshot, filters, *limits).await
    }

    async fn search(&self, snapshot: &Snapshot, search: &Search, limits: &Limits) -> Result<Found> {
        scan::search(self.scan(snapshot), search, limits).await
    }

    async fn find(&self, snapshot: &Snapshot, keys: &RecordBatch) -> Result<RecordBatch> {
        scan::find(self.scan(snapshot), keys).await
    }

    async fn fold(&self, snapshot: &Snapshot, whole: bool) -> Result<Rewrite> {
        self.rewriting(snapshot).fold(whole).await
    }

    async fn history(&self, table: &TableId, before: Option<i64>, limit: usize) -> Result<Vec<VersionInfo>> {
        self.tables.history(table, before, limit).await
    }

    async fn tables(&self) -> Result<Vec<TableId>> {
        vacuum::tables(&self.store).await
    }

    async fn sweep(&self, table: &TableId, since: i64, until: i64, keep: &HashSet<String>) -> Result<u64> {
        vacuum::sweep(&self.store, table, since..until, keep).await
    }

    async fn expire(&self, table: &TableId, after: i64, to: i64) -> Result<u64> {
        vacuum::expire(&self.store, table, after + 1..=to).await
    }

    async fn remove(&self, table: &TableId) -> Result<u64> {
        let removed = vacuum::remove(&self.store, table).await?;
        self.tables.forget(table);
        Ok(removed)
    }

    fn tables_in(&self, sql: &str) -> Result<Vec<String>> {
        query::table_names(sql)
    }

    fn values_in(&self, sql: &str) -> Result<Vec<String>> {
        query::value_names(sql)
    }

    fn functions_in(&self, sql: &str) -> Result<Vec<String>> {
        query::function_names(sql)
    }

    async fn query_numbered(&self, sql: &str, tables: &HashMap<String, Snapshot>, limits: &Limits) -> Result<RowStream> {
        query::run_numbered(&self.store, &self.scratch, sql, tables, *limits).await
    }

    async fn query_with(
        &self,
        sql: &str,
        values: &HashMap<String, Value>,
        tables: &HashMap<String, Snapshot>,
        limits: &Limits,
    ) -> Result<RowStream> {
        query::run(&self.store, &self.scratch, sql, values, tables, *limits).await
    }

    async fn changes(&self, from: &Snapshot, to: &Snapshot, limits: &Limits) -> Result<Snapshot> {
        match query::added(from, to) {
            Some(added) => Ok(added),
            None => scratch::keep(self, query::changes(&self.store, &self.scratch, from, to, *limits).await?).await,
        }
    }

    async fn scratch(&self, rows: RowStream) -> Result<Snapshot> {
        scratch::keep(self, rows).await
    }

    async fn drop_scratch(&self, snapshot: &Snapshot) -> Result<()> {
        scratch::remove(self, snapshot).await
    }

    async fn sweep_scratch(&self, older_than: Duration) -> Result<()> {
        scratch::sweep(self, older_than).await
    }
}

impl Engine {
    fn scan<'a>(&'a self, snapshot: &'a Snapshot) -> scan::Scan<'a> {
        scan::Scan { columns: &self.columns, indexes: &self.indexes, snapshot }
    }

    fn rewriting<'a>(&'a self, base: &'a Snapshot) -> rewrite::Rewriting<'a> {
        rewrite::Rewriting { store: &self.store, footers: &self.footers, scratch: &self.scratch, base }
    }

    fn target(&self, table: &TableId) -> write::Target {
        write::Target { store: self.store.clone(), table: table.clone() }
    }
}

/// A failure of the store or of a library, for the log.
fn storage(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::storage(error)
}
