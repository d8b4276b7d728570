//! Rows of a query or a file in the columns of a table: matched by name, converted without loss, or refused by name.

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array},
    compute::{CastOptions, cast_with_options, kernels::cmp::distinct},
    datatypes::{DataType, Int64Type, SchemaRef, TimeUnit},
};
use futures::stream::{BoxStream, StreamExt};
use madang_lake::{Column, ColumnType, Error, ROW_ID, Result, RowStream, Schema};

use crate::storage;

/// The stream in the columns of `schema`.
pub(crate) fn fit(rows: RowStream, schema: &Schema) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let fit = Fit::new(&rows.schema, schema)?;
    Ok(fitted(rows, fit))
}

/// The same for rows that come with their ids and keep them.
pub(crate) fn fit_stored(rows: RowStream, schema: &Schema) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let ids = rows.schema.index_of(ROW_ID).map_err(storage)?;
    let fit = Fit { stored: schema.stored(), ids: Some(ids), ..Fit::new(&rows.schema, schema)? };
    Ok(fitted(rows, fit))
}

fn fitted(rows: RowStream, fit: Fit) -> BoxStream<'static, Result<RecordBatch>> {
    rows.batches.map(move |batch| fit.apply(&batch?)).boxed()
}

/// How rows of one schema become rows of a table.
pub(crate) struct Fit {
    columns: Vec<Column>,
    stored: SchemaRef,
    /// The column of the rows' ids, if they keep them.
    ids: Option<usize>,
    /// For each column of the table, the column that fills it.
    sources: Vec<Option<usize>>,
}

impl Fit {
    /// # Errors
    /// [`Error::Invalid`] names a column that the table lacks, or a mandatory one that is missing.
    pub(crate) fn new(from: &arrow::datatypes::Schema, to: &Schema) -> Result<Self> {
        Ok(Self { columns: to.columns.clone(), stored: to.arrow(), ids: None, sources: sources(from, to)? })
    }

    /// # Errors
    /// [`Error::Invalid`] names a column with a value that does not fit.
    pub(crate) fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let ids = self.ids.map(|index| Ok(batch.column(index).clone()));
        let arrays = self.columns.iter().zip(&self.sources).map(|(column, source)| match source {
            Some(index) => convert(batch.column(*index), column),
            None => Ok(new_null_array(&column.kind.arrow(), batch.num_rows())),
        });
        let arrays = ids.into_iter().chain(arrays).collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(self.stored.clone(), arrays).map_err(storage)
    }
}

/// For each column of the table, the stream's column that fills it.
fn sources(stream: &arrow::datatypes::Schema, schema: &Schema) -> Result<Vec<Option<usize>>> {
    for field in stream.fields() {
        if field.name() != ROW_ID && schema.column(field.name()).is_none() {
            return Err(Error::invalid(format!("the rows have a column '{}', the table has none", field.name())));
        }
    }
    let sources = schema.columns.iter().map(|column| match stream.index_of(&column.name) {
        Ok(index) => Ok(Some(index)),
        Err(_) if column.nullable => Ok(None),
        Err(_) => Err(Error::invalid(format!("the rows lack the column '{}', which must not be empty", column.name))),
    });
    sources.collect()
}

fn convert(array: &ArrayRef, column: &Column) -> Result<ArrayRef> {
    let wanted = column.kind.arrow();
    if array.logical_null_count() > 0 && !column.nullable {
        return Err(Error::invalid(format!("column '{}' must not be empty, but a row has no value for it", column.name)));
    }
    if *array.data_type() == wanted {
        return Ok(array.clone());
    }
    if array.logical_null_count() == array.len() {
        return Ok(new_null_array(&wanted, array.len()));
    }
    let from = ColumnType::from_arrow(array.data_type()).filter(|from| converts(*from, column.kind));
    let Some(from) = from else {
        let found = ColumnType::from_arrow(array.data_type()).map_or_else(|| array.data_type().to_string(), |kind| kind.name().to_owned());
        let wanted = column.kind.name();
        return Err(Error::invalid(format!("column '{}' is {found}, the table holds {wanted}; convert it first", column.name)));
    };
    let plain = cast(array, &from.arrow(), column)?;
    check_kept(array, &plain, column)?;
    check_exact(&plain, from, column)?;
    cast(&plain, &wanted, column)
}

/// Conversions that lose nothing, or fail where they would.
fn converts(from: ColumnType, to: ColumnType) -> bool {
    use ColumnType::{Double, Float, Int32, Int64, String};
    from == to || to == String || matches!((from, to), (Int32, Int64 | Float | Double) | (Int64, Int32 | Float | Double) | (Float, Double))
}

/// Types that have finer or longer values than any of ours must give back what they had.
fn check_kept(array: &ArrayRef, plain: &ArrayRef, column: &Column) -> Result<()> {
    let kind = array.data_type();
    if !matches!(
        kind,
        DataType::Decimal128(..) | DataType::Decimal256(..) | DataType::Timestamp(TimeUnit::Nanosecond, _) | DataType::Date64
    ) {
        return Ok(());
    }
    let back = cast(plain, kind, column)?;
    let lost = distinct(&back, array).map_err(storage)?;
    if lost.true_count() > 0 { Err(unfit(column, &format!("a value of the type {kind}"))) } else { Ok(()) }
}

/// Integers that a floating-point column would not give back are refused.
fn check_exact(array: &ArrayRef, from: ColumnType, column: &Column) -> Result<()> {
    let exact: fn(i64) -> bool = match (from, column.kind) {
        (ColumnType::Int32 | ColumnType::Int64, ColumnType::Float) => is_exact_float,
        (ColumnType::Int64, ColumnType::Double) => is_exact_double,
        _ => return Ok(()),
    };
    let wide = cast(array, &ColumnType::Int64.arrow(), column)?;
    match wide.as_primitive::<Int64Type>().iter().flatten().find(|value| !exact(*value)) {
        Some(value) => Err(unfit(column, &value.to_string())),
        None => Ok(()),
    }
}

/// Whether the binary digits from the first to the last one that is set are few enough.
fn fits_digits(value: i64, digits: u32) -> bool {
    let magnitude = value.unsigned_abs();
    magnitude == 0 || u64::BITS - magnitude.leading_zeros() - magnitude.trailing_zeros() <= digits
}

fn is_exact_float(value: i64) -> bool {
    fits_digits(value, f32::MANTISSA_DIGITS)
}

fn is_exact_double(value: i64) -> bool {
    fits_digits(value, f64::MANTISSA_DIGITS)
}

fn cast(array: &ArrayRef, to: &DataType, column: &Column) -> Result<ArrayRef> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, to, &strict).map_err(|_| unfit(column, "a value"))
}

fn unfit(column: &Column, value: &str) -> Error {
    Error::invalid(format!("column '{}': {value} does not fit {}", column.name, column.kind.name()))
}
