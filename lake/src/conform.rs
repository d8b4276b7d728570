//! Rows in other columns, value by value: what does not fit becomes null and is counted. What a text means in each type is what the
//! engine's own CAST makes of it, without the blanks around it.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, RecordBatch, RecordBatchOptions, StringArray, new_null_array},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, Float64Type, Schema, SchemaRef, TimeUnit},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{Error, Result};

/// What does not fit becomes null.
const LENIENT: CastOptions<'static> = CastOptions { safe: true, format_options: arrow::util::display::FormatOptions::new() };

/// How rows of one schema become rows of another.
#[derive(Clone, Debug)]
pub struct Conform {
    schema: SchemaRef,
    /// For each wanted column, the one that fills it; none = null.
    sources: Vec<Option<usize>>,
    base64: bool,
}

impl Conform {
    /// Columns by name.
    pub fn by_name(from: &Schema, to: SchemaRef) -> Self {
        let sources = to.fields().iter().map(|field| from.index_of(field.name()).ok()).collect();
        Self { schema: to, sources, base64: false }
    }

    /// For each wanted column, the place of the one that fills it.
    pub fn by_place(to: SchemaRef, sources: Vec<Option<usize>>) -> Self {
        Self { schema: to, sources, base64: false }
    }

    /// The same for rows from outside, where bytes in a text are Base64.
    #[must_use]
    pub fn from_outside(self) -> Self {
        Self { base64: true, ..self }
    }

