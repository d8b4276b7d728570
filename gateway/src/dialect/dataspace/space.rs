//! `/dataspace/v1/spaces`: spaces, their members and their keys (dataspace.md section 11).

use axum::{Json, extract::State};
use madang_kit::{Error, Id, Result};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{
    Refusal,
    call::{Author, Person, With},
    moment,
    object::Object,
};
use crate::{
    Gateway,
    identity::{
        bootstrap::space_text,
        space::{self, Key, Settings, Wanted},
        space_store::{self, Member},
        store::SpaceRow,
    },
};

/// `POST /dataspace/v1/spaces`
pub(super) async fn create(State(gateway): State<Gateway>, With(person, body): With<Person>) -> Result<Json<Value>, Refusal> {
    let made = space::create(&gateway.identity, &person.context, settings(body)?).await?;
    gateway.users.push_now().await;
    Ok(Json(shape(&made)))
}

/// `GET /dataspace/v1/spaces`: the caller's.
pub(super) async fn list(State(gateway): State<Gateway>, person: Person) -> Result<Json<Value>, Refusal> {
    let principal = &person.context.principal;
    let whose = (!principal.is_admin()).then(|| principal.user.to_string());
    let found = space_store::list(&gateway.identity.db, whose, space::MAX_SPACES).await?;
    Ok(Json(json!({"spaces": found.iter().map(shape).collect::<Vec<_>>()})))
}

/// `GET /dataspace/v1/spaces/{spaceId}`
pub(super) async fn get(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    Ok(Json(shape(&space::show(&gateway.identity, &author.context).await?)))
}

/// `PUT /dataspace/v1/spaces/{spaceId}`
pub(super) async fn change(State(gateway): State<Gateway>, With(author, body): With<Author>) -> Result<Json<Value>, Refusal> {
    Ok(Json(shape(&space::change(&gateway.identity, &author.context, settings(body)?).await?)))
}

/// `GET …/members`
pub(super) async fn members(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    Ok(Json(members_shape(&space::members(&gateway.identity, &author.context).await?)))
}

/// `PUT …/members`: all of them.
pub(super) async fn put_members(State(gateway): State<Gateway>, With(author, body): With<Author>) -> Result<Json<Value>, Refusal> {
    let wanted = wanted(body)?;
    Ok(Json(members_shape(&space::put_members(&gateway.identity, &author.context, wanted).await?)))
}

/// `GET …/api-key`
pub(super) async fn api_key(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let key = space::key(&gateway.identity, &author.context, Key::Api).await?;
    Ok(Json(json!({"spaceId": own(&author), "apiKey": key.expose_secret()})))
}

/// `POST …/api-key`: a new one; the old one opens nothing from now on.
pub(super) async fn issue_api_key(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let key = space::issue(&gateway.identity, &author.context, Key::Api).await?;
    Ok(Json(json!({"spaceId": own(&author), "apiKey": key.expose_secret()})))
}

/// `GET …/hmac-key`
pub(super) async fn hmac_key(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let key = space::key(&gateway.identity, &author.context, Key::Hmac).await?;
    Ok(Json(json!({"spaceId": own(&author), "hmacKey": key.expose_secret()})))
}

/// `POST …/hmac-key`: a new one; links that the old one signed open nothing from now on.
pub(super) async fn issue_hmac_key(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let key = space::issue(&gateway.identity, &author.context, Key::Hmac).await?;
    Ok(Json(json!({"spaceId": own(&author), "hmacKey": key.expose_secret()})))
}

fn own(author: &Author) -> String {
    author.context.principal.space.map(space_text).unwrap_or_default()
}

fn settings(body: Value) -> Result<Settings> {
    let mut object = Object::of(body)?;
    Ok(Settings {
        name: object.text("name")?,
        response_domain: object.text("responseDomain")?,
        zone: object.text("zone")?,
        api_access: object.truth("apiAccess")?,
    })
}

fn wanted(body: Value) -> Result<Vec<Wanted>> {
    let bad = |message: &str| Error::invalid("members", "form", message);
    let Some(Value::Array(list)) = Object::of(body)?.take("members") else { return Err(bad("members must be a list")) };
    if list.len() > space::MAX_MEMBERS {
        return Err(bad(&format!("a space has at most {} members", space::MAX_MEMBERS)));
    }
    let read = list.into_iter().map(|member| {
        let mut object = Object::of(member)?;
        let user = object.need_text("user")?;
        let roles = match object.take("roles") {
            Some(Value::Array(roles)) => roles.into_iter().map(|role| role.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        Ok(Wanted { user, roles: roles.ok_or_else(|| bad("roles must be a list of texts"))? })
    });
    read.collect()
}

fn shape(row: &SpaceRow) -> Value {
    let zone = row.zone.parse().unwrap_or(space::ZONE);
    json!({
        "spaceId": row.id.parse::<Id>().map(space_text).unwrap_or_default(),
        "name": row.name,
        "responseDomain": row.response_domain,
        "zone": row.zone,
        "apiAccess": row.api_access,
        "createdAt": moment::show(row.created_at, zone),
    })
}

fn members_shape(members: &[Member]) -> Value {
    let one = |member: &Member| {
        let roles: Vec<&str> = member.role.split_whitespace().collect();
        json!({"userId": member.user_id, "user": member.name, "email": member.email, "roles": roles})
    };
    json!({"members": members.iter().map(one).collect::<Vec<_>>()})
}
