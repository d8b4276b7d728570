//! Flows on their way in, and out.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use madang_kit::{
    Code, Context, Error, Result,
    audit::{self, Record},
    error::chain,
};
use madang_lake::check_key;
use madang_proto::pipeline::v1::{
    ArtifactKind, CancelFlowRequest, CancelFlowResponse, Findability, RemoveDatasetRequest, RemoveDatasetResponse, SourceKind,
    StartFlowRequest, StartFlowResponse,
};
use serde_json::{Value, json};

use super::{Flows, publish, step};
use crate::store::flow as store;

/// Sources and artifacts of one flow.
const MAX_PARTS: usize = 100_000;
/// Why the pipelines of a flow fail that somebody cancels.
const CANCELLED: &str = "Cancelled";

/// Keeps a flow; it is worked on soon. Sent again it changes nothing.
pub(super) async fn start(flows: &Flows, context: &Context, request: StartFlowRequest) -> Result<StartFlowResponse> {
    check(&request)?;
    let mut tx = flows.db.begin().await?;
    if store::insert(&mut tx, &request, &context.principal, flows.clock.now()).await? {
        let detail = json!({"sources": request.sources.len(), "artifacts": request.artifacts.len()});
        audit::write(&mut tx, &flows.clock, context, Record { action: "flow.start", thing: request.flow_id, detail }).await?;
        tx.commit().await?;
        flows.events.ring();
        flows.waiting.ring();
    }
    Ok(StartFlowResponse {})
}

/// Ends what is open of a flow.
pub(super) async fn cancel(flows: &Flows, context: &Context, request: CancelFlowRequest) -> Result<CancelFlowResponse> {
    let now = flows.clock.now();
    let mut tx = flows.db.begin().await?;
    let found = store::lock(&mut tx, &request.flow_id).await?;
    let (state, attempt) = found.ok_or_else(|| Error::not_found("flow", request.flow_id.escape_debug()))?;
    if matches!(state.as_str(), "queued" | "running") {
        store::close(&mut tx, &request.flow_id, attempt, CANCELLED, now).await?;
        audit::write(&mut tx, &flows.clock, context, Record { action: "flow.cancel", thing: request.flow_id, detail: json!({}) }).await?;
        tx.commit().await?;
        flows.events.ring();
        flows.waiting.ring();
    }
    Ok(CancelFlowResponse {})
}

/// Removes a dataset's flows, files and publication, or the older ones of them.
pub(super) async fn remove(flows: &Flows, context: &Context, request: RemoveDatasetRequest) -> Result<RemoveDatasetResponse> {
    let now = flows.clock.now();
    let before = request.before.as_ref().map(|at| {
        let at = DateTime::<Utc>::from_timestamp(at.seconds, u32::try_from(at.nanos).unwrap_or(u32::MAX));
        at.ok_or_else(|| Error::invalid("before", "range", "before is no time"))
    });
    let removal = store::Removal {
        owner: &request.owner_id,
        dataset: &request.dataset,
        through: if request.through_revision == 0 { i64::MAX } else { request.through_revision.into() },
        before: before.transpose()?,
    };
    let mut tx = flows.db.begin().await?;
    let packages = store::remove_dataset(&mut tx, &removal, now, now + publish::WITHDRAWN_FOR).await?;
    let thing = format!("{}/{}", request.owner_id, request.dataset);
    audit::write(&mut tx, &flows.clock, context, Record { action: "flow.remove", thing, detail: json!({}) }).await?;
    tx.commit().await?;
    for package in packages {
        if let Err(error) = publish::withdraw(flows, package).await {
            tracing::warn!(package = %package, error = %chain(&error), "a package is withdrawn later");
        }
    }
    Ok(RemoveDatasetResponse {})
}

fn check(request: &StartFlowRequest) -> Result<()> {
    let wrong = |field: String, rule: &str, text: &str| Err(Error::invalid(field, rule, text));
    let named = format!("{}/{}/{}", request.owner_id, request.dataset, request.revision);
    if request.flow_id != named || check_key(&named).is_err() || named.split('/').count() != 3 || request.revision == 0 {
        return wrong("flow_id".to_owned(), "pattern", "a flow is named ownerid/dataset/N");
    }
    if request.findability() == Findability::Unspecified {
        return wrong("findability".to_owned(), "missing", "findability is missing");
    }
    if !request.files_url.ends_with('/') {
        return wrong("files_url".to_owned(), "pattern", "files_url ends in a slash");
    }
    if request.sources.len() > MAX_PARTS || request.artifacts.len() > MAX_PARTS {
        return Err(Error::new(Code::TooLarge, format!("a flow has at most {MAX_PARTS} sources and artifacts")));
    }
    if !serde_json::from_str::<Value>(&request.descriptor).is_ok_and(|value| value.is_object()) {
        return wrong("descriptor".to_owned(), "json", "descriptor is no JSON object");
    }
    let mut sources = HashSet::new();
    for (at, source) in request.sources.iter().enumerate() {
        if check_key(&source.name).is_err() || source.name.contains('/') || !sources.insert(source.name.as_str()) {
            return wrong(format!("sources.{at}.name"), "pattern", "a source has a plain name of its own");
        }
        if check_key(&source.path).is_err() {
            return wrong(format!("sources.{at}.path"), "pattern", "a source's path is a plain one");
        }
        if source.kind() == SourceKind::Unspecified {
            return wrong(format!("sources.{at}.kind"), "missing", "kind is missing");
        }
        step::check(&source.steps).map_err(|why| Error::invalid(format!("sources.{at}.steps"), "step", why))?;
    }
    let mut pipelines = HashSet::new();
    for (at, artifact) in request.artifacts.iter().enumerate() {
        let id = artifact.pipeline_id.as_str();
        let is_own =
            id == named || id.strip_prefix(&named).is_some_and(|rest| rest.strip_prefix('/').is_some_and(|name| !name.contains('/')));
        if !is_own || check_key(id).is_err() || !pipelines.insert(id) {
            return wrong(format!("artifacts.{at}.pipeline_id"), "pattern", "a pipeline is named ownerid/dataset/N/<artifact>");
        }
        let known = |other: &str| other != id && pipelines.contains(other.trim_start_matches("./"));
        if let Some(other) = artifact.depends_on.iter().find(|other| !known(other)) {
            let why = format!("it depends on \"{}\", which is not planned before it", other.escape_debug());
            return Err(Error::invalid(format!("artifacts.{at}.depends_on"), "order", why));
        }
        let of_all = matches!(artifact.kind(), ArtifactKind::Report | ArtifactKind::Zip | ArtifactKind::Sqlite | ArtifactKind::Package);
        let is_known = sources.contains(artifact.source.as_str()) || (of_all && artifact.source.is_empty());
        if artifact.kind() == ArtifactKind::Unspecified || !is_known {
            return wrong(format!("artifacts.{at}.source"), "unknown", "an artifact has a kind, and a source that the flow reads");
        }
    }
    Ok(())
}
