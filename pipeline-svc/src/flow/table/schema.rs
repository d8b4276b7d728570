//! A Frictionless Table Schema, read once into what casting needs (spec-store.md 6, "Type mapping").

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::constraint::{self, Constraints};

/// Fields of a table.
const MAX_FIELDS: usize = 4_096;

/// The fields of a table, and which of them name a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableSchema {
    pub(crate) fields: Vec<Field>,
    /// Texts that mean that there is no value.
    pub(crate) missing: HashSet<String>,
    /// Places of the fields that name a row.
    pub(crate) primary_key: Vec<usize>,
    /// What else the schema says: foreign keys and the like.
    rest: Map<String, Value>,
}

/// One field.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// As it was said; "default" if nothing was.
    pub(crate) format: String,
    pub(crate) constraints: Constraints,
    /// As it was said.
    pub(crate) descriptor: Map<String, Value>,
}

/// How a field's texts become values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Any,
    String,
    Integer { bare: bool, wide: bool },
    Number { decimal: String, group: String, bare: bool },
    Boolean { yes: Vec<String>, no: Vec<String> },
    Date(Moment),
    Time(Moment),
    DateTime(Moment),
    Year,
    YearMonth,
    Duration,
    Array,
    Object,
    GeoJson,
    GeoPoint,
}

/// How a moment is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Default,
    Any,
    Pattern(String),
}

impl TableSchema {
    /// Reads a schema.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|_| "it is no JSON object".to_owned())?;
        let Value::Object(mut rest) = value else { return Err("it is no JSON object".to_owned()) };
        let Some(Value::Array(fields)) = rest.shift_remove("fields") else { return Err("it has no list of fields".to_owned()) };
        if fields.is_empty() || fields.len() > MAX_FIELDS {
            return Err(format!("it has {} fields; 1 to {MAX_FIELDS} are possible", fields.len()));
        }
        let fields = fields.into_iter().enumerate().map(|(at, field)| Field::parse(at, field)).collect::<Result<Vec<_>, _>>()?;
        let mut seen = HashSet::new();
        if let Some(twice) = fields.iter().find(|field| !seen.insert(field.name.as_str())) {
            return Err(format!("the field \"{}\" is there twice", twice.name));
        }
        let missing = match rest.get("missingValues") {
            None => HashSet::from([String::new()]),
            Some(values) => texts(values).ok_or("missingValues is no list of texts")?.into_iter().collect(),
        };
        let key = match rest.get("primaryKey") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(name)) => vec![name.clone()],
            Some(names) => texts(names).ok_or("primaryKey is neither a text nor a list of texts")?,
        };
        let place = |name: &String| {
            fields.iter().position(|field| field.name == *name).ok_or_else(|| format!("primaryKey names \"{name}\", which is no field"))
        };
        let primary_key = key.iter().map(place).collect::<Result<_, _>>()?;
        Ok(Self { fields, missing, primary_key, rest })
    }

    /// What is needed to read a written table back: names, types and spellings, and nothing that judges its values.
    pub(crate) fn unjudged(mut written: Value) -> Value {
        if let Some(schema) = written.as_object_mut() {
            schema.retain(|name, _| name == "fields" || name == "missingValues");
        }
        for field in written.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(field) = field.as_object_mut() {
                field.shift_remove("constraints");
            }
        }
        written
    }

    /// The names of a written table's fields.
    pub(crate) fn names(written: &Value) -> Vec<&str> {
        let fields = written.get("fields").and_then(Value::as_array).into_iter().flatten();
        fields.filter_map(|field| field.get("name")?.as_str()).collect()
    }

    /// A schema of other fields, which come from steps.
    pub(crate) fn of(fields: Vec<Field>) -> Self {
        Self { fields, missing: HashSet::from([String::new()]), ..Self::default() }
    }

    /// The schema of what is written: in the spellings of section 4.5.
    pub(crate) fn written(&self) -> Value {
        let fields: Vec<Value> = self.fields.iter().map(Field::written).collect();
        let mut schema = Map::new();
        schema.insert("fields".to_owned(), fields.into());
        for (name, value) in &self.rest {
            if name != "missingValues" {
                schema.insert(name.clone(), value.clone());
            }
        }
        schema.insert("missingValues".to_owned(), json!([""]));
        schema.into()
    }
}

impl Field {
    pub(crate) fn parse(at: usize, value: Value) -> Result<Self, String> {
        let Value::Object(descriptor) = value else { return Err(format!("field {} is no object", at + 1)) };
        let text = |name: &str| descriptor.get(name).and_then(Value::as_str);
        let name = text("name").filter(|name| !name.is_empty()).ok_or_else(|| format!("field {} has no name", at + 1))?.to_owned();
        let format = text("format").unwrap_or("default").to_owned();
        let kind = Kind::parse(text("type").unwrap_or("string"), &format, &descriptor).map_err(|why| format!("field \"{name}\": {why}"))?;
        let constraints = descriptor.get("constraints").cloned().unwrap_or_default();
        let constraints = Constraints::parse(&constraints, &kind, &format).map_err(|why| format!("field \"{name}\": {why}"))?;
        Ok(Self { name, kind, format, constraints, descriptor })
    }

