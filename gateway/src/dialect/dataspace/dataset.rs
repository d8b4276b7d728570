//! `…/surveys/{surveyId}/dataset`: answers as a table of the catalogue (dataspace.md section 11).

use axum::{Json, extract::State};
use madang_kit::{Error, Id, Result, rpc};
use madang_proto::survey::v1::{LiveTable, LiveTableRequest, PutLiveTableRequest};
use serde_json::{Value, json};

use super::{
    Refusal,
    call::{Author, With},
    object::Object,
};
use crate::{Gateway, dialect::dhub::wire};

/// Starts, or moves.
pub(super) async fn put(State(gateway): State<Gateway>, With(author, body): With<Author>) -> Result<Json<Value>, Refusal> {
    let survey_id = author.lower("surveyId", "survey")?;
    let collection = Object::of(body)?.need_text("collectionId")?;
    let bad = |_| Error::invalid("collectionId", "id", "collectionId must be the id of a collection: col- and 26 letters and digits");
    let organization_id = Id::parse_prefixed("col", &collection).map_err(bad)?.to_string();
    let request = rpc::request(&author.context, PutLiveTableRequest { survey_id, organization_id });
    Ok(Json(shape(&gateway.live_tables.clone().put_live_table(request).await?.into_inner())?))
}

/// How it stands.
pub(super) async fn get(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let request = LiveTableRequest { survey_id: author.lower("surveyId", "survey")? };
    Ok(Json(shape(&gateway.live_tables.clone().get_live_table(rpc::request(&author.context, request)).await?.into_inner())?))
}

/// Stops; the table stays.
pub(super) async fn stop(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let request = LiveTableRequest { survey_id: author.lower("surveyId", "survey")? };
    Ok(Json(shape(&gateway.live_tables.clone().stop_live_table(rpc::request(&author.context, request)).await?.into_inner())?))
}

/// Ids as D.Hub and Data Flow spell them, and the resource's as CKAN does.
fn shape(live: &LiveTable) -> Result<Value> {
    let status = match live.state.as_str() {
        "on" if live.filling => "FILLING",
        "on" => "LIVE",
        "off" => "STOPPED",
        _ => "LOST",
    };
    Ok(json!({
        "datasetId": wire::id("ds", &live.dataset_id)?,
        "tableId": wire::id("ds", &live.table_id)?,
        "resourceId": live.table_id,
        "collectionId": wire::id("col", &live.organization_id)?,
        "status": status,
        "waitingCnt": live.waiting,
    }))
}
