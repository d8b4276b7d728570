//! The options of a dataset (dhub.md section 6): a JSON object of its owner, of which some entries mean something here.

use chrono::TimeDelta;
use madang_kit::{Error, Result};
use serde_json::{Map, Value};

/// The largest options object, in bytes.
const MAX_OPTIONS: usize = 64 * 1024;
/// Days in a duration.
const MAX_DAYS: i64 = 36_500;

const PARTITIONS: &str = "partitions";
const LOG_RETENTION: &str = "log_retention_duration";
const FILE_RETENTION: &str = "deleted_file_retention_duration";

/// Reads and checks the options that a caller gave, as they are stored.
pub(crate) fn read(text: &str) -> Result<String> {
    if text.is_empty() {
        return Ok("{}".to_owned());
    }
    let object: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| Error::invalid("options", "object_type", "options must be an object"))?;
    check_partitions(&object)?;
    for name in [LOG_RETENTION, FILE_RETENTION] {
        if object.get(name).is_some_and(|value| !value.is_null() && days(value).is_none()) {
            let rule = format!("{name} must read `interval <n> days`, with at most {MAX_DAYS} days");
            return Err(Error::invalid(format!("options.{name}"), "duration", rule));
        }
    }
    let text = Value::Object(object).to_string();
    if text.len() > MAX_OPTIONS || text.contains("\\u0000") {
        return Err(Error::invalid("options", "too_long", format!("options have at most {MAX_OPTIONS} bytes and no NUL")));
    }
    Ok(text)
}

/// Names separated by commas. They are kept for other faces; files are laid out by row id.
fn check_partitions(object: &Map<String, Value>) -> Result<()> {
    let field = || format!("options.{PARTITIONS}");
    match object.get(PARTITIONS) {
        None | Some(Value::Null | Value::String(_)) => Ok(()),
        Some(_) => Err(Error::invalid(field(), "string_type", "partitions must be column names in one string")),
    }
}

/// How long files are kept that left the newest version of a table; `None` = always.
pub(crate) fn file_retention(stored: &str) -> Option<TimeDelta> {
    let object: Map<String, Value> = serde_json::from_str(stored).ok()?;
    TimeDelta::try_days(days(object.get(FILE_RETENTION)?)?)
}

/// `interval <n> days`
fn days(value: &Value) -> Option<i64> {
    let mut words = value.as_str()?.split_ascii_whitespace();
    let (interval, number, unit) = (words.next()?, words.next()?, words.next()?);
    let reads = interval.eq_ignore_ascii_case("interval") && ["day", "days"].iter().any(|day| unit.eq_ignore_ascii_case(day));
    let plain = number.bytes().all(|byte| byte.is_ascii_digit());
    (reads && plain && words.next().is_none()).then(|| number.parse().ok()).flatten().filter(|days| *days <= MAX_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_days() {
        let days = |text: &str| file_retention(&serde_json::json!({FILE_RETENTION: text}).to_string()).map(|kept| kept.num_days());
        for (text, wanted) in [("interval 7 days", 7), ("INTERVAL 1 day", 1), ("interval  0  days", 0), ("interval 36500 days", 36_500)] {
            assert_eq!(days(text), Some(wanted), "{text}");
        }
        for wrong in [
            "",
            "7 days",
            "interval days",
            "interval -1 days",
            "interval 1.5 days",
            "interval 7 hours",
            "interval 7 days x",
            "interval 36501 days",
        ] {
            assert_eq!(days(wrong), None, "{wrong}");
        }
        assert_eq!(file_retention("{}"), None);
    }

    #[test]
    fn what_means_something_is_checked() {
        let read = |text: &str| read(text).map_err(|error| error.fields[0].field.clone());
        assert_eq!(read(""), Ok("{}".to_owned()));
        for good in [r#"{"partitions":"지역"}"#, r#"{"partitions":""}"#, r#"{"x":[1],"log_retention_duration":"interval 7 days"}"#] {
            assert_eq!(read(good).as_deref(), Ok(good));
        }
        let wrong = [
            (r#"{"partitions":["지역"]}"#, "options.partitions"),
            (r#"{"log_retention_duration":7}"#, "options.log_retention_duration"),
            (r#"{"deleted_file_retention_duration":"a week"}"#, "options.deleted_file_retention_duration"),
            ("[]", "options"),
        ];
        for (text, field) in wrong {
            assert_eq!(read(text), Err(field.to_owned()), "{text}");
        }
    }
}
