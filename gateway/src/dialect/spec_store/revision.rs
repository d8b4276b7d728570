//! `GET /source/{owner}/{dataset}/{revision}` (spec-store.md 1.3), and what was added around it (7): lists, cancelling, deleting.

use axum::{Json, extract::State};
use madang_kit::{Code, Error, Result, rpc};
use madang_proto::spec_store::v1::{
    CancelRevisionRequest, DeleteDatasetRequest, GetRevisionRequest, ListDatasetsRequest, ListRevisionsRequest,
};
use serde_json::{Value, json};

use super::{
    call::{Caller, Path, Query},
    error::SpecError,
    wire,
};
use crate::Gateway;

/// One revision; `wait` = seconds to wait for its end.
pub(crate) async fn show(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path((owner_id, dataset, revision)): Path<(String, String, String)>,
    query: Query,
) -> Result<Json<Value>, SpecError> {
    get(&gateway, &caller, owner_id, dataset, revision, query.number("wait")?).await
}

async fn get(
    gateway: &Gateway,
    caller: &Caller,
    owner_id: String,
    dataset: String,
    revision: String,
    wait_seconds: u32,
) -> Result<Json<Value>, SpecError> {
    let caller_owner_id = caller.owner_id.clone();
    let request = GetRevisionRequest { caller_owner_id, owner_id, dataset, revision, wait_seconds };
    let found = gateway.spec_store.clone().get_revision(rpc::request(&caller.context, request)).await?.into_inner();
    Ok(wire::revision(&found))
}

/// An owner's datasets, after a name.
pub(crate) async fn list_datasets(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(owner_id): Path<String>,
    query: Query,
) -> Result<Json<Value>, SpecError> {
    let (after, limit) = (query.get("after").to_owned(), query.number("limit")?);
    let request = ListDatasetsRequest { caller_owner_id: caller.owner_id.clone(), owner_id, after, limit };
    let found = gateway.spec_store.clone().list_datasets(rpc::request(&caller.context, request)).await?.into_inner();
    Ok(Json(json!({"datasets": found.datasets.iter().map(wire::dataset).collect::<Vec<_>>(), "next": found.next})))
}

/// A dataset's revisions, before a number.
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path((owner_id, dataset)): Path<(String, String)>,
    query: Query,
) -> Result<Json<Value>, SpecError> {
    let (before, limit) = (query.number("before")?, query.number("limit")?);
    let request = ListRevisionsRequest { caller_owner_id: caller.owner_id.clone(), owner_id, dataset, before, limit };
    let found = gateway.spec_store.clone().list_revisions(rpc::request(&caller.context, request)).await?.into_inner();
    let dataset = found.dataset.as_ref().map(wire::dataset);
    Ok(Json(json!({"dataset": dataset, "revisions": found.revisions.iter().map(wire::line).collect::<Vec<_>>(), "next": found.next})))
}

/// Ends what is open of a revision, and shows it.
pub(crate) async fn cancel(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path((owner_id, dataset, revision)): Path<(String, String, String)>,
    query: Query,
) -> Result<Json<Value>, SpecError> {
    let caller_owner_id = caller.demand(&owner_id)?;
    let number = revision.parse().ok().filter(|_| revision.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.ok_or_else(|| Error::new(Code::NotFound, format!("revision '{revision}' not found")))?;
    let request = CancelRevisionRequest { caller_owner_id, owner_id: owner_id.clone(), dataset: dataset.clone(), revision: number };
    gateway.spec_store.clone().cancel_revision(rpc::request(&caller.context, request)).await?;
    get(&gateway, &caller, owner_id, dataset, revision, query.number("wait")?).await
}

/// Removes a dataset.
pub(crate) async fn delete(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path((owner_id, dataset)): Path<(String, String)>,
) -> Result<Json<Value>, SpecError> {
    let caller_owner_id = caller.demand(&owner_id)?;
    let dataset_id = format!("{owner_id}/{dataset}");
    let request = DeleteDatasetRequest { caller_owner_id, owner_id, dataset };
    gateway.spec_store.clone().delete_dataset(rpc::request(&caller.context, request)).await?;
    Ok(Json(json!({"success": true, "dataset_id": dataset_id, "errors": []})))
}
