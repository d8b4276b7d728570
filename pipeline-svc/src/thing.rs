//! What pipelines and codes have in common: their card, lists, versions, changes over an earlier revision.

use chrono::{DateTime, Utc};
use madang_kit::{
    Code, Context, Error, Id, Result, Tx,
    audit::{self, Record},
    check, time,
};
use madang_proto::{
    catalog::v1::OrganizationAccess,
    pipeline::v1::{Card, CardChange, DeleteRequest, DeleteResponse, ListRequest, ListVersionsRequest, ListVersionsResponse, Version},
};
use serde_json::{Value, json};
use sqlx::types::Json;

use crate::{
    Pipelines, permission,
    store::thing::{self as store, Filter, Kind, Thing, anywhere},
};

const DEFAULT_LIST: u32 = 100;
const MAX_LIST: u32 = 1_000;
/// Bytes of a JSON object that callers keep with a thing.
const MAX_JSON: usize = 256 << 10;

/// A new thing in an organization that the caller may write in, or in none.
pub(crate) async fn new(pipelines: &Pipelines, context: &Context, card: Option<Card>, body: Vec<u8>) -> Result<Thing> {
    let card = card.unwrap_or_default();
    let organization = check::optional_id("collection_id", card.organization_id.as_deref())?;
    if let Some(id) = organization {
        pipelines.catalog.demand_organization(context, id, OrganizationAccess::Write).await?;
    }
    let now = pipelines.clock.now();
    Ok(Thing {
        id: Id::generate().to_string(),
        title: check::title("name", &card.title)?,
        description: check::description("description", card.description)?,
        alias: check::description("alias", card.alias)?,
        organization_id: organization.map(|id| id.to_string()),
        reader_groups: Json(check::names("groups", card.groups)?),
        tags: Json(check::names("tags", card.tags)?),
        body,
        revision: 1,
        created_by: context.principal.user.to_string(),
        created_at: now,
        modified_at: now,
    })
}

/// The next revision of a thing, with what is given.
pub(crate) fn changed(thing: Thing, change: Option<CardChange>, now: DateTime<Utc>) -> Result<Thing> {
    let change = change.unwrap_or_default();
    let names = |field: &str, given: Option<madang_proto::pipeline::v1::Texts>, old: Json<Vec<String>>| match given {
        Some(given) => check::names(field, given.values).map(Json),
        None => Ok(old),
    };
    Ok(Thing {
        title: change.title.map_or(Ok(thing.title), |title| check::title("name", &title))?,
        description: check::description("description", change.description)?.or(thing.description),
        alias: check::description("alias", change.alias)?.or(thing.alias),
        reader_groups: names("groups", change.groups, thing.reader_groups)?,
        tags: names("tags", change.tags, thing.tags)?,
        revision: thing.revision + 1,
        modified_at: now,
        ..thing
    })
}

/// The card of a thing.
pub(crate) fn card(thing: &Thing) -> Card {
    Card {
        title: thing.title.clone(),
        description: thing.description.clone(),
        organization_id: thing.organization_id.clone(),
        alias: thing.alias.clone(),
        groups: thing.reader_groups.0.clone(),
        tags: thing.tags.0.clone(),
    }
}

/// A thing that the caller may see.
pub(crate) async fn readable(pipelines: &Pipelines, context: &Context, kind: Kind, id: Id) -> Result<Thing> {
    let absent = || Error::not_found(kind.name(), id.prefixed(kind.prefix()));
    let thing = store::find(&pipelines.db, kind, id).await?.ok_or_else(absent)?;
    permission::demand_sight(pipelines, context, kind, &thing).await?;
    Ok(thing)
}

/// A thing that the caller may change or start.
pub(crate) async fn writable(pipelines: &Pipelines, context: &Context, kind: Kind, id: Id) -> Result<Thing> {
    let thing = readable(pipelines, context, kind, id).await?;
    permission::demand_write(pipelines, context, &thing).await?;
    Ok(thing)
}

/// Writes the audit record of a change, and the version as it reads from now on.
pub(crate) async fn keep(
    pipelines: &Pipelines,
    context: &Context,
    tx: &mut Tx,
    thing: &Thing,
    message: Vec<u8>,
    action: &str,
) -> Result<()> {
    store::keep_version(tx, &thing.id, thing.revision, thing.modified_at, message).await?;
    let record = Record { action, thing: thing.id.clone(), detail: json!({"revision": thing.revision}) };
    audit::write(tx, &pipelines.clock, context, record).await
}

