//! Cells as text, straight from Arrow columns. Each column is downcast once per batch; a cell then costs one match and its digits.

use std::io::Write;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray,
    },
    compute::cast,
    datatypes::{Date32Type, Field, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType},
};
use serde::Serialize;

use crate::{ColumnType, Error, Result};

/// The columns in the nine types of [`ColumnType`]; other spellings of them (views, dictionaries, small integers) are cast.
pub(super) fn plain_columns(batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    let schema = batch.schema_ref();
    schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            let kind = ColumnType::from_arrow(field.data_type()).ok_or_else(|| {
                Error::invalid(format!("column '{}' has the type {}, which has no JSON form", field.name(), field.data_type()))
            })?;
            let wanted = kind.arrow();
            if *column.data_type() == wanted { Ok(column.clone()) } else { cast(column, &wanted).map_err(Error::storage) }
        })
        .collect()
}

/// Marks, in a field's metadata, a column of texts that are JSON already: they are written as they are.
pub const RAW_JSON: &str = "madang.json";

/// One downcast column.
pub(super) enum Cells<'a> {
    Bool(&'a BooleanArray),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Float(&'a Float32Array),
    Double(&'a Float64Array),
    Text(&'a StringArray),
    Raw(&'a StringArray),
    Date(&'a Date32Array),
    Timestamp {
        array: &'a TimestampMicrosecondArray,
        zone: &'static str,
    },
    /// Never reached after [`plain_columns`]; every cell is `null`.
    Nothing,
}

impl<'a> Cells<'a> {
    pub(super) fn of(array: &'a ArrayRef, field: &Field) -> Self {
        if field.metadata().contains_key(RAW_JSON) {
            return array.as_string_opt().map_or(Self::Nothing, Self::Raw);
        }
        match ColumnType::from_arrow(array.data_type()) {
            Some(ColumnType::Bool) => Self::Bool(array.as_boolean()),
            Some(ColumnType::Int32) => Self::Int32(array.as_primitive::<Int32Type>()),
            Some(ColumnType::Int64) => Self::Int64(array.as_primitive::<Int64Type>()),
            Some(ColumnType::Float) => Self::Float(array.as_primitive::<Float32Type>()),
            Some(ColumnType::Double) => Self::Double(array.as_primitive::<Float64Type>()),
            Some(ColumnType::String) => Self::Text(array.as_string()),
            Some(ColumnType::Date) => Self::Date(array.as_primitive::<Date32Type>()),
            Some(ColumnType::Timestamp) => Self::Timestamp { array: array.as_primitive::<TimestampMicrosecondType>(), zone: "Z" },
            Some(ColumnType::LocalTimestamp) => Self::Timestamp { array: array.as_primitive::<TimestampMicrosecondType>(), zone: "" },
            None => Self::Nothing,
        }
    }

    /// Appends a cell as JSON.
    pub(super) fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return out.extend_from_slice(b"null");
        }
        match self {
            Self::Bool(array) => json(&array.value(row), out),
            Self::Int32(array) => json(&array.value(row), out),
            Self::Int64(array) => json(&array.value(row), out),
            Self::Float(array) => json(&array.value(row), out),
            Self::Double(array) => json(&array.value(row), out),
            Self::Text(array) => json(array.value(row), out),
            Self::Raw(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Self::Date(array) => quoted(out, |out| write_date(i64::from(array.value(row)), out)),
            Self::Timestamp { array, zone } => quoted(out, |out| write_timestamp(array.value(row), zone, out)),
            Self::Nothing => {}
        }
    }

    /// Appends a cell as CSV (RFC 4180): null is nothing, the empty text is two quotes.
    pub(super) fn write_csv(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return;
        }
        match self {
            Self::Text(array) | Self::Raw(array) => write_csv_text(array.value(row), out),
            Self::Float(array) if !array.value(row).is_finite() => drop(write!(out, "{}", array.value(row))),
            Self::Double(array) if !array.value(row).is_finite() => drop(write!(out, "{}", array.value(row))),
            Self::Date(array) => write_date(i64::from(array.value(row)), out),
            Self::Timestamp { array, zone } => write_timestamp(array.value(row), zone, out),
            _ => self.write_json(row, out),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Bool(array) => array.is_null(row),
            Self::Int32(array) => array.is_null(row),
            Self::Int64(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Double(array) => array.is_null(row),
            Self::Text(array) | Self::Raw(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Timestamp { array, .. } => array.is_null(row),
            Self::Nothing => true,
        }
    }
}

/// Appends a text as a CSV field; it is quoted where it must be.
pub(super) fn write_csv_text(text: &str, out: &mut Vec<u8>) {
    let plain = !text.is_empty() && !text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
    if plain {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    for (at, part) in text.split('"').enumerate() {
        out.extend_from_slice(if at == 0 { b"" } else { b"\"\"" });
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}

/// Writes a scalar; into a `Vec` this can't fail.
pub(super) fn json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, value);
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// Appends a day, counted from 1970-01-01, as `2026-03-01`.
fn write_date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil(days);
    if (0..=9_999).contains(&year) {
        push_digits(year.unsigned_abs(), 4, out);
    } else {
        let _ = write!(out, "{year:+05}"); // ISO 8601: years beyond four digits carry a sign
    }
    out.push(b'-');
    push_digits(month, 2, out);
    out.push(b'-');
    push_digits(day, 2, out);
}

/// Appends microseconds since 1970 as `2026-03-01T05:00:00.25` and the zone.
fn write_timestamp(micros: i64, zone: &str, out: &mut Vec<u8>) {
    const DAY: i64 = 86_400_000_000;
    write_date(micros.div_euclid(DAY), out);
    let within = micros.rem_euclid(DAY).unsigned_abs();
    let seconds = within / 1_000_000;
    for (mark, value) in [(b'T', seconds / 3_600), (b':', seconds / 60 % 60), (b':', seconds % 60)] {
        out.push(mark);
        push_digits(value, 2, out);
    }
    let fraction = within % 1_000_000;
    if fraction > 0 {
        out.push(b'.');
        push_digits(fraction, 6, out);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.extend_from_slice(zone.as_bytes());
}

/// Year, month and day of a day number in the Gregorian calendar, by eras of 400 years that start on 1 March.
fn civil(days: i64) -> (i64, u64, u64) {
    const ERA: i64 = 146_097;
    let shifted = days + 719_468; // days from 0000-03-01
    let era = shifted.div_euclid(ERA);
    let day_of_era = shifted.rem_euclid(ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / (ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month.unsigned_abs(), day.unsigned_abs())
}

/// Appends a number with leading zeros.
fn push_digits(value: u64, width: u32, out: &mut Vec<u8>) {
    for place in (0..width).rev() {
        let digit = value / 10_u64.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or_default());
    }
}
