//! Who may do what in a space. The gateway has proven the caller and its space, and says which roles a member has there.

use madang_kit::{Code, Context, Error, Result, error::FieldProblem, principal::Scheme, survey::role};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// Read surveys, groups and masked answers.
    Read,
    /// Work with profiles, add and remove panels, see masked ones.
    Panels,
    /// Read panels in the clear: with the space's key, or as one of those who may have that key or see originals.
    OpenPanels,
    /// Author surveys and run collections.
    Author,
    /// Hand answers on to the catalogue.
    Share,
    /// Set up webhooks.
    Connect,
    /// Read originals of personal-info answers.
    Originals,
    /// Erase, set retention, read the audit.
    Guard,
}

/// The space that the caller acts in, if it may do that there.
///
/// # Errors
/// [`Code::Denied`].
pub(crate) fn may(context: &Context, right: Right) -> Result<String> {
    let principal = &context.principal;
    let space = principal.space.ok_or_else(|| Error::new(Code::Denied, "the credential belongs to no space"))?;
    let owns = principal.scheme == Scheme::SpaceBasic;
    let member = role::is_member(principal);
    let allowed = match right {
        Right::Read | Right::Panels => owns || member,
        Right::OpenPanels => owns || [role::ADMIN, role::DEVELOPER, role::PRIVACY].into_iter().any(|wanted| role::has(principal, wanted)),
        Right::Author => member,
        Right::Connect => role::has(principal, role::ADMIN) || role::has(principal, role::DEVELOPER),
        Right::Originals => role::has(principal, role::PRIVACY),
        Right::Guard | Right::Share => role::has(principal, role::ADMIN),
    };
    if allowed { Ok(space.to_string()) } else { Err(Error::new(Code::Denied, "your roles in the space do not allow this")) }
}

/// Refuses what belongs to another space.
pub(crate) fn own(space: &str, owner: &str, thing: &str, id: &str) -> Result<()> {
    if space == owner { Ok(()) } else { Err(Error { code: Code::NotVisible, ..missing(thing, id) }) }
}

/// There is no such thing; its kind (`survey`, `collect_group`, …) stands where a field at fault would.
pub(crate) fn missing(thing: &str, id: &str) -> Error {
    let problem = FieldProblem { field: thing.to_owned(), rule: "unknown".to_owned(), message: String::new() };
    Error { fields: vec![problem], ..Error::not_found(thing, id.escape_debug()) }
}
