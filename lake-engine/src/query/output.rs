//! A query's columns as a table can hold them: the nine types, names that are there and differ.

use std::{collections::HashSet, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions},
    compute::{CastOptions, cast_with_options},
    datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, Float64Type, Schema, SchemaRef},
    util::display::FormatOptions,
};
use madang_lake::{ColumnType, Error, ROW_ID, Result};

use crate::storage;

/// A value that does not fit is an error.
const STRICT: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// How the engine's batches are given out.
pub(super) struct Output {
    pub(super) schema: SchemaRef,
}

impl Output {
    /// # Errors
    /// [`Error::Invalid`] names a column of a type that no table can hold.
    pub(super) fn new(found: &Schema) -> Result<Self> {
        let mut names = HashSet::from([ROW_ID.to_owned()]);
        Self::named(found, plain, |at, name| {
            let wanted = if name.trim().is_empty() { format!("column_{}", at + 1) } else { name.to_owned() };
            free(&wanted, &mut names)
        })
    }

    /// The same, where the row id is a column like any other.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn numbered(found: &Schema) -> Result<Self> {
        let mut names = HashSet::new();
        Self::named(found, plain, |at, name| {
            let wanted = if name.trim().is_empty() { format!("column_{}", at + 1) } else { name.to_owned() };
            free(&wanted, &mut names)
        })
    }

    /// The columns of a relation, which may be of more types.
    ///
    /// # Errors
    /// [`Error::Invalid`] names a column of a nested type.
    pub(super) fn of_any(found: &Schema) -> Result<Self> {
        Self::named(found, flat, |_, name| name.to_owned()) // whoever asked looks at the names
    }

    fn named(found: &Schema, plain: fn(&DataType) -> Option<DataType>, mut name: impl FnMut(usize, &str) -> String) -> Result<Self> {
        let mut fields = Vec::with_capacity(found.fields().len());
        for (at, field) in found.fields().iter().enumerate() {
            let name = name(at, field.name());
            let kind = plain(field.data_type()).ok_or_else(|| {
                Error::invalid(format!("column '{name}' has the type {}, which a table can't hold; convert it", field.data_type()))
            })?;
            fields.push(Field::new(name, kind, field.is_nullable()));
        }
        Ok(Self { schema: Arc::new(Schema::new(fields)) })
    }

    /// The columns of a table, which are right as they are.
    pub(super) fn of_table(schema: SchemaRef) -> Self {
        Self { schema }
    }

    /// A batch in the output's types. A value that does not fit its type is an error, never null.
    pub(super) fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.schema.fields().iter().zip(batch.columns()).map(|(field, column)| typed(column, field));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(storage)
    }
}

/// The Arrow type that a column is given out in. Times and lengths of time, which tables don't have, become text.
fn plain(kind: &DataType) -> Option<DataType> {
    match kind {
        DataType::Time32(_) | DataType::Time64(_) | DataType::Interval(_) | DataType::Duration(_) => Some(DataType::Utf8),
        other => ColumnType::from_arrow(other).map(ColumnType::arrow),
    }
}

/// The same for a relation.
fn flat(kind: &DataType) -> Option<DataType> {
    Some(match kind {
        DataType::Int8 | DataType::Int16 | DataType::Binary => kind.clone(),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) | DataType::Decimal128(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Decimal256(precision, scale) => DataType::Decimal128((*precision).min(DECIMAL128_MAX_PRECISION), *scale),
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, value) => return flat(value),
        other => return plain(other),
    })
}

fn typed(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if column.data_type() == field.data_type() {
        return Ok(column.clone());
    }
    let unfit = |_| Error::invalid(format!("column '{}': a value does not fit {}", field.name(), field.data_type()));
    let converted = cast_with_options(column, field.data_type(), &STRICT).map_err(unfit)?;
    if is_decimal(column.data_type()) { exact(column, &converted, field).map(|()| converted) } else { Ok(converted) }
}

/// Refuses decimals that a double does not give back.
fn exact(decimals: &ArrayRef, doubles: &ArrayRef, field: &Field) -> Result<()> {
    let Some(doubles) = doubles.as_primitive_opt::<Float64Type>() else { return Ok(()) };
    let texts = cast_with_options(decimals, &DataType::Utf8, &STRICT).map_err(storage)?;
    let texts = texts.as_string_opt::<i32>().ok_or_else(|| storage("a decimal without a text"))?;
    let lost = texts.iter().zip(doubles).find_map(|(text, double)| text.zip(double).filter(|(text, double)| !gives_back(*double, text)));
    match lost {
        Some((text, _)) => Err(Error::invalid(format!("column '{}': {text} is no exact double; convert it to text", field.name()))),
        None => Ok(()),
    }
}

/// Whether a double, written with as many digits as tell it apart from its neighbours, is the decimal.
fn gives_back(double: f64, decimal: &str) -> bool {
    plain_digits(&double.to_string()) == plain_digits(decimal)
}

/// The text without zeros that say nothing.
fn plain_digits(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

fn is_decimal(kind: &DataType) -> bool {
    matches!(kind, DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..))
}

/// The name, with a number behind it if it is taken. Tables compare names without case.
fn free(wanted: &str, taken: &mut HashSet<String>) -> String {
    let mut name = wanted.to_owned();
    let mut number = 2;
    while !taken.insert(name.to_lowercase()) {
        name = format!("{wanted}_{number}");
        number += 1;
    }
    name
}
