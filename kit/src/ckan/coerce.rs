//! What values of a dictionary mean: CKAN takes texts for truths and numbers (ckan.md 4, head).

use serde_json::Value;

use super::{Dict, Outcome, Refusal};

/// Texts that are true as the value of a field such as `private`; everything else is false.
const TRUE: [&str; 4] = ["true", "yes", "t", "y"];
/// Texts of a parameter such as `all_fields`.
const FLAG_TRUE: [&str; 6] = ["true", "yes", "on", "y", "t", "1"];
const FLAG_FALSE: [&str; 6] = ["false", "no", "off", "n", "f", "0"];

/// The truth of a field.
pub fn truthy(value: &Value) -> bool {
    match value {
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64().is_some_and(|number| (number - 1.0).abs() < f64::EPSILON),
        Value::String(text) => TRUE.contains(&text.to_lowercase().as_str()) || text == "1",
        _ => false,
    }
}

/// The truth of a parameter, if its value says one.
pub fn flag_value(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => Some(number.as_f64() != Some(0.0)),
        Value::String(text) => {
            let text = text.trim().to_lowercase();
            if FLAG_TRUE.contains(&text.as_str()) {
                return Some(true);
            }
            (FLAG_FALSE.contains(&text.as_str())).then_some(false)
        }
        _ => None,
    }
}

/// A parameter that is true or false.
///
/// # Errors
/// A Validation Error for any other text, where CKAN has a fault (ckan.md 1.4, last lines).
pub fn flag(dict: &Dict, name: &str, default: bool) -> Outcome<bool> {
    match dict.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(Value::String(text)) if text.is_empty() => Ok(default),
        Some(value) => flag_value(value).ok_or_else(|| {
            let shown = value.as_str().map_or_else(|| value.to_string(), |text| format!("'{text}'"));
            Refusal::invalid(name, format!("String is not true/false: {shown}"))
        }),
    }
}

/// A parameter that counts something; texts of digits will do.
///
/// # Errors
/// `Invalid integer` or `Must be a natural number`.
pub fn natural(dict: &Dict, name: &str) -> Outcome<Option<i64>> {
    let read = match dict.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.trim().parse::<i64>().ok(),
        Some(_) => None,
    };
    match read {
        None => Err(Refusal::invalid(name, "Invalid integer")),
        Some(number) if number < 0 => Err(Refusal::invalid(name, "Must be a natural number")),
        Some(number) => Ok(Some(number)),
    }
}

/// A value as text: other kinds are kept as JSON.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.replace('\0', "")), // PostgreSQL stores no NUL
        other => Some(other.to_string()),
    }
}

/// A text in a dictionary; null and absent are the same.
pub fn text(dict: &Dict, name: &str) -> Option<String> {
    dict.get(name).and_then(text_of)
}

/// A text that must be there.
///
/// # Errors
/// `{"<name>": ["Missing value"]}`
pub fn required(dict: &Dict, name: &str) -> Outcome<String> {
    text(dict, name).filter(|text| !text.is_empty()).ok_or_else(|| Refusal::missing(name))
}

/// The name that Python has for the kind of a value; some messages show it.
pub fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_and_parameters_read_truths_differently() {
        for (value, field, parameter) in [
            (json!(true), true, Some(true)),
            (json!("True"), true, Some(true)),
            (json!("on"), false, Some(true)),
            (json!(1), true, Some(true)),
            (json!("0"), false, Some(false)),
            (json!("maybe"), false, None),
            (json!([]), false, None),
        ] {
            assert_eq!((truthy(&value), flag_value(&value)), (field, parameter), "{value}");
        }
    }

    #[test]
    fn numbers_may_be_texts() {
        let read = |value: Value| natural(&Dict::from_iter([("limit".to_owned(), value)]), "limit").ok();
        assert_eq!(read(json!("10")), Some(Some(10)));
        assert_eq!(read(json!(0)), Some(Some(0)));
        assert_eq!(read(json!("")), Some(None));
        assert_eq!(read(json!("x")), None);
        assert_eq!(read(json!(-1)), None);
    }
}
