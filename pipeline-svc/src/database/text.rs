//! Cells as texts, both ways.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use madang_kit::{Error, Result};

use super::{BATCH_BYTES, BATCH_ROWS};

/// The same columns as texts.
pub(super) fn schema(columns: &SchemaRef) -> SchemaRef {
    Arc::new(Schema::new(columns.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true)).collect::<Vec<_>>()))
}

/// A batch of texts in the making.
pub(super) struct Gathered {
    schema: SchemaRef,
    builders: Vec<StringBuilder>,
    rows: usize,
    bytes: usize,
}

impl Gathered {
    pub(super) fn new(columns: &SchemaRef) -> Self {
        let builders = columns.fields().iter().map(|_| StringBuilder::new()).collect();
        Self { schema: schema(columns), builders, rows: 0, bytes: 0 }
    }

    /// Adds a row; gives the batch when there is enough.
    pub(super) fn add(&mut self, cells: impl Iterator<Item = Option<String>>) -> Option<madang_lake::Result<RecordBatch>> {
        for (builder, cell) in self.builders.iter_mut().zip(cells) {
            self.bytes += cell.as_ref().map_or(0, String::len);
            builder.append_option(cell);
        }
        self.rows += 1;
        (self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES).then(|| self.take())
    }

    /// What is left.
    pub(super) fn rest(&mut self) -> Option<madang_lake::Result<RecordBatch>> {
        (self.rows > 0).then(|| self.take())
    }

    fn take(&mut self) -> madang_lake::Result<RecordBatch> {
        (self.rows, self.bytes) = (0, 0);
        let columns = self.builders.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
        RecordBatch::try_new(self.schema.clone(), columns).map_err(madang_lake::Error::storage)
    }
}

/// The cells of a batch as a server reads them: instants in UTC without a zone, bytes as `binary` says, truths as `truth` says.
pub(super) fn cells(batch: &RecordBatch, truth: &DataType, binary: fn(&[u8]) -> String) -> Result<Vec<StringArray>> {
    batch.columns().iter().map(|column| texts(column, truth, binary)).collect()
}

fn texts(column: &ArrayRef, truth: &DataType, binary: fn(&[u8]) -> String) -> Result<StringArray> {
    let plain = match column.data_type() {
        DataType::Timestamp(_, Some(_)) => cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None)),
        DataType::Boolean => cast(column, truth),
        _ => Ok(column.clone()),
    };
    let plain = plain.map_err(Error::internal)?;
    if let (DataType::Binary, Some(bytes)) = (plain.data_type(), plain.as_binary_opt::<i32>()) {
        return Ok(bytes.iter().map(|bytes| bytes.map(binary)).collect());
    }
    let texts = cast(&plain, &DataType::Utf8).map_err(Error::internal)?;
    texts.as_string_opt::<i32>().cloned().ok_or_else(|| Error::internal("a cell without a text"))
}

/// A cell, if it has one.
pub(super) fn cell(column: &StringArray, row: usize) -> Option<&str> {
    (row < column.len() && column.is_valid(row)).then(|| column.value(row))
}
