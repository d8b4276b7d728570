//! JSON as Python's `json.dumps(…, sort_keys=True)` writes it: hashes are taken of these bytes.

use serde_json::{Map, Value};

use super::value::json_text;

/// On one line.
pub(crate) fn write(value: &Value, out: &mut Vec<u8>) {
    put(value, None, out);
}

/// With `indent=2`.
pub(crate) fn indented(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put(value, Some(0), &mut out);
    out
}

fn put(value: &Value, level: Option<usize>, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => json_text(text, out),
        Value::Array(values) if values.is_empty() => out.extend_from_slice(b"[]"),
        Value::Object(values) if values.is_empty() => out.extend_from_slice(b"{}"),
        Value::Array(values) => {
            out.push(b'[');
            for (at, value) in values.iter().enumerate() {
                part(at, level, out);
                put(value, level.map(|level| level + 1), out);
            }
            end(level, out);
            out.push(b']');
        }
        Value::Object(values) => {
            out.push(b'{');
            for (at, (name, value)) in sorted(values).into_iter().enumerate() {
                part(at, level, out);
                json_text(name, out);
                out.extend_from_slice(b": ");
                put(value, level.map(|level| level + 1), out);
            }
            end(level, out);
            out.push(b'}');
        }
        other => out.extend_from_slice(other.to_string().as_bytes()),
    }
}

fn sorted(values: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut sorted: Vec<_> = values.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    sorted
}

/// What stands before a member.
fn part(at: usize, level: Option<usize>, out: &mut Vec<u8>) {
    match level {
        None if at > 0 => out.extend_from_slice(b", "),
        None => {}
        Some(level) => {
            if at > 0 {
                out.push(b',');
            }
            line(level + 1, out);
        }
    }
}

fn end(level: Option<usize>, out: &mut Vec<u8>) {
    if let Some(level) = level {
        line(level, out);
    }
}

fn line(level: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.extend(std::iter::repeat_n(b' ', 2 * level));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_what_python_writes() {
        let value = json!({"b": [1, 2.0, null, true, []], "a": {"가": "x"}, "c": {}});
        let mut line = Vec::new();
        write(&value, &mut line);
        assert_eq!(String::from_utf8(line).expect("text"), r#"{"a": {"\uac00": "x"}, "b": [1, 2.0, null, true, []], "c": {}}"#);
        let wanted =
            "{\n  \"a\": {\n    \"\\uac00\": \"x\"\n  },\n  \"b\": [\n    1,\n    2.0,\n    null,\n    true,\n    []\n  ],\n  \"c\": {}\n}";
        assert_eq!(String::from_utf8(indented(&value)).expect("text"), wanted);
    }
}
