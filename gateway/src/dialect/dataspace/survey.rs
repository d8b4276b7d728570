//! `/v1/surveys` and `/v1/collect-groups` (dataspace.md sections 4 and 5).

use axum::{Json, extract::State};
use chrono_tz::Tz;
use madang_kit::{
    Code, Error, Result, rpc,
    survey::{Definition, RESERVED_KEY},
};
use madang_proto::survey::v1::{
    CollectGroup, GetCollectGroupRequest, GetSurveyRequest, ListCollectGroupsRequest, ListSurveysRequest, Survey,
};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::{
    Refusal,
    call::{Call, Path, With},
    identifier::{cursor, lower, named, read_lower},
    link, moment,
};
use crate::{Gateway, identity::Space};

/// Links of one call.
const MAX_LINKS: usize = 1_000;
/// Characters of a parameter's value.
const VALUE_CHARS: usize = 500;
/// The channel that has links for anybody.
pub(super) const PUBLIC_LINK: &str = "PUBLIC_LINK";

/// Operation 1.
pub(super) async fn list(State(gateway): State<Gateway>, call: Call) -> Result<Json<Value>, Refusal> {
    let running = match call.query.get("collectGroupsStatus") {
        None => false,
        Some("RUNNING") => true,
        Some(_) => return Err(Error::invalid("collectGroupsStatus", "choice", "collectGroupsStatus must be RUNNING").into()),
    };
    let from = cursor(read_lower, "nextSurveyId", call.query.get("nextSurveyId"))?;
    let request = rpc::request(&call.context, ListSurveysRequest { running, from });
    let page = gateway.surveys.clone().list_surveys(request).await?.into_inner();
    let surveys: Vec<Value> = page.surveys.iter().map(|survey| brief(survey, call.space.zone)).collect();
    Ok(Json(json!({"surveys": surveys, "nextSurveyId": page.next.as_deref().map(lower)})))
}

pub(super) fn brief(survey: &Survey, zone: Tz) -> Value {
    json!({
        "surveyId": lower(&survey.id),
        "title": survey.title,
        "createdAt": moment::wire(survey.created_at, zone),
        "updatedAt": moment::wire(survey.updated_at, zone),
    })
}

/// Operation 2.
pub(super) async fn get(State(gateway): State<Gateway>, call: Call, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let id = named(read_lower, "survey", &id)?;
    let survey = gateway.surveys.clone().get_survey(rpc::request(&call.context, GetSurveyRequest { id })).await?.into_inner();
    let mut shape = detail(&survey, call.space.zone)?;
    // What only authors and respondents need is no part of this operation.
    for question in shape["questions"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        question.retain(|key, _| !matches!(key.as_str(), "required" | "showIf"));
    }
    Ok(Json(shape))
}

/// A survey with everything that its questions say.
pub(super) fn detail(survey: &Survey, zone: Tz) -> Result<Value> {
    shape(survey, &Definition::stored(&survey.definition)?, zone)
}

/// The same of a survey whose definition was read already.
pub(super) fn shape(survey: &Survey, definition: &Definition, zone: Tz) -> Result<Value> {
    Ok(json!({
        "surveyId": lower(&survey.id),
        "title": definition.title,
        "questions": serde_json::to_value(&definition.questions).map_err(Error::internal)?,
        "parameters": serde_json::to_value(&definition.parameters).map_err(Error::internal)?,
        "createdAt": moment::wire(survey.created_at, zone),
        "updatedAt": moment::wire(survey.updated_at, zone),
    }))
}

/// Operation 3.
pub(super) async fn groups(State(gateway): State<Gateway>, call: Call, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let survey_id = named(read_lower, "survey", &id)?;
    let request = rpc::request(&call.context, ListCollectGroupsRequest { survey_id });
    let found = gateway.surveys.clone().list_collect_groups(request).await?.into_inner();
    Ok(Json(found.collect_groups.iter().map(|group| group_shape(group, call.space.zone)).collect()))
}

/// Operation 4.
pub(super) async fn group(State(gateway): State<Gateway>, call: Call, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    Ok(Json(group_shape(&find_group(&gateway, &call, &id).await?, call.space.zone)))
}

/// A collect group, its keys in the order of the contract.
pub(super) fn group_shape(group: &CollectGroup, zone: Tz) -> Value {
    json!({
        "collectGroupId": lower(&group.id),
        "surveyId": lower(&group.survey_id),
        "name": group.name,
        "channel": group.channel,
        "status": group.status,
        "targetCnt": group.target,
        "startedAt": moment::wire(group.started_at, zone),
        "completedAt": moment::wire(group.completed_at, zone),
        "isUsingHmac": group.is_using_hmac,
        "createdAt": moment::wire(group.created_at, zone),
        "updatedAt": moment::wire(group.updated_at, zone),
    })
}

