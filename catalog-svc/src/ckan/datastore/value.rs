//! What a value of a caller means in a column, and how a cell is shown.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use madang_kit::ckan::text_of;
use madang_lake::{ColumnType, float_cell};
use serde_json::{Number, Value};

use super::{field::Field, kind::kind};

/// A value of a caller as a cell of a column (`madang_lake::cell`).
///
/// # Errors
/// What is wrong with it, in PostgreSQL's words.
pub(super) fn cell(field: &Field, value: &Value) -> Result<Value, String> {
    let is_text = matches!(field.kind.as_str(), "text" | "varchar" | "bpchar" | "name" | "citext" | "xml");
    let empty = value.is_null() || (!is_text && value.as_str().is_some_and(|text| text.trim().is_empty()));
    if empty {
        let must = || format!("null value in column \"{}\" violates not-null constraint", field.name);
        return if field.nullable { Ok(Value::Null) } else { Err(must()) };
    }
    if value.as_str().is_some_and(|text| text.contains('\0')) {
        return Err("A string literal cannot contain NUL (0x00) characters.".to_owned());
    }
    let given = || text_of(value).unwrap_or_default();
    let wrong = |kind: &str| format!("invalid input syntax for type {kind}: \"{}\"", given());
    match field.kind.as_str() {
        "int2" => integer(value, "smallint", i64::from(i16::MIN), i64::from(i16::MAX)),
        "int4" => integer(value, "integer", i64::from(i32::MIN), i64::from(i32::MAX)),
        "int8" => integer(value, "bigint", i64::MIN, i64::MAX),
        #[expect(clippy::cast_possible_truncation, reason = "the column keeps no more")]
        "float4" => float(value).map(|number| float_cell(f64::from(number as f32))).ok_or_else(|| wrong("real")),
        "float8" => float(value).map(float_cell).ok_or_else(|| wrong("double precision")),
        "numeric" => float(value).map(float_cell).ok_or_else(|| wrong("numeric")),
        "bool" => truth(value).map(Value::Bool).ok_or_else(|| wrong("boolean")),
        "date" => day(&given()).map(Value::from).ok_or_else(|| bad_time("date", &given())),
        "timestamp" => moment(&given()).map(|at| at.and_utc().timestamp_micros().into()).ok_or_else(|| bad_time("timestamp", &given())),
        "timestamptz" => {
            instant(&given()).map(|at| at.timestamp_micros().into()).ok_or_else(|| bad_time("timestamp with time zone", &given()))
        }
        "time" | "timetz" => time_of_day(&given()).map(Value::from).ok_or_else(|| bad_time("time", &given())),
        "json" | "jsonb" => match value {
            Value::String(text) => match serde_json::from_str::<Value>(text) {
                Ok(read) => Ok(read.to_string().into()),
                Err(_) => Err("invalid input syntax for type json".to_owned()),
            },
            other => Ok(other.to_string().into()),
        },
        "uuid" => given().trim().parse::<madang_kit::Id>().map(|id| Value::from(id.to_string())).map_err(|_| wrong("uuid")),
        array if array.starts_with('_') => elements(array, value).ok_or_else(|| format!("malformed array literal: \"{}\"", given())),
        _ => Ok(given().into()),
    }
}

fn integer(value: &Value, kind: &str, least: i64, most: i64) -> Result<Value, String> {
    let shown = text_of(value).unwrap_or_default();
    let wrong = || format!("invalid input syntax for type {kind}: \"{shown}\"");
    let read = match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Some(whole),
            #[expect(clippy::cast_possible_truncation, reason = "it is in the range")]
            (None, Some(float)) if float.abs() < 9e18 => Some(float.round_ties_even() as i64),
            _ => None,
        },
        Value::String(text) => {
            let digits = text.trim();
            let digits = digits.strip_prefix('+').unwrap_or(digits);
            let bare = digits.strip_prefix('-').unwrap_or(digits);
            if bare.is_empty() || !bare.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(wrong());
            }
            digits.parse().ok()
        }
        Value::Bool(_) => return Err(format!("column is of type {kind} but expression is of type boolean")),
        _ => return Err(wrong()),
    };
    match read.filter(|number| (least..=most).contains(number)) {
        Some(number) => Ok(number.into()),
        None if value.is_string() => Err(format!("value \"{shown}\" is out of range for type {kind}")),
        None => Err(format!("{kind} out of range")),
    }
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => number(text.trim()),
        _ => None,
    }
}

