//! Columns as a dataset's owner declares them, and what he writes beside them.

use madang_kit::{Error, Result};
use madang_lake::Schema;
use madang_proto::catalog::v1::TableColumn;
use serde_json::{Map, Value};

/// Bytes of what is written beside one column, and beside all of a dataset.
const MAX_METADATA: usize = 4_096;
const MAX_METADATA_IN_ALL: usize = 256 << 10;

/// The declared columns; `None` if there are none.
pub(crate) fn read(columns: &[TableColumn]) -> Result<Option<Schema>> {
    if columns.is_empty() {
        return Ok(None);
    }
    let schema = Schema::try_from(columns.to_vec()).map_err(|error| Error::invalid("schema", "type", error.to_string()))?;
    schema.check().map_err(|error| Error::invalid("schema", "columns", error.to_string()))?;
    Ok(Some(schema))
}

/// What is written beside the columns from now on, as stored. A column for which nothing is given keeps what it had; an empty
/// object takes it away.
pub(crate) fn metadata(columns: &[TableColumn], before: Option<&str>) -> Result<Option<String>> {
    let mut known = parse(before)?;
    let mut kept = Map::new();
    for (at, column) in columns.iter().enumerate() {
        let given = column.metadata.as_deref().map(|text| object(at, text)).transpose()?;
        let had = || known.remove(&column.name).and_then(|value| if let Value::Object(object) = value { Some(object) } else { None });
        if let Some(object) = given.or_else(had).filter(|object| !object.is_empty()) {
            kept.insert(column.name.clone(), Value::Object(object));
        }
    }
    if kept.is_empty() {
        return Ok(None);
    }
    let text = Value::Object(kept).to_string();
    if text.len() > MAX_METADATA_IN_ALL {
        let rule = format!("the metadata of all columns have at most {MAX_METADATA_IN_ALL} bytes");
        return Err(Error::invalid("schema.fields", "too_long", rule));
    }
    Ok(Some(text))
}

fn object(at: usize, text: &str) -> Result<Map<String, Value>> {
    let field = format!("schema.fields.{at}.metadata");
    if text.len() > MAX_METADATA || text.contains("\\u0000") {
        return Err(Error::invalid(field, "too_long", format!("the metadata of a column have at most {MAX_METADATA} bytes and no NUL")));
    }
    serde_json::from_str(text).map_err(|_| Error::invalid(field, "object_type", "the metadata of a column must be an object"))
}

/// Columns with what is written beside them.
pub(crate) fn wire(schema: &Schema, metadata: Option<&str>) -> Result<Vec<TableColumn>> {
    let known = parse(metadata)?;
    let mut columns: Vec<TableColumn> = schema.into();
    for column in &mut columns {
        column.metadata = known.get(&column.name).map(Value::to_string);
    }
    Ok(columns)
}

fn parse(stored: Option<&str>) -> Result<Map<String, Value>> {
    stored.map_or(Ok(Map::new()), serde_json::from_str).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, metadata: Option<&str>) -> TableColumn {
        TableColumn { name: name.to_owned(), r#type: "int64".to_owned(), nullable: true, metadata: metadata.map(str::to_owned) }
    }

    #[test]
    fn metadata_stay_until_they_are_replaced() {
        let first = metadata(&[column("a", Some(r#"{"단위":"°C"}"#)), column("b", None), column("c", Some("{}"))], None).expect("valid");
        assert_eq!(first.as_deref(), Some(r#"{"a":{"단위":"°C"}}"#));
        let same = metadata(&[column("d", None), column("a", None)], first.as_deref()).expect("valid");
        assert_eq!(same, first);
        assert_eq!(metadata(&[column("a", Some("{}"))], first.as_deref()).expect("valid"), None);
        for wrong in ["[]", "1", "{", r#"{"a":"\u0000"}"#, &format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_METADATA))] {
            assert!(metadata(&[column("a", Some(wrong))], None).is_err(), "{wrong}");
        }
        let many: Vec<_> = (0..100).map(|at| column(&at.to_string(), Some(&format!(r#"{{"a":"{}"}}"#, "x".repeat(4_000))))).collect();
        assert!(metadata(&many, None).is_err());
    }
}
