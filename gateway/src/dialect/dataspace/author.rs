//! `/dataspace/v1/spaces/{spaceId}/surveys` and `…/collect-groups`: authoring and collecting (dataspace.md section 11).

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header::CONTENT_TYPE},
};
use madang_kit::{Code, Error, Result, rpc, survey::Definition, time};
use madang_proto::survey::v1::{
    CollectGroup, CollectGroupFields, CreateCollectGroupRequest, CreateSurveyRequest, DeleteSurveyRequest, GetSurveyRequest,
    ListCollectGroupsRequest, ListSurveysRequest, MoveCollectGroupRequest, Operator, Survey, UpdateCollectGroupRequest,
    UpdateSurveyRequest,
};
use serde_json::{Value, json};

use super::{
    Refusal,
    call::{Author, TextBody, With},
    identifier::{cursor, lower, read_lower},
    moment,
    object::Object,
    questionnaire, survey,
};
use crate::{Gateway, identity::Account};

/// Who works with personal data in `/dataspace/v1`: the caller, for the reason that the query gives.
pub(super) async fn operator(gateway: &Gateway, author: &Author) -> Result<Operator, Refusal> {
    let known = gateway.identity.known(Account::Id(author.context.principal.user)).await?;
    let email = known.map(|known| known.user.email.clone()).unwrap_or_default();
    let remark = author.query.get("remark").unwrap_or_default().to_owned();
    Ok(Operator { email, remark, source: author.source.clone() })
}

/// `POST …/surveys`
pub(super) async fn create(State(gateway): State<Gateway>, With(author, body): With<Author>) -> Result<Json<Value>, Refusal> {
    make(&gateway, &author, body.to_string()).await
}

/// `POST …/surveys/import`: JSON, or CSV.
pub(super) async fn import(
    State(gateway): State<Gateway>,
    author: Author,
    headers: HeaderMap,
    TextBody(body): TextBody,
) -> Result<Json<Value>, Refusal> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let definition = if kind.starts_with("text/csv") {
        questionnaire::read(&body, author.query.get("title").unwrap_or_default())?.to_string()
    } else {
        super::call::json(&headers, &body)?.to_string()
    };
    make(&gateway, &author, definition).await
}

async fn make(gateway: &Gateway, author: &Author, definition: String) -> Result<Json<Value>, Refusal> {
    let request = rpc::request(&author.context, CreateSurveyRequest { definition });
    let made = gateway.surveys.clone().create_survey(request).await?.into_inner();
    Ok(Json(shape(&made, author)?))
}

/// A survey as its author sees it.
fn shape(survey: &Survey, author: &Author) -> Result<Value> {
    let mut shape = survey::detail(survey, author.zone())?;
    let definition = Definition::stored(&survey.definition)?;
    shape["language"] = json!(definition.language);
    shape["oneResponsePerUid"] = json!(definition.one_response_per_uid);
    Ok(shape)
}

/// `GET …/surveys`
pub(super) async fn list(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let from = cursor(read_lower, "nextSurveyId", author.query.get("nextSurveyId"))?;
    let request = rpc::request(&author.context, ListSurveysRequest { running: false, from });
    let page = gateway.surveys.clone().list_surveys(request).await?.into_inner();
    let surveys: Vec<Value> = page.surveys.iter().map(|survey| survey::brief(survey, author.zone())).collect();
    Ok(Json(json!({"surveys": surveys, "nextSurveyId": page.next.as_deref().map(lower)})))
}

/// `GET …/surveys/{surveyId}` and `…/export`
pub(super) async fn get(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let id = author.lower("surveyId", "survey")?;
    let found = gateway.surveys.clone().get_survey(rpc::request(&author.context, GetSurveyRequest { id })).await?.into_inner();
    Ok(Json(shape(&found, &author)?))
}

/// `PUT …/surveys/{surveyId}`
pub(super) async fn update(State(gateway): State<Gateway>, With(author, body): With<Author>) -> Result<Json<Value>, Refusal> {
    let request = UpdateSurveyRequest { id: author.lower("surveyId", "survey")?, definition: body.to_string() };
    let changed = gateway.surveys.clone().update_survey(rpc::request(&author.context, request)).await?.into_inner();
    Ok(Json(shape(&changed, &author)?))
}

