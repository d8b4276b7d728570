//! Access keys: making, changing and removing them, and what they may do (design: "Users, spaces, access keys").

use chrono::{DateTime, Utc};
use madang_kit::{
    Code, Context, Error, Id, Result, Tx,
    audit::{self, Record},
    db::is_unique_violation,
    principal::Scheme,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{
    Identity,
    bootstrap::{BASE62, UPPER, random},
    bound_to,
    key_store::{self, AccessKeyRow},
    store,
};

/// The longest name of a key, in characters.
pub(crate) const MAX_NAME: usize = 128;
const SHORTEST_NAME: usize = 8;
/// A secret that is brought along has as many characters.
const SECRET: std::ops::RangeInclusive<usize> = 16..=256;
/// Keys whose secrets are marked in one transaction.
const MARKED_AT_ONCE: i64 = 500;

/// What a key may do (dataflow.md 1.5); `None` = no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "they are the names in answers and in the table")]
pub(crate) struct Plan {
    /// Requests a second, with as many at once.
    pub(crate) per_second: Option<u32>,
    /// Requests a calendar day of Asia/Seoul.
    pub(crate) per_day: Option<i64>,
    /// Requests a calendar month of Asia/Seoul.
    pub(crate) per_month: Option<i64>,
}

impl Plan {
    /// What a row holds.
    pub(crate) fn of(row: &AccessKeyRow) -> Self {
        let per_second = row.per_second.map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        Self { per_second, per_day: row.per_day, per_month: row.per_month }
    }
}

/// What is wanted of a new key. Keys that clients have already can be brought along, both halves.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// User name or e-mail; the caller if not given.
    pub(crate) user: Option<String>,
    /// The Space ID; the user's first space, or else the caller's, if not given.
    pub(crate) space: Option<String>,
    pub(crate) access_key: Option<String>,
    pub(crate) secret_key: Option<SecretString>,
    pub(crate) limits: Limits,
}

/// What is to change of a key; `None` = as it is.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// `active` or `disabled`.
    pub(crate) state: Option<String>,
    pub(crate) limits: Limits,
}

/// Limits to set: `None` = as it is, null = no limit.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
pub(crate) struct Limits {
    pub(crate) expires_at: Option<Option<DateTime<Utc>>>,
    pub(crate) per_second: Option<Option<i64>>,
    pub(crate) per_day: Option<Option<i64>>,
    pub(crate) per_month: Option<Option<i64>>,
}

/// Makes a key; gives it with its secret, which is shown this once.
pub(crate) async fn create(identity: &Identity, context: &Context, wanted: Wanted) -> Result<(AccessKeyRow, SecretString)> {
    let (access_key, secret) = halves(wanted.access_key, wanted.secret_key)?;
    let user = owner(identity, context, wanted.user.as_deref()).await?;
    let space = space(identity, context, &user, wanted.space.as_deref()).await?;
    let sealed = identity.keyring.seal(secret.expose_secret(), &bound_to("access_key", &access_key));
    let mut row = AccessKeyRow {
        secret: sealed.map_err(Error::internal)?,
        secret_mark: Some(identity.keyring.mark(secret.expose_secret())),
        access_key,
        user_id: user.id.clone(),
        space_id: space.to_string(),
        state: "active".to_owned(),
        expires_at: None,
        per_second: None,
        per_day: None,
        per_month: None,
        created_at: identity.clock.now(),
        user_name: user.name,
        user_state: user.state,
        sysadmin: user.sysadmin,
        member_role: None, // read with the key, not kept with it
    };
    wanted.limits.apply(&mut row)?;
    let mut tx = identity.db.begin().await?;
    store::insert_space_member(&mut tx, &row.space_id, &row.user_id, "member").await?;
    key_store::insert(&mut tx, &row).await.map_err(taken)?;
    note(identity, context, &mut tx, "access_key.create", &row).await?;
    tx.commit().await?;
    identity.forget();
    Ok((row, secret))
}

/// Changes what is given.
pub(crate) async fn change(identity: &Identity, context: &Context, access_key: &str, change: Change) -> Result<AccessKeyRow> {
    let mut row = show(identity, access_key).await?;
    if let Some(state) = change.state {
        if !["active", "disabled"].contains(&state.as_str()) {
            return Err(Error::invalid("state", "choice", "state must be active or disabled"));
        }
        row.state = state;
    }
    change.limits.apply(&mut row)?;
    let mut tx = identity.db.begin().await?;
    if !key_store::update(&mut tx, &row).await? {
        return Err(unknown(access_key));
    }
    note(identity, context, &mut tx, "access_key.update", &row).await?;
    tx.commit().await?;
    identity.forget();
    Ok(row)
}

/// Removes a key; from then on it is unknown.
pub(crate) async fn delete(identity: &Identity, context: &Context, access_key: &str) -> Result<()> {
    let row = show(identity, access_key).await?;
    let mut tx = identity.db.begin().await?;
    key_store::delete(&mut tx, access_key).await?;
    note(identity, context, &mut tx, "access_key.delete", &row).await?;
    tx.commit().await?;
    identity.forget();
    Ok(())
}