    /// A field that a step made.
    pub(crate) fn made(name: &str, kind: Kind) -> Self {
        let descriptor = Map::from_iter([("name".to_owned(), name.into()), ("type".to_owned(), kind.name().into())]);
        Self { name: name.to_owned(), kind, format: "default".to_owned(), constraints: Constraints::default(), descriptor }
    }

    fn written(&self) -> Value {
        let mut field = self.descriptor.clone();
        field.insert("name".to_owned(), self.name.clone().into());
        field.insert("type".to_owned(), self.kind.name().into());
        for name in ["format", "trueValues", "falseValues", "decimalChar", "groupChar", "bareNumber", "currency"] {
            field.shift_remove(name);
        }
        if let Some(Value::Object(said)) = self.descriptor.get("constraints") {
            field.insert("constraints".to_owned(), constraint::written(said, &self.kind, &self.format).into());
        }
        match &self.kind {
            Kind::Number { .. } => {
                field.insert("decimalChar".to_owned(), ".".into());
                field.insert("groupChar".to_owned(), "".into());
            }
            Kind::Boolean { .. } => {
                field.insert("trueValues".to_owned(), json!(["true"]));
                field.insert("falseValues".to_owned(), json!(["false"]));
            }
            Kind::Date(_) => drop(field.insert("format".to_owned(), "%Y-%m-%d".into())),
            Kind::Time(_) => drop(field.insert("format".to_owned(), "%H:%M:%S".into())),
            Kind::DateTime(_) => drop(field.insert("format".to_owned(), "%Y-%m-%d %H:%M:%S".into())),
            Kind::String if self.format != "default" => drop(field.insert("format".to_owned(), self.format.clone().into())),
            _ => {}
        }
        field.into()
    }
}

impl Kind {
    pub(crate) fn parse(name: &str, format: &str, descriptor: &Map<String, Value>) -> Result<Self, String> {
        let text = |name: &str, or: &str| descriptor.get(name).and_then(Value::as_str).unwrap_or(or).to_owned();
        let bare = descriptor.get("bareNumber").and_then(Value::as_bool).unwrap_or(true);
        let words = |name: &str, or: &[&str]| match descriptor.get(name) {
            None => Ok(or.iter().map(|&word| word.to_owned()).collect()),
            Some(words) => texts(words).ok_or_else(|| format!("{name} is no list of texts")),
        };
        Ok(match name {
            "any" => Self::Any,
            "string" => Self::String,
            "integer" => Self::Integer { bare, wide: false },
            "number" => Self::Number { decimal: text("decimalChar", "."), group: text("groupChar", ""), bare },
            "boolean" => Self::Boolean {
                yes: words("trueValues", &["true", "True", "TRUE", "1"])?,
                no: words("falseValues", &["false", "False", "FALSE", "0"])?,
            },
            "date" => Self::Date(Moment::parse(format)),
            "time" => Self::Time(Moment::parse(format)),
            "datetime" => Self::DateTime(Moment::parse(format)),
            "year" => Self::Year,
            "yearmonth" => Self::YearMonth,
            "duration" => Self::Duration,
            "array" => Self::Array,
            "object" => Self::Object,
            "geojson" => Self::GeoJson,
            "geopoint" => Self::GeoPoint,
            other => return Err(format!("the type \"{other}\" is not known")),
        })
    }

    /// The same in the type's own spelling.
    pub(super) fn plain(&self) -> Self {
        match self {
            Self::Integer { wide, .. } => Self::Integer { bare: true, wide: *wide },
            Self::Number { .. } => Self::Number { decimal: ".".to_owned(), group: String::new(), bare: true },
            Self::Boolean { .. } => Self::Boolean { yes: vec!["true".to_owned()], no: vec!["false".to_owned()] },
            Self::Date(_) => Self::Date(Moment::Default),
            Self::Time(_) => Self::Time(Moment::Default),
            Self::DateTime(_) => Self::DateTime(Moment::Default),
            other => other.clone(),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::String => "string",
            Self::Integer { .. } => "integer",
            Self::Number { .. } => "number",
            Self::Boolean { .. } => "boolean",
            Self::Date(_) => "date",
            Self::Time(_) => "time",
            Self::DateTime(_) => "datetime",
            Self::Year => "year",
            Self::YearMonth => "yearmonth",
            Self::Duration => "duration",
            Self::Array => "array",
            Self::Object => "object",
            Self::GeoJson => "geojson",
            Self::GeoPoint => "geopoint",
        }
    }

    /// Whether its values are JSON texts.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self, Self::Array | Self::Object | Self::GeoJson)
    }
}

impl Moment {
    fn parse(format: &str) -> Self {
        match format {
            "default" | "" => Self::Default,
            "any" => Self::Any,
            pattern => Self::Pattern(pattern.strip_prefix("fmt:").unwrap_or(pattern).to_owned()),
        }
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}
