//! Spaces: tenants with members, roles and two keys (dataspace.md sections 2 and 11).

use chrono_tz::Tz;
use madang_kit::{
    Code, Context, Error, Id, Result, Tx,
    audit::{self, Record},
    check,
    survey::role::{self, ADMIN, DEVELOPER, ROLES},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{
    Identity,
    bootstrap::{BASE62, random, service_principal},
    bound_to, key_store,
    space_store::{self as rows, Member},
    store::{self, SpaceRow, User},
};

/// The zone of a space that has said none.
pub(crate) const ZONE: Tz = Tz::Asia__Seoul;
/// Members of a space.
pub(crate) const MAX_MEMBERS: usize = 1_000;
/// Spaces that are listed for one user.
pub(crate) const MAX_SPACES: i64 = 1_000;
const KEY_CHARS: usize = 40;

/// One of the two keys of a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Of `/v1`.
    Api,
    /// Of links for respondents.
    Hmac,
}

/// What a space says of itself; absent = unchanged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) name: Option<String>,
    pub(crate) response_domain: Option<String>,
    pub(crate) zone: Option<String>,
    pub(crate) api_access: Option<bool>,
}

/// Who is a member, and in which roles.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// A user's id, name or e-mail.
    pub(crate) user: String,
    pub(crate) roles: Vec<String>,
}

/// Every role, as a member's row has them.
pub(crate) fn all_roles() -> String {
    ROLES.join(" ")
}

/// A new space's row; its keys are given in the clear.
pub(crate) fn row(identity: &Identity, id: Id, name: &str, service: &User, (api_key, hmac_key): (&str, &str)) -> Result<SpaceRow> {
    let seal = |key: Key, text: &str| identity.keyring.seal(text, &bound_to(key.column(), &id.to_string())).map_err(Error::internal);
    Ok(SpaceRow {
        id: id.to_string(),
        name: name.to_owned(),
        service_user_id: service.id.clone(),
        api_key: seal(Key::Api, api_key)?,
        hmac_key: seal(Key::Hmac, hmac_key)?,
        response_domain: "ds".to_owned(),
        zone: ZONE.name().to_owned(),
        api_access: true,
        created_at: service.created_at,
    })
}

impl Key {
    /// What its sealed text is bound to, and what the audit calls a new one.
    fn column(self) -> &'static str {
        match self {
            Self::Api => "space.api_key",
            Self::Hmac => "space.hmac_key",
        }
    }

    /// What the audit calls a look at it.
    fn read_action(self) -> &'static str {
        match self {
            Self::Api => "space.api_key.read",
            Self::Hmac => "space.hmac_key.read",
        }
    }
}

/// The same caller, acting in a space with the roles that it has there.
///
/// # Errors
/// [`Code::NotFound`] if there is no such space, [`Code::NotVisible`] if it is not the caller's.
pub(crate) async fn enter(identity: &Identity, context: Context, id: Id) -> Result<Context> {
    let row = store::space(&identity.db, id).await?.ok_or_else(unknown)?;
    let roles = rows::roles(&identity.db, &row.id, &context.principal.user.to_string()).await?;
    let mut principal = context.principal;
    let mut carried: Vec<String> = roles.iter().map(|role| role::carried(role)).collect();
    if principal.is_admin() && carried.is_empty() {
        carried.push(role::carried(ADMIN));
    }
    if carried.is_empty() {
        return Err(Error { code: Code::NotVisible, ..unknown() });
    }
    principal.space = Some(id);
    principal.roles.append(&mut carried);
    principal.roles.sort();
    principal.roles.dedup();
    Ok(Context { principal, ..context })
}

/// Makes a space; its maker has every role.
pub(crate) async fn create(identity: &Identity, context: &Context, settings: Settings) -> Result<SpaceRow> {
    let id = Id::generate();
    let service = service_principal(id, identity.clock.now());
    let (api_key, hmac_key) = (random(BASE62, KEY_CHARS)?, random(BASE62, KEY_CHARS)?);
    let mut row = row(identity, id, "", &service, (&api_key, &hmac_key))?;
    let name = settings.name.clone().ok_or_else(|| Error::invalid("name", "missing", "name must not be empty"))?;
    apply(&mut row, Settings { name: Some(name), ..settings })?;
    let mut tx = identity.db.begin().await?;
    store::insert_user(&mut tx, &service).await?;
    store::insert_space(&mut tx, &row).await?;
    store::insert_space_member(&mut tx, &row.id, &context.principal.user.to_string(), &all_roles()).await?;
    note(identity, &mut tx, context, "space.create", &row.id, json!({})).await?;
    tx.commit().await?;
    identity.forget();
    Ok(row)
}

/// The space that a context has entered.
pub(crate) async fn show(identity: &Identity, context: &Context) -> Result<SpaceRow> {
    let id = context.principal.space.ok_or_else(unknown)?;
    store::space(&identity.db, id).await?.ok_or_else(unknown)
}

/// Changes what a space says of itself.
pub(crate) async fn change(identity: &Identity, context: &Context, settings: Settings) -> Result<SpaceRow> {
    demand(context, &[ADMIN])?;
    let mut row = show(identity, context).await?;
    if settings.api_access.is_some_and(|access| access != row.api_access) && !context.principal.is_admin() {
        return Err(Error::new(Code::Denied, "only an administrator of the hub changes a space's plan"));
    }
    apply(&mut row, settings)?;
    let mut tx = identity.db.begin().await?;
    rows::update(&mut tx, &row).await?;
    note(identity, &mut tx, context, "space.update", &row.id, json!({})).await?;
    tx.commit().await?;
    identity.forget();
    Ok(row)
}

