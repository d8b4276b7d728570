//! Organizations (D.Hub: collections).

use madang_kit::{
    Context, Error, Id, Result,
    audit::{self, Record},
    check,
    idempotency::{self, Claim},
    time,
};
use madang_proto::catalog::v1::{
    CreateOrganizationRequest, DemandOrganizationRequest, DemandOrganizationResponse, Organization, OrganizationAccess,
};
use serde_json::json;

use crate::{
    Catalog,
    permission::{Action, demand},
    store::organization as store,
};

/// Makes an organization; its creator becomes its admin. Its CKAN name is its id text (design: "Names").
pub(crate) async fn create(catalog: &Catalog, context: &Context, request: CreateOrganizationRequest) -> Result<Organization> {
    demand(&catalog.db, &context.principal, Action::CreateOrganization).await?;
    let id = Id::generate();
    let row = store::Organization {
        id: id.to_string(),
        name: id.prefixed("col"),
        title: check::title("name", &request.title)?,
        description: check::description("description", request.description)?,
        created_by: context.principal.user.to_string(),
        created_at: catalog.clock.now(),
    };
    let mut tx = catalog.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &catalog.clock, context, "CreateOrganization").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    store::insert(&mut tx, &row).await?;
    store::insert_member(&mut tx, &row.id, context.principal.user, store::Capacity::Admin).await?;
    let record = Record { action: "organization.create", thing: row.id.clone(), detail: json!({}) };
    audit::write(&mut tx, &catalog.clock, context, record).await?;
    let answer = Organization { id: row.id, title: row.title, description: row.description, created_at: Some(time::wire(row.created_at)) };
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Refuses unless the principal has the wanted access to an organization.
pub(crate) async fn check_access(
    catalog: &Catalog,
    context: &Context,
    request: DemandOrganizationRequest,
) -> Result<DemandOrganizationResponse> {
    let id = existing(catalog, check::id("collection_id", &request.organization_id)?).await?.to_string();
    match request.access() {
        OrganizationAccess::Read => {}
        OrganizationAccess::Write => {
            demand(&catalog.db, &context.principal, Action::CreateDataset { organization: Some(&id) }).await?;
        }
        OrganizationAccess::Unspecified => return Err(Error::invalid("access", "missing", "access is missing")),
    }
    Ok(DemandOrganizationResponse {})
}

/// The id, if there is such an organization.
pub(crate) async fn existing(catalog: &Catalog, id: Id) -> Result<Id> {
    if store::exists(&catalog.db, id).await? { Ok(id) } else { Err(Error::not_found("collection", id.prefixed("col"))) }
}
