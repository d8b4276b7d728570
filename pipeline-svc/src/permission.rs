//! Who may do what with pipelines, codes and runs. What belongs to an organization follows the rights there, which the catalogue knows;
//! what belongs to none is visible to every signed-in user and changed by its creator. Groups narrow who reads.

use madang_kit::{Code, Context, Error, Result, principal::Scheme};
use madang_proto::catalog::v1::OrganizationAccess;

use crate::{
    Pipelines,
    store::thing::{self, Kind, Reader, Thing},
};

/// Organizations whose things one list can hold.
const MAX_ORGANIZATIONS: i64 = 10_000;

/// Refuses unless the caller may change or start a thing.
pub(crate) async fn demand_write(pipelines: &Pipelines, context: &Context, thing: &Thing) -> Result<()> {
    if thing.created_by == context.principal.user.to_string() || context.principal.is_admin() {
        return Ok(());
    }
    match &thing.organization_id {
        Some(organization) => {
            let organization = organization.parse().map_err(Error::internal)?;
            pipelines.catalog.demand_organization(context, organization, OrganizationAccess::Write).await
        }
        None => Err(Error::new(Code::Denied, "you are not allowed to do this")),
    }
}

/// Refuses with [`Code::NotVisible`] unless the caller may see a thing.
pub(crate) async fn demand_sight(pipelines: &Pipelines, context: &Context, kind: Kind, thing: &Thing) -> Result<()> {
    let is_own = thing.created_by == context.principal.user.to_string() || context.principal.is_admin();
    if is_own && context.principal.scheme != Scheme::RunAs {
        return Ok(());
    }
    let reader = describe(pipelines, context, thing.organization_id.iter().cloned().collect()).await?;
    if thing::sees(&pipelines.db, &reader, &thing.id).await? { Ok(()) } else { Err(hidden(kind, &thing.id)) }
}

/// Who reads a list of things.
pub(crate) async fn reader(pipelines: &Pipelines, context: &Context) -> Result<Reader> {
    if context.principal.is_admin() && context.principal.scheme != Scheme::RunAs {
        return Ok(Reader { id: context.principal.user.to_string(), admin: true, ..Reader::default() });
    }
    let organizations = thing::organizations(&pipelines.db, MAX_ORGANIZATIONS).await?;
    describe(pipelines, context, organizations).await
}

async fn describe(pipelines: &Pipelines, context: &Context, organizations: Vec<String>) -> Result<Reader> {
    let known = pipelines.catalog.describe_reader(context, organizations).await?;
    Ok(Reader {
        id: context.principal.user.to_string(),
        admin: known.admin,
        groups: known.groups,
        visible: known.visible,
        member: known.member,
    })
}

/// A thing that is there but hidden from the caller: told apart by its code only.
fn hidden(kind: Kind, id: &str) -> Error {
    let id = id.parse().map_or_else(|_| String::new(), |id: madang_kit::Id| id.prefixed(kind.prefix()));
    Error { code: Code::NotVisible, ..Error::not_found(kind.name(), id) }
}
