//! Surveys: authored, read, frozen once a collect group has started (dataspace.md sections 4 and 11).

use std::sync::Arc;

use madang_kit::{
    Code, Context, Error, Id, Result, Tx, check,
    idempotency::{self, Claim},
    survey::Definition,
    time,
};
use madang_proto::survey::v1::{
    CreateSurveyRequest, DeleteSurveyRequest, DeleteSurveyResponse, GetSurveyRequest, ListSurveysRequest, ListSurveysResponse, Survey,
    UpdateSurveyRequest,
};
use serde_json::json;

use crate::{
    Surveys, audit,
    permission::{self, Right},
    sanitise,
    store::{self, live, survey as rows},
};

/// Makes a survey.
pub(crate) async fn create(surveys: &Surveys, context: &Context, request: CreateSurveyRequest) -> Result<Survey> {
    let space_id = permission::may(context, Right::Author)?;
    let definition = read(&request.definition)?;
    let mut tx = surveys.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &surveys.clock, context, "CreateSurvey").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let now = surveys.clock.now();
    let (id, title, definition) = (Id::generate().to_string(), definition.title.clone(), definition.text()?);
    let new = rows::Survey { id, space_id, title, definition, responses: 0, created_at: now, updated_at: now };
    rows::insert(&mut tx, &new, &context.principal.user.to_string()).await?;
    audit::note(surveys, &mut tx, context, "survey.create", &new.id, json!({"space": new.space_id})).await?;
    let answer = wire(new);
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// One survey of the caller's space.
pub(crate) async fn get(surveys: &Surveys, context: &Context, request: GetSurveyRequest) -> Result<Survey> {
    let space = permission::may(context, Right::Read)?;
    find(surveys, &space, &request.id).await.map(wire)
}

/// A page of surveys.
pub(crate) async fn list(surveys: &Surveys, context: &Context, request: ListSurveysRequest) -> Result<ListSurveysResponse> {
    let space = permission::may(context, Right::Read)?;
    check::optional_id("from", request.from.as_deref())?;
    let mut found = rows::list(&surveys.db, &space, request.from, request.running).await?;
    let next = store::cut(&mut found, |survey| &survey.id);
    Ok(ListSurveysResponse { surveys: found.into_iter().map(wire).collect(), next })
}

/// Replaces a survey's definition.
pub(crate) async fn update(surveys: &Surveys, context: &Context, request: UpdateSurveyRequest) -> Result<Survey> {
    let space = permission::may(context, Right::Author)?;
    let mut tx = surveys.db.begin().await?;
    let mut survey = lock_unstarted(&mut tx, &space, &request.id).await?;
    let definition = read(&request.definition)?;
    survey.title.clone_from(&definition.title);
    survey.definition = definition.text()?;
    survey.updated_at = surveys.clock.now();
    rows::update(&mut tx, &survey).await?;
    live::refresh(&mut tx, &survey.id).await?;
    audit::note(surveys, &mut tx, context, "survey.update", &survey.id, json!({})).await?;
    tx.commit().await?;
    Ok(wire(survey))
}

/// Removes a survey with its groups.
pub(crate) async fn delete(surveys: &Surveys, context: &Context, request: DeleteSurveyRequest) -> Result<DeleteSurveyResponse> {
    let space = permission::may(context, Right::Author)?;
    let mut tx = surveys.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &surveys.clock, context, "DeleteSurvey").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let survey = lock_unstarted(&mut tx, &space, &request.id).await?;
    live::forget(&mut tx, &survey.id).await?;
    rows::delete(&mut tx, &survey.id).await?;
    audit::note(surveys, &mut tx, context, "survey.delete", &survey.id, json!({})).await?;
    ticket.record(&mut tx, &DeleteSurveyResponse {}).await?;
    tx.commit().await?;
    Ok(DeleteSurveyResponse {})
}

/// A survey of a space.
pub(crate) async fn find(surveys: &Surveys, space: &str, id: &str) -> Result<rows::Survey> {
    let found = rows::find(&surveys.db, id).await?.ok_or_else(|| unknown(id))?;
    permission::own(space, &found.space_id, "survey", id)?;
    Ok(found)
}

/// A survey of a space, locked.
pub(crate) async fn lock(tx: &mut Tx, space: &str, id: &str) -> Result<rows::Survey> {
    let found = rows::lock(tx, id).await?.ok_or_else(|| unknown(id))?;
    permission::own(space, &found.space_id, "survey", id)?;
    Ok(found)
}

async fn lock_unstarted(tx: &mut Tx, space: &str, id: &str) -> Result<rows::Survey> {
    let survey = lock(tx, space, id).await?;
    if rows::has_started(tx, id).await? {
        return Err(Error::new(Code::Conflict, "the survey is frozen: one of its collect groups has started"));
    }
    Ok(survey)
}

/// A survey that collects: nothing of it changes any more.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) definition: Definition,
    /// As gRPC carries it.
    pub(crate) wire: Survey,
}

/// A survey with a collect group that has started.
pub(crate) async fn frozen(surveys: &Surveys, id: &str) -> Result<Arc<Frozen>> {
    if let Some(known) = surveys.frozen.get(id) {
        return Ok(known);
    }
    let found = rows::find(&surveys.db, id).await?.ok_or_else(|| unknown(id))?;
    let frozen = Arc::new(Frozen { definition: Definition::stored(&found.definition)?, wire: wire(found) });
    surveys.frozen.insert(id.to_owned(), frozen.clone());
    Ok(frozen)
}

/// Reads a definition and makes its HTML harmless; what is then empty is refused.
fn read(text: &str) -> Result<Definition> {
    let mut definition = Definition::read(text)?;
    sanitise::definition(&mut definition);
    Definition::read(&definition.text()?)
}

fn unknown(id: &str) -> Error {
    permission::missing("survey", id)
}

/// A survey as gRPC carries it.
pub(crate) fn wire(row: rows::Survey) -> Survey {
    Survey {
        id: row.id,
        title: row.title,
        definition: row.definition,
        created_at: Some(time::wire(row.created_at)),
        updated_at: Some(time::wire(row.updated_at)),
    }
}
