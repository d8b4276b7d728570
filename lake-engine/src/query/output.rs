//! A query's columns as a table can hold them: the nine types, names that are there and differ.

use std::{collections::HashSet, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use madang_lake::{ColumnType, Error, ROW_ID, Result};

use crate::storage;

/// How the engine's batches are given out.
pub(super) struct Output {
    pub(super) schema: SchemaRef,
}

impl Output {
    /// # Errors
    /// [`Error::Invalid`] names a column of a type that no table can hold.
    pub(super) fn new(found: &Schema) -> Result<Self> {
        let mut names = HashSet::from([ROW_ID.to_owned()]);
        let mut fields = Vec::with_capacity(found.fields().len());
        for (index, field) in found.fields().iter().enumerate() {
            let wanted = if field.name().trim().is_empty() { format!("column_{}", index + 1) } else { field.name().clone() };
            let name = free(&wanted, &mut names);
            let kind = plain(field.data_type()).ok_or_else(|| {
                Error::invalid(format!("column '{name}' has the type {}, which a table can't hold; convert it", field.data_type()))
            })?;
            fields.push(Field::new(name, kind, field.is_nullable()));
        }
        Ok(Self { schema: Arc::new(Schema::new(fields)) })
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

fn typed(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if column.data_type() == field.data_type() {
        return Ok(column.clone());
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(column, field.data_type(), &strict)
        .map_err(|_| Error::invalid(format!("column '{}': a value does not fit {}", field.name(), field.data_type())))
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
