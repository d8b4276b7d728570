//! What a field demands of its values (Table Schema, "Constraints"). Whatever is said is cast once, when the schema is read.

use std::{cmp::Ordering, collections::HashSet, sync::Arc};

use regex::Regex;
use serde_json::{Map, Value as Json};

use super::{
    cast::{Value, cast},
    report::shown,
    schema::Kind,
};

/// Values of an enumeration.
const MAX_ENUM: usize = 100_000;

/// The constraints of a field.
#[derive(Clone, Debug, Default)]
pub(crate) struct Constraints {
    pub(crate) required: bool,
    pub(crate) unique: bool,
    pattern: Option<(Regex, String)>,
    one_of: Option<Arc<OneOf>>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    minimum: Option<Bound>,
    maximum: Option<Bound>,
}

/// The least or the greatest value.
#[derive(Clone, Debug)]
struct Bound {
    /// As it was said.
    said: String,
    value: Value<'static>,
}

/// The values of an enumeration.
#[derive(Debug, Default)]
struct OneOf {
    /// As they were said, and texts that they mean.
    texts: HashSet<String>,
    values: HashSet<Plain>,
    /// The whole of it, as far as a message shows it.
    said: String,
}

/// A value that is no text and can be looked up.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Plain {
    Integer(i128),
    Number(u64),
    Boolean(bool),
    Date(i32),
    Moment(i64),
}

impl Plain {
    fn of(value: &Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Text(_) => return None,
            Value::Integer(number) => Self::Integer(*number),
            Value::Number(number) => Self::Number((number + 0.0).to_bits()), // there is one zero
            Value::Boolean(value) => Self::Boolean(*value),
            Value::Date(days) => Self::Date(*days),
            Value::Moment(micros) => Self::Moment(*micros),
        })
    }
}

impl OneOf {
    fn of(values: &[Json], kind: &Kind, format: &str) -> Self {
        let said = Json::Array(values.iter().take(100).cloned().collect()).to_string();
        let mut one_of = Self { said: shown(&said), ..Self::default() };
        for value in values {
            match meant(kind, format, value) {
                Some(Value::Text(text)) => drop(one_of.texts.insert(text.into_owned())),
                Some(value) => one_of.values.extend(Plain::of(&value)),
                None => {}
            }
            one_of.texts.insert(text(value));
        }
        one_of
    }

    fn has(&self, text: &str, value: &Value<'_>) -> bool {
        let by_value = match value {
            Value::Text(text) => self.texts.contains(text.as_ref()),
            value => Plain::of(value).is_some_and(|value| self.values.contains(&value)),
        };
        by_value || self.texts.contains(text)
    }
}

/// A value of a constraint as a text.
fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a value of a constraint means: a text is spelled as the field's are, or in the type's own spelling; JSON's own numbers and truth
/// values mean themselves, whatever the field's are spelled like.
pub(super) fn meant(kind: &Kind, format: &str, value: &Json) -> Option<Value<'static>> {
    let (said, plain) = (text(value), kind.plain());
    let by = |kind: &Kind| cast(kind, format, &said).or_else(|| cast(kind, "default", &said)).map(Value::into_owned);
    if value.is_string() { by(kind).or_else(|| by(&plain)) } else { by(&plain).or_else(|| by(kind)) }
}

