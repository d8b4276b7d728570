//! The dictionary of a request (ckan.md 1.2, 1.3): a query, a form, or JSON. Forms of several parts are read by [`super::files`].

use axum::{
    body::Body,
    http::{HeaderMap, header::CONTENT_TYPE},
};
use madang_kit::{
    Error,
    ckan::{Dict, Refusal},
};
use serde_json::Value;

use super::repr::repr;
use crate::dialect::request;

/// The largest body of an action: a package with some thousand resources.
pub(super) const BODY_BYTES: usize = 12 << 20;
/// Characters of a body that a message repeats.
const SHOWN: usize = 200;
/// Fields of a form.
pub(super) const FIELDS: usize = 10_000;

/// Why there is no dictionary.
pub(super) enum Unreadable {
    /// 400 with this text behind `Bad request - JSON Error: `.
    Json(String),
    /// A refusal in the envelope.
    Refused(Refusal),
}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Self {
        Self::Refused(error.into())
    }
}

/// The query's dictionary: a key given once is a text, a key repeated is a list.
pub(super) fn query(query: &str) -> Dict {
    pairs(url::form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned())))
}

pub(super) fn pairs(pairs: impl Iterator<Item = (String, String)>) -> Dict {
    let mut dict = Dict::new();
    for (name, value) in pairs.take(FIELDS) {
        let value = Value::String(value.replace('\0', ""));
        match dict.get_mut(&name) {
            None => drop(dict.insert(name, value)),
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    dict
}

/// The body's dictionary; empty if there is none.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Dict, Unreadable> {
    let bytes = request::body(body, BODY_BYTES).await?;
    if bytes.is_empty() {
        return Ok(Dict::new());
    }
    if kind(headers).starts_with("application/x-www-form-urlencoded") {
        return form(&bytes);
    }
    json(&bytes)
}

/// A form; or JSON that calls itself one, as `curl -d` sends it; or JSON that is percent-encoded as a whole.
fn form(bytes: &[u8]) -> Result<Dict, Unreadable> {
    if bytes.trim_ascii_start().starts_with(b"{")
        && let Ok(Value::Object(dict)) = serde_json::from_slice(bytes)
    {
        return Ok(dict);
    }
    let read: Vec<(String, String)> =
        url::form_urlencoded::parse(bytes).take(FIELDS).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    match read.as_slice() {
        [(name, value)] if value.is_empty() || value == "1" => json(name.as_bytes()),
        _ => Ok(pairs(read.into_iter())),
    }
}

/// The dictionary of a form's fields; one name alone may be JSON.
pub(super) fn of_fields(dict: Dict) -> Result<Dict, Unreadable> {
    let mut fields = dict.iter();
    match (fields.next(), fields.next()) {
        (Some((name, Value::String(value))), None) if value.is_empty() || value == "1" => json(name.as_bytes()),
        _ => Ok(dict),
    }
}

/// Whether a body is a form whose parts are to be read one by one.
pub(super) fn is_multipart(headers: &HeaderMap) -> bool {
    kind(headers).starts_with("multipart/form-data")
}

fn kind(headers: &HeaderMap) -> String {
    headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_lowercase()
}

fn json(bytes: &[u8]) -> Result<Dict, Unreadable> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(dict)) => Ok(dict),
        Ok(other) => {
            let shown: String = repr(&other).chars().take(SHOWN).collect();
            Err(Unreadable::Json(format!("Request data JSON decoded to {shown} but it needs to be a dictionary.")))
        }
        Err(error) => {
            let shown: String = String::from_utf8_lossy(bytes).chars().take(SHOWN).collect();
            Err(Unreadable::Json(format!("Error decoding JSON data. Error: {error} JSON data extracted from the request: {shown}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(bytes: &str) -> Option<Value> {
        form(bytes.as_bytes()).ok().map(Value::Object)
    }

    #[test]
    fn forms_come_in_many_shapes() {
        assert_eq!(read("a=1&b=x%20y&a=2"), Some(json!({"a": ["1", "2"], "b": "x y"})));
        assert_eq!(read(r#"{"id":"x=1&y"}"#), Some(json!({"id": "x=1&y"})));
        assert_eq!(read("%7B%22id%22%3A%20%22x%22%7D"), Some(json!({"id": "x"})));
        assert_eq!(read("%7B%22id%22%3A%20%22x%22%7D=1"), Some(json!({"id": "x"})));
        assert_eq!(read("a"), None, "one name alone is JSON");
    }

    #[test]
    fn a_query_is_a_flat_dictionary() {
        assert_eq!(
            Value::Object(query("terms=russian&terms=romantic%20novel&x=")),
            json!({"terms": ["russian", "romantic novel"], "x": ""})
        );
    }
}
