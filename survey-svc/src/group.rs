//! Collect groups: how answers are collected, from whom, until when (dataspace.md sections 5 and 11).
//!
//! READY →start→ RUNNING ⇄ PAUSED; RUNNING and PAUSED →complete→ COMPLETED. Every change locks the survey first, as the recorder does.

use chrono::{DateTime, Utc};
use madang_kit::{
    Code, Context, Error, Id, Result, Tx, check,
    idempotency::{self, Claim},
    time,
};
use madang_proto::survey::v1::{
    CollectGroup, CollectGroupFields, CreateCollectGroupRequest, GetCollectGroupRequest, ListCollectGroupsRequest,
    ListCollectGroupsResponse, MoveCollectGroupRequest, UpdateCollectGroupRequest,
};
use prost_types::Timestamp;
use serde_json::json;

use crate::{
    Surveys, audit,
    permission::{self, Right},
    serial,
    store::group as rows,
    survey,
};

/// Groups of one survey.
const MAX_GROUPS: i64 = 1_000;
/// The largest target.
const MAX_TARGET: i64 = 1_000_000_000;
const CHANNELS: [&str; 6] = ["PUBLIC_LINK", "PRIVATE_LINK", "EMAIL", "SMS", "ALIMTALK", "CONSUMER_PANEL"];

pub(crate) const READY: &str = "READY";
pub(crate) const RUNNING: &str = "RUNNING";
pub(crate) const PAUSED: &str = "PAUSED";
pub(crate) const COMPLETED: &str = "COMPLETED";

/// Makes a group that is ready.
pub(crate) async fn create(surveys: &Surveys, context: &Context, request: CreateCollectGroupRequest) -> Result<CollectGroup> {
    let space = permission::may(context, Right::Author)?;
    let mut tx = surveys.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &surveys.clock, context, "CreateCollectGroup").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let survey = survey::lock(&mut tx, &space, &request.survey_id).await?;
    if rows::count(&mut tx, &survey.id).await? >= MAX_GROUPS {
        return Err(Error::new(Code::Conflict, format!("a survey has at most {MAX_GROUPS} collect groups")));
    }
    let mut group = blank(survey.id, survey.space_id, surveys.clock.now())?;
    fill(&mut group, request.fields.unwrap_or_default())?;
    rows::insert(&mut tx, &group).await?;
    audit::note(surveys, &mut tx, context, "collect_group.create", &group.id, json!({"survey": group.survey_id})).await?;
    let answer = wire(group);
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// A group that is ready, without a name.
pub(crate) fn blank(survey_id: String, space_id: String, now: DateTime<Utc>) -> Result<rows::Group> {
    Ok(rows::Group {
        id: Id::generate().to_string(),
        survey_id,
        space_id,
        serial: serial::generate()?,
        name: String::new(),
        channel: String::new(),
        status: READY.to_owned(),
        started: false,
        target: None,
        responses: 0,
        is_using_hmac: false,
        started_at: None,
        completed_at: None,
        created_at: now,
        updated_at: now,
    })
}

fn fill(group: &mut rows::Group, fields: CollectGroupFields) -> Result<()> {
    group.name = check::title("name", &fields.name)?;
    if !CHANNELS.contains(&fields.channel.as_str()) {
        return Err(Error::invalid("channel", "choice", format!("channel must be one of {}", CHANNELS.join(", "))));
    }
    group.channel = fields.channel;
    if fields.target.is_some_and(|target| !(1..=MAX_TARGET).contains(&target)) {
        return Err(Error::invalid("targetCnt", "range", format!("targetCnt must be 1 to {MAX_TARGET}, or null")));
    }
    group.target = fields.target;
    group.is_using_hmac = fields.is_using_hmac;
    group.started_at = moment("startedAt", fields.started_at)?;
    group.completed_at = moment("completedAt", fields.completed_at)?;
    if let (Some(start), Some(end)) = (group.started_at, group.completed_at)
        && start >= end
    {
        return Err(Error::invalid("completedAt", "order", "completedAt must be after startedAt"));
    }
    Ok(())
}

fn moment(field: &str, at: Option<Timestamp>) -> Result<Option<DateTime<Utc>>> {
    at.map(|at| time::read(at).ok_or_else(|| Error::invalid(field, "time", format!("{field} is no time")))).transpose()
}