/// `DELETE …/surveys/{surveyId}`
pub(super) async fn delete(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let id = author.lower("surveyId", "survey")?;
    let text = lower(&id);
    gateway.surveys.clone().delete_survey(rpc::request(&author.context, DeleteSurveyRequest { id })).await?;
    Ok(Json(Value::String(text)))
}

/// `POST …/surveys/{surveyId}/collect-groups`
pub(super) async fn create_group(State(gateway): State<Gateway>, With(author, body): With<Author>) -> Result<Json<Value>, Refusal> {
    let request = CreateCollectGroupRequest { survey_id: author.lower("surveyId", "survey")?, fields: Some(fields(&author, body)?) };
    let made = gateway.surveys.clone().create_collect_group(rpc::request(&author.context, request)).await?.into_inner();
    Ok(Json(group_shape(&gateway, &author, &made)))
}

/// `GET …/surveys/{surveyId}/collect-groups`
pub(super) async fn groups(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let request = ListCollectGroupsRequest { survey_id: author.lower("surveyId", "survey")? };
    let found = gateway.surveys.clone().list_collect_groups(rpc::request(&author.context, request)).await?.into_inner();
    Ok(Json(found.collect_groups.iter().map(|group| group_shape(&gateway, &author, group)).collect()))
}

/// `PUT …/collect-groups/{collectGroupId}`
pub(super) async fn update_group(State(gateway): State<Gateway>, With(author, body): With<Author>) -> Result<Json<Value>, Refusal> {
    let (fields, problem) = match fields(&author, body) {
        Ok(fields) => (fields, None),
        // The service looks at the state first, and never takes a group without a name.
        Err(problem) => (CollectGroupFields::default(), Some(problem)),
    };
    let request = UpdateCollectGroupRequest { id: author.lower("collectGroupId", "collect_group")?, fields: Some(fields) };
    let changed = gateway.surveys.clone().update_collect_group(rpc::request(&author.context, request)).await.map_err(Error::from);
    match (changed, problem) {
        (Ok(changed), _) => Ok(Json(group_shape(&gateway, &author, changed.get_ref()))),
        (Err(error), Some(problem)) if error.code == Code::Invalid => Err(problem.into()),
        (Err(error), _) => Err(error.into()),
    }
}

/// `POST …/collect-groups/{collectGroupId}/start`
pub(super) async fn start(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    move_to(&gateway, &author, "RUNNING").await
}

/// `POST …/collect-groups/{collectGroupId}/pause`
pub(super) async fn pause(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    move_to(&gateway, &author, "PAUSED").await
}

/// `POST …/collect-groups/{collectGroupId}/complete`
pub(super) async fn complete(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    move_to(&gateway, &author, "COMPLETED").await
}

async fn move_to(gateway: &Gateway, author: &Author, status: &str) -> Result<Json<Value>, Refusal> {
    let request = MoveCollectGroupRequest { id: author.lower("collectGroupId", "collect_group")?, status: status.to_owned() };
    let moved = gateway.surveys.clone().move_collect_group(rpc::request(&author.context, request)).await?.into_inner();
    Ok(Json(group_shape(gateway, author, &moved)))
}

fn fields(author: &Author, body: Value) -> Result<CollectGroupFields> {
    let mut object = Object::of(body)?;
    let at = |name: &str, object: &mut Object| -> Result<Option<prost_types::Timestamp>> {
        object.text(name)?.map(|text| moment::read(name, &text, author.zone()).map(time::wire)).transpose()
    };
    Ok(CollectGroupFields {
        started_at: at("startedAt", &mut object)?,
        completed_at: at("completedAt", &mut object)?,
        name: object.need_text("name")?,
        channel: object.text("channel")?.unwrap_or_else(|| survey::PUBLIC_LINK.to_owned()),
        target: object.whole("targetCnt")?,
        is_using_hmac: object.truth("isUsingHmac")?.unwrap_or_default(),
    })
}

/// A group as its author sees it: with what the operations tell one by one.
fn group_shape(gateway: &Gateway, author: &Author, group: &CollectGroup) -> Value {
    let mut shape = survey::group_shape(group, author.zone());
    shape["responseCnt"] = json!(group.responses);
    shape["serial"] = json!(group.serial);
    let public = group.channel == survey::PUBLIC_LINK;
    shape["url"] = json!(public.then(|| survey::url(gateway, &author.space, group, &[])));
    shape
}
