//! Parameters: values that a run is started with, for `$name` in SQL and for Python. Every one that is given must be used, and every one
//! that is used must have a value.

use std::collections::BTreeSet;

use madang_kit::{Error, Result};
use serde_json::{Map, Value};

/// Parameters of a run.
const MAX_PARAMETERS: usize = 100;
/// Bytes of all their values.
const MAX_BYTES: usize = 64 << 10;

/// What the steps of a pipeline use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Used {
    /// By SQL.
    pub(crate) names: BTreeSet<String>,
    /// Whether there is a Python step, which sees every parameter.
    pub(crate) any: bool,
}

/// Reads a JSON object of texts, numbers, truths and nulls.
pub(crate) fn read(field: &str, text: &str) -> Result<Map<String, Value>> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    let read: Option<Map<String, Value>> = serde_json::from_str(text).ok();
    let values = read.ok_or_else(|| Error::invalid(field, "object_type", format!("{field} must be an object")))?;
    if values.len() > MAX_PARAMETERS || text.len() > MAX_BYTES {
        return Err(Error::invalid(field, "too_many", format!("{field} has at most {MAX_PARAMETERS} entries and {MAX_BYTES} bytes")));
    }
    match values.iter().find(|(_, value)| value.is_array() || value.is_object()) {
        Some((name, _)) => Err(Error::invalid(
            format!("{field}.{name}"),
            "scalar_type",
            format!("{field}.{name} must be a text, a number, true, false or null"),
        )),
        None => Ok(values),
    }
}

/// The values of a run: what was given, else the pipeline's own.
pub(crate) fn settle(used: &Used, given: Map<String, Value>, defaults: Map<String, Value>) -> Result<Map<String, Value>> {
    if let Some(name) = given.keys().find(|name| !used.any && !used.names.contains(*name)) {
        let why = format!("no step of the pipeline uses the parameter '{name}'");
        return Err(Error::invalid(format!("parameters.{name}"), "unknown", why));
    }
    let mut values = defaults;
    values.extend(given);
    if let Some(name) = used.names.iter().find(|name| !values.contains_key(*name)) {
        let why = format!("a step of the pipeline uses the parameter '{name}', which has no value");
        return Err(Error::invalid(format!("parameters.{name}"), "missing", why));
    }
    values.retain(|name, _| used.any || used.names.contains(name));
    Ok(values)
}
