//! Short words for JSON Schema.

use serde_json::{Map, Value, json};

/// A text.
pub(super) fn text() -> Value {
    json!({"type": "string"})
}

/// A text of at least one character.
pub(super) fn filled() -> Value {
    json!({"type": "string", "minLength": 1})
}

/// A time as text.
pub(super) fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// Milliseconds since 1970.
pub(super) fn epoch_ms() -> Value {
    json!({"type": "integer", "format": "int64"})
}

/// True or false.
pub(super) fn truth() -> Value {
    json!({"type": "boolean"})
}

/// A whole number within bounds.
pub(super) fn whole(from: u64, to: u64) -> Value {
    json!({"type": "integer", "minimum": from, "maximum": to})
}

/// A whole number from zero.
pub(super) fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// One of these words.
pub(super) fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// Bytes.
pub(super) fn bytes() -> Value {
    json!({"type": "string", "format": "binary"})
}

/// Any value.
pub(super) fn anything() -> Value {
    json!({})
}

/// An object with any keys.
pub(super) fn map() -> Value {
    json!({"type": "object"})
}

/// A list.
pub(super) fn list(of: &Value) -> Value {
    json!({"type": "array", "items": of})
}

/// A value that may be null.
pub(super) fn nullable(kind: &Value) -> Value {
    json!({"anyOf": [kind, {"type": "null"}]})
}

/// A schema of the document by its name.
pub(super) fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// An object that always has these keys and no others.
pub(super) fn object(keys: &[(&str, Value)]) -> Value {
    let names: Vec<_> = keys.iter().map(|(name, _)| *name).collect();
    json!({"type": "object", "properties": properties(keys), "required": names})
}

/// An object of which only some keys are needed; unknown ones are left aside.
pub(super) fn request(needed: &[&str], keys: &[(&str, Value)]) -> Value {
    json!({"type": "object", "properties": properties(keys), "required": needed})
}

fn properties(keys: &[(&str, Value)]) -> Map<String, Value> {
    keys.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone())).collect()
}
