//! Rows of a table that are not in its files yet, and how one cell is written down outside Arrow.
//!
//! A cell is a JSON value: true or false, a number, a text; a day is its number since 1970, an instant its microseconds. Floating-point
//! numbers that JSON has no number for are the texts `NaN`, `Infinity` and `-Infinity`.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
        RecordBatchOptions, StringArray, TimestampMicrosecondArray,
    },
    datatypes::{Date32Type, Field, Float32Type, Float64Type, Int32Type, Int64Type, Schema as ArrowSchema, TimestampMicrosecondType},
};
use serde_json::{Map, Value};

use crate::{ColumnType, Error, ROW_ID, Result, Schema};

/// What lies above a version's files: rows that are new or take the place of others, and ids of rows in the files that no longer count.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    /// Stored rows ([`Schema::stored`]) in the order of their ids.
    pub rows: RecordBatch,
    /// Ids of rows in files that are replaced or deleted, ascending. Each is in a file.
    pub masked: Vec<i64>,
}

impl Eq for Tail {}

/// A row's id, whether a file holds a row of that id, and its cells by column; `None` = deleted.
pub type TailRow = (i64, bool, Option<Map<String, Value>>);

impl Tail {
    /// Puts a tail together.
    ///
    /// # Errors
    /// [`Error::Storage`] if a cell is not of its column's type: it was checked when it was written.
    pub fn new(schema: &Schema, mut rows: Vec<TailRow>) -> Result<Self> {
        rows.sort_unstable_by_key(|row| row.0);
        let masked = rows.iter().filter(|row| row.1).map(|row| row.0).collect();
        let live: Vec<(i64, &Map<String, Value>)> = rows.iter().filter_map(|row| Some((row.0, row.2.as_ref()?))).collect();
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(live.iter().map(|row| row.0)));
        let mut columns = vec![ids];
        for column in &schema.columns {
            columns.push(array(column.kind, live.iter().map(|row| row.1.get(&column.name).unwrap_or(&Value::Null)))?);
        }
        let stored = Schema { columns: schema.columns.clone() }.relaxed().stored();
        let rows = RecordBatch::try_new(stored, columns).map_err(Error::storage)?;
        Ok(Self { rows, masked })
    }

    /// The ids of [`Self::rows`].
    pub fn ids(&self) -> &[i64] {
        self.rows.columns().first().and_then(|ids| ids.as_primitive_opt::<Int64Type>()).map_or(&[], |ids| ids.values())
    }
}

/// Cells as a column.
///
/// # Errors
/// [`Error::Storage`] if one is not of the type.
pub fn array<'a>(kind: ColumnType, cells: impl Iterator<Item = &'a Value>) -> Result<ArrayRef> {
    fn each<'a, T>(cells: impl Iterator<Item = &'a Value>, read: impl Fn(&Value) -> Option<T>) -> Result<Vec<Option<T>>> {
        let one = |cell: &Value| {
            if cell.is_null() { Ok(None) } else { read(cell).map(Some).ok_or_else(|| Error::storage("a cell of another type")) }
        };
        cells.map(one).collect()
    }
    let small = |cell: &Value| cell.as_i64().and_then(|number| i32::try_from(number).ok());
    Ok(match kind {
        ColumnType::Bool => Arc::new(BooleanArray::from(each(cells, Value::as_bool)?)),
        ColumnType::Int32 => Arc::new(Int32Array::from(each(cells, small)?)),
        ColumnType::Int64 => Arc::new(Int64Array::from(each(cells, Value::as_i64)?)),
        #[expect(clippy::cast_possible_truncation, reason = "the cell came from such a number")]
        ColumnType::Float => Arc::new(Float32Array::from(each(cells, |cell| float(cell).map(|number| number as f32))?)),
        ColumnType::Double => Arc::new(Float64Array::from(each(cells, float)?)),
        ColumnType::String => Arc::new(StringArray::from(each(cells, |cell| cell.as_str().map(str::to_owned))?)),
        ColumnType::Date => Arc::new(Date32Array::from(each(cells, small)?)),
        ColumnType::Timestamp => Arc::new(TimestampMicrosecondArray::from(each(cells, Value::as_i64)?).with_timezone("UTC")),
        ColumnType::LocalTimestamp => Arc::new(TimestampMicrosecondArray::from(each(cells, Value::as_i64)?)),
    })
}

fn float(cell: &Value) -> Option<f64> {
    match cell {
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        other => other.as_f64(),
    }
}

