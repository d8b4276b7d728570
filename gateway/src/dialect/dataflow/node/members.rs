//! The members of one JSON object, each of the kind that it has to be of. Members that nobody asks for are left alone.

use madang_kit::{Error, Result};
use serde_json::{Map, Value};

/// Entries of a list.
const MAX_ENTRIES: usize = 10_000;
/// How deep fields of nested types may go.
const DEEPEST: usize = 16;

/// An object with the path that leads to it.
pub(super) struct Members<'a> {
    object: &'a Map<String, Value>,
    at: String,
}

impl<'a> Members<'a> {
    pub(super) fn new(value: &'a Value, at: &str) -> Result<Self> {
        match value {
            Value::Object(object) => Ok(Self { object, at: at.to_owned() }),
            _ => Err(Error::invalid(at, "object_type", format!("{at} must be an object"))),
        }
    }

    fn path(&self, member: &str) -> String {
        format!("{}.{member}", self.at)
    }

    pub(super) fn wrong(&self, member: &str, rule: &str, why: &str) -> Error {
        let path = self.path(member);
        Error::invalid(&path, rule, format!("{path} {why}"))
    }

    /// A member that is there; null is as good as absent.
    fn get(&self, member: &str) -> Option<&'a Value> {
        self.object.get(member).filter(|value| !value.is_null())
    }

    fn demand(&self, member: &str) -> Result<&'a Value> {
        self.get(member).ok_or_else(|| self.wrong(member, "missing", "is missing"))
    }

    /// A text.
    pub(super) fn text(&self, member: &str) -> Result<String> {
        self.text_of(member, self.demand(member)?)
    }

    /// A text that may be absent.
    pub(super) fn optional_text(&self, member: &str) -> Result<Option<String>> {
        self.get(member).map(|value| self.text_of(member, value)).transpose()
    }

    fn text_of(&self, member: &str, value: &Value) -> Result<String> {
        value.as_str().map(str::to_owned).ok_or_else(|| self.wrong(member, "string_type", "must be a text"))
    }

    /// A text, or a number or truth as its text: values of filters are written as both.
    pub(super) fn scalar(&self, member: &str) -> Result<String> {
        match self.demand(member)? {
            Value::String(text) => Ok(text.clone()),
            value @ (Value::Number(_) | Value::Bool(_)) => Ok(value.to_string()),
            _ => Err(self.wrong(member, "string_type", "must be a text")),
        }
    }

    /// A text under one of two spellings.
    pub(super) fn either(&self, one: &str, two: &str) -> Result<String> {
        if self.get(one).is_none() && self.get(two).is_some() { self.text(two) } else { self.text(one) }
    }

    /// A whole number of 64 bits.
    pub(super) fn integer(&self, member: &str) -> Result<i64> {
        self.demand(member)?.as_i64().ok_or_else(|| self.wrong(member, "int_type", "must be a whole number of 64 bits"))
    }

    /// The same that may be absent.
    pub(super) fn optional_integer(&self, member: &str) -> Result<Option<i64>> {
        if self.get(member).is_some() { self.integer(member).map(Some) } else { Ok(None) }
    }

    /// Whole numbers.
    pub(super) fn integers(&self, member: &str, most: usize) -> Result<Vec<i64>> {
        let list = self.list(member, most)?;
        let number = |(at, value): (usize, &Value)| {
            value.as_i64().ok_or_else(|| self.wrong(&format!("{member}.{at}"), "int_type", "must be a whole number"))
        };
        list.iter().enumerate().map(number).collect()
    }

    /// Texts.
    pub(super) fn texts(&self, member: &str) -> Result<Vec<String>> {
        let list = self.list(member, MAX_ENTRIES)?;
        list.iter().enumerate().map(|(at, value)| self.text_of(&format!("{member}.{at}"), value)).collect()
    }

    /// Objects, each read by a function.
    pub(super) fn objects<T>(&self, member: &str, read: impl Fn(&Members<'_>) -> Result<T>) -> Result<Vec<T>> {
        let list = self.list(member, MAX_ENTRIES)?;
        list.iter().enumerate().map(|(at, value)| read(&Members::new(value, &self.path(&format!("{member}.{at}")))?)).collect()
    }

    /// The same that may be absent.
    pub(super) fn optional_objects<T>(&self, member: &str, read: impl Fn(&Members<'_>) -> Result<T>) -> Result<Vec<T>> {
        if self.get(member).is_some() { self.objects(member, read) } else { Ok(Vec::new()) }
    }

    /// How many objects lead here.
    pub(super) fn is_deep(&self) -> bool {
        self.at.matches(".properties.").count() > DEEPEST
    }

    fn list(&self, member: &str, most: usize) -> Result<&'a Vec<Value>> {
        match self.demand(member)? {
            Value::Array(list) if list.len() <= most => Ok(list),
            Value::Array(_) => Err(self.wrong(member, "too_many", &format!("has at most {most} entries"))),
            _ => Err(self.wrong(member, "list_type", "must be a list")),
        }
    }
}
