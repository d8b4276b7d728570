//! Datasets (CKAN: packages).

use madang_kit::{
    Context, Error, Id, Result,
    audit::{self, Record},
    check,
    idempotency::{self, Claim},
    time,
};
use madang_proto::catalog::v1::{CreateDatasetRequest, Dataset};
use serde_json::json;

use crate::{
    Catalog, organization,
    permission::{Action, demand, may},
    store::dataset as store,
};

/// Makes a dataset that every signed-in user may see (design: label `signed-in`).
pub(crate) async fn create(catalog: &Catalog, context: &Context, request: CreateDatasetRequest) -> Result<Dataset> {
    let owner = match check::optional_id("collection_id", request.organization_id.as_deref())? {
        Some(id) => Some(organization::existing(catalog, id).await?.to_string()),
        None => None,
    };
    demand(&catalog.db, &context.principal, Action::CreateDataset { organization: owner.as_deref() }).await?;
    let id = Id::generate();
    let row = store::Dataset {
        id: id.to_string(),
        name: id.prefixed("ds"),
        title: check::title("name", &request.title)?,
        description: check::description("description", request.description)?,
        organization_id: owner,
        visibility: "signed-in".to_owned(),
        created_by: context.principal.user.to_string(),
        created_at: catalog.clock.now(),
    };
    let mut tx = catalog.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &catalog.clock, context, "CreateDataset").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    store::insert(&mut tx, &row).await?;
    let record = Record { action: "dataset.create", thing: row.id.clone(), detail: json!({"organization": &row.organization_id}) };
    audit::write(&mut tx, &catalog.clock, context, record).await?;
    let answer = Dataset {
        id: row.id,
        title: row.title,
        description: row.description,
        organization_id: row.organization_id,
        created_at: Some(time::wire(row.created_at)),
    };
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// A dataset that the caller may see; one that is hidden from him reads as absent in D.Hub, told apart by its code.
pub(crate) async fn readable(catalog: &Catalog, context: &Context, id: Id) -> Result<store::Dataset> {
    let dataset = store::find(&catalog.db, id).await?.ok_or_else(|| Error::not_found("dataset", id.prefixed("ds")))?;
    if may(&catalog.db, &context.principal, Action::ReadDataset(&dataset)).await? {
        return Ok(dataset);
    }
    let mut hidden = Error::not_found("dataset", id.prefixed("ds"));
    hidden.code = madang_kit::Code::NotVisible;
    Err(hidden)
}

/// A dataset that the caller may change.
pub(crate) async fn writable(catalog: &Catalog, context: &Context, id: Id) -> Result<store::Dataset> {
    let dataset = readable(catalog, context, id).await?;
    demand(&catalog.db, &context.principal, Action::WriteDataset(&dataset)).await?;
    Ok(dataset)
}