/// A floating-point number as a cell.
pub fn float_cell(number: f64) -> Value {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// One cell of a column of one of the nine types; any other is null.
pub fn cell(column: &ArrayRef, row: usize) -> Value {
    if row >= column.len() || column.is_null(row) {
        return Value::Null;
    }
    match ColumnType::from_arrow(column.data_type()) {
        Some(ColumnType::Bool) => column.as_boolean_opt().map(|cells| cells.value(row).into()),
        Some(ColumnType::Int32) => column.as_primitive_opt::<Int32Type>().map(|cells| cells.value(row).into()),
        Some(ColumnType::Int64) => column.as_primitive_opt::<Int64Type>().map(|cells| cells.value(row).into()),
        Some(ColumnType::Float) => column.as_primitive_opt::<Float32Type>().map(|cells| float_cell(f64::from(cells.value(row)))),
        Some(ColumnType::Double) => column.as_primitive_opt::<Float64Type>().map(|cells| float_cell(cells.value(row))),
        Some(ColumnType::String) => column.as_string_opt::<i32>().map(|cells| cells.value(row).into()),
        Some(ColumnType::Date) => column.as_primitive_opt::<Date32Type>().map(|cells| cells.value(row).into()),
        Some(ColumnType::Timestamp | ColumnType::LocalTimestamp) => {
            column.as_primitive_opt::<TimestampMicrosecondType>().map(|cells| cells.value(row).into())
        }
        None => None,
    }
    .unwrap_or(Value::Null)
}

/// Rows of cells as a batch of named columns.
///
/// # Errors
/// [`Error::Storage`] if a cell is not of its column's type.
pub fn batch_of(columns: &[(String, ColumnType)], rows: &[Vec<Value>]) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns.iter().map(|(name, kind)| Field::new(name, kind.arrow(), true)).collect();
    let cells = |at: usize| rows.iter().map(move |row| row.get(at).unwrap_or(&Value::Null));
    let arrays = columns.iter().enumerate().map(|(at, (_, kind))| array(*kind, cells(at))).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::new(ArrowSchema::new(fields)), arrays, &options).map_err(Error::storage)
}

/// Stored rows as their ids and cells.
pub fn rows_of(batch: &RecordBatch) -> Vec<(i64, Map<String, Value>)> {
    let schema = batch.schema();
    let row = |row: usize| {
        let mut id = 0;
        let mut cells = Map::new();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            let cell = cell(column, row);
            if field.name() == ROW_ID {
                id = cell.as_i64().unwrap_or_default();
            } else if !cell.is_null() {
                cells.insert(field.name().clone(), cell);
            }
        }
        (id, cells)
    };
    (0..batch.num_rows()).map(row).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Column;

    #[test]
    fn cells_come_back_from_every_type() {
        for (kind, cells) in [
            (ColumnType::Bool, json!([true, null, false])),
            (ColumnType::Int32, json!([1, null, -2_147_483_648_i64])),
            (ColumnType::Int64, json!([i64::MAX, i64::MIN, null])),
            (ColumnType::Float, json!([1.5, null, "NaN"])),
            (ColumnType::Double, json!([0.1, "Infinity", "-Infinity", null])),
            (ColumnType::String, json!(["", "말", null])),
            (ColumnType::Date, json!([0, -1, null])),
            (ColumnType::Timestamp, json!([1, null])),
            (ColumnType::LocalTimestamp, json!([1_700_000_000_000_000_i64, null])),
        ] {
            let cells = cells.as_array().cloned().unwrap_or_default();
            let column = array(kind, cells.iter()).expect("of the type");
            assert_eq!(*column.data_type(), kind.arrow());
            let back: Vec<Value> = (0..column.len()).map(|row| cell(&column, row)).collect();
            assert_eq!(back, cells, "{kind:?}");
        }
        assert!(array(ColumnType::Int32, [json!("x")].iter()).is_err());
        assert!(array(ColumnType::Int32, [json!(1_i64 << 40)].iter()).is_err());
    }

    #[test]
    fn a_tail_is_in_the_order_of_ids() {
        let schema = Schema { columns: vec![Column { name: "a".to_owned(), kind: ColumnType::Int64, nullable: true }] };
        let row = |value: Value| value.as_object().cloned();
        let tail = Tail::new(&schema, vec![(9, false, row(json!({"a": 1}))), (3, true, row(json!({}))), (5, true, None), (7, false, None)]);
        let tail = tail.expect("a tail");
        assert_eq!(tail.ids(), [3, 9]);
        assert_eq!(tail.masked, [3, 5]);
        assert_eq!(tail.rows.num_columns(), 2);
    }
}