/// Hides a thing; its runs and versions stay.
pub(crate) async fn delete(pipelines: &Pipelines, context: &Context, tx: &mut Tx, kind: Kind, thing: &Thing) -> Result<()> {
    let now = pipelines.clock.now();
    if !store::delete(tx, &thing.id, now).await? {
        return Err(Error::not_found(kind.name(), thing.title.clone()));
    }
    let action = format!("{}.delete", kind.name());
    audit::write(tx, &pipelines.clock, context, Record { action: &action, thing: thing.id.clone(), detail: Value::Null }).await
}

/// Deletes a thing that nothing holds.
pub(crate) async fn delete_plain(pipelines: &Pipelines, context: &Context, kind: Kind, request: DeleteRequest) -> Result<DeleteResponse> {
    let thing = writable(pipelines, context, kind, check::id("id", &request.id)?).await?;
    let mut tx = pipelines.db.begin().await?;
    delete(pipelines, context, &mut tx, kind, &thing).await?;
    tx.commit().await?;
    Ok(DeleteResponse {})
}

/// The things that the caller may see, and the id to go on after.
pub(crate) async fn list(
    pipelines: &Pipelines,
    context: &Context,
    kind: Kind,
    request: ListRequest,
) -> Result<(Vec<Thing>, Option<String>)> {
    let limit = if request.limit == 0 { DEFAULT_LIST } else { request.limit };
    if limit > MAX_LIST {
        return Err(Error::invalid("limit", "range", format!("limit must be 1 to {MAX_LIST}")));
    }
    let filter = Filter {
        limit: i64::from(limit) + 1, // one more, so that the last page is known
        offset: i64::try_from(request.offset).map_err(|_| Error::invalid("offset", "range", "offset is too large"))?,
        after: request.after.unwrap_or_default(),
        like: anywhere(request.q.as_deref()),
        tag: request.tag,
        organization: check::optional_id("collection_id", request.organization_id.as_deref())?.map(|id| id.to_string()),
        groups: request.groups,
    };
    let reader = permission::reader(pipelines, context).await?;
    let mut things = store::list(&pipelines.db, kind, &reader, &filter).await?;
    let limit = usize::try_from(limit).unwrap_or_default();
    let more = things.len() > limit;
    things.truncate(limit);
    let next = things.last().filter(|_| more).map(|thing| thing.id.clone());
    Ok((things, next))
}

/// The kept versions of a thing, newest first.
pub(crate) async fn versions(
    pipelines: &Pipelines,
    context: &Context,
    kind: Kind,
    request: ListVersionsRequest,
) -> Result<ListVersionsResponse> {
    let thing = readable(pipelines, context, kind, check::id("id", &request.id)?).await?;
    let version = |version: store::Version| Version {
        revision: version.revision,
        at: Some(time::wire(version.at)),
        size: version.size.try_into().unwrap_or_default(),
    };
    Ok(ListVersionsResponse { versions: store::versions(&pipelines.db, &thing.id).await?.into_iter().map(version).collect() })
}

/// An older version of a thing.
pub(crate) async fn version<M: prost::Message + Default>(pipelines: &Pipelines, thing: &Thing, revision: i64) -> Result<M> {
    let body = store::version(&pipelines.db, &thing.id, revision).await?;
    let body = body.ok_or_else(|| Error::new(Code::NotFound, format!("there is no version v{revision}")))?;
    M::decode(body.as_slice()).map_err(Error::internal)
}

/// Two changes of the same revision: the second is refused, not lost.
pub(crate) fn changed_meanwhile() -> Error {
    Error::new(Code::Conflict, "it was changed by somebody else meanwhile; try again")
}

/// A title that another one has already.
pub(crate) async fn demand_free_title(tx: &mut Tx, kind: Kind, title: &str) -> Result<()> {
    if store::title_is_taken(tx, kind, title).await? {
        return Err(Error::new(Code::AlreadyExists, format!("the name '{title}' is taken")));
    }
    Ok(())
}

/// A JSON object that is kept for the caller.
pub(crate) fn object(field: &str, text: &str) -> Result<String> {
    if text.is_empty() {
        return Ok("{}".to_owned());
    }
    let read: serde_json::Map<String, Value> =
        serde_json::from_str(text).map_err(|_| Error::invalid(field, "object_type", format!("{field} must be an object")))?;
    let text = Value::Object(read).to_string();
    if text.len() > MAX_JSON || text.contains("\\u0000") {
        return Err(Error::invalid(field, "too_long", format!("{field} has at most {MAX_JSON} bytes and no NUL")));
    }
    Ok(text)
}
