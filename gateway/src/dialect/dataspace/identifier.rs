//! The two spellings of ids (dataspace.md section 3): `a` and lowercase ULID text for surveys, groups and sheets; uppercase ULID text for
//! panels, profile variables and options.

use madang_kit::{Code, Error, Id, Result, error::FieldProblem};

/// Prints `a01hb7vt01vpahrwjyxgd28sf3a`.
pub(super) fn lower(id: &str) -> String {
    id.parse::<Id>().map(|id| format!("a{}", id.ulid_lower())).unwrap_or_default()
}

/// Prints `01H8NN0C49ZHDTKG8N6B7CF9E1`.
pub(super) fn upper(id: &str) -> String {
    id.parse::<Id>().map(Id::ulid_upper).unwrap_or_default()
}

/// Reads the first spelling.
pub(super) fn read_lower(text: &str) -> Option<Id> {
    let ulid = text.strip_prefix('a')?;
    Id::parse_prefixed("a", &format!("a-{ulid}")).ok()
}

/// Reads the second spelling.
pub(super) fn read_upper(text: &str) -> Option<Id> {
    let plain = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if plain { Id::parse_prefixed("a", &format!("a-{}", text.to_ascii_lowercase())).ok() } else { None }
}

/// The id of a thing in a path; what is none is no thing's.
pub(super) fn named(read: fn(&str) -> Option<Id>, thing: &str, text: &str) -> Result<String> {
    read(text).map(|id| id.to_string()).ok_or_else(|| missing(thing))
}

/// A cursor of a list, if there is one.
pub(super) fn cursor(read: fn(&str) -> Option<Id>, field: &str, text: Option<&str>) -> Result<Option<String>> {
    let text = text.filter(|text| !text.is_empty());
    text.map(|text| read(text).map(|id| id.to_string()).ok_or_else(|| Error::invalid(field, "id", format!("{field} is not an id"))))
        .transpose()
}

/// 404 for a thing: `survey`, `collect_group`, ….
pub(super) fn missing(thing: &str) -> Error {
    let problem = FieldProblem { field: thing.to_owned(), rule: "unknown".to_owned(), message: String::new() };
    Error { fields: vec![problem], ..Error::new(Code::NotFound, "not found") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_go_there_and_back() {
        let id = read_lower("a01hb7vt01vpahrwjyxgd28sf3a").expect("a survey's id");
        assert_eq!(lower(&id.to_string()), "a01hb7vt01vpahrwjyxgd28sf3a");
        let id = read_upper("01H8NN0C49ZHDTKG8N6B7CF9E1").expect("a panel's id");
        assert_eq!(upper(&id.to_string()), "01H8NN0C49ZHDTKG8N6B7CF9E1");
        for bad in ["", "a", "01h8nn0c49zhdtkg8n6b7cf9e1", "a01H8NN0C49ZHDTKG8N6B7CF9E1", "01H8NN0C49ZHDTKG8N6B7CF9E"] {
            assert!(read_upper(bad).is_none() && read_lower(bad).is_none(), "{bad}");
        }
    }
}