/// Operation 5.
pub(super) async fn response_urls(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    With(call, body): With<Call>,
) -> Result<Json<Value>, Refusal> {
    let group = public_group(&gateway, &call, &id).await?;
    let request = rpc::request(&call.context, GetSurveyRequest { id: group.survey_id.clone() });
    let survey = gateway.surveys.clone().get_survey(request).await?.into_inner();
    let definition = Definition::stored(&survey.definition)?;
    let Value::Array(wanted) = body else { return Err(Error::invalid("body", "list_type", "the body must be a list").into()) };
    if wanted.len() > MAX_LINKS {
        return Err(Error::invalid("body", "too_many", format!("the body has at most {MAX_LINKS} elements")).into());
    }
    let links: Result<Vec<String>> = wanted
        .into_iter()
        .enumerate()
        .map(|(index, wanted)| Ok(url(&gateway, &call.space, &group, &read_parameters(index, wanted, &definition)?)))
        .collect();
    Ok(Json(json!(links?)))
}

/// Where a respondent goes.
pub(super) fn url(gateway: &Gateway, space: &Space, group: &CollectGroup, parameters: &[(String, String)]) -> String {
    let key = group.is_using_hmac.then(|| space.hmac_key.expose_secret());
    let query = link::query(&group.serial, parameters, key);
    let set = gateway.config.survey.link_url.trim_end_matches('/');
    let base = if set.is_empty() { gateway.site_url.clone() } else { set.replace("{domain}", &space.response_domain) };
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{base}/r/{}{mark}{query}", group.serial)
}

fn read_parameters(index: usize, wanted: Value, definition: &Definition) -> Result<Vec<(String, String)>> {
    let at = format!("{index}.parameters");
    let wrong = |rule: &str, message: String| Error::invalid(at.clone(), rule, format!("{at}: {message}"));
    let list = match wanted {
        Value::Object(mut object) => object.remove("parameters"),
        _ => return Err(wrong("json_type", "each element is an object with parameters".to_owned())),
    };
    let list = match list {
        None | Some(Value::Null) => Vec::new(), // the contract does not require it
        Some(Value::Array(list)) => list,
        Some(_) => return Err(wrong("list_type", "must be a list".to_owned())),
    };
    let mut read: Vec<(String, String)> = Vec::new();
    for entry in list {
        let text = |name: &str, entry: &Map<String, Value>| entry.get(name).and_then(Value::as_str).map(str::to_owned);
        let pair = entry.as_object().and_then(|entry| Some((text("key", entry)?, text("value", entry)?)));
        let (key, value) = pair.ok_or_else(|| wrong("form", "each has a text as key and a text as value".to_owned()))?;
        if key.eq_ignore_ascii_case(RESERVED_KEY) {
            return Err(wrong("reserved", "'hmac' is the signature's own key".to_owned()));
        }
        if !definition.parameters.iter().any(|known| known.key == key) {
            let key: String = key.chars().take(VALUE_CHARS).collect();
            return Err(wrong("unknown", format!("'{}' is not declared on the survey", key.escape_debug())));
        }
        if read.iter().any(|(known, _)| *known == key) {
            return Err(wrong("repeated", format!("'{key}' is there twice")));
        }
        if value.chars().count() > VALUE_CHARS || value.chars().any(char::is_control) {
            return Err(wrong("too_long", format!("'{key}' has at most {VALUE_CHARS} characters, none of control")));
        }
        read.push((key, value));
    }
    Ok(read)
}

/// Operation 6.
pub(super) async fn serial(State(gateway): State<Gateway>, call: Call, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    Ok(Json(Value::String(public_group(&gateway, &call, &id).await?.serial)))
}

async fn public_group(gateway: &Gateway, call: &Call, id: &str) -> Result<CollectGroup, Refusal> {
    let group = find_group(gateway, call, id).await?;
    if group.channel == PUBLIC_LINK {
        return Ok(group);
    }
    let message = format!("a collect group of the channel {} has no public link", group.channel);
    Err(Error { code: Code::Invalid, ..Error::invalid("channel", "channel", message) }.into())
}

async fn find_group(gateway: &Gateway, call: &Call, id: &str) -> Result<CollectGroup, Refusal> {
    let id = named(read_lower, "collect_group", id)?;
    let request = rpc::request(&call.context, GetCollectGroupRequest { id });
    Ok(gateway.surveys.clone().get_collect_group(request).await?.into_inner())
}
