//! One object of a JSON file: names and cells.

use std::{borrow::Cow, collections::HashSet, fmt};

use madang_lake::{Error, Limits, Result};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::ingest::{builder::Builder, kind::Kind};

/// An object whose keys differ and whose cells are within their limit.
pub(super) struct Object<'a> {
    entries: Vec<(Cow<'a, str>, &'a RawValue)>,
    row: u64,
}

/// A value.
pub(super) enum Cell<'a> {
    /// `null`
    Absent,
    Bool(bool),
    /// A number, as it is written.
    Number(&'a str),
    Text(Cow<'a, str>),
    /// An object or an array, as it is written.
    Nested(&'a str),
}

impl<'a> Object<'a> {
    /// Reads an object. Numbers and nested values are not looked into yet.
    pub(super) fn read(text: &'a [u8], row: u64, limits: &Limits) -> Result<Self> {
        let bad = |column: Option<&str>, reason: String| Error::BadRow { row, column: column.map(str::to_owned), reason };
        let Entries(entries) = serde_json::from_slice(text).map_err(|error| bad(None, format!("it is not valid JSON: {error}")))?;
        if entries.len() > limits.columns {
            return Err(Error::LimitExceeded(format!("row {row} has more than {} keys, which is the limit", limits.columns)));
        }
        let mut names = HashSet::with_capacity(entries.len());
        for (name, value) in &entries {
            if !names.insert(name.as_ref()) {
                return Err(bad(Some(name), "the key appears twice".to_owned()));
            }
            if value.get().len() > limits.cell_bytes {
                let most = limits.cell_bytes;
                let text = format!("row {row}: the cell in column '{name}' is larger than {most} bytes, which is the limit");
                return Err(Error::LimitExceeded(text));
            }
        }
        Ok(Self { entries, row })
    }

    /// Names and cells in the order of the file.
    pub(super) fn cells(&self) -> impl Iterator<Item = (&str, Result<Cell<'a>>)> {
        self.entries.iter().map(|(name, value)| {
            let bad = |reason| Error::BadRow { row: self.row, column: Some(name.as_ref().to_owned()), reason };
            (name.as_ref(), Cell::read(value.get()).map_err(bad))
        })
    }
}

impl<'a> Cell<'a> {
    fn read(raw: &'a str) -> std::result::Result<Self, String> {
        Ok(match raw.as_bytes().first() {
            Some(b'n') => Self::Absent,
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'"') => {
                let Text(text) = serde_json::from_str(raw).map_err(|error| format!("the text can't be read: {error}"))?;
                if text.contains('\0') {
                    return Err("a text can't hold NUL".to_owned());
                }
                Self::Text(text)
            }
            Some(b'{' | b'[') => Self::Nested(raw),
            _ => Self::Number(raw),
        })
    }

    /// The narrowest kind of column that holds it.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Absent => Kind::Empty,
            Self::Bool(_) => Kind::Bool,
            Self::Number(text) => Kind::of_number(text),
            Self::Text(text) => Kind::of_text(text),
            Self::Nested(_) => Kind::Text,
        }
    }

    /// Its text; none if it is absent.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Absent => None,
            Self::Bool(value) => Some(if *value { "true" } else { "false" }),
            Self::Number(text) | Self::Nested(text) => Some(text),
            Self::Text(text) => Some(text),
        }
    }

    /// Adds it to a column, or says why it does not fit.
    pub(super) fn push_to(&self, builder: &mut Builder) -> std::result::Result<(), String> {
        match self {
            Self::Absent => builder.push_null(),
            Self::Bool(value) => builder.push_text(if *value { "true" } else { "false" }),
            Self::Number(text) | Self::Nested(text) => builder.push_text(text),
            Self::Text(text) => builder.push_text(text),
        }
    }
}

/// A text that is borrowed from the file where no escape is in it.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            entries.push((name, value));
        }
        Ok(Entries(entries))
    }
}
