//! Who may do what in the catalogue; every face asks here (design: "Identity, tenancy, permission").
//!
//! Reading is decided by one SQL condition (`store::thing::visible`), because lists need it too; [`reader`] says for whom. Everything
//! else is decided by [`may`].

use madang_kit::{Code, Db, Error, Principal, Result, principal::Scheme};

use crate::store::{
    dataset::Dataset,
    organization::{self, Capacity},
    thing::Reader,
    user,
};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action<'a> {
    /// Make an organization.
    CreateOrganization,
    /// Change or delete an organization.
    ManageOrganization { organization: &'a str },
    /// Make a dataset in an organization, or in none.
    CreateDataset { organization: Option<&'a str> },
    /// Change or delete a dataset, or write its rows.
    WriteDataset(&'a Dataset),
}

/// Whether somebody may do it.
pub(crate) async fn may(db: &Db, reader: &Reader, action: Action<'_>) -> Result<bool> {
    if reader.admin {
        return Ok(true);
    }
    let (organization, needed) = match action {
        Action::CreateOrganization | Action::CreateDataset { organization: None } => return Ok(true),
        Action::WriteDataset(dataset) => match &dataset.organization_id {
            Some(organization) => (organization.as_str(), Capacity::Editor),
            None => return Ok(dataset.created_by == reader.id),
        },
        Action::CreateDataset { organization: Some(organization) } => (organization, Capacity::Editor),
        Action::ManageOrganization { organization } => (organization, Capacity::Admin),
    };
    let capacity = organization::capacity(db, organization, &reader.id).await?;
    Ok(capacity.is_some_and(|capacity| capacity >= needed))
}

/// Refuses with [`Code::Denied`] what [`may`] does not allow.
pub(crate) async fn demand(db: &Db, principal: &Principal, action: Action<'_>) -> Result<()> {
    demand_as(db, &reader(db, principal).await?, action).await
}

/// [`demand`] of somebody who was looked up already.
pub(crate) async fn demand_as(db: &Db, reader: &Reader, action: Action<'_>) -> Result<()> {
    if may(db, reader, action).await? { Ok(()) } else { Err(Error::new(Code::Denied, "you are not allowed to do this")) }
}

/// Who reads, for the condition that decides what is visible.
pub(crate) async fn reader(db: &Db, principal: &Principal) -> Result<Reader> {
    Ok(Reader::new(principal, is_admin(db, principal).await?))
}

/// Whether a principal passes every check. A stored principal is looked up again: since it was stored, the user may have been
/// deleted or lost the role.
async fn is_admin(db: &Db, principal: &Principal) -> Result<bool> {
    if principal.scheme != Scheme::RunAs {
        return Ok(principal.is_admin());
    }
    match user::standing(db, principal.user).await? {
        Some(standing) if standing.state == "active" => Ok(standing.sysadmin),
        Some(_) => Err(Error::new(Code::Denied, "the user on whose behalf this works is no longer active")),
        None => Err(Error::new(Code::Unavailable, "the user on whose behalf this works is not known here yet")),
    }
}
