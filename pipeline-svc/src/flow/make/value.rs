//! The values of a table as texts (spec-store.md 4.5).

use std::{fmt::Write, io::Write as _};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType},
};
use chrono::{DateTime, NaiveDate, TimeDelta};
use madang_kit::{Error, Result};

use crate::flow::table::schema::{Field, Kind};

/// A column of a batch.
pub(crate) enum Column<'a> {
    Text(&'a arrow::array::StringArray),
    Integer(&'a arrow::array::Int64Array),
    /// Integers of four digits, where they are texts.
    Year(&'a arrow::array::Int64Array),
    Wide(&'a arrow::array::Decimal128Array),
    Number(&'a arrow::array::Float64Array),
    Boolean(&'a arrow::array::BooleanArray),
    Date(&'a arrow::array::Date32Array),
    Moment(&'a arrow::array::TimestampMicrosecondArray),
}

/// What a value is to JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A number or a truth value as it is printed.
    Bare,
    Text,
    /// What JSON can't say: NaN and infinities.
    Nothing,
}

impl<'a> Column<'a> {
    pub(crate) fn of(array: &'a ArrayRef) -> Result<Self> {
        let found = match array.data_type() {
            DataType::Utf8 => array.as_string_opt().map(Self::Text),
            DataType::Int64 => array.as_primitive_opt::<Int64Type>().map(Self::Integer),
            DataType::Decimal128(_, 0) => array.as_primitive_opt::<Decimal128Type>().map(Self::Wide),
            DataType::Float64 => array.as_primitive_opt::<Float64Type>().map(Self::Number),
            DataType::Boolean => array.as_boolean_opt().map(Self::Boolean),
            DataType::Date32 => array.as_primitive_opt::<Date32Type>().map(Self::Date),
            DataType::Timestamp(..) => array.as_primitive_opt::<TimestampMicrosecondType>().map(Self::Moment),
            _ => None,
        };
        found.ok_or_else(|| Error::internal(format!("a table has a column of the type {}", array.data_type())))
    }

    /// The columns of a batch whose fields are of these kinds, in their order.
    pub(crate) fn of_fields(batch: &'a RecordBatch, fields: &[Field]) -> Result<Vec<Self>> {
        let column = |(at, array)| {
            Ok(match (Self::of(array)?, fields.get(at).map(|field: &Field| &field.kind)) {
                (Self::Integer(array), Some(Kind::Year)) => Self::Year(array),
                (column, _) => column,
            })
        };
        batch.columns().iter().enumerate().map(column).collect()
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Text(array) => array.is_null(row),
            Self::Integer(array) | Self::Year(array) => array.is_null(row),
            Self::Wide(array) => array.is_null(row),
            Self::Number(array) => array.is_null(row),
            Self::Boolean(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Moment(array) => array.is_null(row),
        }
    }

    /// Prints a value, which is there.
    pub(crate) fn print(&self, row: usize, out: &mut String) -> Form {
        // Writing into a text can't fail.
        match self {
            Self::Text(array) => {
                out.push_str(array.value(row));
                return Form::Text;
            }
            Self::Integer(array) => {
                let _ = write!(out, "{}", array.value(row));
            }
            Self::Year(array) => {
                let year = array.value(row);
                let _ = if year < 0 { write!(out, "{year:05}") } else { write!(out, "{year:04}") };
            }
            Self::Wide(array) => {
                let _ = write!(out, "{}", array.value(row));
            }
            Self::Number(array) => return number(array.value(row), out),
            Self::Boolean(array) => out.push_str(if array.value(row) { "true" } else { "false" }),
            Self::Date(array) => {
                date_text(array.value(row), out);
                return Form::Text;
            }
            Self::Moment(array) => {
                moment_text(array.value(row), out);
                return Form::Text;
            }
        }
        Form::Bare
    }
}

fn number(value: f64, out: &mut String) -> Form {
    if value.is_finite() {
        let _ = write!(out, "{value:?}");
        Form::Bare
    } else {
        out.push_str(if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "INF"
        } else {
            "-INF"
        });
        Form::Nothing
    }
}

/// Days since 1970 as a date.
pub(crate) fn date_text(days: i32, out: &mut String) {
    if let Some(date) = NaiveDate::default().checked_add_signed(TimeDelta::days(days.into())) {
        let _ = write!(out, "{}", date.format("%Y-%m-%d"));
    }
}

/// Microseconds since 1970 as a moment, on a clock without a zone.
pub(crate) fn moment_text(micros: i64, out: &mut String) {
    if let Some(moment) = DateTime::from_timestamp_micros(micros) {
        let _ = write!(out, "{}", moment.format("%Y-%m-%d %H:%M:%S"));
    }
}

/// A JSON text with ASCII escapes, as Python writes it.
pub(crate) fn json_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            ' '..='~' => out.push(c as u8),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_as_python_escapes_them() {
        let mut out = Vec::new();
        json_text("a\"\\\n\u{1}가😀\u{7f}", &mut out);
        assert_eq!(String::from_utf8(out).expect("ASCII"), r#""a\"\\\n\u0001\uac00\ud83d\ude00\u007f""#);
    }

    #[test]
    fn numbers_keep_their_kind() {
        let print = |value| {
            let mut out = String::new();
            (number(value, &mut out), out)
        };
        assert_eq!(print(2.0), (Form::Bare, "2.0".to_owned()));
        assert_eq!(print(f64::NAN), (Form::Nothing, "NaN".to_owned()));
    }
}
