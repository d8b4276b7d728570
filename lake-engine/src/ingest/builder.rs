//! Arrow batches in the making: cells become values of their column's type without loss, or say why they don't.

use arrow::{
    array::{
        ArrayBuilder, ArrayRef, BooleanArray, BooleanBuilder, Date32Builder, Float32Builder, Float64Builder, Int32Builder, Int64Builder,
        RecordBatch, StringBuilder, TimestampMicrosecondBuilder, new_null_array,
    },
    compute::filter_record_batch,
    datatypes::SchemaRef,
};
use madang_lake::{Column, ColumnType, Error, Result, Schema};

use super::cell;
use crate::storage;

const BATCH_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 4 << 20;

/// The batch in the making.
pub(super) struct Table {
    schema: SchemaRef,
    /// In file order.
    pub(super) builders: Vec<Builder>,
    /// For each column of the schema, the builder that fills it.
    places: Vec<Option<usize>>,
    rows: usize,
    bytes: usize,
    /// Rows of the batch that are left out.
    dropped: Vec<usize>,
}

impl Table {
    /// For rows whose cells stand in the order of a header.
    pub(super) fn for_header(header: &[String], schema: &Schema) -> Result<Self> {
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
        Ok(Self { schema: schema.arrow(), builders, places, rows: 0, bytes: 0, dropped: Vec::new() })
    }

    /// For rows whose cells are named: one builder for each column of the schema, in its order.
    pub(super) fn for_schema(schema: &Schema) -> Self {
        let builders: Vec<_> = schema.columns.iter().cloned().map(Builder::new).collect();
        let places = (0..builders.len()).map(Some).collect();
        Self { schema: schema.arrow(), builders, places, rows: 0, bytes: 0, dropped: Vec::new() }
    }

    /// Ends a row that took so many bytes of the file, and says whether the batch is full.
    pub(super) fn end_row(&mut self, bytes: usize) -> bool {
        self.rows += 1;
        self.bytes += bytes;
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// Leaves out the row at hand, of which some cells may be there; it is to be ended all the same.
    pub(super) fn drop_row(&mut self) {
        self.fill_row();
        self.dropped.push(self.rows);
    }

    /// Leaves the cells of the row at hand empty that are not there yet.
    pub(super) fn fill_row(&mut self) {
        for builder in &mut self.builders {
            if builder.cells().len() == self.rows {
                builder.append_null();
            }
        }
    }

    /// Whether a batch is begun.
    pub(super) fn has_rows(&self) -> bool {
        self.rows > 0
    }

    /// The batch; the next one begins.
    pub(super) fn batch(&mut self) -> Result<RecordBatch> {
        let filled: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        let columns = self.places.iter().zip(self.schema.fields()).map(|(place, field)| match place {
            Some(place) => filled[*place].clone(),
            None => new_null_array(field.data_type(), self.rows),
        });
        let batch = RecordBatch::try_new(self.schema.clone(), columns.collect()).map_err(storage)?;
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        if self.dropped.is_empty() {
            return Ok(batch);
        }
        let mut kept = vec![true; rows];
        for dropped in self.dropped.drain(..) {
            if let Some(kept) = kept.get_mut(dropped) {
                *kept = false;
            }
        }
        filter_record_batch(&batch, &BooleanArray::from(kept)).map_err(storage)
    }
}

/// One column of the file.
pub(super) struct Builder {
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

    /// What is wrong with a cell of this column.
    pub(super) fn bad_row(&self, row: u64, reason: String) -> Error {
        Error::BadRow { row, column: Some(self.column.name.clone()), reason }
    }

    /// Adds a text as it is; a column of another type than text reads it as [`Self::push`] does, but has no empty text.
    pub(super) fn push_text(&mut self, text: &str) -> std::result::Result<(), String> {
        match &mut self.cells {
            Cells::Text(builder) => builder.append_value(text),
            _ if text.is_empty() => return Err(format!("an empty text does not fit {}", self.column.kind.name())),
            _ => return self.push(text),
        }
        Ok(())
    }

    /// Adds a cell of delimited text, where empty is absent; or says what is wrong with it.
    pub(super) fn push(&mut self, text: &str) -> std::result::Result<(), String> {
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

    /// Adds an absent cell.
    pub(super) fn push_null(&mut self) -> std::result::Result<(), String> {
        if !self.column.nullable {
            return Err("it must not be empty".to_owned());
        }
        self.append_null();
        Ok(())
    }

    fn append_null(&mut self) {
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
    }

    fn finish(&mut self) -> ArrayRef {
        self.cells().finish()
    }

    fn cells(&mut self) -> &mut dyn ArrayBuilder {
        match &mut self.cells {
            Cells::Bool(builder) => builder,
            Cells::Int32(builder) => builder,
            Cells::Int64(builder) => builder,
            Cells::Float(builder) => builder,
            Cells::Double(builder) => builder,
            Cells::Text(builder) => builder,
            Cells::Date(builder) => builder,
            Cells::Timestamp { builder, .. } => builder,
        }
    }

    /// The column's name.
    pub(super) fn name(&self) -> &str {
        &self.column.name
    }

    /// Whether it holds texts.
    pub(super) fn is_text(&self) -> bool {
        self.column.kind == ColumnType::String
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
