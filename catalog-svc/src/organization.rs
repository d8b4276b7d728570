//! Organizations (D.Hub: collections).

use madang_kit::{
    Clock, Code, Context, Error, Id, Result, Tx,
    audit::{self, Record},
    check,
    db::Source,
    idempotency::{self, Claim},
    time,
};
use madang_proto::catalog::v1::{
    CreateOrganizationRequest, DeleteRequest, DeleteResponse, DemandOrganizationRequest, DemandOrganizationResponse, GetRequest,
    ListOrganizationsResponse, ListRequest, Organization, OrganizationAccess, UpdateOrganizationRequest,
};
use prost::Message;
use serde_json::json;

use crate::{
    Catalog,
    permission::{Action, demand, reader},
    store::{
        organization as store,
        thing::{self as names, Names, set_names},
    },
    thing,
};

/// Makes an organization; its creator becomes its admin. Its CKAN name is its id text (design: "Names").
pub(crate) async fn create(catalog: &Catalog, context: &Context, request: CreateOrganizationRequest) -> Result<Organization> {
    demand(catalog, &context.principal, Action::CreateOrganization).await?;
    let (id, now) = (Id::generate(), catalog.clock.now());
    let row = store::Organization {
        id: id.to_string(),
        name: id.prefixed("col"),
        title: check::title("name", &request.title)?,
        description: check::description("description", request.description)?,
        alias: check::description("alias", request.alias)?,
        kind: check::description("type", request.kind)?,
        revision: 1,
        created_by: context.principal.user.to_string(),
        created_at: now,
        modified_at: now,
    };
    let (groups, tags) = (check::names("groups", request.groups)?, check::names("tags", request.tags)?);
    let mut tx = catalog.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &catalog.clock, context, "CreateOrganization").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    if request.unique_title && store::title_is_taken(&mut tx, &row.title).await? {
        return Err(thing::title_taken(&row.title));
    }
    store::insert(&mut tx, &row).await?;
    store::insert_member(&mut tx, &row.id, context.principal.user, store::Capacity::Admin).await?;
    let answer = keep(catalog, context, &mut tx, row, groups, tags, "organization.create").await?;
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// An organization as it is, or as it was at a revision.
pub(crate) async fn get(catalog: &Catalog, context: &Context, request: GetRequest) -> Result<Organization> {
    let id = check::id("id", &request.id)?;
    let row = readable(catalog, context, id).await?;
    match request.revision {
        Some(revision) => thing::version(catalog, id, revision).await,
        None => Ok(wires(catalog, vec![row]).await?.remove(0)),
    }
}

/// Changes what is given.
pub(crate) async fn update(catalog: &Catalog, context: &Context, request: UpdateOrganizationRequest) -> Result<Organization> {
    let id = check::id("id", &request.id)?;
    let row = readable(catalog, context, id).await?;
    demand(catalog, &context.principal, Action::ManageOrganization { organization: &row.id }).await?;
    let old = wires(catalog, vec![row.clone()]).await?.remove(0);
    let title = request.title.map(|title| check::title("name", &title)).transpose()?;
    let row = store::Organization {
        title: title.unwrap_or(row.title),
        description: check::description("description", request.description)?.or(row.description),
        alias: check::description("alias", request.alias)?.or(row.alias),
        kind: check::description("type", request.kind)?.or(row.kind),
        revision: row.revision + 1,
        modified_at: catalog.clock.now(),
        ..row
    };
    let groups = request.groups.map_or(Ok(old.groups), |groups| check::names("groups", groups.values))?;
    let tags = request.tags.map_or(Ok(old.tags), |tags| check::names("tags", tags.values))?;
    let mut tx = catalog.db.begin().await?;
    if !store::update(&mut tx, &row).await? {
        return Err(thing::changed_meanwhile());
    }
    let answer = keep(catalog, context, &mut tx, row, groups, tags, "organization.update").await?;
    tx.commit().await?;
    Ok(answer)
}

/// Deletes an organization; with `force` its datasets too.
pub(crate) async fn delete(catalog: &Catalog, context: &Context, request: DeleteRequest) -> Result<DeleteResponse> {
    let row = readable(catalog, context, check::id("id", &request.id)?).await?;
    demand(catalog, &context.principal, Action::ManageOrganization { organization: &row.id }).await?;
    let mut tx = catalog.db.begin().await?;
    if store::lock_and_has_datasets(&mut tx, &row.id).await? && !request.force {
        return Err(Error::new(Code::Conflict, "the collection is not empty; delete its datasets first, or use force=true"));
    }
    store::delete(&mut tx, &row.id, catalog.clock.now()).await?;
    let record = Record { action: "organization.delete", thing: row.id, detail: json!({"force": request.force}) };
    audit::write(&mut tx, &catalog.clock, context, record).await?;
    tx.commit().await?;
    Ok(DeleteResponse {})
}

