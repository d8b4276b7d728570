//! Batches (dhub.md section 8).

use axum::{Json, extract::State};
use madang_kit::rpc;
use madang_proto::pipeline::v1::{GetRunRequest, RunState};

use super::{
    call::{Call, Path, path_id},
    error::DhubError,
    wire,
};
use crate::Gateway;

/// `GET /batches/{id}`: clients poll it until `status` is `completed` or `failed`, so every end reads as one of these.
pub(crate) async fn show(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<wire::Batch>, DhubError> {
    let batch = path_id("batch", "batch", &id)?;
    let request = GetRunRequest { run_id: batch.to_string() };
    let run = gateway.pipelines.clone().get_run(rpc::request(&call.context, request)).await?.into_inner();
    let status = match run.state() {
        RunState::Succeeded => "completed",
        RunState::Failed | RunState::Cancelled => "failed",
        RunState::Queued | RunState::Running | RunState::Unspecified => "running",
    };
    Ok(Json(wire::Batch {
        id,
        pipeline_id: wire::id("pl", &run.pipeline_id)?,
        status,
        started_at: wire::iso(run.queued_at),
        finished_at: wire::iso(run.finished_at),
    }))
}
