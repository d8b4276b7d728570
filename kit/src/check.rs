//! Checks of values that callers send; each failure names the field and the rule.

use crate::{Error, Id, Result};

/// The longest title of a thing, in characters.
pub const TITLE_CHARS: usize = 200;
/// The longest description of a thing, in characters.
pub const DESCRIPTION_CHARS: usize = 10_000;
/// Entries of a list of names.
pub const NAMES: usize = 100;

/// A title: 1 to [`TITLE_CHARS`] characters, not only blanks, no control characters.
pub fn title(field: &str, text: &str) -> Result<String> {
    if text.trim().is_empty() {
        return Err(Error::invalid(field, "missing", format!("{field} must not be empty")));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "control_character", format!("{field} must not contain control characters")));
    }
    at_most(field, text, TITLE_CHARS)?;
    Ok(text.to_owned())
}

/// A description: at most [`DESCRIPTION_CHARS`] characters, no NUL (PostgreSQL stores none).
pub fn description(field: &str, text: Option<String>) -> Result<Option<String>> {
    if let Some(text) = &text {
        at_most(field, text, DESCRIPTION_CHARS)?;
        if text.contains('\0') {
            return Err(Error::invalid(field, "control_character", format!("{field} must not contain NUL")));
        }
    }
    Ok(text)
}

/// A list of names: none empty, none too long, at most [`NAMES`]; repeated ones are dropped.
pub fn names(field: &str, names: Vec<String>) -> Result<Vec<String>> {
    if names.len() > NAMES {
        return Err(Error::invalid(field, "too_many", format!("{field} has at most {NAMES} entries")));
    }
    let mut kept = Vec::with_capacity(names.len());
    for name in names {
        let name = title(field, &name)?;
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    Ok(kept)
}

/// Whether a text looks like one e-mail address: no blanks, no control characters, one `@` with something before and a dot behind it.
pub fn is_email(text: &str) -> bool {
    let halves = text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.') && !domain.contains('@'));
    halves && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// An id from another process of ours.
pub fn id(field: &str, text: &str) -> Result<Id> {
    text.parse().map_err(|_| Error::invalid(field, "id", format!("{field} is not an id")))
}

/// An optional id from another process of ours.
pub fn optional_id(field: &str, text: Option<&str>) -> Result<Option<Id>> {
    text.map(|text| id(field, text)).transpose()
}

fn at_most(field: &str, text: &str, limit: usize) -> Result<()> {
    if text.chars().count() <= limit {
        return Ok(());
    }
    Err(Error::invalid(field, "too_long", format!("{field} must have at most {limit} characters")))
}
