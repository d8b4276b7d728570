//! Arrow columns in the making.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder,
        TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, TimeUnit},
};
use madang_kit::{Error, Result};

use super::{cast::Value, schema::Kind};

/// Digits of an integer that does not fit 64 bits.
const DIGITS: u8 = 38;

/// A column being filled.
pub(crate) enum Column {
    Text(StringBuilder),
    Integer(Int64Builder),
    Wide(Decimal128Builder),
    Number(Float64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Moment(TimestampMicrosecondBuilder),
}

/// The column's Arrow type.
pub(crate) fn data_type(kind: &Kind) -> DataType {
    match kind {
        Kind::Integer { wide: true, .. } => DataType::Decimal128(DIGITS, 0),
        Kind::Integer { .. } | Kind::Year => DataType::Int64,
        Kind::Number { .. } => DataType::Float64,
        Kind::Boolean { .. } => DataType::Boolean,
        Kind::Date(_) => DataType::Date32,
        Kind::DateTime(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
        _ => DataType::Utf8,
    }
}

impl Column {
    pub(crate) fn new(kind: &Kind) -> Self {
        match data_type(kind) {
            DataType::Decimal128(..) => Self::Wide(Decimal128Builder::new().with_data_type(DataType::Decimal128(DIGITS, 0))),
            DataType::Int64 => Self::Integer(Int64Builder::new()),
            DataType::Float64 => Self::Number(Float64Builder::new()),
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Timestamp(..) => Self::Moment(TimestampMicrosecondBuilder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// Adds a value; false if it is an integer that 64 bits do not hold: then it is absent.
    pub(crate) fn push(&mut self, value: Option<Value<'_>>) -> bool {
        match (self, value) {
            (Self::Text(column), Some(Value::Text(text))) => column.append_value(text),
            (Self::Text(column), _) => column.append_null(),
            (Self::Integer(column), Some(Value::Integer(number))) => {
                let fits = i64::try_from(number).ok();
                column.append_option(fits);
                return fits.is_some();
            }
            (Self::Integer(column), _) => column.append_null(),
            (Self::Wide(column), Some(Value::Integer(number))) => column.append_value(number),
            (Self::Wide(column), _) => column.append_null(),
            (Self::Number(column), Some(Value::Number(number))) => column.append_value(number),
            (Self::Number(column), _) => column.append_null(),
            (Self::Boolean(column), Some(Value::Boolean(value))) => column.append_value(value),
            (Self::Boolean(column), _) => column.append_null(),
            (Self::Date(column), Some(Value::Date(days))) => column.append_value(days),
            (Self::Date(column), _) => column.append_null(),
            (Self::Moment(column), Some(Value::Moment(micros))) => column.append_value(micros),
            (Self::Moment(column), _) => column.append_null(),
        }
        true
    }

    pub(crate) fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Text(column) => Arc::new(column.finish()),
            Self::Integer(column) => Arc::new(column.finish()),
            Self::Wide(column) => Arc::new(column.finish().with_precision_and_scale(DIGITS, 0).map_err(Error::internal)?),
            Self::Number(column) => Arc::new(column.finish()),
            Self::Boolean(column) => Arc::new(column.finish()),
            Self::Date(column) => Arc::new(column.finish()),
            Self::Moment(column) => Arc::new(column.finish()),
        })
    }
}
