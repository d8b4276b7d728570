//! API tokens (ckan.md 2.2): a text that is shown once, and a row that can be revoked.

use chrono::{DateTime, TimeDelta, Utc};
use madang_kit::{
    Id,
    audit::{self, Record},
    ckan::{Dict, Outcome, Problems, Refusal, date, text},
};
use serde_json::{Value, json};

use super::call::Call;
use crate::identity::{
    store::{self, User},
    token::{CkanClaims, random_jti},
};

/// Tokens of one user.
const TOKENS_MAX: usize = 1_000;

/// `api_token_create`
pub(super) async fn create(call: &Call<'_>) -> Outcome {
    call.demand_login()?;
    let mut problems = Problems::default();
    for name in ["user", "name"] {
        if text(&call.dict, name).is_none_or(|value| value.is_empty()) {
            problems.add(name, "Missing value");
        }
    }
    let lifetime = read_lifetime(&call.dict, &mut problems);
    problems.finish()?;
    let (word, name) = (text(&call.dict, "user").unwrap_or_default(), text(&call.dict, "name").unwrap_or_default());
    let user = own_or_any(call, &word).await?;
    if store::api_tokens(&call.gateway.identity.db, &user.id).await?.len() >= TOKENS_MAX {
        return Err(Refusal::invalid("user", format!("A user has at most {TOKENS_MAX} tokens")));
    }
    let seconds = lifetime.or_else(|| Some(call.gateway.site.token_lifetime).filter(|seconds| *seconds > 0));
    Ok(json!({"token": issue(call, &user.id, &name, seconds).await?}))
}

/// Both of a lifetime's parts, or none.
fn read_lifetime(dict: &Dict, problems: &mut Problems) -> Option<i64> {
    let given = |name: &str| dict.get(name).filter(|value| !value.is_null());
    let (expires_in, unit) = (given("expires_in"), given("unit"));
    if expires_in.is_none() && unit.is_none() {
        return None;
    }
    let mut read = |name: &str, value: Option<&Value>| {
        let Some(value) = value else {
            problems.add(name, "Missing value");
            return None;
        };
        match value.as_i64().or_else(|| value.as_str()?.trim().parse().ok()) {
            None => problems.add(name, "Invalid integer"),
            Some(number) if number <= 0 => problems.add(name, "Must be a positive integer"),
            Some(number) => return Some(number),
        }
        None
    };
    let (expires_in, unit) = (read("expires_in", expires_in), read("unit", unit)); // both, so that both are told
    Some(expires_in?.saturating_mul(unit?))
}

/// Makes a token and gives its text.
pub(super) async fn issue(call: &Call<'_>, user: &str, name: &str, seconds: Option<i64>) -> Outcome<String> {
    /// Beyond it a lifetime is no different from none.
    const LONGEST: TimeDelta = TimeDelta::days(365_000);
    let identity = &call.gateway.identity;
    let now = identity.clock.now();
    let lifetime = seconds.map(|seconds| TimeDelta::try_seconds(seconds).unwrap_or(LONGEST).min(LONGEST));
    let row = store::ApiToken {
        id: random_jti()?,
        name: name.to_owned(),
        user_id: user.to_owned(),
        created_at: moment(call, "created_at").unwrap_or(now),
        expires_at: lifetime.map(|lifetime| now + lifetime),
        last_access: moment(call, "last_access"),
    };
    let claims = CkanClaims { jti: row.id.clone(), iat: now.timestamp(), exp: row.expires_at.map(|at| at.timestamp()) };
    let text = call.gateway.tokens.sign_ckan(&claims)?;
    let mut tx = identity.db.begin().await?;
    store::add_api_token(&mut tx, &row).await?;
    let record = Record { action: "api_token.create", thing: row.user_id.clone(), detail: json!({"token": row.id}) };
    audit::write(&mut tx, &identity.clock, &call.context, record).await?;
    tx.commit().await?;
    Ok(text)
}

/// A moment that an administrator writes, who brings tokens from elsewhere.
fn moment(call: &Call<'_>, name: &str) -> Option<DateTime<Utc>> {
    let given = text(&call.dict, name).filter(|_| call.is_sysadmin() && call.action == "api_token_create")?;
    chrono::NaiveDateTime::parse_from_str(&given, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|date| date.and_utc())
}

/// `api_token_list`
pub(super) async fn list(call: &Call<'_>) -> Outcome {
    let word = text(&call.dict, "user_id").or_else(|| text(&call.dict, "user")).filter(|word| !word.is_empty());
    let word = word.ok_or_else(|| Refusal::missing("user_id"))?;
    let user = own_or_any(call, &word).await?;
    let shown = |row: store::ApiToken| {
        json!({
            "id": row.id, "name": row.name, "user_id": row.user_id, "created_at": date(row.created_at),
            "last_access": row.last_access.map(date),
        })
    };
    Ok(store::api_tokens(&call.gateway.identity.db, &user.id).await?.into_iter().map(shown).collect())
}

/// `api_token_revoke`: an unknown token and somebody else's look the same.
pub(super) async fn revoke(call: &Call<'_>) -> Outcome {
    call.demand_login()?;
    let jti = match (text(&call.dict, "jti").filter(|jti| !jti.is_empty()), text(&call.dict, "token").filter(|text| !text.is_empty())) {
        (Some(jti), _) => jti,
        (None, Some(token)) => call.gateway.tokens.read_ckan(token.trim()).map(|claims| claims.jti).unwrap_or_default(),
        (None, None) => return Err(Refusal::missing("jti")),
    };
    let identity = &call.gateway.identity;
    let row = store::api_token(&identity.db, &jti).await?.ok_or_else(Refusal::denied)?;
    if !call.is_sysadmin() && row.user_id != call.context.principal.user.to_string() {
        return Err(Refusal::denied());
    }
    let mut tx = identity.db.begin().await?;
    store::delete_api_token(&mut tx, &jti).await?;
    let record = Record { action: "api_token.revoke", thing: row.user_id, detail: json!({"token": jti}) };
    audit::write(&mut tx, &identity.clock, &call.context, record).await?;
    tx.commit().await?;
    identity.forget();
    Ok(Value::Null)
}

/// The caller himself, or anybody for an administrator.
async fn own_or_any(call: &Call<'_>, word: &str) -> Outcome<User> {
    let found = store::person_by_word(&call.gateway.identity.db, word).await?.filter(User::is_active);
    let own = found.as_ref().is_some_and(|user| user.id.parse::<Id>().is_ok_and(|id| id == call.context.principal.user));
    if call.is_nobody() || !(own || call.is_sysadmin()) {
        return Err(Refusal::denied());
    }
    found.ok_or_else(|| Refusal::NotFound("User not found".to_owned()))
}
