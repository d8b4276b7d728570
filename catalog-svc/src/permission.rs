//! Who may do what in the catalogue; every face asks here (design: "Identity, tenancy, permission").
//!
//! Reading is decided by one SQL condition (`store::thing::visible`), because lists need it too; [`reader`] says for whom. Everything
//! else is decided by [`may`].

use madang_kit::{Code, Db, Error, Principal, Result, ckan::SiteOptions, db::Source, principal::Scheme};

use crate::{
    Catalog,
    store::{
        ckan::collaborator,
        dataset::Dataset,
        organization::{self, Capacity},
        thing::Reader,
        user,
    },
};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action<'a> {
    /// Make an organization.
    CreateOrganization,
    /// Change or delete an organization.
    ManageOrganization { organization: &'a str },
    /// What takes at least this role in an organization or a group.
    InOrganization { organization: &'a str, needed: Capacity },
    /// Make a dataset in an organization, or in none.
    CreateDataset { organization: Option<&'a str> },
    /// Change or delete a dataset, or write its rows.
    WriteDataset(Owned<'a>),
}

/// What decides who may change a dataset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owned<'a> {
    pub(crate) id: &'a str,
    pub(crate) organization: Option<&'a str>,
    pub(crate) creator: &'a str,
    /// Everybody may read it.
    pub(crate) public: bool,
}

impl<'a> From<&'a Dataset> for Owned<'a> {
    fn from(dataset: &'a Dataset) -> Self {
        Self {
            id: &dataset.id,
            organization: dataset.organization_id.as_deref(),
            creator: &dataset.created_by,
            public: dataset.visibility == "public",
        }
    }
}

/// Whether somebody may do it.
pub(crate) async fn may(source: &mut Source, site: &SiteOptions, reader: &Reader, action: Action<'_>) -> Result<bool> {
    if reader.admin {
        return Ok(true);
    }
    if reader.is_nobody() {
        return Ok(false);
    }
    let (organization, needed) = match action {
        Action::CreateOrganization | Action::CreateDataset { organization: None } => return Ok(true),
        Action::WriteDataset(dataset) => return may_write(source, site, reader, dataset).await,
        Action::CreateDataset { organization: Some(organization) } => (organization, Capacity::Editor),
        Action::ManageOrganization { organization } => (organization, Capacity::Admin),
        Action::InOrganization { organization, needed } => (organization, needed),
    };
    let capacity = organization::capacity(source, organization, &reader.id).await?;
    Ok(capacity.is_some_and(|capacity| capacity >= needed))
}

/// Editors of its organization; of a dataset without one its creator, and of a public one whoever may make such datasets
/// (ckan.md 2.4); collaborators who may edit.
async fn may_write(source: &mut Source, site: &SiteOptions, reader: &Reader, dataset: Owned<'_>) -> Result<bool> {
    let allowed = match dataset.organization {
        Some(organization) => organization::capacity(source, organization, &reader.id).await? >= Some(Capacity::Editor),
        None if dataset.creator == reader.id => true,
        None if dataset.public => may_make_unowned(source, site, reader).await?,
        None => false,
    };
    if allowed || !site.allow_dataset_collaborators {
        return Ok(allowed);
    }
    let capacity = collaborator::capacity(source, dataset.id, &reader.id).await?;
    Ok(capacity >= Some(Capacity::Editor))
}

/// Whether somebody may make and change datasets of no organization.
async fn may_make_unowned(source: &mut Source, site: &SiteOptions, reader: &Reader) -> Result<bool> {
    if site.create_unowned_dataset && site.create_dataset_if_not_in_organization {
        return Ok(true);
    }
    Ok(organization::highest_capacity(source, &reader.id, true).await? >= Some(Capacity::Editor))
}

/// Refuses with [`Code::Denied`] what [`may`] does not allow.
pub(crate) async fn demand(catalog: &Catalog, principal: &Principal, action: Action<'_>) -> Result<()> {
    demand_as(catalog, &reader(&catalog.db, principal).await?, action).await
}

/// [`demand`] of somebody who was looked up already.
pub(crate) async fn demand_as(catalog: &Catalog, reader: &Reader, action: Action<'_>) -> Result<()> {
    let allowed = may(&mut Source::from(&catalog.db), &catalog.site, reader, action).await?;
    if allowed { Ok(()) } else { Err(Error::new(Code::Denied, "you are not allowed to do this")) }
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
