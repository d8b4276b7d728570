//! Reads the fields of a JSON object; keys that are not asked for are ignored, as this API does.

use madang_kit::{Error, Result};
use serde_json::{Map, Value};

/// An object being read.
pub(super) struct Object(Map<String, Value>);

impl Object {
    /// The body, which must be an object.
    pub(super) fn of(body: Value) -> Result<Self> {
        match body {
            Value::Object(object) => Ok(Self(object)),
            _ => Err(Error::invalid("body", "json_type", "the body must be a JSON object")),
        }
    }

    /// Whether a field is there, null included.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whatever stands there; null counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.contains('\0') => {
                Err(Error::invalid(name, "control_character", format!("{name} must not contain NUL")))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Error::invalid(name, "string_type", format!("{name} must be a string"))),
        }
    }

    /// A text that must be there.
    pub(super) fn need_text(&mut self, name: &str) -> Result<String> {
        self.text(name)?.ok_or_else(|| Error::invalid(name, "missing", format!("{name} is required")))
    }

    /// A truth value.
    pub(super) fn truth(&mut self, name: &str) -> Result<Option<bool>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(truth)),
            Some(_) => Err(Error::invalid(name, "boolean_type", format!("{name} must be true or false"))),
        }
    }

    /// A whole number.
    pub(super) fn whole(&mut self, name: &str) -> Result<Option<i64>> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => {
                let number =
                    value.as_i64().ok_or_else(|| Error::invalid(name, "integer_type", format!("{name} must be a whole number")))?;
                Ok(Some(number))
            }
        }
    }
}
