//! Where a dictionary must hold lists of dictionaries (ckan.md 1.4, "wrong nesting").

use madang_kit::ckan::{Dict, Outcome, Refusal, python_type};
use serde_json::Value;

/// Refuses other values under these keys.
pub(crate) fn demand_lists(dict: &Dict, keys: &[&str]) -> Outcome<()> {
    for key in keys {
        match dict.get(*key) {
            None | Some(Value::Null) => {}
            Some(Value::Array(list)) => demand_dicts(key, list)?,
            Some(other) => return Err(misplaced(key, other)),
        }
    }
    Ok(())
}

fn demand_dicts(key: &str, list: &[Value]) -> Outcome<()> {
    match list.first() {
        None => Ok(()),
        Some(Value::Object(_)) if list.iter().all(Value::is_object) => Ok(()),
        Some(Value::Object(_)) => Err(Refusal::Integrity("Values in lists need to be dicts".to_owned())),
        Some(_) if list.iter().any(Value::is_object) => Err(Refusal::Integrity("Values in lists need to be dicts".to_owned())),
        Some(_) => Err(misplaced(key, &Value::Array(Vec::new()))),
    }
}

fn misplaced(key: &str, value: &Value) -> Refusal {
    let kind = python_type(value);
    Refusal::Integrity(format!("Only lists of dicts can be placed against subschema ('{key}',), not <class '{kind}'>"))
}

/// The dictionaries of a list; `None` if there is none under this key.
pub(crate) fn list_of<'a>(dict: &'a Dict, key: &str) -> Option<Vec<&'a Dict>> {
    match dict.get(key) {
        Some(Value::Array(list)) => Some(list.iter().filter_map(Value::as_object).collect()),
        _ => None,
    }
}

/// What is said of keys that no schema knows and that hold lists of dictionaries: each place, as Python prints it.
pub(crate) fn junk(dict: &Dict, known: impl Fn(&str) -> bool) -> Option<String> {
    let mut places = Vec::new();
    for (key, value) in dict.iter().filter(|(key, _)| !known(key)) {
        let Value::Array(list) = value else { continue };
        for (number, item) in list.iter().enumerate() {
            let Value::Object(item) = item else { continue };
            places.extend(item.keys().map(|inner| format!("('{key}', {number}, '{inner}')")));
        }
    }
    (!places.is_empty()).then(|| format!("The input field [{}] was not expected.", places.join(", ")))
}
