//! Values as Python prints them: some messages of CKAN show them so.

use std::fmt::Write;

use serde_json::Value;

/// `{'a': [1, None, True]}`
pub(super) fn repr(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("None"),
        Value::Bool(true) => text.push_str("True"),
        Value::Bool(false) => text.push_str("False"),
        Value::Number(number) => {
            let _ = write!(text, "{number}"); // writing to a text can't fail
        }
        Value::String(inner) => text.push_str(&quoted(inner)),
        Value::Array(list) => {
            text.push('[');
            for (number, item) in list.iter().enumerate() {
                if number > 0 {
                    text.push_str(", ");
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(dict) => {
            text.push('{');
            for (number, (key, item)) in dict.iter().enumerate() {
                if number > 0 {
                    text.push_str(", ");
                }
                text.push_str(&quoted(key));
                text.push_str(": ");
                write(item, text);
            }
            text.push('}');
        }
    }
}

/// In single quotes, unless only these stand inside.
fn quoted(inner: &str) -> String {
    let quote = if inner.contains('\'') && !inner.contains('"') { '"' } else { '\'' };
    let mut text = String::from(quote);
    for c in inner.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c == quote => {
                text.push('\\');
                text.push(c);
            }
            c if c.is_control() => {
                let _ = write!(text, "\\x{:02x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push(quote);
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_printed_as_python_does() {
        for (value, wanted) in [
            (json!([1, 2.5, "x"]), "[1, 2.5, 'x']"),
            (json!({"a": null, "b": true}), "{'a': None, 'b': True}"),
            (json!("it's"), "\"it's\""),
            (json!("a\"'"), "'a\"\\''"),
            (json!("a\nb"), "'a\\nb'"),
        ] {
            assert_eq!(repr(&value), wanted);
        }
    }
}
