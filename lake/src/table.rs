//! Tables: what a version is, how rows come in and how they are read.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    path::PathBuf,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::{Field, Schema as ArrowSchema, SchemaRef},
};
use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{ColumnType, Error, Found, Inspection, Load, Loaded, Merge, Result, Rewrite, Schema, Search, Tail};

/// A table's identifier: the text of its 128-bit id as a UUID. It names the table's folder, so it is checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableId(String);

impl TableId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A new id for rows on their way between the steps of a run ([`Lake::scratch`]).
    pub fn new_scratch() -> Self {
        let mut text = Uuid::now_v7().to_string();
        text.replace_range(SCRATCH_AT..=SCRATCH_AT, "8");
        Self(text)
    }

    /// The same for rows that must survive a power failure, because what is to become of them is decided.
    pub fn new_kept() -> Self {
        let mut text = Uuid::now_v7().to_string();
        text.replace_range(SCRATCH_AT..=SCRATCH_AT, "9");
        Self(text)
    }

    /// Whether it names such rows.
    pub fn is_kept(&self) -> bool {
        self.0.as_bytes().get(SCRATCH_AT) == Some(&b'9')
    }

    /// Whether it names such rows: the version of its UUID is 8, which no table of the catalogue has.
    pub fn is_scratch(&self) -> bool {
        self.0.as_bytes().get(SCRATCH_AT) == Some(&b'8')
    }
}

/// Where the text of a UUID tells its version.
const SCRATCH_AT: usize = 14;

impl FromStr for TableId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fits = text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if fits { Ok(Self(text.to_ascii_lowercase())) } else { Err(Error::invalid("a table id is a UUID")) }
    }
}

impl TryFrom<String> for TableId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<TableId> for String {
    fn from(id: TableId) -> Self {
        id.0
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How an uploaded file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Delimited text with a header row (RFC 4180; delimiter sniffed or given).
    Csv,
    /// An array of objects, or objects one after the other (one a line: NDJSON).
    Json,
    /// Parquet without nested columns.
    Parquet,
    /// A workbook of Office Open XML: its first visible sheet.
    Xlsx,
    /// A spreadsheet of OpenDocument: its first sheet.
    Ods,
}

/// What happens to the rows that are already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteMode {
    /// They stay; the new ones come after them.
    Append,
    /// They leave the table's newest version; older versions keep them.
    Overwrite,
    /// Those that a new row has the keys of take its cells; other new rows come after them.
    Merge,
    /// Some leave the newest version.
    Delete,
    /// All stay, in wider columns.
    Widen,
    /// All stay as they are, in fewer files.
    Compact,
}

impl WriteMode {
    /// The name that stands in the catalogue's journal.
    pub fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Overwrite => "overwrite",
            Self::Merge => "merge",
            Self::Delete => "delete",
            Self::Widen => "widen",
            Self::Compact => "compact",
        }
    }
}

/// One file that was spooled to the local disk.
#[derive(Clone, Debug)]
pub struct Input {
    /// Where it lies.
    pub path: PathBuf,
    /// How it is written.
    pub format: Format,
    /// The delimiter of a CSV file; `None` = sniffed among `,` `;` tab `|`.
    pub delimiter: Option<u8>,
}

/// Limits on one input or one query. Reaching one is [`Error::LimitExceeded`], of the time [`Error::OutOfTime`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Columns of a table.
    pub columns: usize,
    /// Bytes of one cell.
    pub cell_bytes: usize,
    /// How deep the values of a JSON object may be nested, the object itself counted.
    pub depth: usize,
    /// Bytes that the rows of one input may become when they are unpacked.
    pub decoded_bytes: u64,
    /// Rows that a query may give.
    pub rows: u64,
    /// Bytes of memory that a query may hold; beyond, it spills or is refused.
    pub memory_bytes: usize,
    /// How long a query may take.
    pub time: std::time::Duration,
}