impl Constraints {
    pub(crate) fn parse(value: &Json, kind: &Kind, format: &str) -> Result<Self, String> {
        let flag = |name: &str| value.get(name).and_then(Json::as_bool).unwrap_or(false);
        let length = |name: &str| {
            let found = value.get(name);
            let length = found.and_then(Json::as_u64).and_then(|length| usize::try_from(length).ok());
            if found.is_some() && length.is_none() { Err(format!("{name} is no length")) } else { Ok(length) }
        };
        let bound = |name: &str| -> Result<Option<Bound>, String> {
            let Some(bound) = value.get(name) else { return Ok(None) };
            let value = meant(kind, format, bound).ok_or_else(|| format!("{name} is no value of its type"))?;
            Ok(Some(Bound { said: shown(&text(bound)), value }))
        };
        let pattern = match value.get("pattern").and_then(Json::as_str) {
            None => None,
            Some(said) => {
                let regex = Regex::new(&format!("^(?:{said})$")).map_err(|_| format!("the pattern \"{}\" can't be read", shown(said)))?;
                Some((regex, shown(said)))
            }
        };
        let one_of = match value.get("enum") {
            None => None,
            Some(Json::Array(values)) if values.len() > MAX_ENUM => return Err(format!("enum has more than {MAX_ENUM} values")),
            Some(Json::Array(values)) => Some(Arc::new(OneOf::of(values, kind, format))),
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
    pub(crate) fn broken(&self, kind: &Kind, text: &str, value: &Value<'_>) -> Vec<(&'static str, String)> {
        let mut broken = Vec::new();
        if let Some((regex, said)) = &self.pattern
            && !regex.is_match(text)
        {
            broken.push(("pattern", said.clone()));
        }
        if let Some(one_of) = &self.one_of
            && !one_of.has(text, value)
        {
            broken.push(("enumerable", one_of.said.clone()));
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
        let beyond = |bound: &Option<Bound>, wrong: Ordering| {
            let bound = bound.as_ref()?;
            (order(value, &bound.value) == Some(wrong)).then(|| bound.said.clone())
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

/// A field's constraints in the spellings of what is written (spec-store.md 4.5); what looks at spellings alone goes where they change.
pub(super) fn written(said: &Map<String, Json>, kind: &Kind, format: &str) -> Map<String, Json> {
    let mut written = said.clone();
    for name in ["minimum", "maximum"] {
        if let Some(value) = said.get(name).and_then(|bound| meant(kind, format, bound)) {
            written.insert(name.to_owned(), spelled(kind, &value));
        }
    }
    if let Some(Json::Array(values)) = said.get("enum") {
        let values: Vec<Json> = values.iter().filter_map(|value| meant(kind, format, value)).map(|value| spelled(kind, &value)).collect();
        written.insert("enum".to_owned(), values.into());
    }
    if !matches!(kind, Kind::Any | Kind::String) {
        written.shift_remove("pattern");
    }
    written
}

/// A value as it is written.
fn spelled(kind: &Kind, value: &Value<'_>) -> Json {
    match value {
        Value::Text(text) => text.as_ref().into(),
        Value::Integer(year) if *kind == Kind::Year => format!("{year:04}").into(),
        Value::Integer(number) => i64::try_from(*number).map_or_else(|_| number.to_string().into(), Json::from),
        Value::Number(number) => number_text(*number),
        Value::Boolean(value) => (*value).into(),
        other => other.moment().unwrap_or_default().into(),
    }
}

fn number_text(number: f64) -> Json {
    match serde_json::Number::from_f64(number) {
        Some(number) => number.into(),
        None if number.is_nan() => "NaN".into(),
        None => if number > 0.0 { "INF" } else { "-INF" }.into(),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::flow::table::schema::TableSchema;

    fn field(said: Json) -> Result<TableSchema, String> {
        let mut said = said;
        said["name"] = "a".into();
        TableSchema::parse(&json!({"fields": [said]}).to_string())
    }

    #[test]
    fn constraints_mean_values_and_are_written_as_values_are() {
        let cases = [
            (
                json!({"type": "date", "format": "%d/%m/%Y", "constraints": {"minimum": "01/02/2000", "maximum": "2001-01-01", "pattern": "[0-9/]+"}}),
                json!({"minimum": "2000-02-01", "maximum": "2001-01-01"}),
                ("03/02/2000", "31/01/2000"),
            ),
            (
                json!({"type": "boolean", "trueValues": ["예"], "falseValues": ["아니오"], "constraints": {"enum": ["예"]}}),
                json!({"enum": [true]}),
                ("예", "아니오"),
            ),
            (
                json!({"type": "boolean", "trueValues": ["예"], "falseValues": ["아니오"], "constraints": {"enum": [false]}}),
                json!({"enum": [false]}),
                ("아니오", "예"),
            ),
            (
                json!({"type": "number", "decimalChar": ",", "groupChar": ".", "constraints": {"minimum": 1.5, "maximum": "1.000,5"}}),
                json!({"minimum": 1.5, "maximum": 1000.5}),
                ("1,6", "1,4"),
            ),
            (json!({"type": "year", "constraints": {"minimum": "0800"}}), json!({"minimum": "0800"}), ("0801", "0799")),
            (
                json!({"type": "time", "format": "any", "constraints": {"enum": ["8:05", "9:00", "never"]}}),
                json!({"enum": ["08:05:00", "09:00:00"]}),
                ("08:05:00", "08:06"),
            ),
            (
                json!({"type": "datetime", "format": "any", "constraints": {"maximum": "2000-01-01"}}),
                json!({"maximum": "2000-01-01 00:00:00"}),
                ("1999-12-31 23:59", "2000-01-01 00:01"),
            ),
            (json!({"constraints": {"pattern": "[a-z]", "enum": ["x", 1]}}), json!({"pattern": "[a-z]", "enum": ["x", "1"]}), ("x", "y")),
        ];
        for (said, wanted, (good, bad)) in cases {
            let schema = field(said.clone()).unwrap_or_else(|why| panic!("{said}: {why}"));
            let written = schema.written();
            assert_eq!(written["fields"][0]["constraints"], wanted, "{said}");
            TableSchema::parse(&written.to_string()).unwrap_or_else(|why| panic!("{written}: {why}"));
            let field = &schema.fields[0];
            let broken = |text: &str| {
                let value = cast(&field.kind, &field.format, text).expect("a value");
                field.constraints.broken(&field.kind, text, &value).len()
            };
            assert_eq!((broken(good), broken(bad)), (0, 1), "{said}");
        }
    }

    #[test]
    fn a_long_enumeration_is_looked_up_and_has_an_end() {
        let of = |count: usize| json!({"type": "date", "format": "any", "constraints": {"enum": vec!["x"; count]}});
        let why = field(of(MAX_ENUM + 1)).map(drop);
        assert_eq!(why, Err("field \"a\": enum has more than 100000 values".to_owned()));
        let schema = field(of(MAX_ENUM)).expect("it is read");
        let field = &schema.fields[0];
        let broken = field.constraints.broken(&field.kind, "2000-01-01", &Value::Date(10_957));
        assert!(broken.len() == 1 && broken[0].1.chars().count() < 300, "a message shows the beginning");
    }
}
