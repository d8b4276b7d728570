//! Tables and files on object storage, without engine types.
//!
//! A table is a Delta Lake table below `lake/<table id>/`. This crate says what can be done with one
//! ([`Lake`]) and what the words mean ([`Schema`], [`Snapshot`], [`Staged`]); `lake-engine` does it.
//!
//! * Every row carries the hidden column [`ROW_ID`] in ingestion order. The files of one version have disjoint
//!   ranges of it and are sorted by it, so a deep page is found from row counts alone.
//! * Nothing becomes visible by writing files. [`Lake::stage`] and [`Lake::stage_rows`] write Parquet files that no
//!   version names; [`Lake::commit`] makes them part of the next version, or fails and changes nothing.
//! * A file is never changed. [`Lake::merge`], [`Lake::delete`], [`Lake::widen`] and [`Lake::compact`] write files that take the
//!   place of others ([`Rewrite`]); a row that stays keeps its id.
//! * Rows between the nodes of a data flow ([`Flow`]) are of more types than a table can hold, and never a table's. [`Objects`] is
//!   Object Storage, where flows read and write. [`Files`] holds what people upload.
//! * Only catalog-svc calls [`Lake::create`] and [`Lake::commit`].

mod conform;
mod error;
mod export;
mod files;
mod flow;
mod inspection;
mod ipc;
mod load;
mod objects;
mod records;
mod render;
mod rewrite;
mod schema;
mod search;
mod table;
mod tail;
mod wire;
mod words;

pub use arrow::array::RecordBatch;
pub use conform::{Conform, is_value};
pub use error::{Error, Result};
pub use export::{ExportFormat, export};
pub use files::{Files, check_file_key};
pub use flow::{Conformed, Flow, ObjectFormat, Question, ROW_NUMBER, Relation};
pub use inspection::Inspection;
pub use ipc::{Decoder, Encoder};
pub use load::{BadRows, Load, Loaded};
pub use objects::{Object, Objects, Place, check_bucket, check_key, check_new_bucket, check_prefix};
pub use records::{Reader, Record, RecordFormat, RecordOptions, Records, Sheet};
pub use render::{RAW_JSON, write_csv_header, write_csv_rows, write_json_lines, write_json_objects, write_json_rows};
pub use rewrite::{Merge, Positions, Rewrite};
pub use schema::{Column, ColumnType, ROW_ID, Schema};
pub use search::{Comparison, Condition, Found, Order, OrderBy, Search, WordQuery, Words};
pub use table::{
    Change, CommitInfo, DataFile, Filter, FilterOp, Format, Input, Lake, Limits, OwnRowIds, Page, ReadOptions, RowIds, RowStream, Snapshot,
    Sort, Staged, TableId, VersionInfo, WriteMode,
};
pub use tail::{Tail, TailRow, array, batch_of, cell, float_cell, rows_of};
pub use words::{Language, Stems, plain_query, written_query};