impl Limits {
    /// What one input or one step of a pipeline may take; questions asked at the front door get less.
    pub const STEP: Self = Self {
        columns: 4_096,
        cell_bytes: 16 << 20,
        depth: 64,
        decoded_bytes: 64 << 30,
        rows: 1_000_000_000,
        memory_bytes: 1 << 30,
        time: std::time::Duration::from_mins(10),
    };

    /// Bytes of one row of text: several large cells, or one with much around it.
    pub fn record_bytes(&self) -> usize {
        self.cell_bytes.saturating_mul(4).max(1 << 20)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::STEP
    }
}

/// One Parquet file of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Path relative to the table's folder.
    pub path: String,
    /// Bytes.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
    /// The smallest [`crate::ROW_ID`] in it.
    pub first_row_id: i64,
    /// The greatest [`crate::ROW_ID`] in it.
    pub last_row_id: i64,
}

impl DataFile {
    /// When its writing began, in milliseconds since 1970: its name is `part-<UUIDv7>.parquet`, as this store makes them.
    pub fn begun_at(&self) -> Option<i64> {
        let time = self.path.strip_prefix("part-")?.get(..13)?;
        i64::from_str_radix(&time.replacen('-', "", 1), 16).ok()
    }
}

/// Files that were written but that no version names yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// In [`crate::ROW_ID`] order.
    pub files: Vec<DataFile>,
    /// Columns of the input that they were made from.
    pub columns: u32,
}

impl Staged {
    /// Rows in all files.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }
}

/// One version of one table, resolved: everything a reader needs, in any process that reaches the object store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The table.
    pub table: TableId,
    /// The Delta version, from 0.
    pub version: i64,
    /// The visible columns.
    pub schema: Schema,
    /// In [`crate::ROW_ID`] order, ranges disjoint.
    pub files: Vec<DataFile>,
    /// What lies above the files. Only who reads in the catalogue's own process has one; whoever pins a version finds it folded in.
    #[serde(skip)]
    pub tail: Option<Arc<Tail>>,
}

impl Snapshot {
    /// A version without a tail.
    pub fn new(table: TableId, version: i64, schema: Schema, files: Vec<DataFile>) -> Self {
        Self { table, version, schema, files, tail: None }
    }

    /// Rows in all files and above them.
    pub fn rows(&self) -> u64 {
        let files: u64 = self.files.iter().map(|file| file.rows).sum();
        match &self.tail {
            Some(tail) => files.saturating_sub(tail.masked.len() as u64) + tail.rows.num_rows() as u64,
            None => files,
        }
    }
}

/// A wanted change of a table, committed as one version.
#[derive(Clone, Debug)]
pub struct Change {
    /// The version that the caller has read; another one there is [`Error::Conflict`].
    pub base: i64,
    /// What happens to the rows that are there.
    pub mode: WriteMode,
    /// The columns from now on. They may grow (see `lake-engine`), never change type silently.
    pub schema: Schema,
    /// The new files.
    pub staged: Staged,
    /// Paths of the files that leave; each must be in the version. Empty with [`WriteMode::Append`], and with
    /// [`WriteMode::Overwrite`], where all leave.
    pub leaving: Vec<String>,
    /// What the version's history says.
    pub info: CommitInfo,
}

/// What a version's history says about it.
#[derive(Clone, Debug, Default)]
pub struct CommitInfo {
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Counts the commits of a table from 1; kept in the log as the transaction version of the application `madang`, so that a
    /// commit that is tried again after a crash is recognized.
    pub publish: i64,
    /// The run that wrote it, if one did.
    pub run: Option<String>,
    /// More that is to be told of the operation: the keys of a merge, the columns of a delete's conditions. No cell's value.
    pub parameters: BTreeMap<String, String>,
}

/// Which rows and columns are wanted.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Columns in the wanted order; `None` = all.
    pub columns: Option<Vec<String>>,
    /// Conditions that every row must meet.
    pub filters: Vec<Filter>,
    /// The order of the rows; ties, and everything if this is empty, stand in ingestion order.
    pub sort: Vec<Sort>,
    /// Which rows of those; `None` = all.
    pub page: Option<Page>,
}

