//! What a field demands of its values (Table Schema, "Constraints").

use std::cmp::Ordering;

use regex::Regex;
use serde_json::Value as Json;

use super::{
    cast::{Value, cast},
    schema::Kind,
};

/// The constraints of a field.
#[derive(Clone, Debug, Default)]
pub(crate) struct Constraints {
    pub(crate) required: bool,
    pub(crate) unique: bool,
    pattern: Option<(Regex, String)>,
    /// Texts as they were said, and their values.
    one_of: Option<(Vec<String>, String)>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    minimum: Option<String>,
    maximum: Option<String>,
}

impl Constraints {
    pub(crate) fn parse(value: &Json, kind: &Kind) -> Result<Self, String> {
        let text = |value: &Json| match value {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        let flag = |name: &str| value.get(name).and_then(Json::as_bool).unwrap_or(false);
        let length = |name: &str| {
            let found = value.get(name);
            let length = found.and_then(Json::as_u64).and_then(|length| usize::try_from(length).ok());
            if found.is_some() && length.is_none() { Err(format!("{name} is no length")) } else { Ok(length) }
        };
        let bound = |name: &str| match value.get(name).map(text) {
            Some(bound) if cast(kind, "any", &bound).is_none() && cast(kind, "default", &bound).is_none() => {
                Err(format!("{name} is no value of its type"))
            }
            bound => Ok(bound),
        };
        let pattern = match value.get("pattern").and_then(Json::as_str) {
            None => None,
            Some(said) => {
                let regex = Regex::new(&format!("^(?:{said})$")).map_err(|_| format!("the pattern \"{said}\" can't be read"))?;
                Some((regex, said.to_owned()))
            }
        };
        let one_of = match value.get("enum") {
            None => None,
            Some(Json::Array(values)) => Some((values.iter().map(text).collect(), Json::Array(values.clone()).to_string())),
            Some(_) => return Err("enum is no list".to_owned()),
        };
        Ok(Self {
            required: flag("required"),
            unique: flag("unique"),
            pattern,
            one_of,
            min_length: length("minLength")?,
            max_length: length("maxLength")?,
            minimum: bound("minimum")?,
            maximum: bound("maximum")?,
        })
    }

    /// The constraints that a value breaks.
    pub(crate) fn broken(&self, kind: &Kind, format: &str, text: &str, value: &Value<'_>) -> Vec<(&'static str, String)> {
        let mut broken = Vec::new();
        if let Some((regex, said)) = &self.pattern
            && !regex.is_match(text)
        {
            broken.push(("pattern", said.clone()));
        }
        if let Some((values, said)) = &self.one_of
            && !values.iter().any(|one| one == text || cast(kind, format, one).is_some_and(|one| one == *value))
        {
            broken.push(("enumerable", said.clone()));
        }
        if self.min_length.is_some() || self.max_length.is_some() {
            let length = length(kind, text);
            if let Some(least) = self.min_length.filter(|least| length < *least) {
                broken.push(("minimum-length", least.to_string()));
            }
            if let Some(most) = self.max_length.filter(|most| length > *most) {
                broken.push(("maximum-length", most.to_string()));
            }
        }
        let beyond = |bound: &Option<String>, wrong: Ordering| {
            let said = bound.as_ref()?;
            let limit = cast(kind, format, said).or_else(|| cast(kind, "default", said))?;
            (order(value, &limit) == Some(wrong)).then(|| said.clone())
        };
        if let Some(said) = beyond(&self.minimum, Ordering::Less) {
            broken.push(("minimum", said));
        }
        if let Some(said) = beyond(&self.maximum, Ordering::Greater) {
            broken.push(("maximum", said));
        }
        broken
    }
}

/// Characters of a text, members of a list or an object.
fn length(kind: &Kind, text: &str) -> usize {
    match kind.is_json().then(|| serde_json::from_str::<Json>(text).ok()).flatten() {
        Some(Json::Array(members)) => members.len(),
        Some(Json::Object(members)) => members.len(),
        _ => text.chars().count(),
    }
}

fn order(one: &Value<'_>, two: &Value<'_>) -> Option<Ordering> {
    match (one, two) {
        (Value::Integer(one), Value::Integer(two)) => Some(one.cmp(two)),
        (Value::Number(one), Value::Number(two)) => one.partial_cmp(two),
        (Value::Date(one), Value::Date(two)) => Some(one.cmp(two)),
        (Value::Moment(one), Value::Moment(two)) => Some(one.cmp(two)),
        (Value::Text(one), Value::Text(two)) => Some(one.cmp(two)),
        _ => None,
    }
}
