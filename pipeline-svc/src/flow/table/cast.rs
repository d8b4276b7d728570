//! What a text means in a field (Table Schema, section "Types and formats").

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use serde_json::Value as Json;

use super::schema::{Kind, Moment};
use crate::flow::make::value::{date_text, moment_text};

/// A value of a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Integer(i128),
    Number(f64),
    Boolean(bool),
    /// Days since 1970.
    Date(i32),
    /// Microseconds since 1970, on a clock without a zone.
    Moment(i64),
}

impl Value<'_> {
    /// The same, borrowing nothing.
    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Value::Text(text) => Value::Text(text.into_owned().into()),
            Value::Integer(number) => Value::Integer(number),
            Value::Number(number) => Value::Number(number),
            Value::Boolean(value) => Value::Boolean(value),
            Value::Date(days) => Value::Date(days),
            Value::Moment(micros) => Value::Moment(micros),
        }
    }

    /// A date or a moment as it is written (spec-store.md 4.5).
    pub(crate) fn moment(&self) -> Option<String> {
        let mut text = String::new();
        match self {
            Self::Date(days) => date_text(*days, &mut text),
            Self::Moment(micros) => moment_text(*micros, &mut text),
            _ => return None,
        }
        Some(text)
    }
}

/// Digits of an integer, at most.
const MAX_DIGITS: usize = 38;
/// What dates are tried as if any spelling will do.
const ANY_DATE: [&str; 9] = ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d %B %Y", "%B %d, %Y", "%d %b %Y", "%m/%d/%Y", "%d.%m.%Y"];
const ANY_TIME: [&str; 4] = ["%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p"];

/// The value of a text; none if it is not one of this kind.
pub(crate) fn cast<'a>(kind: &Kind, format: &str, text: &'a str) -> Option<Value<'a>> {
    Some(match kind {
        Kind::Any => Value::Text(text.into()),
        Kind::String => Value::Text(string(format, text)?.into()),
        Kind::Integer { bare, .. } => Value::Integer(integer(text, *bare)?),
        Kind::Number { decimal, group, bare } => Value::Number(number(text, decimal, group, *bare)?),
        Kind::Boolean { yes, no } => {
            if yes.iter().any(|word| word == text) {
                Value::Boolean(true)
            } else if no.iter().any(|word| word == text) {
                Value::Boolean(false)
            } else {
                return None;
            }
        }
        Kind::Date(moment) => Value::Date(days(date(text, moment)?)?),
        Kind::Time(moment) => Value::Text(time(text, moment)?.format("%H:%M:%S").to_string().into()),
        Kind::DateTime(moment) => Value::Moment(date_time(text, moment)?.and_utc().timestamp_micros()),
        Kind::Year => Value::Integer(year(text)?),
        Kind::YearMonth => Value::Text(year_month(text)?.into()),
        Kind::Duration => Value::Text(duration(text)?.into()),
        Kind::Array => json(text, Json::is_array)?,
        Kind::Object => json(text, Json::is_object)?,
        Kind::GeoJson => json(text, |value| value.get("type").is_some_and(Json::is_string))?,
        Kind::GeoPoint => Value::Text(geopoint(format, text)?.into()),
    })
}

fn string<'a>(format: &str, text: &'a str) -> Option<&'a str> {
    let fits = match format {
        "email" => text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@')),
        "uri" => text.split_once(':').is_some_and(|(scheme, rest)| {
            scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
                && !rest.is_empty()
        }),
        "uuid" => text.len() == 36 && text.parse::<madang_kit::Id>().is_ok(),
        "binary" => base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).is_ok(),
        _ => true,
    };
    fits.then_some(text)
}

/// Without what stands around a number: currency signs, per cents, units.
fn bared(text: &str) -> &str {
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | ',');
    text.trim_matches(|c: char| !is_number(c))
}