/// A condition on one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The column.
    pub column: String,
    /// How it is compared.
    pub op: FilterOp,
    /// With what, as text; it is read as the column's type. For [`FilterOp::In`] several texts, for the others one.
    pub values: Vec<String>,
}

/// How a column is compared (dhub.md section 7). A comparison with an empty cell is never true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterOp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Matches a pattern with `%` and `_`.
    Like,
    /// Is one of several.
    In,
    /// Is empty (`true`, or no value) or is not (`false`).
    IsNull,
}

impl FilterOp {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Eq, "eq"),
        (Self::Ne, "ne"),
        (Self::Lt, "lt"),
        (Self::Le, "le"),
        (Self::Gt, "gt"),
        (Self::Ge, "ge"),
        (Self::Like, "like"),
        (Self::In, "in"),
        (Self::IsNull, "isnull"),
    ];

    /// Reads `eq`, `ne`, ….
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|row| row.1 == name).map(|row| row.0)
    }
}

/// One column of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The column.
    pub column: String,
    /// The greatest first. Empty cells come last either way.
    pub descending: bool,
}

/// A stretch of rows in ingestion order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Rows to leave out from the start.
    pub offset: u64,
    /// Rows to give at most.
    pub limit: u64,
}

/// One version of a table's history.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionInfo {
    /// The version.
    pub version: i64,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// `CREATE TABLE`, `WRITE`, `MERGE`, ….
    pub operation: String,
    /// The operation's parameters.
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// The version that it was made from.
    pub read_version: Option<i64>,
}

/// Rows with their schema; batches come as they are read.
pub struct RowStream {
    /// The visible columns of every batch.
    pub schema: SchemaRef,
    /// The batches; the first error ends them.
    pub batches: BoxStream<'static, Result<RecordBatch>>,
}

/// Hands out numbers for [`crate::ROW_ID`].
#[async_trait]
pub trait RowIds: Send + Sync {
    /// Reserves `count` numbers in a row that nobody else gets and returns the first.
    async fn reserve(&self, count: u64) -> Result<i64>;
}

/// Row ids of a table that nobody else writes.
#[derive(Debug, Default)]
pub struct OwnRowIds(AtomicI64);

#[async_trait]
impl RowIds for OwnRowIds {
    async fn reserve(&self, count: u64) -> Result<i64> {
        Ok(self.0.fetch_add(i64::try_from(count).map_err(Error::storage)?, Ordering::Relaxed) + 1)
    }
}

impl RowStream {
    /// Names and types of its columns; one of a type that no table has counts as text.
    pub fn columns(&self) -> Vec<(String, ColumnType)> {
        let column = |field: &Arc<Field>| (field.name().clone(), ColumnType::from_arrow(field.data_type()).unwrap_or(ColumnType::String));
        self.schema.fields().iter().map(column).collect()
    }

    /// Some of its columns under new names: pairs of the old and the new one. A column may come several times.
    ///
    /// # Errors
    /// [`Error::Invalid`] names a column that is not there.
    pub fn renamed(self, names: &[(&str, &str)]) -> Result<Self> {
        let (mut places, mut fields) = (Vec::with_capacity(names.len()), Vec::with_capacity(names.len()));
        for (old, new) in names {
            let place = self.schema.index_of(old).map_err(|_| Error::invalid(format!("there is no column '{old}'")))?;
            fields.push(self.schema.field(place).clone().with_name(*new));
            places.push(place);
        }
        let schema: SchemaRef = Arc::new(ArrowSchema::new(fields));
        let renamed = schema.clone();
        let batches = self.batches.map(move |batch| {
            let batch = batch?.project(&places).map_err(Error::storage)?;
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(renamed.clone(), batch.columns().to_vec(), &options).map_err(Error::storage)
        });
        Ok(Self { schema, batches: batches.boxed() })
    }
}

