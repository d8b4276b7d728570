//! People (dhub.md section 11): for administrators.

use axum::{Json, extract::State};
use madang_kit::{
    Code, Error, Id, Result, check,
    principal::{ADMIN, USER},
};
use serde_json::{Value, json};

use super::{
    call::{Call, JsonCall, Path, Query, path_id},
    error::DhubError,
    fields::Fields,
    list::{ListQuery, envelope},
    version::VersionQuery,
    wire,
};
use crate::{
    Gateway,
    identity::{
        store::{self, PeopleFilter, User},
        user::{self, Wanted},
    },
};

const ROLES: [&str; 2] = [ADMIN, USER];
/// People in a list, if it does not say how many.
const DEFAULT_LIST: u32 = 100;

/// `GET /users`: an array.
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    call: Call,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<Value>>, DhubError> {
    let (found, _) = fetch(&gateway, &call, query).await?;
    Ok(Json(found.iter().map(shape).collect()))
}

/// `GET /users/`: an envelope.
pub(crate) async fn list_items(
    State(gateway): State<Gateway>,
    call: Call,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, DhubError> {
    let (found, next) = fetch(&gateway, &call, query).await?;
    let items = found.iter().map(|user| Ok((wire::id("user", &user.id)?, shape(user)))).collect::<Result<_>>()?;
    Ok(Json(envelope(items, next)?))
}

async fn fetch(gateway: &Gateway, call: &Call, query: ListQuery) -> Result<(Vec<User>, Option<String>), DhubError> {
    demand_admin(&call.context)?;
    let request = query.request()?;
    let limit = if request.limit == 0 { DEFAULT_LIST } else { request.limit };
    let filter = PeopleFilter {
        after: request.after.unwrap_or_default(),
        limit: i64::from(limit) + 1, // one more, so that the last page is known
        offset: i64::try_from(request.offset).unwrap_or(i64::MAX),
        groups: request.groups,
        q: request.q.map(|text| text.to_lowercase()),
        tag: request.tag,
    };
    let mut found = store::people(&gateway.identity.db, filter).await?;
    let limit = usize::try_from(limit).unwrap_or_default();
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|user| user.id.clone());
    Ok((found, next))
}

/// `GET /users/{id}?user_version=v2`
pub(crate) async fn show(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    call: Call,
    Query(query): Query<VersionQuery>,
) -> Result<Json<Value>, DhubError> {
    demand_admin(&call.context)?;
    let user = user::person(&gateway.identity, read_id(&id)?).await?;
    let Some(revision) = query.user()? else { return Ok(Json(shape(&user))) };
    let mut versions = store::versions(&gateway.identity.db, &user.id).await?.into_iter();
    let version = versions.find(|version| version.revision == revision);
    let version = version.ok_or_else(|| Error::new(Code::NotFound, format!("there is no version v{revision}")))?;
    Ok(Json(serde_json::from_str(&version.body).map_err(Error::internal)?))
}

/// `GET /users/{id}/versions`
pub(crate) async fn versions(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Vec<Value>>, DhubError> {
    demand_admin(&call.context)?;
    let user = user::person(&gateway.identity, read_id(&id)?).await?;
    let versions = store::versions(&gateway.identity.db, &user.id).await?.into_iter();
    let shape = |v: store::UserVersion| json!({"version_id": format!("v{}", v.revision), "last_modified": wire::iso_text(v.at), "size": v.body.len()});
    Ok(Json(versions.map(shape).collect()))
}

/// `POST /users`: the object.
pub(crate) async fn create(State(gateway): State<Gateway>, call: JsonCall) -> Result<Json<Value>, DhubError> {
    Ok(Json(shape(&make(&gateway, call).await?)))
}

/// `POST /users/`: the id alone.
pub(crate) async fn create_item(State(gateway): State<Gateway>, call: JsonCall) -> Result<Json<Value>, DhubError> {
    let made = make(&gateway, call).await?;
    Ok(Json(json!({"item": wire::id("user", &made.id)?})))
}

async fn make(gateway: &Gateway, call: JsonCall) -> Result<User, DhubError> {
    demand_admin(&call.context)?;
    let mut fields = call.fields;
    let wanted = Wanted {
        email: Some(fields.text("email")),
        full_name: Some(fields.text("name")),
        password: Some(fields.text("password")),
        ..read(&mut fields)
    };
    fields.finish()?;
    let made = user::create(&gateway.identity, &call.context, wanted, shape).await?;
    gateway.users.push_now().await;
    Ok(made)
}

/// `PUT /users/{id}`
pub(crate) async fn update(State(gateway): State<Gateway>, Path(id): Path<String>, call: JsonCall) -> Result<Json<Value>, DhubError> {
    demand_admin(&call.context)?;
    let id = read_id(&id)?;
    let mut fields = call.fields;
    let (email, full_name, password) = (fields.optional_text("email"), fields.optional_text("name"), fields.optional_text("password"));
    let wanted = Wanted { email, full_name, password, ..read(&mut fields) };
    fields.finish()?;
    let changed = user::update(&gateway.identity, &call.context, id, wanted, shape).await?;
    gateway.users.push_now().await;
    Ok(Json(shape(&changed)))
}

/// `DELETE /users/{id}`
pub(crate) async fn delete(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Value>, DhubError> {
    demand_admin(&call.context)?;
    user::delete(&gateway.identity, &call.context, read_id(&id)?).await?;
    gateway.users.push_now().await;
    Ok(Json(json!({"message": "User deleted successfully"})))
}

fn demand_admin(context: &madang_kit::Context) -> Result<()> {
    if context.principal.is_admin() { Ok(()) } else { Err(Error::new(Code::Denied, "only an administrator may do this")) }
}

fn read(fields: &mut Fields) -> Wanted {
    Wanted {
        alias: fields.optional_text("alias"),
        groups: fields.texts("groups", check::NAMES),
        tags: fields.texts("tags", check::NAMES),
        name: fields.optional_text("username"),
        sysadmin: read_roles(fields),
        active: fields.optional_bool("is_active"),
        ..Wanted::default()
    }
}

/// Whether roles make an administrator; everybody is a user.
fn read_roles(fields: &mut Fields) -> Option<bool> {
    let roles = fields.texts("roles", ROLES.len())?;
    if roles.iter().any(|role| !ROLES.contains(&role.as_str())) {
        fields.problem("roles", "choice", "roles are admin and user");
    }
    Some(roles.iter().any(|role| role == ADMIN))
}

fn read_id(text: &str) -> Result<Id, DhubError> {
    path_id("user", "user", text)
}

/// A person as D.Hub shows and keeps one.
pub(crate) fn shape(user: &User) -> Value {
    json!({
        "id": wire::id("user", &user.id).unwrap_or_default(), "email": user.email, "name": user.full_name, "alias": user.alias,
        "type": "user", "groups": user.groups.0, "tags": user.tags.0, "provider": "local", "is_active": user.is_active(),
        "roles": wire::roles(user), "created_at": wire::iso_text(user.created_at), "updated_at": wire::iso_text(user.updated_at),
    })
}
