//! Parquet files. They come from strangers, so `guard.rs` looks at a file before the library does: its sizes, counts and depth
//! decide how much memory the library would take. Texts are read as views, which repeat no bytes, and rows go on in pieces of
//! bounded size.

mod guard;
mod pieces;
mod thrift;

use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    compute::cast,
    datatypes::{DataType, Field, Schema as ArrowSchema, SchemaRef},
};
use madang_lake::{ColumnType, Error, Input, Inspection, Limits, Result, Schema};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    },
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

/// Some columns of a file, in its own types.
pub(super) struct Chosen {
    opened: Opened,
    /// Their places, ascending.
    roots: Vec<usize>,
    schema: SchemaRef,
}

/// Opens a file for those of the columns that it has.
pub(super) fn open_some(path: &Path, columns: &[String], limits: Limits) -> Result<Chosen> {
    guarded(|| {
        let opened = Opened::look(path, &limits)?;
        let fields = opened.footer.schema().fields();
        let roots: Vec<usize> = (0..fields.len()).filter(|at| columns.contains(fields[*at].name())).collect();
        let schema = ArrowSchema::new(roots.iter().map(|at| plain(&fields[*at])).collect::<Vec<_>>());
        Ok(Chosen { opened, roots, schema: Arc::new(schema) })
    })
}

impl Chosen {
    pub(super) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Reads all rows.
    pub(super) fn read(self, limits: Limits, emit: Emit<'_>) -> Result<()> {
        guarded(|| {
            let Opened { file, footer } = self.opened;
            let rows = (BATCH_BYTES / (self.roots.len().max(1) * size_of::<u128>())).clamp(1, BATCH_ROWS);
            let mask = ProjectionMask::roots(footer.parquet_schema(), self.roots);
            let reading = ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer).with_projection(mask).with_batch_size(rows);
            let mut decoded = pieces::Decoded::new(&limits);
            for batch in reading.build().map_err(unreadable)? {
                let batch = batch.map_err(|error| Error::invalid(format!("the Parquet file can't be read: {error}")))?;
                for piece in decoded.pieces(&batch)? {
                    let columns = piece.columns().iter().zip(self.schema.fields()).map(|(column, field)| cast(column, field.data_type()));
                    let columns = columns.collect::<std::result::Result<Vec<_>, _>>().map_err(storage)?;
                    let options = RecordBatchOptions::new().with_row_count(Some(piece.num_rows()));
                    let piece = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(storage)?;
                    if !emit(piece) {
                        return Ok(());
                    }
                }
            }
            Ok(())
        })
    }
}

/// The column with its texts and bytes as they are kept, not as they are read.
fn plain(field: &Arc<Field>) -> Field {
    let kind = match field.data_type() {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        other => other.clone(),
    };
    Field::new(field.name(), kind, true)
}

struct Opened {
    file: File,
    footer: ArrowReaderMetadata,
}

impl Opened {
    /// A file of columns that a table can hold.
    fn new(input: &Input, limits: &Limits) -> Result<Self> {
        let opened = Self::look(&input.path, limits)?;
        Schema::check_names(opened.footer.schema().fields().iter().map(|field| field.name().as_str()))?;
        Schema::from_arrow(opened.footer.schema())?;
        Ok(opened)
    }

    /// A file of any columns that are not nested.
    fn look(path: &Path, limits: &Limits) -> Result<Self> {
        let file = File::open(path).map_err(storage)?;
        guard::check_footer(&file, limits)?;
        // What another Arrow program wrote about its own types is left aside: the Parquet types say enough.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true).with_page_index_policy(PageIndexPolicy::Skip);
        let footer = ArrowReaderMetadata::load(&file, options.clone()).map_err(unreadable)?;
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
