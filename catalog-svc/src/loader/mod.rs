//! The loader (ckan.md 6.9): an uploaded or linked file of a resource becomes the resource's table by itself.
//!
//! What waits is a row of the table `load`, one for each resource: a newer wish takes the place of an older one, and what was begun for
//! that is given up before it can publish. A worker holds a load for a while and prolongs that; a lost worker's load is taken again.
//! The end of a load, its publish and what its task says are one transaction.

mod fetch;
mod source;
mod worker;

use std::collections::HashMap;

use madang_kit::ckan::text;
use madang_lake::{ColumnType, Format};

pub(crate) use self::worker::spawn;
use crate::{
    ckan::{format_of, is_upload},
    store::ckan::resource::Resource,
};

/// Formats that become tables, by CKAN's names in lower case, with the delimiter that goes without saying.
const FORMATS: [(&str, Format, Option<u8>); 9] = [
    ("csv", Format::Csv, None),
    ("tsv", Format::Csv, Some(b'\t')),
    ("xlsx", Format::Xlsx, None),
    ("ods", Format::Ods, None),
    ("json", Format::Json, None),
    ("ndjson", Format::Json, None),
    ("jsonl", Format::Json, None),
    ("parquet", Format::Parquet, None),
    ("pq", Format::Parquet, None),
];

/// How a resource's file is read, if it can become a table: by its format, or without one by its name.
pub(crate) fn format(resource: &Resource) -> Option<(Format, Option<u8>)> {
    let url = text(&resource.fields, "url").unwrap_or_default();
    let kind = text(&resource.fields, "url_type").unwrap_or_default();
    if url.is_empty() || !(kind.is_empty() || is_upload(resource)) {
        return None; // a table that somebody writes row by row
    }
    let name = url.split(['?', '#']).next().unwrap_or_default().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let said = if resource.format.is_empty() { format_of(name) } else { resource.format.clone() };
    FORMATS.iter().find(|row| row.0 == said.to_lowercase()).map(|row| (row.1, row.2))
}

/// Whether a resource can become a table.
pub(crate) fn is_loadable(resource: &Resource) -> bool {
    format(resource).is_some()
}

/// A column's type by PostgreSQL's name for it (ckan.md 6.1). Numbers of any precision are doubles here.
pub(crate) fn column_type(name: &str) -> Option<ColumnType> {
    Some(match name.trim().to_lowercase().as_str() {
        "text" | "varchar" | "string" => ColumnType::String,
        "int" | "integer" | "int4" | "int8" | "int2" | "bigint" | "smallint" => ColumnType::Int64,
        "numeric" | "decimal" | "float" | "float4" | "float8" | "double precision" | "real" => ColumnType::Double,
        "bool" | "boolean" => ColumnType::Bool,
        "date" => ColumnType::Date,
        "timestamp" => ColumnType::LocalTimestamp,
        "timestamptz" => ColumnType::Timestamp,
        _ => return None,
    })
}

/// The types that somebody chose, from their JSON.
fn chosen_types(json: &str) -> HashMap<String, ColumnType> {
    let types: HashMap<String, String> = serde_json::from_str(json).unwrap_or_default();
    types.into_iter().filter_map(|(name, kind)| Some((name, column_type(&kind)?))).collect()
}

#[cfg(test)]
mod tests {
    use madang_kit::ckan::Dict;
    use sqlx::types::Json;

    use super::*;

    #[test]
    fn what_can_be_loaded_is_known_by_format_or_name() {
        let resource = |url: &str, kind: &str, format: &str| Resource {
            id: String::new(),
            dataset_id: String::new(),
            position: 0,
            name: String::new(),
            format: format.to_owned(),
            created_at: chrono::DateTime::default(),
            modified_at: None,
            fields: Json(Dict::from_iter([("url".to_owned(), url.into()), ("url_type".to_owned(), kind.into())])),
            has_table: false,
        };
        for (url, kind, format, wanted) in [
            ("http://x/a.csv", "", "", Some((Format::Csv, None))),
            ("http://x/a.csv.gz?b=1", "", "", Some((Format::Csv, None))),
            ("http://x/a", "", "TSV", Some((Format::Csv, Some(b'\t')))),
            ("a.xlsx", "upload", "XLSX", Some((Format::Xlsx, None))),
            ("a.csv", "upload", "PDF", None),
            ("http://x/a.csv", "datastore", "CSV", None),
            ("", "", "CSV", None),
        ] {
            assert_eq!(super::format(&resource(url, kind, format)), wanted, "{url} {kind} {format}");
        }
    }
}