/// One key.
pub(crate) async fn show(identity: &Identity, access_key: &str) -> Result<AccessKeyRow> {
    if access_key.contains('\0') {
        return Err(unknown(access_key)); // PostgreSQL takes no NUL
    }
    key_store::key(&identity.db, access_key).await?.ok_or_else(|| unknown(access_key))
}

/// Marks the secrets that have no mark under the current master key: those of earlier versions, and all after a rotation.
pub(crate) async fn mark_secrets(identity: &Identity) -> Result<()> {
    let prefix = identity.keyring.mark_prefix();
    loop {
        let rows = key_store::unmarked(&identity.db, &prefix, MARKED_AT_ONCE).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut tx = identity.db.begin().await?;
        for (access_key, sealed) in rows {
            let secret = identity.keyring.open(&sealed, &bound_to("access_key", &access_key)).map_err(Error::internal)?;
            let mark = identity.keyring.mark(secret.expose_secret());
            key_store::set_mark(&mut tx, &access_key, mark).await?;
        }
        tx.commit().await?;
    }
}

impl Limits {
    fn apply(self, row: &mut AccessKeyRow) -> Result<()> {
        row.expires_at = self.expires_at.unwrap_or(row.expires_at);
        row.per_second = checked("plan.per_second", self.per_second, i64::from(u32::MAX))?.unwrap_or(row.per_second);
        row.per_day = checked("plan.per_day", self.per_day, i64::MAX)?.unwrap_or(row.per_day);
        row.per_month = checked("plan.per_month", self.per_month, i64::MAX)?.unwrap_or(row.per_month);
        Ok(())
    }
}

#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
fn checked(field: &str, value: Option<Option<i64>>, max: i64) -> Result<Option<Option<i64>>> {
    match value {
        Some(Some(number)) if !(1..=max).contains(&number) => {
            Err(Error::invalid(field, "range", format!("{field} must be a whole number from 1 to {max}, or null for no limit")))
        }
        other => Ok(other),
    }
}

/// Both halves of a new key: those that were brought along, or new ones.
fn halves(access_key: Option<String>, secret: Option<SecretString>) -> Result<(String, SecretString)> {
    let (access_key, secret) = match (access_key, secret) {
        (None, None) => return Ok((format!("ncp_iam_{}", random(UPPER, 20)?), format!("ncp_iam_{}", random(BASE62, 40)?).into())),
        (Some(access_key), Some(secret)) => (access_key, secret),
        (None, Some(_)) => return Err(Error::invalid("access_key", "missing", "access_key is missing: a key is brought along whole")),
        (Some(_), None) => return Err(Error::invalid("secret_key", "missing", "secret_key is missing: a key is brought along whole")),
    };
    let good = access_key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if !good || !(SHORTEST_NAME..=MAX_NAME).contains(&access_key.len()) {
        let rule = format!("access_key must have {SHORTEST_NAME} to {MAX_NAME} letters, digits, '_' or '-'");
        return Err(Error::invalid("access_key", "form", rule));
    }
    let text = secret.expose_secret();
    if !SECRET.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let rule = format!("secret_key must have {} to {} printable ASCII characters without blanks", SECRET.start(), SECRET.end());
        return Err(Error::invalid("secret_key", "form", rule));
    }
    Ok((access_key, secret))
}

async fn owner(identity: &Identity, context: &Context, login: Option<&str>) -> Result<store::User> {
    let user = match login {
        Some(login) => store::user_by_login(&identity.db, &login.to_lowercase()).await?,
        None if context.principal.scheme == Scheme::Service => store::first_administrator(&identity.db).await?,
        None => store::user(&identity.db, &context.principal.user.to_string()).await?,
    };
    let user = user.filter(store::User::is_active);
    user.ok_or_else(|| Error::invalid("user", "unknown", "there is no active user of that name or e-mail"))
}

async fn space(identity: &Identity, context: &Context, user: &store::User, text: Option<&str>) -> Result<Id> {
    let Some(text) = text else {
        let own = store::first_space(&identity.db, &user.id).await?.or(context.principal.space);
        return own.ok_or_else(|| Error::invalid("space", "missing", "the user has no space; name one"));
    };
    let unknown = || Error::invalid("space", "unknown", "there is no such space");
    let id = text.strip_prefix('a').and_then(|ulid| Id::parse_prefixed("a", &format!("a-{ulid}")).ok()).ok_or_else(unknown)?;
    store::space(&identity.db, id).await?.map(|_| id).ok_or_else(unknown)
}

async fn note(identity: &Identity, context: &Context, tx: &mut Tx, action: &str, row: &AccessKeyRow) -> Result<()> {
    let plan = json!({"per_second": row.per_second, "per_day": row.per_day, "per_month": row.per_month});
    let detail = json!({"user": row.user_id, "state": row.state, "expires_at": row.expires_at, "plan": plan});
    audit::write(tx, &identity.clock, context, Record { action, thing: row.access_key.clone(), detail }).await
}

fn unknown(access_key: &str) -> Error {
    Error::not_found("access key", access_key.escape_debug())
}

fn taken(error: sqlx::Error) -> Error {
    if is_unique_violation(&error) { Error::new(Code::AlreadyExists, "there is an access key of that name") } else { error.into() }
}