fn apply(row: &mut SpaceRow, settings: Settings) -> Result<()> {
    if let Some(name) = settings.name {
        row.name = check::title("name", &name)?;
    }
    if let Some(domain) = settings.response_domain {
        let fits = (1..=63).contains(&domain.len())
            && domain.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !fits || domain.starts_with('-') || domain.ends_with('-') {
            return Err(Error::invalid("responseDomain", "pattern", "responseDomain has 1 to 63 of a-z, 0-9 and -, no - at an end"));
        }
        row.response_domain = domain;
    }
    if let Some(zone) = settings.zone {
        zone.parse::<Tz>().map_err(|_| Error::invalid("zone", "unknown", "zone must be the name of a time zone, such as Asia/Seoul"))?;
        row.zone = zone;
    }
    row.api_access = settings.api_access.unwrap_or(row.api_access);
    Ok(())
}

/// The members of a space.
pub(crate) async fn members(identity: &Identity, context: &Context) -> Result<Vec<Member>> {
    let row = show(identity, context).await?;
    rows::members(&identity.db, &row.id, i64::try_from(MAX_MEMBERS).unwrap_or(i64::MAX)).await
}

/// Replaces all members. One of them stays an administrator.
pub(crate) async fn put_members(identity: &Identity, context: &Context, wanted: Vec<Wanted>) -> Result<Vec<Member>> {
    demand(context, &[ADMIN])?;
    let row = show(identity, context).await?;
    let mut kept: Vec<(String, String)> = Vec::new();
    for (index, member) in wanted.into_iter().enumerate() {
        let user = if member.user.contains('@') {
            store::user_by_login(&identity.db, &member.user.to_lowercase()).await?
        } else {
            store::person_by_word(&identity.db, &member.user).await?
        };
        let user = user.filter(User::is_active);
        let at = format!("members.{index}");
        let user = user.ok_or_else(|| Error::invalid(format!("{at}.user"), "unknown", format!("{at}: there is no such user")))?;
        if kept.iter().any(|(id, _)| *id == user.id) {
            return Err(Error::invalid(format!("{at}.user"), "repeated", format!("{at}: the user is there already")));
        }
        if member.roles.is_empty() || member.roles.iter().any(|role| !ROLES.contains(&role.as_str())) {
            let message = format!("{at}: roles are {}", ROLES.join(", "));
            return Err(Error::invalid(format!("{at}.roles"), "choice", message));
        }
        let roles: Vec<_> = ROLES.into_iter().filter(|role| member.roles.iter().any(|wanted| wanted == role)).collect();
        kept.push((user.id, roles.join(" ")));
    }
    if !kept.iter().any(|(_, roles)| roles.split(' ').any(|role| role == ADMIN)) {
        return Err(Error::invalid("members", "administrator", "a space has at least one administrator"));
    }
    let mut tx = identity.db.begin().await?;
    rows::put_members(&mut tx, &row.id, &kept).await?;
    let detail = json!({"members": kept.iter().map(|(user, roles)| json!({"user": user, "roles": roles})).collect::<Vec<_>>()});
    note(identity, &mut tx, context, "space.members", &row.id, detail).await?;
    tx.commit().await?;
    identity.forget();
    members(identity, context).await
}

/// A key of a space, in the clear.
pub(crate) async fn key(identity: &Identity, context: &Context, key: Key) -> Result<SecretString> {
    demand(context, &[ADMIN, DEVELOPER])?;
    let row = show(identity, context).await?;
    let mut tx = identity.db.begin().await?;
    let record = Record { action: key.read_action(), thing: row.id.clone(), detail: json!({}) };
    audit::write(&mut tx, &identity.clock, context, record).await?;
    tx.commit().await?;
    let sealed = if key == Key::Api { &row.api_key } else { &row.hmac_key };
    identity.keyring.open(sealed, &bound_to(key.column(), &row.id)).map_err(Error::internal)
}

/// A new key of a space; the old one opens nothing from now on.
pub(crate) async fn issue(identity: &Identity, context: &Context, key: Key) -> Result<SecretString> {
    demand(context, if key == Key::Api { &[ADMIN] } else { &[ADMIN, DEVELOPER] })?;
    let row = show(identity, context).await?;
    let new = SecretString::from(random(BASE62, KEY_CHARS)?);
    let sealed = identity.keyring.seal(new.expose_secret(), &bound_to(key.column(), &row.id)).map_err(Error::internal)?;
    let mut tx = identity.db.begin().await?;
    match key {
        Key::Api => rows::set_api_key(&mut tx, &row.id, sealed).await?,
        Key::Hmac => rows::set_hmac_key(&mut tx, &row.id, sealed).await?,
    }
    note(identity, &mut tx, context, key.column(), &row.id, json!({})).await?;
    tx.commit().await?;
    identity.forget();
    Ok(new)
}

/// Refuses unless the caller has one of these roles in the space that it has entered.
fn demand(context: &Context, roles: &[&str]) -> Result<()> {
    if roles.iter().any(|role| role::has(&context.principal, role)) {
        return Ok(());
    }
    Err(Error::new(Code::Denied, "your roles in the space do not allow this"))
}

async fn note(identity: &Identity, tx: &mut Tx, context: &Context, action: &str, space: &str, detail: Value) -> Result<()> {
    key_store::note_change(tx).await?;
    audit::write(tx, &identity.clock, context, Record { action, thing: space.to_owned(), detail }).await
}

fn unknown() -> Error {
    let problem = madang_kit::error::FieldProblem { field: "space".to_owned(), rule: "unknown".to_owned(), message: String::new() };
    Error { fields: vec![problem], ..Error::new(Code::NotFound, "there is no such space") }
}