/// A number as PostgreSQL writes and reads it; Rust's own spellings of what is no number are not among them.
pub(super) fn number(text: &str) -> Option<f64> {
    let bare = text.strip_prefix(['-', '+']).unwrap_or(text);
    let named = ["nan", "inf", "infinity"].contains(&bare.to_lowercase().as_str());
    let plain = bare.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if named || plain { text.parse().ok() } else { None }
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => match text.trim().to_lowercase().as_str() {
            "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Some(true),
            "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn bad_time(kind: &str, given: &str) -> String {
    let looks_right = given.len() >= 8 && given.bytes().all(|byte| byte.is_ascii_digit() || b"-:/. TZ+".contains(&byte));
    if looks_right {
        format!("date/time field value out of range: \"{given}\"")
    } else {
        format!("invalid input syntax for type {kind}: \"{given}\"")
    }
}

const DAYS: [&str; 4] = ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%m/%d/%Y"];

fn date(text: &str) -> Option<NaiveDate> {
    DAYS.iter()
        .find_map(|form| NaiveDate::parse_from_str(text, form).ok())
        .filter(|date| (-4_712..=9_999).contains(&chrono::Datelike::year(date)))
}

fn day(text: &str) -> Option<i64> {
    let date = date(text.trim()).or_else(|| moment(text).map(|at| at.date()))?;
    Some(date.signed_duration_since(NaiveDate::default()).num_days())
}

/// A date with or without a time; a zone is read and left out, as PostgreSQL does.
fn moment(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    if let Some(date) = date(text) {
        return date.and_hms_opt(0, 0, 0);
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)) {
        return Some(at.naive_local());
    }
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let (day, time) = text.split_once(['T', 't', ' '])?;
    Some(date(day)?.and_time(clock(time.trim())?))
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    match DateTime::parse_from_rfc3339(&text.trim().replacen(' ', "T", 1)) {
        Ok(at) => Some(at.to_utc()),
        Err(_) => moment(text).map(|at| at.and_utc()),
    }
}

fn clock(text: &str) -> Option<NaiveTime> {
    ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok())
}

fn time_of_day(text: &str) -> Option<String> {
    Some(clock(text.trim())?.format("%H:%M:%S%.f").to_string())
}

/// A list of cells as its JSON text.
fn elements(array: &str, value: &Value) -> Option<Value> {
    let (kind, lake) = kind(array.strip_prefix('_')?)?;
    let field = Field { name: String::new(), kind, lake, nullable: true, info: None };
    let read;
    let list = match value {
        Value::Array(list) => list,
        Value::String(text) if text.starts_with('[') => {
            read = serde_json::from_str::<Vec<Value>>(text).ok()?;
            &read
        }
        Value::String(text) => {
            let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
            let part = |part: &str| if part == "NULL" { Value::Null } else { Value::from(part.trim_matches('"')) };
            read = inner.split(',').filter(|part| !part.is_empty()).map(part).collect();
            &read
        }
        _ => return None,
    };
    let cells = list.iter().map(|value| cell(&field, value).ok().map(|cell| show(&field, cell))).collect::<Option<Vec<_>>>()?;
    Some(Value::Array(cells).to_string().into())
}

