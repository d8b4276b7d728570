//! The fields of a JSON body, read one by one so that every problem is named at once.

use madang_kit::{Code, Error, Id, Result, error::FieldProblem};
use serde_json::{Map, Value};

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

    /// A list that may be absent or null.
    pub(crate) fn list(&mut self, name: &str) -> Vec<Value> {
        match self.object.remove(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(_) => {
                self.problem(name, "list_type", "must be a list");
                Vec::new()
            }
        }
    }

    /// An object; absent or null is an empty one.
    pub(crate) fn object(&mut self, name: &str) -> Map<String, Value> {
        self.optional_object(name).unwrap_or_default()
    }

    /// An object that may be absent or null.
    pub(crate) fn optional_object(&mut self, name: &str) -> Option<Map<String, Value>> {
        match self.object.remove(name) {
            None | Some(Value::Null) => None,
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

    /// A list of texts that may be absent or null.
    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let values = match self.object.remove(name) {
            None | Some(Value::Null) => return None,
            Some(Value::Array(values)) => values,
            Some(_) => {
                self.problem(name, "list_type", "must be a list of strings");
                return None;
            }
        };
        let texts: Option<Vec<_>> = values.into_iter().map(|value| value.as_str().map(str::to_owned)).collect();
        if texts.is_none() {
            self.problem(name, "list_type", "must be a list of strings");
        }
        texts
    }

    /// Notes a problem of a field.
    pub(crate) fn problem(&mut self, name: &str, rule: &str, message: &str) {
        let field = self.path(name);
        let message = format!("{field}: {message}");
        self.problems.push(FieldProblem { field, rule: rule.to_owned(), message });
    }

    /// Takes over the problems of an inner object.
    pub(crate) fn absorb(&mut self, inner: Self) {
        self.problems.extend(inner.problems);
    }

    /// Tells all problems, if there are any.
    pub(crate) fn finish(self) -> Result<()> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(Error { code: Code::Invalid, message: "the request is not valid".to_owned(), fields: self.problems, cause: None })
    }

    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.at)
    }
}
