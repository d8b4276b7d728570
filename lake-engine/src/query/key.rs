//! Keys of a merge as one binary value: equal cells, equal bytes.
//!
//! Joins compare floating-point numbers in ways of their own. Here `-0.0` is `0.0`, every NaN is the same, texts are their
//! bytes, and a key with an empty cell is null, which is equal to nothing.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, BinaryArray, PrimitiveArray},
        buffer::NullBuffer,
        datatypes::{ArrowPrimitiveType, DataType, Float32Type, Float64Type},
        row::{RowConverter, SortField},
    },
    common::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility},
};

/// Makes one binary value of its arguments.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    signature: Signature,
}

impl Default for Key {
    fn default() -> Self {
        Self { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Key {
    fn name(&self) -> &'static str {
        "merge_key"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let cells = ColumnarValue::values_to_arrays(&arguments.args)?;
        Ok(ColumnarValue::Array(Arc::new(keys(&cells)?)))
    }
}

/// The keys of rows, from their columns.
pub(crate) fn keys(columns: &[ArrayRef]) -> Result<BinaryArray> {
    let columns: Vec<ArrayRef> = columns.iter().map(canonical).collect();
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let encoded = RowConverter::new(fields)?.convert_columns(&columns)?.try_into_binary()?;
    let empty = columns.iter().fold(None, |empty, column| NullBuffer::union(empty.as_ref(), column.logical_nulls().as_ref()));
    let (offsets, bytes, _) = encoded.into_parts();
    Ok(BinaryArray::try_new(offsets, bytes, empty)?)
}

/// Floating-point numbers that count as equal in one spelling.
fn canonical(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float32 => floats::<Float32Type>(column, |value| if value.is_nan() { f32::NAN } else { value + 0.0 }),
        DataType::Float64 => floats::<Float64Type>(column, |value| if value.is_nan() { f64::NAN } else { value + 0.0 }),
        _ => column.clone(),
    }
}

fn floats<T: ArrowPrimitiveType>(column: &ArrayRef, spell: fn(T::Native) -> T::Native) -> ArrayRef {
    let spelled: PrimitiveArray<T> = column.as_primitive::<T>().unary(spell);
    Arc::new(spelled)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Float64Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn equal_cells_give_equal_keys() {
        let other_nan = f64::from_bits(0xfff8_0000_0000_0001);
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.0), Some(-0.0), Some(f64::NAN), Some(other_nan), None, Some(1.0)]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a"; 6]));
        let found = keys(&[numbers, texts]).expect("keys");
        assert_eq!(found.value(0), found.value(1));
        assert_eq!(found.value(2), found.value(3));
        assert!(found.is_null(4) && found.null_count() == 1);
        assert!(found.value(0) != found.value(5) && found.value(2) != found.value(5));
    }

    #[test]
    fn cells_do_not_run_into_each_other() {
        let one: ArrayRef = Arc::new(StringArray::from(vec!["ab", "a", "", "A"]));
        let two: ArrayRef = Arc::new(StringArray::from(vec!["c", "bc", "abc", "bc"]));
        let found = keys(&[one, two, Arc::new(Int64Array::from(vec![1; 4]))]).expect("keys");
        for (at, other) in [(0, 1), (0, 2), (1, 2), (1, 3)] {
            assert_ne!(found.value(at), found.value(other));
        }
    }
}
