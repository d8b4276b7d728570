//! Ending what nobody wants or hears of any more: cancelling, deleting, and the sweep of what is stale.

use std::time::Duration;

use chrono::TimeDelta;
use madang_kit::{
    Context, Drain, Error, Principal, Result,
    audit::{self, Record},
    housekeeping, timer,
};
use madang_proto::{
    pipeline::v1::{CancelFlowRequest, RemoveDatasetRequest},
    spec_store::v1::{CancelRevisionRequest, CancelRevisionResponse, DeleteDatasetRequest, DeleteDatasetResponse},
};
use serde_json::json;

use crate::{
    SpecStore, report,
    store::{
        command, dataset,
        revision::{self, Which},
    },
    upload::demand_owner,
};

const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// Revisions of one sweep.
const SWEPT_AT_ONCE: i64 = 100;

/// Ends what is open of a revision. Where pipeline-svc works on it, it ends it and tells.
pub(crate) async fn cancel(store: &SpecStore, context: &Context, request: CancelRevisionRequest) -> Result<CancelRevisionResponse> {
    demand_owner(&request.owner_id, &request.caller_owner_id)?;
    let id = format!("{}/{}", request.owner_id, request.dataset);
    let found = revision::find(&store.db, &id, Which::Number(request.revision.into())).await?;
    let found = found.ok_or_else(|| Error::not_found("revision", format!("{id}/{}", request.revision)))?;
    if found.state().is_final() {
        return Ok(CancelRevisionResponse {});
    }
    let mut tx = store.db.begin().await?;
    if found.external {
        report::fail(&mut tx, &found.id, true, &["Cancelled".to_owned()], store.clock.now()).await?;
    } else {
        let request = CancelFlowRequest { flow_id: found.id.clone() };
        command::add(&mut tx, "cancel", &found.id, &request, &context.principal).await?;
    }
    let record = Record { action: "spec.cancel", thing: found.id, detail: json!({}) };
    audit::write(&mut tx, &store.clock, context, record).await?;
    tx.commit().await?;
    store.commands.ring();
    store.changed.notify_waiters();
    Ok(CancelRevisionResponse {})
}

/// Removes a dataset.
pub(crate) async fn delete(store: &SpecStore, context: &Context, request: DeleteDatasetRequest) -> Result<DeleteDatasetResponse> {
    demand_owner(&request.owner_id, &request.caller_owner_id)?;
    let id = format!("{}/{}", request.owner_id, request.dataset);
    let now = store.clock.now();
    let mut tx = store.db.begin().await?;
    dataset::lock(&mut tx, &id, now).await?.ok_or_else(|| Error::not_found("dataset", &id))?;
    timer::clear(&mut tx, &id).await?;
    revision::delete_all(&mut tx, &id).await?;
    dataset::delete(&mut tx, &id, now).await?;
    let request = RemoveDatasetRequest { owner_id: request.owner_id, dataset: request.dataset, ..RemoveDatasetRequest::default() };
    command::add(&mut tx, "remove", &id, &request, &context.principal).await?;
    let record = Record { action: "spec.delete", thing: id, detail: json!({}) };
    audit::write(&mut tx, &store.clock, context, record).await?;
    tx.commit().await?;
    store.commands.ring();
    Ok(DeleteDatasetResponse {})
}

/// Starts the task that fails open revisions of which nothing is heard: nothing may hang.
pub(crate) fn sweep(store: &SpecStore, drain: &Drain) {
    let store = store.clone();
    housekeeping::every(SWEEP_EVERY, drain, "stale revisions not ended yet", move || {
        let store = store.clone();
        async move { sweep_once(&store).await }
    });
}

async fn sweep_once(store: &SpecStore) -> Result<()> {
    let since = store.clock.now() - TimeDelta::seconds(store.config.stale_seconds.into());
    for (flow_id, external) in revision::stale(&store.db, since, SWEPT_AT_ONCE).await? {
        let mut tx = store.db.begin().await?;
        if report::fail(&mut tx, &flow_id, external, &["Timed out".to_owned()], store.clock.now()).await? && !external {
            let request = CancelFlowRequest { flow_id: flow_id.clone() };
            command::add(&mut tx, "cancel", &flow_id, &request, &Principal::service("spec-store")).await?;
        }
        tx.commit().await?;
        tracing::info!(flow = flow_id, "revision without news ended");
        store.commands.ring();
        store.changed.notify_waiters();
    }
    Ok(())
}