/// The table store.
#[async_trait]
pub trait Lake: Send + Sync + 'static {
    /// Reads a whole file: its columns, the narrowest type of each, its rows. Bounded memory.
    async fn inspect(&self, input: &Input, limits: &Limits) -> Result<Inspection>;

    /// Converts a file into Parquet files below the table's folder. Columns are matched by name; a nullable column that
    /// the file lacks becomes null; a column that `schema` lacks or a cell that does not convert is an error.
    async fn stage(&self, table: &TableId, input: &Input, schema: &Schema, limits: &Limits, ids: &dyn RowIds) -> Result<Staged>;

    /// Converts a file as [`Lake::stage`] does, but chooses the columns by itself and sets bad rows aside: lines of another width than
    /// the header, bytes that are no text, cells that fit no column's type. Of files that are mostly bad none is kept.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a file that is none of its format, or mostly bad.
    async fn load(&self, table: &TableId, load: &Load, limits: &Limits, ids: &dyn RowIds) -> Result<Loaded>;

    /// Writes a stream of rows into Parquet files below the table's folder, cast to `schema`, columns matched by name.
    async fn stage_rows(&self, table: &TableId, rows: RowStream, schema: &Schema, ids: &dyn RowIds) -> Result<Staged>;

    /// Puts rows into a version by their keys. Only files with a row that is matched are written anew; in them a matched row keeps
    /// its id, its place and the cells of columns that `rows` lack. A row that matches nothing gets an id from `ids`; of several new
    /// rows with the same keys the last counts. [`Rewrite::rows`] counts the rows that were matched.
    ///
    /// Keys are equal if their cells are; for this, `-0.0` is `0.0`, every NaN is the same, and texts are compared byte by byte. An
    /// empty cell of the table is equal to none.
    async fn merge(&self, base: &Snapshot, rows: &Merge, limits: &Limits, ids: &dyn RowIds) -> Result<Rewrite>;

    /// Takes the rows that meet every condition out of a version; only their files are written anew. [`Rewrite::rows`] counts them.
    async fn delete(&self, base: &Snapshot, filters: &[Filter], limits: &Limits) -> Result<Rewrite>;

    /// Writes all files of a version anew in wider columns ([`Schema::check_widening`]). A value that the wider type would not hold
    /// exactly is [`Error::Invalid`].
    async fn widen(&self, base: &Snapshot, schema: &Schema) -> Result<Rewrite>;

    /// Puts the rows of files that follow each other in a version into as few files as possible. No other file, staged ones included,
    /// may have row ids between theirs, now or later.
    async fn compact(&self, base: &Snapshot, files: &[DataFile]) -> Result<Rewrite>;

    /// Removes staged files that will never be committed. Absent files are fine.
    async fn discard(&self, table: &TableId, staged: &Staged) -> Result<()>;

    /// Makes an empty table: version 0. A table that is already there is left alone.
    async fn create(&self, table: &TableId, schema: &Schema, info: &CommitInfo) -> Result<Snapshot>;

    /// Commits one version on top of `change.base`. If the table already holds a commit with this `publish` number or a higher
    /// one, nothing is done and the newest snapshot is returned, whatever `base` says.
    async fn commit(&self, table: &TableId, change: Change) -> Result<Snapshot>;

    /// Resolves a version, by default the newest.
    async fn snapshot(&self, table: &TableId, version: Option<i64>) -> Result<Snapshot>;

    /// Reads rows. In ingestion order and without conditions, a page never reads what it skips; otherwise the limits count.
    async fn read(&self, snapshot: &Snapshot, options: &ReadOptions, limits: &Limits) -> Result<RowStream>;

    /// Counts the rows that meet every condition.
    async fn count(&self, snapshot: &Snapshot, filters: &[Filter], limits: &Limits) -> Result<u64>;

    /// Answers a question about one table from decoded columns, which are kept for the next one; its tail counts.
    async fn search(&self, snapshot: &Snapshot, search: &Search, limits: &Limits) -> Result<Found>;

    /// The stored rows in the files, all columns, that have the same cells in the columns of `keys` as one of its rows; keys are compared
    /// as in [`Lake::merge`]. The tail is not looked at.
    async fn find(&self, snapshot: &Snapshot, keys: &RecordBatch) -> Result<RecordBatch>;

    /// Writes what lies above a version's files into files, in the columns of `snapshot.schema`, which may be more than theirs. With
    /// `whole` every file is written anew, and its columns may be others. [`Rewrite::rows`] counts the rows that came or changed.
    async fn fold(&self, snapshot: &Snapshot, whole: bool) -> Result<Rewrite>;

    /// The versions of a table, newest first, at most `limit`, from the one below `before` on.
    async fn history(&self, table: &TableId, before: Option<i64>, limit: usize) -> Result<Vec<VersionInfo>>;

    /// Every table that has a file, in no order.
    async fn tables(&self) -> Result<Vec<TableId>>;

    /// Removes data files that were written in a span of time, from `since` on and before `until` (milliseconds since 1970, by the
    /// store's clock), and that neither a version nor `keep` names. Gives how many.
    async fn sweep(&self, table: &TableId, since: i64, until: i64, keep: &HashSet<String>) -> Result<u64>;

    /// Removes the data files that the versions after `after` up to `to` took out of the table: every version below `to` that
    /// needs one of them can't be read any more. Gives how many.
    async fn expire(&self, table: &TableId, after: i64, to: i64) -> Result<u64>;

    /// Removes a table with all its versions. Gives the number of files.
    async fn remove(&self, table: &TableId) -> Result<u64>;

    /// The table names that a statement mentions, as written.
    fn tables_in(&self, sql: &str) -> Result<Vec<String>>;

    /// The functions that a statement calls, in lower case, each once.
    fn functions_in(&self, sql: &str) -> Result<Vec<String>>;

    /// As [`Lake::query`], over tables whose first column is [`crate::ROW_ID`].
    async fn query_numbered(&self, sql: &str, tables: &HashMap<String, Snapshot>, limits: &Limits) -> Result<RowStream>;

    /// The names of the values that a statement waits for, written as `$name`, each once.
    fn values_in(&self, sql: &str) -> Result<Vec<String>>;

    /// Runs one read-only SELECT over the given tables and no others; the keys are the names that the statement may use.
    async fn query(&self, sql: &str, tables: &HashMap<String, Snapshot>, limits: &Limits) -> Result<RowStream> {
        self.query_with(sql, &HashMap::new(), tables, limits).await
    }

    /// As [`Lake::query`], with a value for each `$name`: text, number, true, false or null. Values are bound, never spliced into the text.
    async fn query_with(
        &self,
        sql: &str,
        values: &HashMap<String, Value>,
        tables: &HashMap<String, Snapshot>,
        limits: &Limits,
    ) -> Result<RowStream>;

    /// What came to a table between two of its versions: the rows of `to` that `from` does not hold in the same words under the same
    /// [`crate::ROW_ID`]. A rewrite of files alone gives nothing. Where it is not simply some files of `to`, the answer is a scratch
    /// table, for which [`Lake::drop_scratch`] is due.
    async fn changes(&self, from: &Snapshot, to: &Snapshot, limits: &Limits) -> Result<Snapshot>;

    /// Keeps rows for the steps of a run that read them next. Nothing is synced, and nothing but the run knows of it.
    async fn scratch(&self, rows: RowStream) -> Result<Snapshot>;

    /// Removes the files of a scratch table; files of any other table are left alone.
    async fn drop_scratch(&self, snapshot: &Snapshot) -> Result<()>;

    /// Removes scratch files that are older than any run can be.
    async fn sweep_scratch(&self, older_than: std::time::Duration) -> Result<()>;
}
