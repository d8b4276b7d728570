//! Making, changing and deleting people.

use madang_kit::{
    Code, Context, Error, Id, Result,
    audit::{self, Record},
    check,
    db::is_unique_violation,
};
use serde_json::{Value, json};
use sqlx::types::Json;

use super::{
    Identity,
    bootstrap::owner_id,
    password,
    store::{self, User},
};

const MAX_EMAIL: usize = 254;
/// Numbers that are tried behind a user name that is taken.
const NAME_TRIES: u32 = 1_000;

/// What is wanted of a new person, or of a change; `None` = unchanged.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) email: Option<String>,
    pub(crate) full_name: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) alias: Option<String>,
    pub(crate) groups: Option<Vec<String>>,
    pub(crate) tags: Option<Vec<String>>,
    /// The user name, by which one can log in too.
    pub(crate) name: Option<String>,
    pub(crate) sysadmin: Option<bool>,
    pub(crate) active: Option<bool>,
}

/// Makes a person. Without one, the user name is the local part of the e-mail, with a number behind it if that is taken.
pub(crate) async fn create(identity: &Identity, context: &Context, wanted: Wanted, shape: impl Fn(&User) -> Value) -> Result<User> {
    let email = checked_email(&wanted.email.unwrap_or_default())?;
    let hash = password::hash(checked_password(wanted.password.unwrap_or_default())?).await?;
    let now = identity.clock.now();
    let mut user = User {
        id: Id::generate().to_string(),
        name: wanted.name.map_or(Ok(String::new()), checked_name)?,
        owner_id: owner_id(&email),
        full_name: check::title("name", &wanted.full_name.unwrap_or_default())?,
        email,
        password_hash: Some(hash),
        state: state(wanted.active.unwrap_or(true)),
        sysadmin: wanted.sysadmin.unwrap_or(false),
        service: false,
        site_user: false,
        about: None,
        image_url: None,
        plugin_extras: None,
        alias: check::description("alias", wanted.alias)?,
        groups: Json(check::names("groups", wanted.groups.unwrap_or_default())?),
        tags: Json(check::names("tags", wanted.tags.unwrap_or_default())?),
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    let mut tx = identity.db.begin().await?;
    if user.name.is_empty() {
        user.name = free_name(&mut tx, &user.email).await?;
    }
    insert(identity, context, tx, &user, shape(&user)).await?;
    Ok(user)
}

/// Adds a person that was checked elsewhere.
pub(crate) async fn add(identity: &Identity, context: &Context, user: &User, body: Value) -> Result<()> {
    insert(identity, context, identity.db.begin().await?, user, body).await
}

async fn insert(identity: &Identity, context: &Context, mut tx: madang_kit::Tx, user: &User, body: Value) -> Result<()> {
    store::insert_user(&mut tx, user).await.map_err(taken)?;
    keep(identity, context, &mut tx, user, "user.create", body).await?;
    tx.commit().await?;
    identity.forget();
    Ok(())
}

/// Changes what is given.
pub(crate) async fn update(identity: &Identity, context: &Context, id: Id, wanted: Wanted, shape: impl Fn(&User) -> Value) -> Result<User> {
    let user = person(identity, id).await?;
    let loses = wanted.active == Some(false) || wanted.sysadmin == Some(false);
    if loses && id == context.principal.user {
        return Err(Error::new(Code::Conflict, "you can't deactivate yourself or give up your role"));
    }
    let hash = match wanted.password {
        Some(password) => Some(password::hash(checked_password(password)?).await?),
        None => user.password_hash,
    };
    let user = User {
        email: wanted.email.map_or(Ok(user.email), |email| checked_email(&email))?,
        full_name: wanted.full_name.map_or(Ok(user.full_name), |name| check::title("name", &name))?,
        password_hash: hash,
        name: wanted.name.map_or(Ok(user.name), checked_name)?,
        state: wanted.active.map_or(user.state, state),
        sysadmin: wanted.sysadmin.unwrap_or(user.sysadmin),
        alias: check::description("alias", wanted.alias)?.or(user.alias),
        groups: Json(wanted.groups.map_or(Ok(user.groups.0), |groups| check::names("groups", groups))?),
        tags: Json(wanted.tags.map_or(Ok(user.tags.0), |tags| check::names("tags", tags))?),
        revision: user.revision + 1,
        updated_at: identity.clock.now(),
        ..user
    };
    write(identity, context, &user, "user.update", shape(&user)).await?;
    Ok(user)
}

/// Deletes a person: the row stays for those who refer to it; the e-mail, the password and the kept versions go.
pub(crate) async fn delete(identity: &Identity, context: &Context, id: Id) -> Result<()> {
    let user = person(identity, id).await?;
    if id == context.principal.user {
        return Err(Error::new(Code::Conflict, "you can't delete yourself"));
    }
    let user = User {
        email: format!("{}@deleted.invalid", user.id),
        owner_id: format!("deleted-{}", user.id),
        password_hash: None,
        state: "deleted".to_owned(),
        revision: user.revision + 1,
        updated_at: identity.clock.now(),
        ..user
    };
    let mut tx = identity.db.begin().await?;
    if !store::update_user(&mut tx, &user).await? {
        return Err(changed_meanwhile());
    }
    store::forget_versions(&mut tx, &user.id).await?;
    let record = Record { action: "user.delete", thing: user.id, detail: json!({}) };
    audit::write(&mut tx, &identity.clock, context, record).await?;
    tx.commit().await?;
    identity.forget();
    Ok(())
}

/// A person that is not deleted.
pub(crate) async fn person(identity: &Identity, id: Id) -> Result<User> {
    let user = store::user(&identity.db, &id.to_string()).await?;
    let user = user.filter(|user| !user.service && user.state != "deleted");
    user.ok_or_else(|| Error::not_found("user", id.prefixed("user")))
}

/// Writes a person that was checked over the earlier revision.
pub(crate) async fn write(identity: &Identity, context: &Context, user: &User, action: &str, body: Value) -> Result<()> {
    let mut tx = identity.db.begin().await?;
    if !store::update_user(&mut tx, user).await.map_err(taken)? {
        return Err(changed_meanwhile());
    }
    keep(identity, context, &mut tx, user, action, body).await?;
    tx.commit().await?;
    identity.forget();
    Ok(())
}

async fn keep(identity: &Identity, context: &Context, tx: &mut madang_kit::Tx, user: &User, action: &str, body: Value) -> Result<()> {
    store::keep_version(tx, user, body.to_string()).await?;
    let record = Record { action, thing: user.id.clone(), detail: json!({"revision": user.revision}) };
    audit::write(tx, &identity.clock, context, record).await
}

fn changed_meanwhile() -> Error {
    Error::new(Code::Conflict, "it was changed by somebody else meanwhile; try again")
}

fn taken(error: sqlx::Error) -> Error {
    if is_unique_violation(&error) { Error::new(Code::AlreadyExists, "the email or the user name is taken") } else { error.into() }
}

async fn free_name(tx: &mut madang_kit::Tx, email: &str) -> Result<String> {
    let local = email.split('@').next().unwrap_or_default();
    let plain: String = local.chars().map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' }).take(90).collect();
    let plain = if plain.len() < 2 { format!("user-{plain}") } else { plain };
    for number in 1..NAME_TRIES {
        let name = if number == 1 { plain.clone() } else { format!("{plain}-{number}") };
        if !store::name_is_taken(tx, &name).await? {
            return Ok(name);
        }
    }
    Err(Error::new(Code::AlreadyExists, "the user name is taken"))
}

fn state(active: bool) -> String {
    if active { "active" } else { "inactive" }.to_owned()
}

/// A user name as CKAN has them.
fn checked_name(name: String) -> Result<String> {
    let fits = (2..=100).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    if fits { Ok(name) } else { Err(Error::invalid("username", "name", "username has 2 to 100 of a-z, 0-9, - and _")) }
}

fn checked_email(email: &str) -> Result<String> {
    if !check::is_email(email) || email.len() > MAX_EMAIL {
        return Err(Error::invalid("email", "email", "email must be an e-mail address"));
    }
    Ok(email.to_lowercase())
}

fn checked_password(password: String) -> Result<String> {
    const SHORTEST: usize = 8;
    if password.chars().count() < SHORTEST || password.len() > password::MAX_BYTES {
        let rule = format!("password must have at least {SHORTEST} characters and at most {} bytes", password::MAX_BYTES);
        return Err(Error::invalid("password", "length", rule));
    }
    Ok(password)
}
