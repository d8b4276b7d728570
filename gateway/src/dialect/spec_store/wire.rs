//! The JSON that the Spec Store answers with, in its order of keys.

use axum::Json;
use chrono::{DateTime, Utc};
use madang_kit::time;
use madang_proto::spec_store::v1::{Dataset, Revision, RevisionLine, UploadResponse};
use prost_types::Timestamp;
use serde_json::{Value, json};

/// The reply to an upload: always these four keys (spec-store.md 1.1).
pub(super) fn uploaded(answer: UploadResponse) -> Json<Value> {
    let UploadResponse { success, dataset_id, flow_id, errors } = answer;
    Json(json!({"success": success, "dataset_id": dataset_id, "flow_id": flow_id, "errors": errors}))
}

/// The reply to an upload that got no further than its owner.
pub(super) fn not_uploaded(error: &str) -> Json<Value> {
    uploaded(UploadResponse { success: false, dataset_id: None, flow_id: None, errors: vec![error.to_owned()] })
}

/// A revision (spec-store.md 1.3).
pub(super) fn revision(revision: &Revision) -> Json<Value> {
    Json(json!({
        "id": revision.id,
        "spec_contents": read(&revision.spec),
        "modified": iso(revision.modified_at),
        "state": revision.state,
        "logs": read(&revision.logs),
        "error_log": read(&revision.error_log),
        "stats": read(&revision.stats),
        "pipelines": read(&revision.pipelines),
        "certified": revision.certified,
    }))
}

/// A dataset in a list.
pub(super) fn dataset(dataset: &Dataset) -> Value {
    json!({
        "id": dataset.id,
        "findability": dataset.findability,
        "certified": dataset.certified,
        "created": iso(dataset.created_at),
        "modified": iso(dataset.modified_at),
        "latest": dataset.latest.as_ref().map(line),
        "next_run": iso(dataset.next_run_at),
    })
}

/// A revision in a list.
pub(super) fn line(line: &RevisionLine) -> Value {
    json!({
        "id": line.id,
        "revision": line.revision,
        "state": line.state,
        "trigger": line.trigger,
        "created": iso(line.created_at),
        "finished": iso(line.finished_at),
    })
}

/// A time as the original wrote it: with microseconds and without a zone; UTC.
pub(super) fn iso(at: Option<Timestamp>) -> Option<String> {
    at.and_then(time::read).map(iso_of)
}

/// The same of our own times.
pub(super) fn iso_of(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

/// JSON of a service of ours.
fn read(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}
