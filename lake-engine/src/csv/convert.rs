//! A file's rows as Arrow batches of a given schema, without loss or an error that names row and column.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanBuilder, Date32Builder, Float32Builder, Float64Builder, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
        TimestampMicrosecondBuilder, new_null_array,
    },
    datatypes::SchemaRef,
};
use madang_lake::{Column, ColumnType, Error, Result, Schema};

use super::{cell, rows::Rows};
use crate::storage;

const BATCH_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 4 << 20;

/// Converts all rows; `emit` takes each batch and says whether more are wanted.
pub(super) fn convert(mut rows: Rows, schema: &Schema, emit: &mut dyn FnMut(RecordBatch) -> bool) -> Result<()> {
    let mut table = Table::new(&rows.header, schema)?;
    let mut number = 0;
    while let Some(row) = rows.next()? {
        number += 1;
        table.bytes += row.bytes();
        table.rows += 1;
        for (builder, cell) in table.builders.iter_mut().zip(row.cells()) {
            let text = cell?;
            if let Err(reason) = builder.push(&text) {
                let column = Some(builder.column.name.clone());
                return Err(Error::BadRow { row: number, column, reason });
            }
        }
        if table.is_full() && !emit(table.batch()?) {
            return Ok(());
        }
    }
    if table.rows > 0 {
        emit(table.batch()?);
    }
    Ok(())
}

/// The batch in the making.
struct Table {
    schema: SchemaRef,
    /// In file order.
    builders: Vec<Builder>,
    /// For each column of the schema, the builder that fills it.
    places: Vec<Option<usize>>,
    rows: usize,
    bytes: usize,
}

impl Table {
    fn new(header: &[String], schema: &Schema) -> Result<Self> {
        let builders = header.iter().map(|name| match schema.column(name) {
            Some(column) => Ok(Builder::new(column.clone())),
            None => Err(Error::invalid(format!("the file has a column '{name}', the table has none"))),
        });
        let builders = builders.collect::<Result<Vec<_>>>()?;
        let places: Vec<_> = schema.columns.iter().map(|column| header.iter().position(|name| *name == column.name)).collect();
        for (column, place) in schema.columns.iter().zip(&places) {
            if place.is_none() && !column.nullable {
                return Err(Error::invalid(format!("the file lacks the column '{}', which must not be empty", column.name)));
            }
        }
        Ok(Self { schema: schema.arrow(), builders, places, rows: 0, bytes: 0 })
    }

    fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    fn batch(&mut self) -> Result<RecordBatch> {
        let filled: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        let columns = self.places.iter().zip(self.schema.fields()).map(|(place, field)| match place {
            Some(place) => filled[*place].clone(),
            None => new_null_array(field.data_type(), self.rows),
        });
        let columns = columns.collect();
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new(self.schema.clone(), columns).map_err(storage)
    }
}

/// One column of the file.
struct Builder {
    column: Column,
    cells: Cells,
}

enum Cells {
    Bool(BooleanBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Text(StringBuilder),
    Date(Date32Builder),
    Timestamp { builder: TimestampMicrosecondBuilder, zoned: bool },
}

impl Builder {
    fn new(column: Column) -> Self {
        let cells = match column.kind {
            ColumnType::Bool => Cells::Bool(BooleanBuilder::new()),
            ColumnType::Int32 => Cells::Int32(Int32Builder::new()),
            ColumnType::Int64 => Cells::Int64(Int64Builder::new()),
            ColumnType::Float => Cells::Float(Float32Builder::new()),
            ColumnType::Double => Cells::Double(Float64Builder::new()),
            ColumnType::String => Cells::Text(StringBuilder::new()),
            ColumnType::Date => Cells::Date(Date32Builder::new()),
            ColumnType::Timestamp => {
                Cells::Timestamp { builder: TimestampMicrosecondBuilder::new().with_data_type(column.kind.arrow()), zoned: true }
            }
            ColumnType::LocalTimestamp => Cells::Timestamp { builder: TimestampMicrosecondBuilder::new(), zoned: false },
        };
        Self { column, cells }
    }

    /// Adds a cell, or says what is wrong with it.
    fn push(&mut self, text: &str) -> std::result::Result<(), String> {
        if text.is_empty() {
            return self.push_null();
        }
        let fits = match &mut self.cells {
            Cells::Bool(builder) => cell::boolean(text).map(|value| builder.append_value(value)),
            Cells::Int32(builder) => {
                cell::integer(text).and_then(|value| i32::try_from(value).ok()).map(|value| builder.append_value(value))
            }
            Cells::Int64(builder) => cell::integer(text).map(|value| builder.append_value(value)),
            Cells::Float(builder) => cell::float(text).map(|value| builder.append_value(value)),
            Cells::Double(builder) => cell::double(text).map(|value| builder.append_value(value)),
            Cells::Text(builder) => {
                builder.append_value(text);
                Some(())
            }
            Cells::Date(builder) => cell::date(text).map(|value| builder.append_value(value)),
            Cells::Timestamp { builder, zoned } => {
                cell::timestamp(text).filter(|(_, has)| has == zoned).map(|(value, _)| builder.append_value(value))
            }
        };
        fits.ok_or_else(|| format!("{} does not fit {}", excerpt(text), self.column.kind.name()))
    }

    fn push_null(&mut self) -> std::result::Result<(), String> {
        if !self.column.nullable {
            return Err("it must not be empty".to_owned());
        }
        match &mut self.cells {
            Cells::Bool(builder) => builder.append_null(),
            Cells::Int32(builder) => builder.append_null(),
            Cells::Int64(builder) => builder.append_null(),
            Cells::Float(builder) => builder.append_null(),
            Cells::Double(builder) => builder.append_null(),
            Cells::Text(builder) => builder.append_null(),
            Cells::Date(builder) => builder.append_null(),
            Cells::Timestamp { builder, .. } => builder.append_null(),
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match &mut self.cells {
            Cells::Bool(builder) => Arc::new(builder.finish()),
            Cells::Int32(builder) => Arc::new(builder.finish()),
            Cells::Int64(builder) => Arc::new(builder.finish()),
            Cells::Float(builder) => Arc::new(builder.finish()),
            Cells::Double(builder) => Arc::new(builder.finish()),
            Cells::Text(builder) => Arc::new(builder.finish()),
            Cells::Date(builder) => Arc::new(builder.finish()),
            Cells::Timestamp { builder, .. } => Arc::new(builder.finish()),
        }
    }
}

/// The beginning of a text, quoted, for a message.
fn excerpt(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("'{}…'", &text[..end]),
        None => format!("'{text}'"),
    }
}
