//! `/v1/profile-variables` and their options (dataspace.md section 7).

use axum::{Json, extract::State};
use madang_kit::rpc;
use madang_proto::survey::v1::{
    CreateProfileOptionRequest, CreateProfileVariableRequest, DeleteProfileOptionRequest, DeleteProfileVariableRequest,
    ListProfileOptionsRequest, ListProfileVariablesRequest, ProfileOption, ProfileVariable, UpdateProfileOptionRequest,
    UpdateProfileVariableRequest,
};
use serde_json::{Value, json};

use super::{
    Refusal,
    call::{Call, Path, With},
    identifier::{cursor, named, read_upper, upper},
    object::Object,
};
use crate::Gateway;

const VARIABLE: &str = "profile_variable";
const OPTION: &str = "profile_option";

/// Operation 11.
pub(super) async fn create_variable(State(gateway): State<Gateway>, With(call, body): With<Call>) -> Result<Json<Value>, Refusal> {
    let request = CreateProfileVariableRequest { name: Object::of(body)?.need_text("name")? };
    let made = gateway.panels.clone().create_profile_variable(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(variable(&made)))
}

/// Operation 12.
pub(super) async fn list_variables(State(gateway): State<Gateway>, call: Call) -> Result<Json<Value>, Refusal> {
    let from = cursor(read_upper, "profileVariableId", call.query.get("profileVariableId"))?;
    let request = rpc::request(&call.context, ListProfileVariablesRequest { from });
    let found = gateway.panels.clone().list_profile_variables(request).await?.into_inner();
    let variables: Vec<Value> = found.variables.iter().map(variable).collect();
    Ok(Json(json!({"profileVariables": variables, "nextProfileVariableId": found.next.as_deref().map(upper)})))
}

/// Operation 13.
pub(super) async fn update_variable(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    With(call, body): With<Call>,
) -> Result<Json<Value>, Refusal> {
    let request = UpdateProfileVariableRequest { id: named(read_upper, VARIABLE, &id)?, name: Object::of(body)?.need_text("name")? };
    let changed = gateway.panels.clone().update_profile_variable(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(variable(&changed)))
}

/// Operation 14.
pub(super) async fn delete_variable(State(gateway): State<Gateway>, call: Call, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let request = DeleteProfileVariableRequest { id: named(read_upper, VARIABLE, &id)? };
    gateway.panels.clone().delete_profile_variable(rpc::request(&call.context, request)).await?;
    Ok(Json(Value::String(id)))
}

/// Operation 15.
pub(super) async fn create_option(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    With(call, body): With<Call>,
) -> Result<Json<Value>, Refusal> {
    let request = CreateProfileOptionRequest { variable_id: named(read_upper, VARIABLE, &id)?, name: Object::of(body)?.need_text("name")? };
    let made = gateway.panels.clone().create_profile_option(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(option(&made)))
}

/// Operation 16.
pub(super) async fn list_options(State(gateway): State<Gateway>, call: Call, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let from = cursor(read_upper, "profileVariableOptionId", call.query.get("profileVariableOptionId"))?;
    let request = ListProfileOptionsRequest { variable_id: named(read_upper, VARIABLE, &id)?, from };
    let found = gateway.panels.clone().list_profile_options(rpc::request(&call.context, request)).await?.into_inner();
    let options: Vec<Value> = found.options.iter().map(option).collect();
    Ok(Json(json!({"profileVariableOptions": options, "nextProfileVariableOptionId": found.next.as_deref().map(upper)})))
}

/// Operation 17.
pub(super) async fn update_option(
    State(gateway): State<Gateway>,
    Path((variable_id, id)): Path<(String, String)>,
    With(call, body): With<Call>,
) -> Result<Json<Value>, Refusal> {
    let variable_id = named(read_upper, VARIABLE, &variable_id)?;
    let request =
        UpdateProfileOptionRequest { variable_id, id: named(read_upper, OPTION, &id)?, name: Object::of(body)?.need_text("name")? };
    let changed = gateway.panels.clone().update_profile_option(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(option(&changed)))
}

/// Operation 18.
pub(super) async fn delete_option(
    State(gateway): State<Gateway>,
    call: Call,
    Path((variable_id, id)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let request =
        DeleteProfileOptionRequest { variable_id: named(read_upper, VARIABLE, &variable_id)?, id: named(read_upper, OPTION, &id)? };
    gateway.panels.clone().delete_profile_option(rpc::request(&call.context, request)).await?;
    Ok(Json(Value::String(id)))
}

fn variable(variable: &ProfileVariable) -> Value {
    json!({"profileVariableId": upper(&variable.id), "name": variable.name})
}

fn option(option: &ProfileOption) -> Value {
    json!({"profileVariableOptionId": upper(&option.id), "profileVariableId": upper(&option.variable_id), "name": option.name})
}
