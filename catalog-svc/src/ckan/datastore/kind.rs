//! Types of columns in PostgreSQL's names (ckan.md 6.1), and how the lake keeps them.

use chrono::{NaiveDate, NaiveDateTime};
use madang_lake::ColumnType;
use serde_json::Value;

use super::value::number;

/// Names of types that are kept under another one.
const SAME: &[(&str, &str)] = &[
    ("int", "int4"),
    ("integer", "int4"),
    ("serial", "int4"),
    ("smallint", "int2"),
    ("bigint", "int8"),
    ("bigserial", "int8"),
    ("float", "float8"),
    ("double precision", "float8"),
    ("real", "float4"),
    ("decimal", "numeric"),
    ("boolean", "bool"),
    ("character varying", "varchar"),
    ("character", "bpchar"),
    ("char", "bpchar"),
    ("time without time zone", "time"),
    ("time with time zone", "timetz"),
    ("timestamp without time zone", "timestamp"),
    ("timestamp with time zone", "timestamptz"),
    ("nested", "json"),
];

/// Types that are kept as texts.
const TEXTS: &[&str] = &[
    "text", "varchar", "bpchar", "name", "citext", "time", "timetz", "json", "jsonb", "uuid", "interval", "inet", "cidr", "macaddr", "xml",
];

/// A type by one of its names: PostgreSQL's own one, and how it is kept.
pub(super) fn kind(given: &str) -> Option<(String, ColumnType)> {
    let word = given.trim().to_lowercase();
    let word = match word.split_once('(') {
        Some((before, rest)) if rest.ends_with(')') || rest.contains(") ") => before.trim().to_owned(),
        Some(_) => return None,
        None => word,
    };
    let array = word.strip_suffix("[]").or_else(|| word.strip_prefix('_'));
    if let Some(element) = array {
        let (element, _) = kind(element).filter(|(element, _)| !element.starts_with('_'))?;
        return Some((format!("_{element}"), ColumnType::String));
    }
    let word = SAME.iter().find(|same| same.0 == word).map_or(word.as_str(), |same| same.1);
    let lake = match word {
        "int2" | "int4" => ColumnType::Int32,
        "int8" => ColumnType::Int64,
        "float4" => ColumnType::Float,
        "float8" | "numeric" => ColumnType::Double,
        "bool" => ColumnType::Bool,
        "date" => ColumnType::Date,
        "timestamp" => ColumnType::LocalTimestamp,
        "timestamptz" => ColumnType::Timestamp,
        _ if TEXTS.contains(&word) => ColumnType::String,
        _ => return None,
    };
    Some((word.to_owned(), lake))
}

/// The type of a column that another face made.
pub(super) fn native(lake: ColumnType) -> &'static str {
    match lake {
        ColumnType::Bool => "bool",
        ColumnType::Int32 => "int4",
        ColumnType::Int64 => "int8",
        ColumnType::Float => "float4",
        ColumnType::Double => "float8",
        ColumnType::String => "text",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamptz",
        ColumnType::LocalTimestamp => "timestamp",
    }
}

/// The type of a column whose first value this is.
pub(super) fn guessed(value: &Value) -> (String, ColumnType) {
    let name = match value {
        Value::Array(_) | Value::Object(_) => "json",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float8",
        Value::Number(number) if number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()) => "int4",
        Value::Number(number) if number.as_i64().is_some() => "int8",
        Value::Number(_) => "numeric",
        Value::String(text) => guessed_text(text.trim()),
        Value::Null => "text",
    };
    kind(name).unwrap_or_else(|| ("text".to_owned(), ColumnType::String))
}

fn guessed_text(text: &str) -> &'static str {
    const DATES: [&str; 13] = [
        "%Y-%m-%d",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%dT%H:%M:%SZ",
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%d-%m-%Y",
        "%m-%d-%Y",
        "%Y/%m/%d",
        "%Y/%m/%d %H:%M:%S",
        "%d/%m/%Y %H:%M:%S",
        "%m/%d/%Y %H:%M:%S",
        "%d-%m-%Y %H:%M:%S",
    ];
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse::<i64>() {
            Ok(number) if i32::try_from(number).is_ok() => "int4",
            Ok(_) => "int8",
            Err(_) => "numeric",
        };
    }
    if number(text).is_some_and(f64::is_finite) {
        return "numeric";
    }
    let is_date = |form: &&str| NaiveDate::parse_from_str(text, form).is_ok() || NaiveDateTime::parse_from_str(text, form).is_ok();
    if DATES.iter().any(is_date) { "timestamp" } else { "text" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_guessed_from_one_value() {
        for (value, wanted) in [
            (json!(1), "int4"),
            (json!(1.5), "float8"),
            (json!("1"), "int4"),
            (json!("1.5"), "numeric"),
            (json!("2024-01-02"), "timestamp"),
            (json!("2/1/2024"), "timestamp"),
            (json!("x"), "text"),
            (json!(null), "text"),
            (json!([1]), "json"),
            (json!("12345678901"), "int8"),
        ] {
            assert_eq!(guessed(&value).0, wanted, "{value}");
        }
        assert!(kind("nonsense").is_none() && kind("__text").is_none() && kind("int(").is_none());
    }
}
