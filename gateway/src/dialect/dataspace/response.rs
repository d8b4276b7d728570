//! `/v1/responses` and their metadata (dataspace.md section 8).

use axum::{
    Json,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use chrono_tz::Tz;
use madang_kit::{Error, Result, rpc, time};
use madang_proto::survey::v1::{AnswerSheet, ListResponsesRequest, ListResponsesResponse};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    Refusal,
    call::Call,
    identifier::{lower, named, read_lower, upper},
    moment, page_token,
};
use crate::Gateway;

/// Operation 19's body; answers go through as the service wrote them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    survey_id: String,
    responses: Vec<Item<'a>>,
    #[serde(rename = "pageToken")]
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    answer_sheet_id: String,
    collect_group_id: String,
    submitted_at: Option<String>,
    answers: &'a RawValue,
}

/// Operation 19.
pub(super) async fn list(State(gateway): State<Gateway>, call: Call) -> Result<Response, Refusal> {
    let (survey, found, next) = fetch(&gateway, &call, true).await?;
    let zone = call.space.zone;
    let item = |sheet| -> Result<Item<'_>> {
        let AnswerSheet { id, collect_group_id, submitted_at, answers, .. }: &AnswerSheet = sheet;
        Ok(Item {
            answer_sheet_id: lower(id),
            collect_group_id: lower(collect_group_id),
            submitted_at: moment::wire(*submitted_at, zone),
            answers: serde_json::from_str(answers).map_err(Error::internal)?,
        })
    };
    let responses = found.sheets.iter().map(item).collect::<Result<Vec<_>>>()?;
    let body = serde_json::to_vec(&Page { survey_id: lower(&survey), responses, next }).map_err(Error::internal)?;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// Operation 20: the same sheets in the same order.
pub(super) async fn metadata(State(gateway): State<Gateway>, call: Call) -> Result<Json<Value>, Refusal> {
    let (_, found, page_token) = fetch(&gateway, &call, false).await?;
    let sheets: Vec<Value> = found.sheets.iter().map(|sheet| shape(sheet, call.space.zone)).collect();
    Ok(Json(json!({"answerSheets": sheets, "pageToken": page_token})))
}

fn shape(sheet: &AnswerSheet, zone: Tz) -> Value {
    let parameters: Vec<Value> = sheet.parameters.iter().map(|parameter| json!({"key": parameter.key, "value": parameter.value})).collect();
    json!({
        "answerSheetId": lower(&sheet.id),
        "surveyId": lower(&sheet.survey_id),
        "collectGroupId": lower(&sheet.collect_group_id),
        "panelId": sheet.panel_id.as_deref().map(upper),
        "uid": sheet.uid,
        "parameters": parameters,
        "startedAt": moment::wire(sheet.started_at, zone),
        "submittedAt": moment::wire(sheet.submitted_at, zone),
    })
}

/// Gives the survey, the page and the token of the next one.
async fn fetch(gateway: &Gateway, call: &Call, answers: bool) -> Result<(String, ListResponsesResponse, Option<String>), Refusal> {
    let text = |name: &str| call.query.get(name).unwrap_or_default().to_owned();
    let survey_id = named(read_lower, "survey", call.query.need("surveyId")?)?;
    let zone = call.space.zone;
    let bound = |name: &str| call.query.get(name).map(|text| moment::read(name, text, zone)).transpose();
    let (after, up_to) = (bound("startDateTime")?, bound("endDateTime")?);
    let bound_to = [survey_id.as_str(), &text("startDateTime"), &text("endDateTime")];
    let behind = call.query.get("pageToken").map(|token| page_token::read(token, &bound_to)).transpose()?;
    let (after, up_to) = (after.map(time::wire), up_to.map(time::wire));
    let request = ListResponsesRequest { survey_id: survey_id.clone(), after, up_to, behind, answers };
    let found = gateway.responses.clone().list_responses(rpc::request(&call.context, request)).await?.into_inner();
    let next = found.next.as_ref().map(|position| page_token::show(position, &bound_to));
    Ok((survey_id, found, next))
}
