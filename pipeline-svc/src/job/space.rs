//! What jobs, workflows and triggers have in common: they belong to a space, have names of one form, and come in pages.

use madang_kit::{Code, Context, Error, Id, Principal, Result, check, db::is_unique_violation, error::FieldProblem, principal::Scheme};
use madang_proto::pipeline::v1::Page;

use crate::store::thing::anywhere;

/// Characters of a name.
const NAME: std::ops::RangeInclusive<usize> = 3..=100;
/// Characters of a description.
const DESCRIPTION: usize = 1_000;
/// The largest page.
const MAX_PAGE: u32 = 1_000;
/// Bytes of what names who set an execution off.
const MAX_ORIGIN: usize = 16 << 10;

/// The space that the caller acts in; whoever is in it may do everything with what belongs to it.
pub(crate) fn of(context: &Context) -> Result<Id> {
    context.principal.space.ok_or_else(|| Error::new(Code::Denied, "the credential belongs to no space"))
}

/// The caller as runs carry him.
pub(crate) fn run_as(context: &Context) -> Principal {
    Principal { scheme: Scheme::RunAs, ..context.principal.clone() }
}

/// There is no such thing; the field tells the kind.
pub(crate) fn absent(field: &str, id: &str) -> Error {
    let problem = FieldProblem { field: field.to_owned(), rule: "absent".to_owned(), message: id.to_owned() };
    Error { fields: vec![problem], ..Error::new(Code::NotFound, format!("{field} '{id}' not found")) }
}

/// The thing's state forbids it.
pub(crate) fn forbidden(why: impl Into<String>) -> Error {
    Error::new(Code::Conflict, why)
}

/// Refuses a name that is not of the form `[A-Za-z_][A-Za-z0-9_-]{2,99}` (dataflow.md 2.1).
pub(crate) fn name(name: &str) -> Result<String> {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let goes_on = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if begins && goes_on && NAME.contains(&name.len()) {
        return Ok(name.to_owned());
    }
    let rule = "name must have 3 to 100 letters, digits, _ or -, and begin with a letter or _";
    Err(Error::invalid("name", "pattern", rule))
}

/// A description; an empty one is none.
pub(crate) fn description(text: Option<String>) -> Result<Option<String>> {
    let text = check::description("description", text.filter(|text| !text.is_empty()))?;
    match &text {
        Some(text) if text.chars().count() > DESCRIPTION => {
            Err(Error::invalid("description", "too_long", format!("description must have at most {DESCRIPTION} characters")))
        }
        _ => Ok(text),
    }
}

/// Limit and offset of a page.
pub(crate) fn page(page: Option<Page>) -> Result<(i64, i64)> {
    let Page { number, limit } = page.unwrap_or(Page { number: 0, limit: MAX_PAGE });
    if limit > MAX_PAGE {
        return Err(Error::invalid("limit", "range", format!("limit must be 0 to {MAX_PAGE}")));
    }
    let offset = number.checked_mul(limit.into()).and_then(|offset| i64::try_from(offset).ok());
    Ok((limit.into(), offset.ok_or_else(|| Error::invalid("page", "range", "page is too large"))?))
}

/// A LIKE pattern for part of a name; absent = any.
pub(crate) fn like(part: Option<&str>) -> Result<String> {
    if part.is_some_and(|part| part.contains('\0')) {
        return Err(Error::invalid("name", "control_character", "name must not contain NUL"));
    }
    Ok(anywhere(part))
}

/// What a failed write of a name means.
pub(crate) fn named(error: sqlx::Error, name: &str) -> Error {
    if is_unique_violation(&error) {
        return Error::invalid("name", "taken", format!("the name '{name}' is taken"));
    }
    error.into()
}

/// A count for the wire.
pub(crate) fn count(number: i64) -> u64 {
    number.try_into().unwrap_or_default()
}

/// What a caller says of whoever set an execution off: a JSON object, or nothing.
pub(crate) fn origin(text: String) -> Result<String> {
    if text.len() > MAX_ORIGIN || text.contains('\0') {
        return Err(Error::invalid("origin", "too_long", format!("the origin has at most {MAX_ORIGIN} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_form() {
        for good in ["abc", "_a1", "orders_kr", "A-b", &"a".repeat(100)] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["", "ab", "1abc", "-abc", "a b", "주문목록", "abc\n", &"a".repeat(101)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