    /// The wanted columns, each of which may be empty.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The rows, and how many of their values were lost.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no way at all from one type to the other.
    pub fn apply(&self, batch: &RecordBatch) -> Result<(RecordBatch, u64)> {
        let mut lost = 0;
        let mut columns = Vec::with_capacity(self.sources.len());
        for (source, field) in self.sources.iter().zip(self.schema.fields()) {
            let found = source.and_then(|place| batch.columns().get(place));
            let column =
                found.map_or_else(|| Ok(new_null_array(field.data_type(), batch.num_rows())), |found| self.convert(found, field))?;
            if let Some(found) = found {
                lost += column.logical_null_count().saturating_sub(found.logical_null_count());
            }
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(Error::storage)?;
        Ok((batch, lost as u64))
    }
}

impl Conform {
    fn convert(&self, found: &ArrayRef, field: &Field) -> Result<ArrayRef> {
        match found.as_string_opt::<i32>() {
            Some(texts) if self.base64 && *field.data_type() == DataType::Binary => {
                let bytes = texts.iter().map(|text| STANDARD.decode(text?.trim()).ok());
                Ok(Arc::new(bytes.collect::<BinaryArray>()))
            }
            _ => convert(found, field),
        }
    }
}

fn convert(found: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    let wanted = field.data_type();
    if found.data_type() == wanted {
        return Ok(found.clone());
    }
    let no_way = || Error::invalid(format!("column '{}': {} can't become {wanted}", field.name(), found.data_type()));
    let plain = match (found.data_type(), wanted) {
        (DataType::Utf8, DataType::Utf8 | DataType::Binary) => found.clone(),
        (DataType::Utf8, _) => trimmed(found, wanted),
        // Through a wall clock in UTC, so that a day is a day.
        (DataType::Timestamp(_, Some(_)), DataType::Date32) => {
            cast(found, &DataType::Timestamp(TimeUnit::Microsecond, None)).ok_or_else(no_way)?
        }
        (DataType::Float32 | DataType::Float64, kind) if kind.is_integer() => finite(found),
        (DataType::Boolean, DataType::Decimal128(..)) => cast(found, &DataType::Int8).ok_or_else(no_way)?,
        _ => found.clone(),
    };
    cast(&plain, wanted).ok_or_else(no_way)
}

fn cast(array: &ArrayRef, to: &DataType) -> Option<ArrayRef> {
    cast_with_options(array, to, &LENIENT).ok()
}

/// Texts without blanks around them; of a number, without a plus before it; of a truth, `Y` and its like in the words of the engine.
fn trimmed(texts: &ArrayRef, wanted: &DataType) -> ArrayRef {
    let Some(texts) = texts.as_string_opt::<i32>() else { return texts.clone() };
    let numeric = wanted.is_numeric();
    let plain = |text: &str| !text.starts_with([' ', '\t', '+']) && !text.ends_with([' ', '\t']);
    if texts.iter().flatten().all(plain) {
        return Arc::new(texts.clone());
    }
    let tidy = texts.iter().map(|text| {
        let text = text?.trim();
        Some(if numeric { text.strip_prefix('+').unwrap_or(text) } else { text })
    });
    Arc::new(tidy.collect::<StringArray>())
}

/// Numbers without NaN and infinities, which no integer is.
fn finite(numbers: &ArrayRef) -> ArrayRef {
    let Some(doubles) = cast(numbers, &DataType::Float64) else { return numbers.clone() };
    let Some(doubles) = doubles.as_primitive_opt::<Float64Type>() else { return numbers.clone() };
    Arc::new(doubles.iter().map(|value| value.filter(|value| value.is_finite())).collect::<arrow::array::Float64Array>())
}

/// Whether a text is a value of a type.
pub fn is_value(text: &str, kind: &DataType) -> bool {
    let column: ArrayRef = Arc::new(StringArray::from(vec![text]));
    convert(&column, &Field::new("value", kind.clone(), true)).is_ok_and(|value| value.logical_null_count() == 0)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn one(kind: DataType) -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("금액", kind, true)]))
    }

    fn conformed(column: ArrayRef, kind: DataType) -> (ArrayRef, u64) {
        let from = one(column.data_type().clone());
        let batch = RecordBatch::try_new(from.clone(), vec![column]).expect("one column");
        let (batch, lost) = Conform::by_name(&from, one(kind)).apply(&batch).expect("a way");
        (batch.column(0).clone(), lost)
    }

    #[test]
    fn what_does_not_fit_is_null_and_counted() {
        let texts: ArrayRef =
            Arc::new(StringArray::from(vec![Some(" 12 "), Some("+3"), Some("x"), None, Some("99999999999"), Some("1.5")]));
        let (column, lost) = conformed(texts, DataType::Int32);
        assert_eq!(
            column.as_primitive::<arrow::datatypes::Int32Type>().iter().collect::<Vec<_>>(),
            [Some(12), Some(3), None, None, None, None]
        );
        assert_eq!(lost, 3);
        let wide: ArrayRef = Arc::new(Int64Array::from(vec![1, 300, -129]));
        assert_eq!(conformed(wide, DataType::Int8).1, 2);
        let floats: ArrayRef = Arc::new(arrow::array::Float64Array::from(vec![2.9, f64::NAN, f64::INFINITY, 1e300]));
        assert_eq!(conformed(floats, DataType::Int64).1, 3);
    }

    #[test]
    fn texts_are_values_of_types() {
        for (text, kind) in [
            ("2026-03-01", DataType::Date32),
            ("2026-03-01 05:00:00", DataType::Timestamp(TimeUnit::Microsecond, None)),
            ("1.25", DataType::Decimal128(10, 2)),
            ("true", DataType::Boolean),
            ("서울", DataType::Utf8),
            ("-5", DataType::Int64),
        ] {
            assert!(is_value(text, &kind), "{text} {kind}");
        }
        for (text, kind) in [("서울", DataType::Int64), ("2026-02-30", DataType::Date32), ("", DataType::Int32), ("128", DataType::Int8)]
        {
            assert!(!is_value(text, &kind), "{text} {kind}");
        }
    }

    #[test]
    fn missing_columns_are_null_and_others_are_dropped() {
        let from: SchemaRef = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Int64, true)]));
        let batch = RecordBatch::try_new(from.clone(), vec![Arc::new(Int64Array::from(vec![1])), Arc::new(Int64Array::from(vec![2]))])
            .expect("two");
        let to: SchemaRef = Arc::new(Schema::new(vec![Field::new("c", DataType::Utf8, true), Field::new("b", DataType::Utf8, true)]));
        let (batch, lost) = Conform::by_name(&from, to).apply(&batch).expect("a way");
        assert!(batch.column(0).is_null(0));
        assert_eq!((batch.column(1).as_string::<i32>().value(0), lost), ("2", 0));
    }
}
