//! Parquet files. They come from strangers, so `guard.rs` looks at a file before the library does: its sizes, counts and depth
//! decide how much memory the library would take. Texts are read as views, which repeat no bytes, and rows go on in pieces of
//! bounded size.

mod guard;
mod pieces;
mod thrift;

use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow::datatypes::{DataType, Field, Schema as ArrowSchema};
use madang_lake::{ColumnType, Error, Input, Inspection, Limits, Result, Schema};
use parquet::{
    arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    errors::ParquetError,
    file::metadata::{PageIndexPolicy, ParquetMetaData},
};

use super::Emit;
use crate::{rows::Fit, storage};

/// Bytes that the fixed-width cells of one batch may take.
const BATCH_BYTES: usize = 4 << 20;
const BATCH_ROWS: usize = 8_192;

/// Reads the footer: columns, types, rows. Whether a column has empty cells is told by the statistics; without them it may.
pub(super) fn inspect(input: &Input, limits: Limits) -> Result<Inspection> {
    guarded(|| {
        let opened = Opened::new(input, &limits)?;
        let metadata = opened.footer.metadata();
        let mut schema = Schema::from_arrow(opened.footer.schema())?;
        for (at, column) in schema.columns.iter_mut().enumerate() {
            column.nullable = column.nullable && has_nulls(metadata, at);
        }
        let rows = metadata.file_metadata().num_rows().unsigned_abs();
        let integers = schema.columns.iter().filter(|column| column.kind == ColumnType::Int64);
        let wide = integers.map(|column| column.name.clone()).collect(); // nobody looked at the cells
        Ok(Inspection { schema, rows, wide, ..Inspection::default() })
    })
}

/// Converts all rows and gives the number of columns.
pub(super) fn convert(input: &Input, schema: &Schema, limits: Limits, emit: Emit<'_>) -> Result<usize> {
    guarded(|| {
        let Opened { file, footer } = Opened::new(input, &limits)?;
        let columns = footer.schema().fields().len();
        let fit = Fit::new(footer.schema(), schema)?;
        let rows = (BATCH_BYTES / (columns.max(1) * size_of::<u128>())).clamp(1, BATCH_ROWS);
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer).with_batch_size(rows).build().map_err(unreadable)?;
        let mut decoded = pieces::Decoded::new(&limits);
        for batch in batches {
            let batch = batch.map_err(|error| Error::invalid(format!("the Parquet file can't be read: {error}")))?;
            for piece in decoded.pieces(&batch)? {
                if !emit(fit.apply(&piece)?) {
                    return Ok(columns);
                }
            }
        }
        Ok(columns)
    })
}

struct Opened {
    file: File,
    footer: ArrowReaderMetadata,
}

impl Opened {
    fn new(input: &Input, limits: &Limits) -> Result<Self> {
        let file = File::open(&input.path).map_err(storage)?;
        guard::check_footer(&file, limits)?;
        // What another Arrow program wrote about its own types is left aside: the Parquet types say enough.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true).with_page_index_policy(PageIndexPolicy::Skip);
        let footer = ArrowReaderMetadata::load(&file, options.clone()).map_err(unreadable)?;
        Schema::check_names(footer.schema().fields().iter().map(|field| field.name().as_str()))?;
        Schema::from_arrow(footer.schema())?;
        guard::check_pages(&file, footer.metadata(), limits)?;
        let views = options.with_schema(Arc::new(with_views(footer.schema())));
        let footer = ArrowReaderMetadata::try_new(footer.metadata().clone(), views).map_err(unreadable)?;
        Ok(Self { file, footer })
    }
}

/// The same columns with texts as views.
fn with_views(schema: &ArrowSchema) -> ArrowSchema {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => field.clone(),
    };
    ArrowSchema::new(schema.fields().iter().map(field).collect::<Vec<_>>())
}

fn has_nulls(metadata: &ParquetMetaData, column: usize) -> bool {
    let counts = metadata.row_groups().iter().map(|group| group.columns().get(column)?.statistics()?.null_count_opt());
    counts.into_iter().any(|count| count != Some(0))
}

/// The library is careful, but a file that it never thought of must not be our fault.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.unwrap_or_else(|_| Err(Error::invalid("the file is no valid Parquet file")))
}

fn unreadable(error: ParquetError) -> Error {
    match error {
        ParquetError::External(cause) if is_of_the_disk(cause.as_ref()) => storage(cause),
        ParquetError::NYI(text) => Error::invalid(format!("the Parquet file can't be read: not supported: {text}")),
        other => Error::invalid(format!("the Parquet file can't be read: {other}")),
    }
}

/// Whether a cause is none of the file's: it could not be read at all.
fn is_of_the_disk(cause: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    cause.downcast_ref::<std::io::Error>().is_some_and(|cause| !matches!(cause.kind(), InvalidData | InvalidInput | UnexpectedEof))
}
