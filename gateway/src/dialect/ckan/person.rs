//! Users as CKAN makes and changes them (ckan.md 3.5, 4.5). They are the gateway's; how they are shown is the catalogue's.

use madang_kit::{
    Error, Id,
    ckan::{Dict, Outcome, Problems, Refusal, check_email, check_name_length, check_name_letters, date, required, text, truthy},
};
use serde_json::{Value, json};
use sqlx::types::Json;

use super::{call::Call, token};
use crate::{
    dialect::dhub::user::shape,
    identity::{
        bootstrap::owner_id,
        password,
        store::{self, User},
        user,
    },
};

/// The shortest password, in characters.
const PASSWORD_MIN: usize = 8;
const STATES: [&str; 3] = ["active", "deleted", "pending"];
/// Columns of texts that a dictionary writes as they are.
const SPAM: &str = "Edit not allowed as it looks like spam. Please avoid links in your description.";

/// `user_show`: what only the gateway knows is added to what the catalogue shows.
pub(super) async fn show(call: &Call<'_>) -> Outcome {
    let mut shown = call.ask("user_show", call.dict.clone()).await?;
    let id = shown["id"].as_str().unwrap_or_default().to_owned();
    let db = &call.gateway.identity.db;
    shown["last_active"] = store::last_active(db, &id).await?.map(date).into();
    if !call.is_sysadmin() {
        return Ok(shown);
    }
    let (with_hash, with_extras) = (flag(call, "include_password_hash")?, flag(call, "include_plugin_extras")?);
    if (with_hash || with_extras)
        && let Some(user) = store::user(db, &id).await?
    {
        if with_hash {
            shown["password_hash"] = user.password_hash.into();
        }
        if with_extras {
            shown["plugin_extras"] = user.plugin_extras.map_or(Value::Null, |extras| extras.0);
        }
    }
    Ok(shown)
}

fn flag(call: &Call<'_>, name: &str) -> Outcome<bool> {
    madang_kit::ckan::flag(&call.dict, name, false)
}

/// `user_create`
pub(super) async fn create(call: &Call<'_>) -> Outcome {
    if !call.is_sysadmin() && !call.gateway.site.create_user_via_api {
        let text = format!("User {} not authorized to create users via the API", call.context.principal.name);
        return Err(Refusal::Denied(text));
    }
    let given = &call.dict;
    let mut problems = Problems::default();
    let id = match text(given, "id").filter(|id| !id.is_empty() && call.is_sysadmin()) {
        None => Id::generate().to_string(),
        Some(id) if id.parse::<Id>().is_err() => {
            problems.add("id", "Invalid id provided");
            id
        }
        Some(id) => id,
    };
    let now = call.gateway.identity.clock.now();
    let mut user = User {
        id,
        name: String::new(),
        email: String::new(),
        full_name: String::new(),
        password_hash: None,
        owner_id: String::new(),
        state: "active".to_owned(),
        sysadmin: false,
        service: false,
        alias: None,
        groups: Json(Vec::new()),
        tags: Json(Vec::new()),
        revision: 1,
        created_at: now,
        updated_at: now,
        about: None,
        image_url: None,
        plugin_extras: None,
        site_user: false,
    };
    let password = read(call, given, &mut user, None, &mut problems).await?;
    problems.finish()?;
    if let Some(password) = password {
        user.password_hash = Some(password::hash(password).await?);
    }
    user::add(&call.gateway.identity, &call.context, &user, shape(&user)).await.map_err(taken)?;
    call.gateway.users.push_now().await;
    let mut shown = after(call, &user).await?;
    if given.get("with_apitoken").is_some_and(truthy) {
        shown["token"] = token::issue(call, &user.id, "Default token", None).await?.into();
    }
    Ok(shown)
}

/// `user_update`
pub(super) async fn update(call: &Call<'_>) -> Outcome {
    let word = required(&call.dict, "id")?;
    let old = changeable(call, &word, "User was not found.").await?;
    replace(call, old, &call.dict).await
}

/// `user_patch`
pub(super) async fn patch(call: &Call<'_>) -> Outcome {
    let Some(word) = text(&call.dict, "id").filter(|word| !word.is_empty()) else {
        return Err(Refusal::bare("message", "Missing id, can not get User object"));
    };
    let old = changeable(call, &word, "").await?;
    let mut given = Dict::from_iter([("email".to_owned(), old.email.clone().into())]);
    given.extend(call.dict.clone());
    replace(call, old, &given).await
}