fn integer(text: &str, bare: bool) -> Option<i128> {
    let text = text.trim();
    let text = if bare { text } else { bared(text) };
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let fits = (1..=MAX_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

fn number(text: &str, decimal: &str, group: &str, bare: bool) -> Option<f64> {
    let text = text.trim();
    match text.to_ascii_lowercase().as_str() {
        "nan" => return Some(f64::NAN),
        "inf" => return Some(f64::INFINITY),
        "-inf" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let text = if bare { text } else { bared(text) };
    let mut plain = Cow::Borrowed(text);
    if !group.is_empty() && plain.contains(group) {
        plain = plain.replace(group, "").into();
    }
    if decimal != "." {
        if plain.contains('.') {
            return None;
        }
        plain = plain.replace(decimal, ".").into();
    }
    let fits = plain.bytes().any(|byte| byte.is_ascii_digit())
        && plain.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    let value: f64 = if fits { plain.parse().ok()? } else { return None };
    value.is_finite().then_some(value)
}

fn days(date: NaiveDate) -> Option<i32> {
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

fn date(text: &str, moment: &Moment) -> Option<NaiveDate> {
    let text = text.trim();
    match moment {
        Moment::Default => (text.len() == 10).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten(),
        Moment::Pattern(pattern) => NaiveDate::parse_from_str(text, pattern).ok(),
        Moment::Any => ANY_DATE
            .iter()
            .find_map(|pattern| NaiveDate::parse_from_str(text, pattern).ok())
            .or_else(|| date_time(text, &Moment::Any).map(|moment| moment.date())),
    }
}

fn time(text: &str, moment: &Moment) -> Option<NaiveTime> {
    let text = text.trim();
    match moment {
        Moment::Default => NaiveTime::parse_from_str(text, "%H:%M:%S").ok(),
        Moment::Pattern(pattern) => NaiveTime::parse_from_str(text, pattern).ok(),
        Moment::Any => ANY_TIME.iter().find_map(|pattern| NaiveTime::parse_from_str(text, pattern).ok()),
    }
}

fn date_time(text: &str, moment: &Moment) -> Option<NaiveDateTime> {
    let text = text.trim();
    match moment {
        Moment::Default => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.fZ").ok(),
        Moment::Pattern(pattern) => NaiveDateTime::parse_from_str(text, pattern)
            .ok()
            .or_else(|| DateTime::parse_from_str(text, pattern).ok().map(|moment| moment.naive_utc())),
        Moment::Any => any_date_time(text),
    }
}

fn any_date_time(text: &str) -> Option<NaiveDateTime> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.naive_utc());
    }
    for pattern in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M"] {
        if let Ok(moment) = NaiveDateTime::parse_from_str(text, pattern) {
            return Some(moment);
        }
    }
    ANY_DATE.iter().find_map(|pattern| NaiveDate::parse_from_str(text, pattern).ok()).map(|date| date.and_time(NaiveTime::MIN))
}

fn year(text: &str) -> Option<i128> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn year_month(text: &str) -> Option<String> {
    let (year, month) = text.trim().split_once('-')?;
    let month: u8 = month.parse().ok().filter(|month| (1..=12).contains(month))?;
    let fits = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| format!("{year}-{month:02}"))
}

/// `P3Y6M4DT12H30M5S`: in this order, each part at most once, at least one.
fn duration(text: &str) -> Option<String> {
    let text = text.trim();
    let rest = text.strip_prefix('-').unwrap_or(text).strip_prefix('P')?;
    let (date, time) = rest.split_once('T').map_or((rest, None), |(date, time)| (date, Some(time)));
    if time == Some("") || rest.is_empty() {
        return None;
    }
    (in_order(date, "YMWD") && in_order(time.unwrap_or_default(), "HMS")).then(|| text.to_owned())
}

fn in_order(mut text: &str, mut units: &str) -> bool {
    while !text.is_empty() {
        let Some(end) = text.find(|c: char| !c.is_ascii_digit() && c != '.') else { return false };
        let (number, rest) = text.split_at(end);
        let Some(unit) = rest.chars().next() else { return false };
        let Some(place) = units.find(unit) else { return false };
        if number.parse::<f64>().is_err() {
            return false;
        }
        units = units.get(place + 1..).unwrap_or_default();
        text = rest.get(1..).unwrap_or_default();
    }
    true
}

fn json(text: &str, fits: impl Fn(&Json) -> bool) -> Option<Value<'static>> {
    let value: Json = serde_json::from_str(text).ok()?;
    fits(&value).then(|| Value::Text(value.to_string().into()))
}

