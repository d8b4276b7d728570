//! `/v1/panels` (dataspace.md section 7), and the masked list and the import of authors.

use axum::{Json, extract::State};
use madang_kit::{Error, Result, rpc};
use madang_proto::survey::v1::{
    CreatePanelRequest, DeletePanelRequest, ImportPanelsRequest, ImportReport, ListPanelsRequest, Operator, Panel, PanelFields, Profile,
    ProfileEntry, UpdatePanelRequest,
};
use serde_json::{Map, Value, json};

use super::{
    Refusal,
    call::{Author, Call, Path, Query, TextBody, With},
    identifier::{cursor, named, read_upper, upper},
    object::Object,
};
use crate::Gateway;

/// Operation 7.
pub(super) async fn create(State(gateway): State<Gateway>, With(call, body): With<Call>) -> Result<Json<Value>, Refusal> {
    let operator = operator(&call.query, &call.source, false)?;
    let fields = PanelFields { is_sms_opt_out: None, is_email_opt_out: None, cleared: Vec::new(), ..fields(body)? };
    let request = CreatePanelRequest { operator: Some(operator), fields: Some(fields) };
    Ok(Json(shape(gateway.panels.clone().create_panel(rpc::request(&call.context, request)).await?.into_inner())))
}

/// Operation 8.
pub(super) async fn list(State(gateway): State<Gateway>, call: Call) -> Result<Json<Value>, Refusal> {
    let operator = operator(&call.query, &call.source, true)?;
    let from = cursor(read_upper, "panelId", call.query.get("panelId"))?;
    page(&gateway, &call.context, ListPanelsRequest { operator: Some(operator), from, masked: false }).await
}

/// The masked list of `/dataspace/v1`; who looks is the operator.
pub(super) async fn masked(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let operator = super::author::operator(&gateway, &author).await?;
    let from = cursor(read_upper, "panelId", author.query.get("panelId"))?;
    page(&gateway, &author.context, ListPanelsRequest { operator: Some(operator), from, masked: true }).await
}

async fn page(gateway: &Gateway, context: &madang_kit::Context, request: ListPanelsRequest) -> Result<Json<Value>, Refusal> {
    let found = gateway.panels.clone().list_panels(rpc::request(context, request)).await?.into_inner();
    let panels: Vec<Value> = found.panels.into_iter().map(shape).collect();
    Ok(Json(json!({"panels": panels, "nextPanelId": found.next.as_deref().map(upper)})))
}

/// Operation 9.
pub(super) async fn update(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    With(call, body): With<Call>,
) -> Result<Json<Value>, Refusal> {
    let operator = operator(&call.query, &call.source, false)?;
    let id = named(read_upper, "panel", &id)?;
    let request = UpdatePanelRequest { operator: Some(operator), id, fields: Some(fields(body)?) };
    Ok(Json(shape(gateway.panels.clone().update_panel(rpc::request(&call.context, request)).await?.into_inner())))
}

/// Operation 10.
pub(super) async fn delete(State(gateway): State<Gateway>, call: Call, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let operator = operator(&call.query, &call.source, false)?;
    let uuid = named(read_upper, "panel", &id)?;
    let request = DeletePanelRequest { operator: Some(operator), id: uuid };
    gateway.panels.clone().delete_panel(rpc::request(&call.context, request)).await?;
    Ok(Json(Value::String(id)))
}

/// `POST …/panels/import`
pub(super) async fn import(State(gateway): State<Gateway>, author: Author, TextBody(csv): TextBody) -> Result<Json<Value>, Refusal> {
    let operator = super::author::operator(&gateway, &author).await?;
    let request = ImportPanelsRequest { operator: Some(operator), csv };
    let report = gateway.panels.clone().import_panels(rpc::request(&author.context, request)).await?.into_inner();
    Ok(Json(report_shape(report)))
}

/// What became of rows.
pub(super) fn report_shape(report: ImportReport) -> Value {
    let problems: Vec<Value> = report
        .problems
        .into_iter()
        .map(|problem| json!({"row": problem.row, "field": problem.field, "message": problem.message}))
        .collect();
    json!({"accepted": report.accepted, "refused": report.refused, "problems": problems})
}

fn operator(query: &Query, source: &str, with_remark: bool) -> Result<Operator> {
    let email = query.need("email")?.to_owned();
    let remark = if with_remark { query.need("remark")?.to_owned() } else { String::new() };
    Ok(Operator { email, remark, source: source.to_owned() })
}

/// The contract's texts may be empty: then there is nothing, as with null.
fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// A body's fields: absent = unchanged, null = cleared.
fn fields(body: Value) -> Result<PanelFields> {
    let mut object = Object::of(body)?;
    let clearable = [("uid", "uid"), ("name", "name"), ("countryCode", "country_code"), ("cellphone", "cellphone"), ("email", "email")];
    let given: Vec<_> = clearable.into_iter().filter(|(name, _)| object.has(name)).collect();
    let country_code = match object.take("countryCode") {
        None => None,
        Some(Value::String(text)) => filled(Some(text)),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(_) => return Err(Error::invalid("countryCode", "digits", "countryCode must be a number")),
    };
    let mut fields = PanelFields {
        uid: filled(object.text("uid")?),
        name: object.text("name")?,
        country_code,
        cellphone: filled(object.text("cellphone")?),
        email: filled(object.text("email")?),
        is_sms_opt_out: object.truth("isSmsOptOut")?,
        is_email_opt_out: object.truth("isEmailOptOut")?,
        profile: profile(&mut object)?,
        cleared: Vec::new(),
    };
    let absent = |name: &str| match name {
        "uid" => fields.uid.is_none(),
        "name" => fields.name.is_none(),
        "countryCode" => fields.country_code.is_none(),
        "cellphone" => fields.cellphone.is_none(),
        _ => fields.email.is_none(),
    };
    let cleared = given.into_iter().filter(|(name, _)| absent(name)).map(|(_, field)| field.to_owned()).collect();
    fields.cleared = cleared;
    Ok(fields)
}

fn profile(object: &mut Object) -> Result<Option<Profile>> {
    let nulled = object.has("profileMaps");
    let map = match object.take("profileMaps") {
        None => return Ok(nulled.then(Profile::default)),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(Error::invalid("profileMaps", "object_type", "profileMaps must be an object")),
    };
    let entry = |(variable, option): (String, Value)| match option {
        Value::String(option) if !option.contains('\0') && !variable.contains('\0') => Ok(ProfileEntry { variable, option }),
        _ => Err(Error::invalid("profileMaps", "string_type", "profileMaps has texts as values, without NUL")),
    };
    Ok(Some(Profile { entries: map.into_iter().map(entry).collect::<Result<_>>()? }))
}

/// A panel, its keys in the order of the contract.
fn shape(panel: Panel) -> Value {
    let profile: Map<String, Value> = panel.profile.into_iter().map(|entry| (entry.variable, Value::String(entry.option))).collect();
    json!({
        "panelId": upper(&panel.id),
        "uid": panel.uid,
        "name": panel.name,
        "countryCode": panel.country_code,
        "cellphone": panel.cellphone,
        "email": panel.email,
        "isSmsOptOut": panel.is_sms_opt_out,
        "isEmailOptOut": panel.is_email_opt_out,
        "profileMaps": profile,
    })
}
