//! Runs: starting one, reading one, listing them.

use madang_kit::{
    Context, Error, Id, Principal, Result,
    audit::{self, Record},
    check,
    idempotency::{self, Claim},
    principal::Scheme,
};
use madang_proto::pipeline::v1::{GetRunRequest, ListRunsRequest, ListRunsResponse, Run, StartRunRequest};
use serde_json::json;

use crate::{Pipelines, permission::Sight, pipeline, store::run as store};

const DEFAULT_LIST: u32 = 100;
const MAX_LIST: u32 = 1_000;

/// Queues a run of a pipeline on the caller's behalf and wakes the engine.
pub(crate) async fn start(pipelines: &Pipelines, context: &Context, request: StartRunRequest) -> Result<Run> {
    let pipeline = pipeline::startable(pipelines, context, check::id("pipeline_id", &request.pipeline_id)?).await?;
    let new = store::NewRun {
        id: Id::generate(),
        pipeline: pipeline.id,
        title: pipeline.title,
        steps: pipeline.steps,
        run_as: Principal { scheme: Scheme::RunAs, ..context.principal.clone() },
        trigger: "manual",
        queued_at: pipelines.clock.now(),
    };
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "StartRun").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    store::insert(&mut tx, &new).await?;
    let record = Record { action: "run.start", thing: new.id.to_string(), detail: json!({"pipeline": new.pipeline}) };
    audit::write(&mut tx, &pipelines.clock, context, record).await?;
    let answer = new.queued();
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    pipelines.queued.notify_one();
    Ok(answer)
}

/// One run with its steps and logs.
pub(crate) async fn get(pipelines: &Pipelines, context: &Context, request: GetRunRequest) -> Result<Run> {
    let id = check::id("run_id", &request.run_id)?;
    let found = visible(pipelines, context, &store::Filter { run: Some(id), pipeline: None, limit: 1 }).await?;
    found.into_iter().next().ok_or_else(|| Error::not_found("batch", id.prefixed("batch")))
}

/// Runs, newest first.
pub(crate) async fn list(pipelines: &Pipelines, context: &Context, request: ListRunsRequest) -> Result<ListRunsResponse> {
    let limit = if request.limit == 0 { DEFAULT_LIST } else { request.limit };
    if limit > MAX_LIST {
        return Err(Error::invalid("limit", "too_large", format!("a list has at most {MAX_LIST} runs")));
    }
    let filter = store::Filter {
        run: check::optional_id("run_id", request.run_id.as_deref())?,
        pipeline: check::optional_id("pipeline_id", request.pipeline_id.as_deref())?,
        limit: i64::from(limit),
    };
    Ok(ListRunsResponse { runs: visible(pipelines, context, &filter).await? })
}

/// The runs that the caller may see.
async fn visible(pipelines: &Pipelines, context: &Context, filter: &store::Filter) -> Result<Vec<Run>> {
    let mut sight = Sight::new(pipelines, context);
    let mut seen = Vec::new();
    for found in store::list(&pipelines.db, filter).await? {
        if sight.of(found.organization).await? {
            seen.push(found.run);
        }
    }
    Ok(seen)
}