/// `lon, lat`, whatever it was written as.
fn geopoint(format: &str, text: &str) -> Option<String> {
    let number = |value: Option<&Json>| match value {
        Some(Json::Number(number)) => number.as_f64(),
        Some(Json::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    let (lon, lat) = match format {
        "array" => {
            let value: Json = serde_json::from_str(text).ok()?;
            let pair = value.as_array().filter(|pair| pair.len() == 2)?;
            (number(pair.first())?, number(pair.get(1))?)
        }
        "object" => {
            let value: Json = serde_json::from_str(text).ok()?;
            let object = value.as_object().filter(|object| object.len() == 2)?;
            (number(object.get("lon"))?, number(object.get("lat"))?)
        }
        _ => {
            let (lon, lat) = text.split_once(',')?;
            (lon.trim().parse().ok()?, lat.trim().parse().ok()?)
        }
    };
    let fits = (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat);
    fits.then(|| format!("{lon}, {lat}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text_of(field: &serde_json::Value, text: &str) -> Option<String> {
        let map = field.as_object().expect("an object");
        let word = |name: &str, or: &str| map.get(name).and_then(Json::as_str).unwrap_or(or).to_owned();
        let format = word("format", "default");
        let kind = Kind::parse(&word("type", "string"), &format, map).expect("a kind");
        cast(&kind, &format, text).map(|value| match value {
            Value::Text(text) => text.into_owned(),
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn texts_are_cast_by_the_rules_of_their_type() {
        let cases = [
            (json!({"type": "integer"}), "-12", Some("Integer(-12)")),
            (json!({"type": "integer"}), "1.0", None),
            (json!({"type": "integer", "bareNumber": false}), "€95 ", Some("Integer(95)")),
            (json!({"type": "integer"}), "170141183460469231731687303715884105728", None),
            (json!({"type": "number"}), "1e3", Some("Number(1000.0)")),
            (json!({"type": "number"}), "1,5", None),
            (json!({"type": "number", "decimalChar": ",", "groupChar": "."}), "1.234,5", Some("Number(1234.5)")),
            (json!({"type": "number", "bareNumber": false}), "95%", Some("Number(95.0)")),
            (json!({"type": "number"}), "INF", Some("Number(inf)")),
            (json!({"type": "boolean"}), "True", Some("Boolean(true)")),
            (json!({"type": "boolean", "trueValues": ["예"], "falseValues": ["아니오"]}), "예", Some("Boolean(true)")),
            (json!({"type": "boolean"}), "yes", None),
            (json!({"type": "date"}), "1970-01-03", Some("Date(2)")),
            (json!({"type": "date"}), "1970-1-3", None),
            (json!({"type": "date", "format": "%d/%m/%y"}), "03/01/70", Some("Date(2)")),
            (json!({"type": "date", "format": "any"}), "3 January 1970", Some("Date(2)")),
            (json!({"type": "datetime"}), "1970-01-01T00:00:01Z", Some("Moment(1000000)")),
            (json!({"type": "datetime"}), "1970-01-01 00:00:01", None),
            (json!({"type": "datetime", "format": "any"}), "1970-01-01 00:00:01", Some("Moment(1000000)")),
            (json!({"type": "time"}), "23:59:60x", None),
            (json!({"type": "time", "format": "any"}), "8:05", Some("08:05:00")),
            (json!({"type": "year"}), "2018", Some("Integer(2018)")),
            (json!({"type": "year"}), "18", None),
            (json!({"type": "yearmonth"}), "2018-1", Some("2018-01")),
            (json!({"type": "yearmonth"}), "2018-13", None),
            (json!({"type": "duration"}), "P1Y2M3DT4H5M6.5S", Some("P1Y2M3DT4H5M6.5S")),
            (json!({"type": "duration"}), "P1DT", None),
            (json!({"type": "duration"}), "P1M1Y", None),
            (json!({"type": "array"}), "[1, 2]", Some("[1,2]")),
            (json!({"type": "object"}), "[1]", None),
            (json!({"type": "geopoint"}), "90.50, 45", Some("90.5, 45")),
            (json!({"type": "geopoint", "format": "array"}), "[90.5, 45]", Some("90.5, 45")),
            (json!({"type": "geopoint"}), "190,45", None),
            (json!({"type": "string", "format": "email"}), "a@b", None),
            (json!({"type": "string", "format": "uri"}), "https://example.org", Some("https://example.org")),
        ];
        for (field, text, wanted) in cases {
            assert_eq!(text_of(&field, text).as_deref(), wanted, "{field} {text}");
        }
    }
}
