//! The fields of a JSON body, read one by one so that every problem is named at once.

use madang_kit::{Code, Error, Id, Result, error::FieldProblem};
use serde_json::{Map, Value};

/// Problems told at once; of a body with more, one last problem says so.
const MAX_PROBLEMS: usize = 100;
/// Characters of a caller's own key in the path of a problem; the rest is cut off.
const MAX_KEY_CHARS: usize = 100;

/// A JSON text without the UTF-8 mark that some editors put before it (RFC 8259 lets a reader pass over it).
pub(crate) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// An object being read. Problems are collected; [`Fields::finish`] tells them all.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    object: Map<String, Value>,
    /// Path of the object from the body's root, ending in a dot; empty at the root.
    at: String,
    problems: Vec<FieldProblem>,
}

impl Fields {
    /// Reads a body; an empty one is an empty object.
    pub(crate) fn read(body: &[u8]) -> Result<Self> {
        let body = without_mark(body);
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => Ok(Self { object, ..Self::default() }),
            Ok(_) => Err(Error::invalid("0", "json_type", "the body must be a JSON object")),
            Err(error) => Err(Error::invalid(error.column().to_string(), "json_invalid", format!("the body is not JSON: {error}"))),
        }
    }

    /// An object inside another one.
    pub(crate) fn nested(at: &str, value: Value) -> Self {
        let at = format!("{at}.");
        if let Value::Object(object) = value {
            return Self { object, at, problems: Vec::new() };
        }
        let field = at.trim_end_matches('.').to_owned();
        let problem = FieldProblem { message: format!("{field}: must be an object"), field, rule: "object_type".into() };
        Self { object: Map::new(), at, problems: vec![problem] }
    }

    /// A text that must be there.
    pub(crate) fn text(&mut self, name: &str) -> String {
        if let Some(text) = self.optional_text(name) {
            return text;
        }
        if self.problems.last().is_none_or(|problem| problem.field != self.path(name)) {
            self.problem(name, "missing", "field required");
        }
        String::new()
    }

    /// A text that may be absent or null.
    pub(crate) fn optional_text(&mut self, name: &str) -> Option<String> {
        match self.object.remove(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.contains('\0') => {
                self.control_character(name);
                None
            }
            Some(Value::String(text)) => Some(text),
            Some(_) => {
                self.problem(name, "string_type", "must be a string");
                None
            }
        }
    }

    /// A D.Hub id that may be absent or null.
    pub(crate) fn optional_id(&mut self, name: &str, prefix: &str) -> Option<Id> {
        let text = self.optional_text(name)?;
        let id = Id::parse_prefixed(prefix, &text);
        if id.is_err() {
            self.problem(name, "id", &format!("must be an id that begins with '{prefix}-'"));
        }
        id.ok()
    }

    /// A list of at most `max` entries that may be absent or null. Of a longer one no entry is read.
    pub(crate) fn list(&mut self, name: &str, max: usize) -> Vec<Value> {
        match self.object.remove(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(values)) if values.len() > max => {
                self.too_many(name, max);
                Vec::new()
            }
            Some(Value::Array(values)) => values,
            Some(_) => {
                self.problem(name, "list_type", "must be a list");
                Vec::new()
            }
        }
    }

    /// An object of at most `max` entries; absent or null is an empty one.
    pub(crate) fn object(&mut self, name: &str, max: usize) -> Map<String, Value> {
        self.optional_object(name, max).unwrap_or_default()
    }

    /// An object of at most `max` entries that may be absent or null. Of a larger one no entry is read.
    pub(crate) fn optional_object(&mut self, name: &str, max: usize) -> Option<Map<String, Value>> {
        match self.object.remove(name) {
            None | Some(Value::Null) => None,
            Some(Value::Object(object)) if object.len() > max => {
                self.too_many(name, max);
                None
            }
            Some(Value::Object(object)) if object.keys().any(|key| key.contains('\0')) => {
                self.control_character(name);
                None
            }
            Some(Value::Object(object)) => Some(object),
            Some(_) => {
                self.problem(name, "object_type", "must be an object");
                None
            }
        }
    }

    /// True or false; may be absent or null.
    pub(crate) fn optional_bool(&mut self, name: &str) -> Option<bool> {
        match self.object.remove(name) {
            None | Some(Value::Null) => None,
            Some(Value::Bool(value)) => Some(value),
            Some(_) => {
                self.problem(name, "bool_type", "must be true or false");
                None
            }
        }
    }

    /// A list of at most `max` texts that may be absent or null.
    pub(crate) fn texts(&mut self, name: &str, max: usize) -> Option<Vec<String>> {
        if self.object.get(name).is_none_or(Value::is_null) {
            return None;
        }
        let values = self.list(name, max).into_iter();
        let text = |value| if let Value::String(text) = value { Some(text) } else { None };
        let texts: Option<Vec<_>> = values.map(text).collect();
        match &texts {
            None => self.problem(name, "list_type", "must be a list of strings"),
            Some(texts) if texts.iter().any(|text| text.contains('\0')) => self.control_character(name),
            Some(_) => {}
        }
        texts
    }

    /// A whole number from `min` to `max` that may be absent or null.
    pub(crate) fn optional_number(&mut self, name: &str, min: u32, max: u32) -> Option<u32> {
        match self.object.remove(name) {
            None | Some(Value::Null) => None,
            Some(value) => {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| (min..=max).contains(number));
                if number.is_none() {
                    self.problem(name, "range", &format!("must be a whole number from {min} to {max}"));
                }
                number
            }
        }
    }

    /// An object that may be absent, to be read by itself; null is told apart from absent.
    pub(crate) fn inner(&mut self, name: &str, max: usize) -> Option<Self> {
        let object = self.optional_object(name, max)?;
        Some(Self { object, at: format!("{}{name}.", self.at), problems: Vec::new() })
    }

    /// Whether a member is there and not null; null goes, as it means "unchanged".
    pub(crate) fn given(&mut self, name: &str) -> bool {
        if self.object.get(name).is_some_and(Value::is_null) {
            self.object.remove(name);
        }
        self.has(name)
    }

    /// Whether a member is there, null included.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// A member of any kind.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.object.remove(name)
    }

    /// Everything that was not read yet.
    pub(crate) fn rest(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.object)
    }

    /// Refuses members that were not read.
    pub(crate) fn no_others(&mut self) {
        for name in self.rest().keys() {
            self.problem(name, "unknown", "is not known here");
        }
    }

    /// Notes a problem of a field; a key of the caller's own in `name` is told in its first characters only.
    pub(crate) fn problem(&mut self, name: &str, rule: &str, message: &str) {
        if self.problems.len() >= MAX_PROBLEMS {
            return self.and_more();
        }
        let field = self.path(name);
        let message = format!("{field}: {message}");
        self.problems.push(FieldProblem { field, rule: rule.to_owned(), message });
    }

    /// Takes over the problems of an inner object.
    pub(crate) fn absorb(&mut self, inner: Self) {
        for problem in inner.problems {
            if self.problems.len() >= MAX_PROBLEMS {
                return self.and_more();
            }
            self.problems.push(problem);
        }
    }

    /// The last problem of too many.
    fn and_more(&mut self) {
        if self.problems.len() == MAX_PROBLEMS {
            let message = format!("there are more than {MAX_PROBLEMS} problems");
            self.problems.push(FieldProblem { field: "0".to_owned(), rule: "too_many_problems".to_owned(), message });
        }
    }

    fn too_many(&mut self, name: &str, max: usize) {
        self.problem(name, "too_many", &format!("has at most {max} entries"));
    }

    /// `PostgreSQL` stores no NUL.
    fn control_character(&mut self, name: &str) {
        self.problem(name, "control_character", "must not contain NUL");
    }

    /// Tells all problems, if there are any.
    pub(crate) fn finish(self) -> Result<()> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(Error { code: Code::Invalid, message: "the request is not valid".to_owned(), fields: self.problems, cause: None })
    }

    /// The path of a member from the body's root.
    pub(crate) fn path_of(&self, name: &str) -> String {
        self.path(name)
    }

    fn path(&self, name: &str) -> String {
        let end = name.char_indices().nth(MAX_KEY_CHARS).map_or(name.len(), |(end, _)| end);
        format!("{}{}", self.at, &name[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(fields: Fields) -> Vec<String> {
        fields.finish().err().map(|error| error.fields.into_iter().map(|problem| problem.rule).collect()).unwrap_or_default()
    }

    #[test]
    fn no_entry_of_too_many_is_read() {
        let mut fields = Fields::read(br#"{"list": [1, 2, 3], "object": {"a": 1, "b": 2}, "texts": ["a", "b"]}"#).expect("valid");
        assert!(fields.list("list", 2).is_empty());
        assert!(fields.object("object", 1).is_empty());
        assert_eq!(fields.texts("texts", 2).expect("as many as may be").len(), 2);
        assert_eq!(rules(fields), ["too_many", "too_many"]);
    }

    #[test]
    fn nul_is_refused_in_every_text() {
        let mut fields = Fields::read(br#"{"text": "a\u0000", "texts": ["\u0000"], "object": {"\u0000": 1}}"#).expect("valid");
        assert_eq!(fields.text("text"), "");
        fields.texts("texts", 2);
        fields.object("object", 2);
        assert_eq!(rules(fields), ["control_character", "control_character", "control_character"]);
    }

    #[test]
    fn problems_are_bounded_in_number_and_size() {
        let mut fields = Fields::default();
        let long = "키".repeat(10_000);
        for _ in 0..500 {
            let mut inner = Fields::nested("inner", Value::Object(Map::new()));
            inner.problem(&long, "id", "is none");
            fields.absorb(inner);
        }
        let problems = fields.finish().expect_err("many").fields;
        assert_eq!(problems.len(), MAX_PROBLEMS + 1);
        assert!(problems.iter().all(|problem| problem.field.chars().count() <= "inner.".len() + MAX_KEY_CHARS));
    }
}
