//! The only permission function of the catalogue; every face asks it (design: "Identity, tenancy, permission").

use madang_kit::{Code, Db, Error, Principal, Result, principal::Scheme};

use crate::store::{
    dataset::Dataset,
    organization::{self, Capacity},
    user,
};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action<'a> {
    /// Make an organization.
    CreateOrganization,
    /// Make a dataset in an organization, or in none.
    CreateDataset { organization: Option<&'a str> },
    /// See a dataset and its rows.
    ReadDataset(&'a Dataset),
    /// Change a dataset or its rows.
    WriteDataset(&'a Dataset),
}

/// Whether a principal may do it.
pub(crate) async fn may(db: &Db, principal: &Principal, action: Action<'_>) -> Result<bool> {
    if is_admin(db, principal).await? {
        return Ok(true);
    }
    let at_least = |organization: String, needed: Capacity| async move {
        let capacity = organization::capacity(db, &organization, principal.user).await?;
        Ok::<_, Error>(capacity.is_some_and(|capacity| capacity >= needed))
    };
    let created_it = |dataset: &Dataset| dataset.created_by == principal.user.to_string();
    match action {
        Action::CreateOrganization | Action::CreateDataset { organization: None } => Ok(true),
        Action::CreateDataset { organization: Some(organization) } => at_least(organization.to_owned(), Capacity::Editor).await,
        Action::ReadDataset(dataset) if dataset.visibility != "private" => Ok(true),
        Action::ReadDataset(dataset) => match &dataset.organization_id {
            Some(organization) => at_least(organization.clone(), Capacity::Member).await,
            None => Ok(created_it(dataset)),
        },
        Action::WriteDataset(dataset) => match &dataset.organization_id {
            Some(organization) => at_least(organization.clone(), Capacity::Editor).await,
            None => Ok(created_it(dataset)),
        },
    }
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

/// Refuses with [`Code::Denied`] what [`may`] does not allow.
pub(crate) async fn demand(db: &Db, principal: &Principal, action: Action<'_>) -> Result<()> {
    if may(db, principal, action).await? { Ok(()) } else { Err(Error::new(Code::Denied, "you are not allowed to do this")) }
}
