//! Columns in PostgreSQL's words (ckan.md 6.1): how callers describe them, and how they are shown.

use madang_kit::ckan::{Dict, Outcome, Refusal, text_of};
use madang_lake::{Column, ColumnType, Schema};
use serde_json::{Value, json};

use super::kind::{guessed, kind, native};
use crate::store::datastore::{About, FieldInfo};

/// Bytes of a column's name.
const NAME_BYTES: usize = 63;
/// Columns of a table.
pub(super) const COLUMNS: usize = 1_600;

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    /// PostgreSQL's name of its type: `int4`, `text`, ….
    pub(super) kind: String,
    pub(super) lake: ColumnType,
    pub(super) nullable: bool,
    pub(super) info: Option<Value>,
}

/// The columns of a table.
pub(super) fn fields(schema: &Schema, about: &About) -> Vec<Field> {
    let field = |column: &Column| {
        let known = about.fields.get(&column.name).filter(|known| kind(&known.kind).is_some_and(|(_, lake)| lake == column.kind));
        Field {
            name: column.name.clone(),
            kind: known.map_or_else(|| native(column.kind).to_owned(), |known| known.kind.clone()),
            lake: column.kind,
            nullable: column.nullable,
            info: about.fields.get(&column.name).and_then(|known| known.info.clone()),
        }
    };
    schema.columns.iter().map(field).collect()
}

/// The columns as the lake has them.
pub(super) fn schema(fields: &[Field]) -> Schema {
    let column = |field: &Field| Column { name: field.name.clone(), kind: field.lake, nullable: field.nullable };
    Schema { columns: fields.iter().map(column).collect() }
}

/// What is to be remembered of a column.
pub(super) fn remembered(field: &Field) -> (String, FieldInfo) {
    (field.name.clone(), FieldInfo { kind: field.kind.clone(), info: field.info.clone() })
}

/// A column in an answer.
pub(super) fn shown(field: &Field) -> Value {
    let mut shown = json!({"id": field.name, "type": field.kind});
    if let Some(info) = &field.info {
        shown["info"] = info.clone();
    }
    shown
}

/// Whether a column may have a name.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.trim() == name && !name.starts_with('_') && !name.contains('"') && !name.chars().any(char::is_control)
}

/// Reads the columns that a caller describes; those without a type get one from the first record.
pub(super) fn read(given: &[Value], first: Option<&Dict>) -> Outcome<Vec<Field>> {
    let mut read: Vec<Field> = Vec::with_capacity(given.len());
    for field in given {
        let (name, dict) = match field {
            Value::Object(dict) => (dict.get("id").and_then(text_of).unwrap_or_default(), Some(dict)),
            Value::String(name) => (name.clone(), None),
            _ => (String::new(), None),
        };
        check_name(&name)?;
        let wanted = dict.and_then(|dict| dict.get("type")).and_then(text_of).filter(|kind| !kind.is_empty());
        let (kind, lake) = match (wanted, first.and_then(|first| first.get(&name))) {
            (Some(wanted), _) => {
                kind(&wanted).ok_or_else(|| Refusal::invalid("fields", format!("\"{wanted}\" is not a valid field type")))?
            }
            (None, Some(value)) => guessed(value),
            (None, None) => return Err(Refusal::invalid("fields", format!("\"{name}\" type not guessable"))),
        };
        let info = dict.and_then(|dict| dict.get("info")).filter(|info| !info.is_null()).cloned();
        if info.as_ref().is_some_and(|info| !info.is_object()) {
            return Err(Refusal::invalid("fields", "\"info\" must be a dict"));
        }
        read.push(Field { name, kind, lake, nullable: true, info });
    }
    Ok(read)
}

/// The columns that the first record has beyond those that are known.
pub(super) fn of_record(first: &Dict, known: &[Field]) -> Outcome<Vec<Field>> {
    let mut more = Vec::new();
    for (name, value) in first.iter().filter(|(name, _)| name.as_str() != "_id" && known.iter().all(|field| field.name != **name)) {
        check_name(name)?;
        let (kind, lake) = guessed(value);
        more.push(Field { name: name.clone(), kind, lake, nullable: true, info: None });
    }
    Ok(more)
}

fn check_name(name: &str) -> Outcome<()> {
    if !is_name(name) {
        return Err(Refusal::invalid("fields", format!("\"{name}\" is not a valid field name")));
    }
    if name.len() > NAME_BYTES {
        return Err(Refusal::invalid("fields", format!("Column heading \"{name}\" exceeds limit of {NAME_BYTES} characters.")));
    }
    Ok(())
}

/// Refuses columns of the same name; the lake takes upper and lower case for the same.
pub(super) fn check_twice(fields: &[Field]) -> Outcome<()> {
    let mut seen = std::collections::HashSet::new();
    if fields.len() > COLUMNS {
        return Err(Refusal::invalid("fields", format!("tables can have at most {COLUMNS} columns")));
    }
    if fields.iter().all(|field| seen.insert(field.name.to_lowercase())) {
        Ok(())
    } else {
        Err(Refusal::invalid("field", "Duplicate column names are not supported"))
    }
}
