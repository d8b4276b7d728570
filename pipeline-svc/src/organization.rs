//! What belongs to organizations, which are the catalogue's.

use madang_kit::{Code, Context, Error, Result, Tx, check};
use madang_proto::{
    catalog::v1::OrganizationAccess,
    pipeline::v1::{EmptyOrganizationRequest, EmptyOrganizationResponse},
};

use crate::{
    Pipelines, pipeline,
    store::thing::{self as store, Kind, Thing},
    thing,
};

/// Deletes everything that belongs to an organization, all or nothing.
pub(crate) async fn empty(
    pipelines: &Pipelines,
    context: &Context,
    request: EmptyOrganizationRequest,
) -> Result<EmptyOrganizationResponse> {
    let id = check::id("organization_id", &request.organization_id)?;
    pipelines.catalog.demand_organization(context, id, OrganizationAccess::Manage).await?;
    let mut tx = pipelines.db.begin().await?;
    for kind in [Kind::Pipeline, Kind::Code] {
        let found = store::of_organization(&mut tx, kind, id).await?;
        if !found.is_empty() && !request.force {
            return Err(Error::new(Code::Conflict, "the collection is not empty; delete its pipelines and codes first, or use force=true"));
        }
        for thing in found {
            delete(pipelines, context, &mut tx, kind, &thing).await?;
        }
    }
    tx.commit().await?;
    Ok(EmptyOrganizationResponse {})
}

async fn delete(pipelines: &Pipelines, context: &Context, tx: &mut Tx, kind: Kind, found: &Thing) -> Result<()> {
    match kind {
        Kind::Pipeline => pipeline::remove(pipelines, context, tx, found).await,
        Kind::Code => thing::delete(pipelines, context, tx, kind, found).await,
    }
}