/// The organizations that the caller may see.
pub(crate) async fn list(catalog: &Catalog, context: &Context, request: ListRequest) -> Result<ListOrganizationsResponse> {
    let filter = thing::filter(request)?;
    let reader = reader(&catalog.db, &context.principal).await?;
    let mut rows = store::list(&catalog.db, &reader, &filter).await?;
    let next = thing::cut(&mut rows, &filter, |row| row.id.clone());
    Ok(ListOrganizationsResponse { organizations: wires(catalog, rows).await?, next })
}

/// Refuses unless the principal has the wanted access to an organization.
pub(crate) async fn check_access(
    catalog: &Catalog,
    context: &Context,
    request: DemandOrganizationRequest,
) -> Result<DemandOrganizationResponse> {
    let id = readable(catalog, context, check::id("collection_id", &request.organization_id)?).await?.id;
    match request.access() {
        OrganizationAccess::Read => {}
        OrganizationAccess::Write => {
            demand(catalog, &context.principal, Action::CreateDataset { organization: Some(&id) }).await?;
        }
        OrganizationAccess::Manage => {
            demand(catalog, &context.principal, Action::ManageOrganization { organization: &id }).await?;
        }
        OrganizationAccess::Unspecified => return Err(Error::invalid("access", "missing", "access is missing")),
    }
    Ok(DemandOrganizationResponse {})
}

/// An organization that the caller may see.
pub(crate) async fn readable(catalog: &Catalog, context: &Context, id: Id) -> Result<store::Organization> {
    let reader = reader(&catalog.db, &context.principal).await?;
    if let Some(row) = store::find_visible(&catalog.db, &reader, id).await? {
        return Ok(row);
    }
    let absent = Error::not_found("collection", id.prefixed("col"));
    Err(if store::find(&catalog.db, id).await?.is_some() { thing::hidden(absent) } else { absent })
}

/// Writes names, version and audit record of a made or changed organization.
async fn keep(
    catalog: &Catalog,
    context: &Context,
    tx: &mut Tx,
    row: store::Organization,
    groups: Vec<String>,
    tags: Vec<String>,
    action: &str,
) -> Result<Organization> {
    set_names(tx, Names::Groups, &row.id, &groups).await?;
    set_names(tx, Names::Tags, &row.id, &tags).await?;
    let answer = wire(row, groups, tags);
    let at = catalog.clock.now();
    names::keep_version(tx, &answer.id, answer.revision, at, answer.encode_to_vec()).await?;
    let record = Record { action, thing: answer.id.clone(), detail: json!({"revision": answer.revision}) };
    audit::write(tx, &catalog.clock, context, record).await?;
    Ok(answer)
}

/// Keeps the version of an organization that another face has changed, as this one shows it; nothing for a group.
pub(crate) async fn keep_changed(source: &mut Source, clock: &Clock, id: &str) -> Result<()> {
    let Some(row) = store::find_in(source, id).await? else { return Ok(()) };
    let mut groups = names::names_of(source, Names::Groups, vec![row.id.clone()]).await?;
    let mut tags = names::names_of(source, Names::Tags, vec![row.id.clone()]).await?;
    let answer = wire(row, groups.remove(id).unwrap_or_default(), tags.remove(id).unwrap_or_default());
    let Source::Tx(tx) = source else { return Ok(()) };
    names::keep_version(tx, &answer.id, answer.revision, clock.now(), answer.encode_to_vec()).await
}

/// Rows with their names, in two statements whatever their number.
async fn wires(catalog: &Catalog, rows: Vec<store::Organization>) -> Result<Vec<Organization>> {
    let mut source = Source::from(&catalog.db);
    let ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
    let mut groups = names::names_of(&mut source, Names::Groups, ids.clone()).await?;
    let mut tags = names::names_of(&mut source, Names::Tags, ids).await?;
    let mut named = |row: store::Organization| {
        let (groups, tags) = (groups.remove(&row.id).unwrap_or_default(), tags.remove(&row.id).unwrap_or_default());
        wire(row, groups, tags)
    };
    Ok(rows.into_iter().map(&mut named).collect())
}

fn wire(row: store::Organization, groups: Vec<String>, tags: Vec<String>) -> Organization {
    Organization {
        id: row.id,
        title: row.title,
        description: row.description,
        created_at: Some(time::wire(row.created_at)),
        alias: row.alias,
        kind: row.kind,
        groups,
        tags,
        updated_at: Some(time::wire(row.modified_at)),
        revision: row.revision,
    }
}
