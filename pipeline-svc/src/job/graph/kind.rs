//! Column types of Data Flow (dataflow.md 4.1) and what they are in the engine.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, Schema, SchemaRef, TimeUnit};
use madang_kit::Result;
use madang_lake::{RAW_JSON, ROW_NUMBER};
use madang_proto::pipeline::v1::NodeField;

use super::node::Place;

/// Columns of a node.
const MAX_COLUMNS: usize = 4_096;
/// Bytes of a column's name.
const MAX_NAME: usize = 1_000;
/// Precision and scale of a decimal that says neither.
const DECIMAL: (u8, i8) = (38, 18);

/// A column type, read from its name in any case.
pub(crate) fn read(name: &str) -> Option<DataType> {
    let name = name.trim().to_ascii_lowercase();
    let (word, arguments) = match name.split_once('(') {
        Some((word, rest)) => (word.trim_end(), Some(numbers(rest.strip_suffix(')')?)?)),
        None => (name.as_str(), None),
    };
    let kind = match (word, arguments.as_deref()) {
        ("boolean", None) => DataType::Boolean,
        ("tinyint", None) => DataType::Int8,
        ("smallint", None) => DataType::Int16,
        ("int" | "integer", None) => DataType::Int32,
        ("bigint" | "long", None) => DataType::Int64,
        ("float", None) => DataType::Float32,
        ("double", None) => DataType::Float64,
        ("string" | "void" | "char" | "varchar" | "array" | "map" | "struct", None) => DataType::Utf8,
        ("char" | "varchar", Some([length])) if *length > 0 => DataType::Utf8,
        ("date", None) => DataType::Date32,
        ("datetime" | "timestamp", None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        ("timestampwithtimezone", None) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ("decimal", None) => DataType::Decimal128(DECIMAL.0, DECIMAL.1),
        ("decimal", Some([precision])) => decimal(*precision, 0)?,
        ("decimal", Some([precision, scale])) => decimal(*precision, *scale)?,
        ("binary", None) => DataType::Binary,
        _ => return None,
    };
    Some(kind)
}

fn is_nested(name: &str) -> bool {
    ["array", "map", "struct"].iter().any(|nested| name.trim().eq_ignore_ascii_case(nested))
}

fn numbers(text: &str) -> Option<Vec<u32>> {
    text.split(',').map(|number| number.trim().parse().ok()).collect()
}

fn decimal(precision: u32, scale: u32) -> Option<DataType> {
    let fits = (1..=u32::from(DECIMAL128_MAX_PRECISION)).contains(&precision) && scale <= precision;
    fits.then_some(DataType::Decimal128(u8::try_from(precision).ok()?, i8::try_from(scale).ok()?))
}

/// How a type of the engine reads in Data Flow.
pub(crate) fn name(kind: &DataType) -> String {
    match kind {
        DataType::Boolean => "boolean",
        DataType::Int8 => "tinyint",
        DataType::Int16 => "smallint",
        DataType::Int32 => "int",
        DataType::Int64 => "bigint",
        DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Date32 => "date",
        DataType::Timestamp(_, None) => "timestamp",
        DataType::Timestamp(_, Some(_)) => "timestampWithTimeZone",
        DataType::Decimal128(precision, scale) => return format!("decimal({precision},{scale})"),
        DataType::Binary => "binary",
        _ => "string",
    }
    .to_owned()
}

/// How a type of the engine reads in its SQL.
pub(crate) fn sql(kind: &DataType) -> String {
    match kind {
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "TINYINT",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INT",
        DataType::Int64 => "BIGINT",
        DataType::Float32 => "REAL",
        DataType::Float64 => "DOUBLE",
        DataType::Date32 => "DATE",
        DataType::Timestamp(_, None) => "TIMESTAMP(6)",
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP(6) WITH TIME ZONE",
        DataType::Decimal128(precision, scale) => return format!("DECIMAL({precision},{scale})"),
        DataType::Binary => "BYTEA",
        _ => "VARCHAR",
    }
    .to_owned()
}

/// One column with a type as it is written.
pub(super) fn field(place: &Place, member: &str, column: &str, kind: &str) -> Result<Field> {
    check_name(place, member, column)?;
    let Some(read) = read(kind) else {
        return Err(place.wrong(member, "type", format!("the column '{column}' has the unknown type '{kind}'")));
    };
    let field = Field::new(column, read, true);
    Ok(if is_nested(kind) { field.with_metadata([(RAW_JSON.to_owned(), String::new())].into()) } else { field })
}

/// The columns of a list of fields.
pub(super) fn columns(place: &Place, list: &[NodeField]) -> Result<SchemaRef> {
    if list.is_empty() || list.len() > MAX_COLUMNS {
        return Err(place.wrong("fieldList", "number", format!("it has 1 to {MAX_COLUMNS} columns")));
    }
    let fields = list.iter().enumerate().map(|(at, entry)| field(place, &format!("fieldList.{at}"), &entry.name, &entry.r#type));
    unique(place, "fieldList", fields.collect::<Result<_>>()?)
}

/// Columns whose names differ, whatever their case.
pub(super) fn unique(place: &Place, member: &str, fields: Vec<Field>) -> Result<SchemaRef> {
    let mut names = std::collections::HashSet::new();
    match fields.iter().find(|field| !names.insert(field.name().to_lowercase())) {
        Some(twice) => Err(place.wrong(member, "repeated", format!("two columns are named '{}'", twice.name()))),
        None => Ok(Arc::new(Schema::new(fields))),
    }
}

/// Refuses what can't be a column's name.
pub(super) fn check_name(place: &Place, member: &str, name: &str) -> Result<()> {
    let fits = !name.trim().is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control);
    if fits && name != ROW_NUMBER {
        return Ok(());
    }
    Err(place.wrong(member, "name", format!("a column's name has 1 to {MAX_NAME} bytes, no control characters, and is not '{ROW_NUMBER}'")))
}

/// What values of two types become together; none if there is nothing that holds both.
pub(super) fn wider(one: &DataType, two: &DataType) -> Option<DataType> {
    use DataType::{Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Timestamp};
    if one == two {
        return Some(one.clone());
    }
    let whole = |kind: &DataType| [Int8, Int16, Int32, Int64].iter().position(|whole| whole == kind);
    let (first, second) = (whole(one), whole(two));
    match (one, two) {
        _ if first.is_some() && second.is_some() => Some(if first > second { one.clone() } else { two.clone() }),
        (Decimal128(p, s), Decimal128(q, t)) => {
            let scale = *s.max(t);
            let whole = (i16::from(*p) - i16::from(*s)).max(i16::from(*q) - i16::from(*t));
            let precision = u8::try_from(whole + i16::from(scale)).ok().filter(|precision| *precision <= DECIMAL128_MAX_PRECISION)?;
            Some(Decimal128(precision, scale))
        }
        (Decimal128(p, s), _) if second.is_some() => wider(&Decimal128(*p, *s), &Decimal128(19, 0)),
        (_, Decimal128(..)) if first.is_some() => wider(two, one),
        (Float32, Float32) => Some(Float32),
        (Float32 | Float64, kind) | (kind, Float32 | Float64) if kind.is_numeric() => Some(Float64),
        (Date32, Timestamp(unit, zone)) | (Timestamp(unit, zone), Date32) => Some(Timestamp(*unit, zone.clone())),
        _ => None,
    }
}

/// Whether values of two types can be compared.
pub(super) fn comparable(one: &DataType, two: &DataType) -> bool {
    let moment = |kind: &DataType| matches!(kind, DataType::Date32 | DataType::Timestamp(..));
    one == two || (one.is_numeric() && two.is_numeric()) || (moment(one) && moment(two))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_in_any_case() {
        for (text, kind) in [
            ("BigInt", DataType::Int64),
            ("decimal(10, 2)", DataType::Decimal128(10, 2)),
            ("Decimal", DataType::Decimal128(38, 18)),
            ("VARCHAR(20)", DataType::Utf8),
            ("TimestampWithTimeZone", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            ("Struct", DataType::Utf8),
        ] {
            assert_eq!(read(text), Some(kind), "{text}");
        }
        for text in ["", "uniontype", "decimal(39,0)", "decimal(2,3)", "decimal(", "int(4)", "varchar(0)", "number", "decimal(1,2,3)"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn two_types_become_one() {
        use DataType::{Decimal128, Float64, Int8, Int32, Int64, Utf8};
        assert_eq!(wider(&Int8, &Int64), Some(Int64));
        assert_eq!(wider(&Int32, &Decimal128(10, 2)), Some(Decimal128(21, 2)));
        assert_eq!(wider(&Decimal128(10, 2), &Float64), Some(Float64));
        assert_eq!(wider(&Decimal128(38, 0), &Decimal128(38, 18)), None);
        assert_eq!(wider(&Utf8, &Int32), None);
    }
}