/// One group of the caller's space.
pub(crate) async fn get(surveys: &Surveys, context: &Context, request: GetCollectGroupRequest) -> Result<CollectGroup> {
    let space = permission::may(context, Right::Read)?;
    let found = rows::find(&surveys.db, &request.id).await?.ok_or_else(|| unknown(&request.id))?;
    permission::own(&space, &found.space_id, "collect_group", &request.id)?;
    Ok(wire(found))
}

/// The groups of a survey.
pub(crate) async fn list(surveys: &Surveys, context: &Context, request: ListCollectGroupsRequest) -> Result<ListCollectGroupsResponse> {
    let space = permission::may(context, Right::Read)?;
    let survey = survey::find(surveys, &space, &request.survey_id).await?;
    let found = rows::list(&surveys.db, &survey.id, MAX_GROUPS).await?;
    Ok(ListCollectGroupsResponse { collect_groups: found.into_iter().map(wire).collect() })
}

/// Changes a group that has not started.
pub(crate) async fn update(surveys: &Surveys, context: &Context, request: UpdateCollectGroupRequest) -> Result<CollectGroup> {
    let space = permission::may(context, Right::Author)?;
    let (mut tx, mut group) = lock(surveys, &space, &request.id).await?;
    if group.status != READY {
        return Err(Error::new(Code::Conflict, "the collect group has started; it can't be changed any more"));
    }
    fill(&mut group, request.fields.unwrap_or_default())?;
    group.updated_at = surveys.clock.now();
    rows::update(&mut tx, &group).await?;
    audit::note(surveys, &mut tx, context, "collect_group.update", &group.id, json!({})).await?;
    tx.commit().await?;
    Ok(wire(group))
}

/// Starts, pauses or completes a group.
pub(crate) async fn move_to(surveys: &Surveys, context: &Context, request: MoveCollectGroupRequest) -> Result<CollectGroup> {
    let space = permission::may(context, Right::Author)?;
    let (mut tx, mut group) = lock(surveys, &space, &request.id).await?;
    let before = group.status.clone();
    step(&mut group, &request.status, surveys.clock.now())?;
    rows::update(&mut tx, &group).await?;
    let detail = json!({"from": before, "to": group.status});
    audit::note(surveys, &mut tx, context, "collect_group.move", &group.id, detail).await?;
    tx.commit().await?;
    Ok(wire(group))
}

/// One step of the state machine.
pub(crate) fn step(group: &mut rows::Group, to: &str, now: DateTime<Utc>) -> Result<()> {
    let allowed = matches!((group.status.as_str(), to), (READY | PAUSED, RUNNING) | (RUNNING, PAUSED) | (RUNNING | PAUSED, COMPLETED));
    if !allowed {
        let message = format!("a collect group that is {} can't become {to}", group.status);
        return Err(Error::new(Code::Conflict, message));
    }
    if group.status == READY {
        group.started = true;
        group.started_at = Some(now);
    }
    if to == COMPLETED {
        group.completed_at = Some(now);
    }
    to.clone_into(&mut group.status);
    group.updated_at = now;
    Ok(())
}

/// A group of a space, its survey locked.
pub(crate) async fn lock(surveys: &Surveys, space: &str, id: &str) -> Result<(Tx, rows::Group)> {
    let found = rows::find(&surveys.db, id).await?.ok_or_else(|| unknown(id))?;
    permission::own(space, &found.space_id, "collect_group", id)?;
    let mut tx = surveys.db.begin().await?;
    survey::lock(&mut tx, space, &found.survey_id).await?;
    let group = rows::find_in(&mut tx, id).await?.ok_or_else(|| unknown(id))?;
    Ok((tx, group))
}

fn unknown(id: &str) -> Error {
    permission::missing("collect_group", id)
}

/// A group as gRPC carries it.
pub(crate) fn wire(row: rows::Group) -> CollectGroup {
    CollectGroup {
        id: row.id,
        survey_id: row.survey_id,
        space_id: row.space_id,
        name: row.name,
        channel: row.channel,
        status: row.status,
        target: row.target,
        started_at: row.started_at.map(time::wire),
        completed_at: row.completed_at.map(time::wire),
        is_using_hmac: row.is_using_hmac,
        serial: row.serial,
        responses: row.responses,
        created_at: Some(time::wire(row.created_at)),
        updated_at: Some(time::wire(row.updated_at)),
    }
}