/// `user_delete`
pub(super) async fn delete(call: &Call<'_>) -> Outcome {
    call.demand_login()?;
    if !call.is_sysadmin() {
        return Err(Refusal::denied());
    }
    let word = required(&call.dict, "id")?;
    let found = store::person_by_word(&call.gateway.identity.db, &word).await?;
    let user = found.ok_or_else(|| Refusal::NotFound(format!("User \"{word}\" was not found.")))?;
    if user.state != "deleted" {
        let id = user.id.parse().map_err(Error::internal)?;
        user::delete(&call.gateway.identity, &call.context, id).await?;
        call.gateway.users.push_now().await;
    }
    Ok(Value::Null)
}

/// `user_invite`: the hub sends no e-mail, so nobody can be invited by one.
pub(super) async fn invite(call: &Call<'_>) -> Outcome {
    call.demand_login()?;
    let mut problems = Problems::default();
    for name in ["email", "group_id", "role"] {
        if text(&call.dict, name).is_none_or(|value| value.is_empty()) {
            problems.add(name, "Missing value");
        }
    }
    problems.extend("email", text(&call.dict, "email").filter(|email| !email.is_empty()).as_deref().and_then(check_email));
    problems.finish()?;
    demand_group_admin(call).await?;
    Err(Refusal::bare("message", "Error sending the invite email, the user was not created: no mail server is configured"))
}

/// Asks the catalogue whether the caller may add members to the group.
async fn demand_group_admin(call: &Call<'_>) -> Outcome<()> {
    if call.is_sysadmin() {
        return Ok(());
    }
    let group = text(&call.dict, "group_id").unwrap_or_default();
    for name in ["organization_list_for_user", "group_list_authz"] {
        let dict = Dict::from_iter([("permission".to_owned(), "membership".into())]);
        let found = call.ask(name, dict).await?;
        let is_there = |row: &Value| row["id"] == group.as_str() || row["name"] == group.as_str();
        if found.as_array().is_some_and(|rows| rows.iter().any(is_there)) {
            return Ok(());
        }
    }
    Err(Refusal::Denied(format!("User {} not authorized to add members", call.context.principal.name)))
}

/// A user that the caller may change: himself, or anybody for an administrator.
async fn changeable(call: &Call<'_>, word: &str, absent: &str) -> Outcome<User> {
    let found = store::person_by_word(&call.gateway.identity.db, word).await?;
    let user = found.ok_or_else(|| Refusal::NotFound(absent.to_owned()))?;
    if call.is_sysadmin() || (!call.is_nobody() && user.id == call.context.principal.user.to_string()) {
        return Ok(user);
    }
    Err(Refusal::Denied(format!("User {} not authorized to edit user {}", call.context.principal.name, user.id)))
}

async fn replace(call: &Call<'_>, old: User, given: &Dict) -> Outcome {
    let mut problems = Problems::default();
    let mut user = User { revision: old.revision + 1, updated_at: call.gateway.identity.clock.now(), ..old.clone() };
    let password = read(call, given, &mut user, Some(&old), &mut problems).await?;
    problems.finish()?;
    if let Some(password) = password {
        user.password_hash = Some(password::hash(password).await?);
    }
    user::write(&call.gateway.identity, &call.context, &user, "user.update", shape(&user)).await.map_err(taken)?;
    call.gateway.users.push_now().await;
    after(call, &user).await
}

/// Reads a dictionary into a user; gives the new password, if there is one.
async fn read(call: &Call<'_>, given: &Dict, user: &mut User, old: Option<&User>, problems: &mut Problems) -> Outcome<Option<String>> {
    read_name(call, given, user, old, problems).await?;
    read_email(call, given, user, problems).await?;
    if let Some(name) = text(given, "fullname") {
        user.full_name = name;
    }
    if let Some(about) = text(given, "about") {
        if about.contains("http://") || about.contains("https://") {
            problems.add("about", SPAM);
        }
        user.about = Some(about);
    }
    if let Some(url) = text(given, "image_url") {
        user.image_url = Some(url).filter(|url| !url.is_empty());
    }
    if call.is_sysadmin() {
        read_privileges(call, given, user, old, problems);
    }
    Ok(read_password(call, given, user, old, problems))
}

