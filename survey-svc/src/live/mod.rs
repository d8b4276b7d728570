//! Live tables: a survey's answers as a table of the catalogue, a row per sheet, up to date within seconds (dataspace.md section 11).
//!
//! A change of a sheet leaves a mark in its transaction (migrations, `0102_live.sql`). [`worker`] reads marks, writes the rows as the sheets are
//! by then through the catalogue's DataStore, by sheet id as the unique key, and takes away the marks that did not change meanwhile. So
//! whatever is done twice comes out the same, and what a crash leaves open is done again. [`columns`] says what a row is.

mod catalogue;
mod columns;
mod worker;

use std::collections::HashMap;

use madang_kit::{Code, Context, Error, Id, Result, check, survey::Definition};
use madang_proto::survey::v1::{LiveTable, LiveTableRequest, PutLiveTableRequest};
use serde_json::json;

use self::columns::Shape;
pub(crate) use self::{catalogue::Catalogue, worker::start};
use crate::{
    Surveys, audit,
    permission::{self, Right},
    store::{
        group as groups,
        live::{self as rows, Live},
        survey as survey_rows,
    },
    survey,
};

/// New answers reach the table.
const ON: &str = "on";
/// Groups whose names a table knows.
const GROUPS: i64 = 10_000;

/// Starts a survey's table, or moves its dataset; every row is written anew.
pub(crate) async fn put(surveys: &Surveys, context: &Context, request: PutLiveTableRequest) -> Result<LiveTable> {
    let space = permission::may(context, Right::Share)?;
    let found = survey::find(surveys, &space, &request.survey_id).await?;
    let organization = check::id("collectionId", &request.organization_id)?;
    surveys.catalogue.demand_editor(context, organization).await?;
    let before = rows::find(&surveys.db, &found.id).await?;
    let shape = shape(surveys, &found).await?;
    let actor = catalogue::in_the_name_of(&context.principal);
    let place = catalogue::Place { organization, title: &found.title, survey: &found.id };
    let kept = match &before {
        Some(live) => surveys.catalogue.move_to(&actor, live, &place, &shape.described()).await?,
        None => None,
    };
    let is_new = kept.is_none();
    let (dataset, table) = match kept {
        Some(kept) => kept,
        None => surveys.catalogue.make(&actor, &place, &shape.described()).await?,
    };
    let live = Live {
        survey_id: found.id,
        space_id: space,
        organization_id: organization.to_string(),
        dataset_id: dataset,
        table_id: table,
        state: ON.to_owned(),
        columns: serde_json::to_string(&shape.described()).map_err(Error::internal)?,
        walking: true,
        walk_at: None,
        walk_id: None,
        tries: 0,
        fence: 0,
        epoch: 0,
    };
    if !keep(surveys, context, before.as_ref(), &live).await? {
        if is_new {
            surveys.catalogue.remove(&actor, &live.dataset_id).await?;
        }
        return Err(Error::new(Code::Conflict, "the table was started by somebody else at this moment"));
    }
    wire(surveys, live).await
}

/// Writes the row that makes a table live. False if somebody else started one at the same moment and came first.
async fn keep(surveys: &Surveys, context: &Context, before: Option<&Live>, live: &Live) -> Result<bool> {
    let mut tx = surveys.db.begin().await?;
    survey::lock(&mut tx, &live.space_id, &live.survey_id).await?;
    let now = rows::find_in(&mut tx, &live.survey_id).await?;
    if now.map(|now| now.dataset_id) != before.map(|before| before.dataset_id.clone()) {
        return Ok(false);
    }
    rows::put(&mut tx, live, surveys.clock.now()).await?;
    let detail = json!({"dataset": live.dataset_id, "organization": live.organization_id});
    audit::note(surveys, &mut tx, context, "live_table.start", &live.survey_id, detail).await?;
    tx.commit().await?;
    Ok(true)
}

/// A survey's table.
pub(crate) async fn get(surveys: &Surveys, context: &Context, request: LiveTableRequest) -> Result<LiveTable> {
    let space = permission::may(context, Right::Author)?;
    let live = find(surveys, &space, &request.survey_id).await?;
    wire(surveys, live).await
}

/// Stops a survey's table.
pub(crate) async fn stop(surveys: &Surveys, context: &Context, request: LiveTableRequest) -> Result<LiveTable> {
    let space = permission::may(context, Right::Share)?;
    let live = find(surveys, &space, &request.survey_id).await?;
    let mut tx = surveys.db.begin().await?;
    survey::lock(&mut tx, &space, &live.survey_id).await?;
    rows::stop(&mut tx, &live.survey_id).await?;
    audit::note(surveys, &mut tx, context, "live_table.stop", &live.survey_id, json!({"dataset": live.dataset_id})).await?;
    tx.commit().await?;
    let live = find(surveys, &space, &request.survey_id).await?;
    wire(surveys, live).await
}

async fn find(surveys: &Surveys, space: &str, survey: &str) -> Result<Live> {
    let found = survey::find(surveys, space, survey).await?;
    rows::find(&surveys.db, &found.id).await?.ok_or_else(|| permission::missing("live_table", survey))
}

async fn wire(surveys: &Surveys, live: Live) -> Result<LiveTable> {
    let waiting = rows::waiting(&surveys.db, &live.survey_id).await?;
    Ok(LiveTable {
        organization_id: live.organization_id,
        dataset_id: live.dataset_id,
        table_id: live.table_id,
        state: live.state,
        waiting,
        filling: live.walking,
    })
}

/// How sheets of a survey become rows.
async fn shape(surveys: &Surveys, survey: &survey_rows::Survey) -> Result<Shape> {
    let named = groups::list(&surveys.db, &survey.id, GROUPS).await?;
    let groups: HashMap<_, _> = named.into_iter().map(|group| (group.id, group.name)).collect();
    Shape::new(Definition::stored(&survey.definition)?, groups)
}

/// The service's own id in the catalogue's rows.
fn service() -> Id {
    Id::named(&["service", "survey"])
}