/// A cell as answers show it.
pub(super) fn show(field: &Field, cell: Value) -> Value {
    match (field.lake, cell) {
        (_, Value::Null) => Value::Null,
        (ColumnType::Date, cell) => cell.as_i64().and_then(day_text).map_or(Value::Null, Value::from),
        (ColumnType::LocalTimestamp, cell) => cell.as_i64().and_then(moment_text).map_or(Value::Null, Value::from),
        (ColumnType::Timestamp, cell) => cell.as_i64().and_then(moment_text).map_or(Value::Null, |text| format!("{text}+00:00").into()),
        (ColumnType::String, Value::String(text)) if is_json(&field.kind) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        (_, cell) if field.kind == "numeric" => whole(cell),
        (_, cell) => cell,
    }
}

fn is_json(kind: &str) -> bool {
    matches!(kind, "json" | "jsonb") || kind.starts_with('_')
}

/// A numeric without a fraction is shown without a point.
fn whole(cell: Value) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it is in the range")]
    match cell.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 9e15) {
        Some(number) => Value::Number(Number::from(number as i64)),
        None => cell,
    }
}

fn day_text(days: i64) -> Option<String> {
    let date = NaiveDate::default().checked_add_signed(chrono::TimeDelta::try_days(days)?)?;
    Some(date.format("%Y-%m-%d").to_string())
}

fn moment_text(micros: i64) -> Option<String> {
    let at = DateTime::from_timestamp_micros(micros)?.naive_utc();
    let text = at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
    Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(name: &str) -> Field {
        let (kind, lake) = kind(name).expect("a type");
        Field { name: "x".to_owned(), kind, lake, nullable: true, info: None }
    }

    #[test]
    fn values_are_read_and_shown_in_their_type() {
        for (kind, given, shown) in [
            ("int", json!("12"), json!(12)),
            ("int", json!(1.5), json!(2)),
            ("int", json!(""), json!(null)),
            ("text", json!(""), json!("")),
            ("text", json!(1), json!("1")),
            ("text", json!(true), json!("true")),
            ("numeric", json!("1.50"), json!(1.5)),
            ("numeric", json!(3), json!(3)),
            ("float8", json!("NaN"), json!("NaN")),
            ("bool", json!("yes"), json!(true)),
            ("date", json!("2024-02-29"), json!("2024-02-29")),
            ("timestamp", json!("2024-01-02 03:04"), json!("2024-01-02T03:04:00")),
            ("timestamp", json!("2024-01-02T03:04:05.25Z"), json!("2024-01-02T03:04:05.25")),
            ("timestamptz", json!("2024-01-02T03:04:05+09:00"), json!("2024-01-01T18:04:05+00:00")),
            ("time", json!("3:04"), json!("03:04:00")),
            ("json", json!({"a": [1]}), json!({"a": [1]})),
            ("json", json!("[1, 2]"), json!([1, 2])),
            ("_text", json!(["a", null]), json!(["a", null])),
            ("int[]", json!("{1,2}"), json!([1, 2])),
            ("varchar(10)", json!("x"), json!("x")),
        ] {
            let field = field(kind);
            assert_eq!(cell(&field, &given).map(|cell| show(&field, cell)), Ok(shown), "{kind} {given}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_in_postgresqls_words() {
        for (kind, given, wrong) in [
            ("int", json!("x"), "invalid input syntax for type integer: \"x\""),
            ("int", json!("99999999999"), "value \"99999999999\" is out of range for type integer"),
            ("int", json!(99_999_999_999_i64), "integer out of range"),
            ("int8", json!("1.5"), "invalid input syntax for type bigint: \"1.5\""),
            ("float", json!("x"), "invalid input syntax for type double precision: \"x\""),
            ("bool", json!("maybe"), "invalid input syntax for type boolean: \"maybe\""),
            ("date", json!("soon"), "invalid input syntax for type date: \"soon\""),
            ("date", json!("2024-13-01"), "date/time field value out of range: \"2024-13-01\""),
            ("json", json!("{"), "invalid input syntax for type json"),
            ("text", json!("a\u{0}b"), "A string literal cannot contain NUL (0x00) characters."),
        ] {
            assert_eq!(cell(&field(kind), &given), Err(wrong.to_owned()), "{kind} {given}");
        }
    }
}