async fn read_name(call: &Call<'_>, given: &Dict, user: &mut User, old: Option<&User>, problems: &mut Problems) -> Outcome<()> {
    let name = match (given.get("name"), old) {
        (None | Some(Value::Null), Some(_)) => return Ok(()),
        (Some(value), _) if !value.is_string() && !value.is_null() => {
            problems.add("name", "Names must be strings");
            return Ok(());
        }
        (value, _) => value.and_then(Value::as_str).unwrap_or_default().to_owned(),
    };
    if old.is_some_and(|old| old.name == name) {
        return Ok(());
    }
    if name.is_empty() {
        problems.add("name", "Missing value");
        return Ok(());
    }
    problems.extend("name", check_name_letters(&name));
    if store::person_by_word(&call.gateway.identity.db, &name).await?.is_some() || store::is_taken(&call.gateway.identity.db, &name).await?
    {
        problems.add("name", "The username is already associated with another account. Please use a different username.");
    }
    if old.is_none() {
        problems.extend("name", check_name_length(&name));
    } else if !call.is_sysadmin() {
        problems.add("name", "That login name can not be modified.");
    }
    user.name = name;
    Ok(())
}

async fn read_email(call: &Call<'_>, given: &Dict, user: &mut User, problems: &mut Problems) -> Outcome<()> {
    let email = text(given, "email").unwrap_or_default().trim().to_owned();
    if email.is_empty() {
        problems.add("email", "Missing value");
        return Ok(());
    }
    if let Some(message) = check_email(&email) {
        problems.add("email", message);
        return Ok(());
    }
    let lower = email.to_lowercase();
    let other = store::user_by_login(&call.gateway.identity.db, &lower).await?;
    if other.is_some_and(|other| other.id != user.id && other.email == lower) {
        problems.add("email", format!("The email address '{email}' belongs to a registered user."));
    }
    user.owner_id = owner_id(&lower);
    user.email = lower;
    Ok(())
}

fn read_privileges(call: &Call<'_>, given: &Dict, user: &mut User, old: Option<&User>, problems: &mut Problems) {
    if let Some(sysadmin) = given.get("sysadmin").filter(|value| !value.is_null()).map(truthy) {
        let own = old.is_some_and(|old| old.id == call.context.principal.user.to_string());
        if own && sysadmin != user.sysadmin {
            problems.add("sysadmin", "Cannot modify your own sysadmin privileges");
        }
        user.sysadmin = sysadmin;
    }
    if let Some(state) = text(given, "state").filter(|state| !state.is_empty()) {
        if !STATES.contains(&state.as_str()) {
            problems.add("state", "Value must be one of ['active', 'deleted', 'pending']");
        }
        user.state = state;
    }
    if let Some(extras) = given.get("plugin_extras").filter(|extras| extras.is_object()) {
        user.plugin_extras = Some(Json(extras.clone()));
    }
}

fn read_password(call: &Call<'_>, given: &Dict, user: &mut User, old: Option<&User>, problems: &mut Problems) -> Option<String> {
    if call.is_sysadmin()
        && let Some(hash) = text(given, "password_hash").filter(|hash| !hash.is_empty())
    {
        if password::is_hash(&hash) {
            user.password_hash = Some(hash);
        } else {
            problems.add("password_hash", "Only hashes of the kinds argon2 and pbkdf2-sha512 are understood");
        }
        return None;
    }
    let password = text(given, "password").unwrap_or_default();
    if password.is_empty() {
        if old.is_none() {
            problems.add("password", "Missing value");
        }
        return None;
    }
    if password.chars().count() < PASSWORD_MIN || password.len() > password::MAX_BYTES {
        problems.add("password", format!("Your password must be {PASSWORD_MIN} characters or longer"));
    }
    Some(password)
}

/// A user as whoever has just made or changed him sees him.
async fn after(call: &Call<'_>, user: &User) -> Outcome {
    let dict = Dict::from_iter([("id".to_owned(), user.id.clone().into())]);
    let mut shown = call.ask("user_show", dict).await?;
    shown["email"] = user.email.clone().into();
    shown["apikey"] = json!(null);
    Ok(shown)
}

/// Two that take the same name or address at the same moment.
fn taken(error: Error) -> Refusal {
    if error.code == madang_kit::Code::AlreadyExists {
        return Refusal::invalid("name", "The username is already associated with another account. Please use a different username.");
    }
    error.into()
}
