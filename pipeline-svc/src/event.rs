//! Events (dhub.md section 12): a message of a topic starts every pipeline that is registered for it and that its sender may start. A
//! message is not kept: it becomes runs at once, in one transaction.

use madang_kit::{
    Code, Context, Error, Id, Result,
    audit::{self, Record},
    check,
    idempotency::{self, Claim},
};
use madang_proto::pipeline::v1::{
    GetRegistrationRequest, Refusal, RegisterRequest, Registration, SendMessageRequest, SendMessageResponse, UnregisterRequest,
};
use serde_json::{Map, Value, json};

use crate::{
    Pipelines,
    run::{self, Trigger, Wanted},
    store::{registration as store, thing::Kind},
    thing,
};

/// Pipelines that one topic starts.
const MAX_REGISTERED: i64 = 100;
/// Bytes of a message.
const MAX_MESSAGE: usize = 64 << 10;
/// Characters of a topic's name.
const MAX_TOPIC: usize = 200;
/// The parameter that holds the whole message as text.
const MESSAGE: &str = "message";

/// A topic's name: letters, digits and `._-`.
pub(crate) fn check_topic(field: &str, topic: &str) -> Result<()> {
    let plain = topic.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if topic.is_empty() || topic.chars().count() > MAX_TOPIC || !plain {
        let rule = format!("{field}: a topic has 1 to {MAX_TOPIC} letters, digits, dots, underscores and hyphens");
        return Err(Error::invalid(field, "topic", rule));
    }
    Ok(())
}

/// Lets messages start a pipeline, instead of any registration before.
pub(crate) async fn register(pipelines: &Pipelines, context: &Context, request: RegisterRequest) -> Result<Registration> {
    let id = check::id("pipeline_id", &request.pipeline_id)?;
    let found = thing::writable(pipelines, context, Kind::Pipeline, id).await?;
    let definition = run::definition_of(pipelines, &found, request.revision).await?;
    let topic = definition.options.and_then(|options| options.event);
    let topic = topic.ok_or_else(|| Error::new(Code::Conflict, "the pipeline has no options.event"))?;
    let mut tx = pipelines.db.begin().await?;
    store::put(&mut tx, id, &topic, request.revision).await?;
    if store::of_topic_in(&mut tx, &topic, MAX_REGISTERED + 1).await? > MAX_REGISTERED {
        return Err(Error::new(Code::Conflict, format!("a topic starts at most {MAX_REGISTERED} pipelines")));
    }
    audit::write(
        &mut tx,
        &pipelines.clock,
        context,
        Record { action: "event.register", thing: id.to_string(), detail: json!({"topic": topic}) },
    )
    .await?;
    tx.commit().await?;
    Ok(Registration { ready: true })
}

/// Whether messages start a pipeline.
pub(crate) async fn get(pipelines: &Pipelines, context: &Context, request: GetRegistrationRequest) -> Result<Registration> {
    let id = check::id("pipeline_id", &request.pipeline_id)?;
    thing::readable(pipelines, context, Kind::Pipeline, id).await?;
    Ok(Registration { ready: store::is_registered(&pipelines.db, id).await? })
}

/// Messages start a pipeline no more.
pub(crate) async fn unregister(pipelines: &Pipelines, context: &Context, request: UnregisterRequest) -> Result<Registration> {
    let id = check::id("pipeline_id", &request.pipeline_id)?;
    thing::writable(pipelines, context, Kind::Pipeline, id).await?;
    let mut tx = pipelines.db.begin().await?;
    if !store::delete(&mut tx, id, None).await? {
        return Err(Error::new(Code::NotFound, "the pipeline is not registered"));
    }
    audit::write(&mut tx, &pipelines.clock, context, Record { action: "event.unregister", thing: id.to_string(), detail: Value::Null })
        .await?;
    tx.commit().await?;
    Ok(Registration { ready: false })
}

/// Starts every registered pipeline that the sender may start, all in one transaction.
pub(crate) async fn send(pipelines: &Pipelines, context: &Context, request: SendMessageRequest) -> Result<SendMessageResponse> {
    check_topic("topic", &request.topic)?;
    let values = read_message(&request.message)?;
    let mut answer = SendMessageResponse::default();
    let mut wanted = Vec::new();
    for registered in store::of_topic(&pipelines.db, &request.topic, MAX_REGISTERED).await? {
        match prepare(pipelines, context, &registered, values.clone()).await {
            Ok(one) => wanted.extend(one),
            Err(error) if error.is_refusal() => {
                answer.refusals.push(Refusal { pipeline_id: registered.pipeline_id, reason: error.message });
            }
            Err(error) => return Err(error),
        }
    }
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "SendMessage").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let mut added = Vec::with_capacity(wanted.len());
    for one in &wanted {
        added.push(run::add(pipelines, context, &mut tx, one, None).await?);
    }
    answer.run_ids = added.iter().map(|added| added.run.id.clone()).collect();
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    for one in added {
        run::begin(pipelines, one);
    }
    Ok(answer)
}

/// The run of one registered pipeline; none if the sender may not start it: he does not even learn of it.
async fn prepare(
    pipelines: &Pipelines,
    context: &Context,
    registered: &store::Registration,
    values: Map<String, Value>,
) -> Result<Option<Wanted>> {
    let id: Id = registered.pipeline_id.parse().map_err(Error::internal)?;
    let found = match thing::writable(pipelines, context, Kind::Pipeline, id).await {
        Err(error) if matches!(error.code, Code::NotFound | Code::NotVisible | Code::Denied) => return Ok(None),
        found => found?,
    };
    let definition = run::definition_of(pipelines, &found, registered.revision).await?;
    run::prepare(pipelines, context, &found, definition, Trigger::Event(values)).await.map(Some)
}

/// The values that a message brings: itself, and its members that are no lists or objects.
fn read_message(text: &str) -> Result<Map<String, Value>> {
    if text.len() > MAX_MESSAGE {
        return Err(Error::new(Code::TooLarge, format!("a message has at most {MAX_MESSAGE} bytes")));
    }
    let message: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| Error::invalid("0", "object_type", "a message must be an object"))?;
    let mut values: Map<String, Value> = message.into_iter().filter(|(_, value)| !value.is_array() && !value.is_object()).collect();
    values.insert(MESSAGE.to_owned(), text.into());
    Ok(values)
}
