//! Triggers: what starts workflows. They do nothing alone.

use madang_kit::{
    Context, Error, Id, Result,
    audit::{self, Record},
    id,
    idempotency::{self, Claim},
    time,
};
use madang_proto::pipeline::v1::{
    CreateTriggerRequest, DeleteTriggerRequest, DeleteTriggerResponse, GetTriggerRequest, ListTriggersRequest, ListTriggersResponse,
    Trigger, TriggerRule, TriggerType,
};
use prost::Message;
use serde_json::Value;

use super::{rule, space};
use crate::{
    Pipelines,
    store::{trigger as store, workflow},
};

/// The name of a type in the database.
const KINDS: [(TriggerType, &str); 3] = [(TriggerType::Scheduled, "scheduled"), (TriggerType::Event, "event"), (TriggerType::None, "none")];

/// Stores a trigger.
pub(crate) async fn create(pipelines: &Pipelines, context: &Context, request: CreateTriggerRequest) -> Result<Trigger> {
    let (space, now) = (space::of(context)?, pipelines.clock.now());
    let kind = request.r#type();
    let rule = rule::checked(kind, &request.rule.unwrap_or_default(), now)?;
    let new = store::Trigger {
        id: Id::generate().to_string(),
        short_id: id::short_name()?,
        space_id: space.to_string(),
        name: space::name(&request.name)?,
        kind: KINDS.iter().find(|row| row.0 == kind).map_or("none", |row| row.1).to_owned(),
        rule: rule.encode_to_vec(),
        state: "active".to_owned(),
        created_by: context.principal.user.to_string(),
        created_at: now,
        modified_at: now,
    };
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "CreateTrigger").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    store::insert(&mut tx, &new).await.map_err(|error| space::named(error, &new.name))?;
    audit::write(&mut tx, &pipelines.clock, context, record("trigger.create", &new.id)).await?;
    let answer = wire(new)?;
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// One trigger.
pub(crate) async fn get(pipelines: &Pipelines, context: &Context, request: GetTriggerRequest) -> Result<Trigger> {
    wire(find(pipelines, context, &request.trigger_id).await?)
}

/// A trigger of the caller's space.
pub(crate) async fn find(pipelines: &Pipelines, context: &Context, short: &str) -> Result<store::Trigger> {
    let found = store::find(&pipelines.db, space::of(context)?, short).await?;
    found.ok_or_else(|| space::absent("trigger_id", short))
}

/// Deletes a trigger, whoever names it.
pub(crate) async fn delete(pipelines: &Pipelines, context: &Context, request: DeleteTriggerRequest) -> Result<DeleteTriggerResponse> {
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "DeleteTrigger").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let found = store::find_in(&mut tx, space::of(context)?, &request.trigger_id).await?;
    let absent = || space::absent("trigger_id", &request.trigger_id);
    let found = found.ok_or_else(absent)?;
    if !store::delete(&mut tx, &found.id, pipelines.clock.now()).await? {
        return Err(absent());
    }
    workflow::clear_timers(&mut tx, &found.id).await?;
    audit::write(&mut tx, &pipelines.clock, context, record("trigger.delete", &found.id)).await?;
    let answer = DeleteTriggerResponse {};
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// The triggers of a space.
pub(crate) async fn list(pipelines: &Pipelines, context: &Context, request: ListTriggersRequest) -> Result<ListTriggersResponse> {
    let (limit, offset) = space::page(request.page)?;
    let like = space::like(request.name.as_deref())?;
    let (found, count) = store::list(&pipelines.db, space::of(context)?, &like, limit, offset).await?;
    Ok(ListTriggersResponse { triggers: found.into_iter().map(wire).collect::<Result<_>>()?, count: space::count(count) })
}

/// When a stored trigger fires.
pub(crate) fn rule_of(trigger: &store::Trigger) -> Result<TriggerRule> {
    TriggerRule::decode(trigger.rule.as_slice()).map_err(Error::internal)
}

fn wire(found: store::Trigger) -> Result<Trigger> {
    Ok(Trigger {
        rule: Some(rule_of(&found)?),
        id: found.short_id,
        name: found.name,
        r#type: KINDS.iter().find(|row| row.1 == found.kind).map_or(TriggerType::Unspecified, |row| row.0).into(),
        created_at: Some(time::wire(found.created_at)),
        updated_at: Some(time::wire(found.modified_at)),
    })
}

fn record<'a>(action: &'a str, id: &str) -> Record<'a> {
    Record { action, thing: id.to_owned(), detail: Value::Null }
}
