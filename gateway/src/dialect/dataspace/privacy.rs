//! Erasure, retention and the audit view of `/dataspace/v1` (dataspace.md sections 9 and 11).

use axum::{Json, extract::State};
use madang_kit::{Error, Result, rpc, time};
use madang_proto::survey::v1::{Access, EraseRequest, ErasedPlace, GetRetentionRequest, ListAccessRequest, Retention};
use serde_json::{Value, json, value::RawValue};

use super::{
    Refusal, author,
    call::{Author, With},
    identifier::{cursor, lower, named, read_lower, read_upper, upper},
    moment,
    object::Object,
};
use crate::Gateway;

/// `POST …/erasures`
pub(super) async fn erase(State(gateway): State<Gateway>, With(author, body): With<Author>) -> Result<Json<Value>, Refusal> {
    let mut object = Object::of(body)?;
    let mut operator = author::operator(&gateway, &author).await?;
    operator.remark = object.text("remark")?.unwrap_or_default();
    let id = |read: fn(&str) -> Option<madang_kit::Id>, thing: &str, text: Option<String>| {
        text.map(|text| named(read, thing, &text)).transpose()
    };
    let request = EraseRequest {
        panel_id: id(read_upper, "panel", object.text("panelId")?)?,
        uid: object.text("uid")?,
        answer_sheet_id: id(read_lower, "answer_sheet", object.text("answerSheetId")?)?,
        operator: Some(operator),
    };
    let done = gateway.privacy.clone().erase(rpc::request(&author.context, request)).await?.into_inner();
    let places: Vec<Value> = done.places.iter().map(place).collect();
    Ok(Json(json!({
        "erasureId": lower(&done.id),
        "erasedAt": moment::wire(done.erased_at, author.zone()),
        "places": places,
    })))
}

fn place(place: &ErasedPlace) -> Value {
    let spell = if place.place == "panel" { upper } else { lower };
    json!({"place": place.place, "count": place.count, "ids": place.ids.iter().map(|id| spell(id)).collect::<Vec<_>>()})
}

/// `GET …/retention`
pub(super) async fn retention(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let found = gateway.privacy.clone().get_retention(rpc::request(&author.context, GetRetentionRequest {})).await?.into_inner();
    Ok(Json(json!({"personalInfoDays": found.personal_info_days})))
}

/// `PUT …/retention`
pub(super) async fn put_retention(State(gateway): State<Gateway>, With(author, body): With<Author>) -> Result<Json<Value>, Refusal> {
    let days = Object::of(body)?.whole("personalInfoDays")?;
    let days = days.ok_or_else(|| Error::invalid("personalInfoDays", "missing", "personalInfoDays is required"))?;
    let request = Retention { personal_info_days: u32::try_from(days).unwrap_or(0) };
    let kept = gateway.privacy.clone().put_retention(rpc::request(&author.context, request)).await?.into_inner();
    Ok(Json(json!({"personalInfoDays": kept.personal_info_days})))
}

/// `GET …/audit`
pub(super) async fn audit(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let bound = |name: &str| author.query.get(name).map(|text| moment::read(name, text, author.zone()).map(time::wire)).transpose();
    let request = ListAccessRequest {
        from: bound("from")?,
        to: bound("to")?,
        panel_id: cursor(read_upper, "panelId", author.query.get("panelId"))?,
        behind: cursor(read_lower, "next", author.query.get("next"))?,
    };
    let found = gateway.privacy.clone().list_access(rpc::request(&author.context, request)).await?.into_inner();
    let records = found.records.iter().map(|record| shape(record, &author)).collect::<Result<Vec<_>>>()?;
    Ok(Json(json!({"records": records, "next": found.next.as_deref().map(lower)})))
}

fn shape(record: &Access, author: &Author) -> Result<Value> {
    let detail: &RawValue = serde_json::from_str(&record.detail).map_err(Error::internal)?;
    Ok(json!({
        "at": moment::wire(record.at, author.zone()),
        "actor": record.actor,
        "operatorEmail": record.operator_email,
        "remark": record.remark,
        "action": record.action,
        "panelIds": record.panel_ids.iter().map(|id| upper(id)).collect::<Vec<_>>(),
        "detail": detail,
        "source": record.source,
    }))
}
