//! Pipelines: saving one.

use madang_kit::{
    Code, Context, Error, Id, Result,
    audit::{self, Record},
    check,
    idempotency::{self, Claim},
    time,
};
use madang_proto::{
    catalog::v1::{OrganizationAccess, TableAccess},
    pipeline::v1::{CreatePipelineRequest, Pipeline},
};
use serde_json::json;

use crate::{
    Pipelines,
    definition::{self, Step},
    permission::{self, Sight},
    store::pipeline as store,
};

/// Saves a pipeline. Whoever saves it must be allowed to read its inputs and write its outputs.
pub(crate) async fn create(pipelines: &Pipelines, context: &Context, request: CreatePipelineRequest) -> Result<Pipeline> {
    let organization = check::optional_id("collection_id", request.organization_id.as_deref())?;
    if let Some(id) = organization {
        pipelines.catalog.demand_organization(context, id, OrganizationAccess::Write).await?;
    }
    let row = store::Pipeline {
        id: Id::generate(),
        title: check::title("name", &request.title)?,
        description: check::description("description", request.description)?,
        organization,
        steps: definition::read(request.steps)?,
        created_by: context.principal.user,
        created_at: pipelines.clock.now(),
    };
    check_datasets(pipelines, context, &row.steps).await?;
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "CreatePipeline").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    store::insert(&mut tx, &row).await?;
    let record = Record { action: "pipeline.create", thing: row.id.to_string(), detail: json!({"steps": row.steps.len()}) };
    audit::write(&mut tx, &pipelines.clock, context, record).await?;
    let answer = wire(&row);
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Refuses steps whose datasets are absent or closed to the caller.
async fn check_datasets(pipelines: &Pipelines, context: &Context, steps: &[Step]) -> Result<()> {
    for step in steps {
        for dataset in step.inputs.values() {
            pipelines.catalog.open(context, *dataset, TableAccess::Read).await?;
        }
        for dataset in step.outputs.values() {
            pipelines.catalog.open(context, *dataset, TableAccess::Write).await?;
        }
    }
    Ok(())
}

/// A pipeline that the caller may start.
pub(crate) async fn startable(pipelines: &Pipelines, context: &Context, id: Id) -> Result<store::Pipeline> {
    let pipeline = store::find(&pipelines.db, id).await?.ok_or_else(|| Error::not_found("pipeline", id.prefixed("pl")))?;
    if !Sight::new(pipelines, context).of(pipeline.organization).await? {
        return Err(Error { code: Code::NotVisible, ..Error::not_found("pipeline", id.prefixed("pl")) });
    }
    permission::demand_write(pipelines, context, &pipeline).await?;
    Ok(pipeline)
}

fn wire(row: &store::Pipeline) -> Pipeline {
    Pipeline {
        id: row.id.to_string(),
        title: row.title.clone(),
        description: row.description.clone(),
        organization_id: row.organization.map(|id| id.to_string()),
        created_at: Some(time::wire(row.created_at)),
        steps: row.steps.iter().map(Step::to_wire).collect(),
    }
}
