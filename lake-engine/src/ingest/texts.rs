//! Columns of text in the making: for objects, whose columns and types somebody else says.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, StringBuilder},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use madang_lake::{Error, Limits, Result};

use super::Emit;
use crate::storage;

const BATCH_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 4 << 20;

/// The batch in the making.
pub(super) struct Texts<'a, 'e> {
    schema: SchemaRef,
    builders: Vec<StringBuilder>,
    /// For each column, the last row that has a cell; rows count from 1.
    filled: Vec<usize>,
    rows: usize,
    bytes: usize,
    limits: &'a Limits,
    /// Bytes of all rows so far.
    total: u64,
    emit: Emit<'e>,
}

impl<'a, 'e> Texts<'a, 'e> {
    pub(super) fn new(columns: &[String], limits: &'a Limits, emit: Emit<'e>) -> Self {
        let fields: Vec<Field> = columns.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
        let builders = columns.iter().map(|_| StringBuilder::new()).collect();
        Self { schema: Arc::new(Schema::new(fields)), builders, filled: vec![0; columns.len()], rows: 0, bytes: 0, limits, total: 0, emit }
    }

    /// Adds the cell of a column in the row at hand; a second one of the same column is left out.
    pub(super) fn push(&mut self, column: usize, text: Option<&str>) -> Result<()> {
        let (Some(builder), Some(filled)) = (self.builders.get_mut(column), self.filled.get_mut(column)) else { return Ok(()) };
        if *filled > self.rows {
            return Ok(());
        }
        *filled = self.rows + 1;
        if text.is_some_and(|text| text.len() > self.limits.cell_bytes) {
            return Err(Error::LimitExceeded(format!("a cell is larger than {} bytes, which is the limit", self.limits.cell_bytes)));
        }
        builder.append_option(text);
        Ok(())
    }

    /// Ends the row, which took so many bytes; false if nobody wants more.
    pub(super) fn end_row(&mut self, bytes: usize) -> Result<bool> {
        self.rows += 1;
        self.bytes += bytes;
        self.total += bytes as u64;
        if self.total > self.limits.decoded_bytes {
            return Err(Error::LimitExceeded(format!("the object has more than {} bytes, which is the limit", self.limits.decoded_bytes)));
        }
        for (builder, filled) in self.builders.iter_mut().zip(&mut self.filled) {
            if *filled < self.rows {
                *filled = self.rows;
                builder.append_null();
            }
        }
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(true) }
    }

    /// Hands on what is there.
    pub(super) fn flush(&mut self) -> Result<bool> {
        if self.rows == 0 {
            return Ok(true);
        }
        let columns: Vec<ArrayRef> = self.builders.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(storage)?;
        (self.rows, self.bytes) = (0, 0);
        self.filled.fill(0);
        Ok((self.emit)(batch))
    }
}
