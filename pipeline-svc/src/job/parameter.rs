//! Parameters of an execution: texts that its nodes and its script name as `${name}`. A value may name what the installation knows of
//! the execution itself.

use chrono::{DateTime, FixedOffset, Utc};
use madang_kit::{Error, Result};
use serde_json::{Map, Value};

use crate::plan::parameter;

const SEOUL_SECONDS: i32 = 9 * 3600;
/// The day on which an execution was made, in Seoul; known to all without being given.
const EXECUTION_DATE: &str = "executionDate";

/// The parameters as they are used: texts, with what they name filled in.
pub(crate) fn parse(text: &str, now: DateTime<Utc>) -> Result<Map<String, Value>> {
    let day = FixedOffset::east_opt(SEOUL_SECONDS).map(|zone| now.with_timezone(&zone).format("%Y-%m-%d").to_string());
    let day = day.unwrap_or_default();
    let mut parsed = Map::new();
    for (name, value) in parameter::read("parameters", text)? {
        if name.is_empty() || name.contains('\0') {
            return Err(Error::invalid("parameters", "pattern", "a parameter's name must not be empty or contain NUL"));
        }
        let value = match value {
            Value::String(text) if text.contains('\0') => {
                return Err(Error::invalid(format!("parameters.{name}"), "control_character", "a parameter must not contain NUL"));
            }
            Value::String(text) => text.replace(&format!("${{{EXECUTION_DATE}}}"), &day),
            Value::Null => continue,
            other => other.to_string(),
        };
        parsed.insert(name, value.into());
    }
    parsed.entry(EXECUTION_DATE).or_insert_with(|| day.into());
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_texts_and_know_the_day() {
        let now = "2026-03-01T15:00:00Z".parse().expect("a time");
        let parsed = parse(r#"{"day": "d=${executionDate}", "n": 5, "b": true, "none": null}"#, now).expect("valid");
        assert_eq!(Value::Object(parsed), serde_json::json!({"day": "d=2026-03-02", "n": "5", "b": "true", "executionDate": "2026-03-02"}));
        assert!(parse("[]", now).is_err());
        assert!(parse(r#"{"a": {}}"#, now).is_err());
    }
}
