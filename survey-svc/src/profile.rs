//! Profile variables and options of a space (dataspace.md section 7). Panels keep ids, so a new name shows everywhere.

use madang_kit::{
    Code, Context, Error, Id, Result, check,
    db::is_unique_violation,
    idempotency::{self, Claim},
};
use madang_proto::survey::v1::{
    CreateProfileOptionRequest, CreateProfileVariableRequest, DeleteProfileOptionRequest, DeleteProfileOptionResponse,
    DeleteProfileVariableRequest, DeleteProfileVariableResponse, ListProfileOptionsRequest, ListProfileOptionsResponse,
    ListProfileVariablesRequest, ListProfileVariablesResponse, ProfileOption, ProfileVariable, UpdateProfileOptionRequest,
    UpdateProfileVariableRequest,
};
use serde_json::json;

use crate::{
    Surveys, audit,
    permission::{self, Right},
    store::{
        self,
        profile::{self as rows, Choice, Variable},
        survey::last_id,
    },
};

const NAME_CHARS: usize = 64;
const VARIABLE: &str = "profile_variable";
const OPTION: &str = "profile_option";

/// Makes a variable.
pub(crate) async fn create_variable(
    surveys: &Surveys,
    context: &Context,
    request: CreateProfileVariableRequest,
) -> Result<ProfileVariable> {
    let space_id = permission::may(context, Right::Panels)?;
    let new = Variable { id: Id::generate().to_string(), space_id, name: name(&request.name)? };
    let mut tx = surveys.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &surveys.clock, context, "CreateProfileVariable").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    rows::insert_variable(&mut tx, &new).await.map_err(taken)?;
    audit::note(surveys, &mut tx, context, "profile_variable.create", &new.id, json!({})).await?;
    let answer = ProfileVariable { id: new.id, name: new.name };
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// A page of variables.
pub(crate) async fn list_variables(
    surveys: &Surveys,
    context: &Context,
    request: ListProfileVariablesRequest,
) -> Result<ListProfileVariablesResponse> {
    let space = permission::may(context, Right::Panels)?;
    let from = check::optional_id("profileVariableId", request.from.as_deref())?.map_or_else(last_id, |id| id.to_string());
    let mut found = rows::variables(&surveys.db, &space, from).await?;
    let next = store::cut(&mut found, |variable| &variable.id);
    let variables = found.into_iter().map(|variable| ProfileVariable { id: variable.id, name: variable.name }).collect();
    Ok(ListProfileVariablesResponse { variables, next })
}

/// Renames a variable.
pub(crate) async fn update_variable(
    surveys: &Surveys,
    context: &Context,
    request: UpdateProfileVariableRequest,
) -> Result<ProfileVariable> {
    let found = variable(surveys, context, &request.id).await?;
    let name = name(&request.name)?;
    let mut tx = surveys.db.begin().await?;
    if rows::rename_variable(&mut tx, &found.id, &name).await.map_err(taken)? == 0 {
        return Err(permission::missing(VARIABLE, &found.id));
    }
    audit::note(surveys, &mut tx, context, "profile_variable.update", &found.id, json!({})).await?;
    tx.commit().await?;
    Ok(ProfileVariable { id: found.id, name })
}

/// Removes a variable.
pub(crate) async fn delete_variable(
    surveys: &Surveys,
    context: &Context,
    request: DeleteProfileVariableRequest,
) -> Result<DeleteProfileVariableResponse> {
    let found = variable(surveys, context, &request.id).await?;
    let mut tx = surveys.db.begin().await?;
    rows::delete_variable(&mut tx, &found.id).await?;
    audit::note(surveys, &mut tx, context, "profile_variable.delete", &found.id, json!({})).await?;
    tx.commit().await?;
    Ok(DeleteProfileVariableResponse {})
}

/// Makes an option.
pub(crate) async fn create_option(surveys: &Surveys, context: &Context, request: CreateProfileOptionRequest) -> Result<ProfileOption> {
    let variable = variable(surveys, context, &request.variable_id).await?;
    let new = Choice { id: Id::generate().to_string(), space_id: variable.space_id, variable_id: variable.id, name: name(&request.name)? };
    let mut tx = surveys.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &surveys.clock, context, "CreateProfileOption").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    rows::insert_option(&mut tx, &new).await.map_err(taken)?;
    audit::note(surveys, &mut tx, context, "profile_option.create", &new.id, json!({})).await?;
    let answer = wire(new);
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// A page of options.
pub(crate) async fn list_options(
    surveys: &Surveys,
    context: &Context,
    request: ListProfileOptionsRequest,
) -> Result<ListProfileOptionsResponse> {
    let variable = variable(surveys, context, &request.variable_id).await?;
    let from = check::optional_id("profileVariableOptionId", request.from.as_deref())?.map_or_else(last_id, |id| id.to_string());
    let mut found = rows::options(&surveys.db, &variable.id, from).await?;
    let next = store::cut(&mut found, |option| &option.id);
    Ok(ListProfileOptionsResponse { options: found.into_iter().map(wire).collect(), next })
}

/// Renames an option.
pub(crate) async fn update_option(surveys: &Surveys, context: &Context, request: UpdateProfileOptionRequest) -> Result<ProfileOption> {
    let mut found = option(surveys, context, &request.variable_id, &request.id).await?;
    found.name = name(&request.name)?;
    let mut tx = surveys.db.begin().await?;
    if rows::rename_option(&mut tx, &found.id, &found.name).await.map_err(taken)? == 0 {
        return Err(permission::missing(OPTION, &found.id));
    }
    audit::note(surveys, &mut tx, context, "profile_option.update", &found.id, json!({})).await?;
    tx.commit().await?;
    Ok(wire(found))
}

/// Removes an option.
pub(crate) async fn delete_option(
    surveys: &Surveys,
    context: &Context,
    request: DeleteProfileOptionRequest,
) -> Result<DeleteProfileOptionResponse> {
    let found = option(surveys, context, &request.variable_id, &request.id).await?;
    let mut tx = surveys.db.begin().await?;
    rows::delete_option(&mut tx, &found.id).await?;
    audit::note(surveys, &mut tx, context, "profile_option.delete", &found.id, json!({})).await?;
    tx.commit().await?;
    Ok(DeleteProfileOptionResponse {})
}

async fn variable(surveys: &Surveys, context: &Context, id: &str) -> Result<Variable> {
    let space = permission::may(context, Right::Panels)?;
    let found = rows::variable(&surveys.db, id).await?.ok_or_else(|| permission::missing(VARIABLE, id))?;
    permission::own(&space, &found.space_id, VARIABLE, id)?;
    Ok(found)
}

async fn option(surveys: &Surveys, context: &Context, variable_id: &str, id: &str) -> Result<Choice> {
    let variable = variable(surveys, context, variable_id).await?;
    let found = rows::option(&surveys.db, id).await?.filter(|option| option.variable_id == variable.id);
    found.ok_or_else(|| permission::missing(OPTION, id))
}

fn name(text: &str) -> Result<String> {
    let name = check::title("name", text)?;
    if name.chars().count() > NAME_CHARS {
        return Err(Error::invalid("name", "too_long", format!("name has at most {NAME_CHARS} characters")));
    }
    Ok(name)
}

fn taken(error: sqlx::Error) -> Error {
    if !is_unique_violation(&error) {
        return error.into();
    }
    Error { code: Code::AlreadyExists, ..Error::invalid("name", "taken", "the name is taken") }
}

fn wire(row: Choice) -> ProfileOption {
    ProfileOption { id: row.id, variable_id: row.variable_id, name: row.name }
}
