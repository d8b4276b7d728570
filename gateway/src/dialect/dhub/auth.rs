//! Sessions (dhub.md section 3): login by user name or e-mail, refresh, logout, me.

use std::time::Duration;

use axum::{
    Json,
    extract::{Request, State},
    http::{
        Extensions, HeaderMap, HeaderValue,
        header::{COOKIE, SET_COOKIE},
    },
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use madang_kit::{
    Code, Context, Error, Id, Result,
    audit::{self, Record},
    principal::Scheme,
};
use serde_json::json;

use super::{call::Call, error::DhubError, fields::Fields, wire};
use crate::{
    Gateway,
    dialect::request,
    edge::Client,
    identity::{
        Account, password,
        store::{self, User},
        token::{DhubClaims, random_jti},
    },
};

/// The cookie that carries the refresh token.
const COOKIE_NAME: &str = "refresh_token";

/// `POST /auth/login`
pub(crate) async fn login(State(gateway): State<Gateway>, request: Request) -> Result<Response, DhubError> {
    let (extensions, headers, body) = request::split(request);
    let client = client(&gateway, &extensions, &headers);
    let mut fields = Fields::read(&request::body(body, gateway.config.body_bytes).await?)?;
    let login = match (fields.optional_text("username"), fields.optional_text("email")) {
        (Some(empty), Some(login)) if empty.is_empty() => login,
        (Some(login), _) | (None, Some(login)) => login,
        (None, None) => fields.text("username"),
    };
    let password = fields.text("password");
    if password.len() > password::MAX_BYTES {
        fields.problem("password", "too_long", &format!("at most {} bytes", password::MAX_BYTES));
    }
    fields.finish()?;

    let place = client.map(|client| client.address.to_string()).unwrap_or_default();
    let user = check_password(&gateway, &login.to_lowercase(), password, &place).await?;
    let principal = Account::Id(user.id.parse().map_err(Error::internal)?);
    let known = gateway.identity.known(principal).await?.ok_or_else(wrong_credentials)?;
    let context = request::context(&extensions, known.principal(Scheme::BearerJwt)?);
    note(&gateway, &context, "session.create").await?;
    let (access, refresh) = (issue(&gateway, &user, "access")?, issue(&gateway, &user, "refresh")?);
    let body = json!({"access_token": access, "refresh_token": refresh, "token_type": "bearer"});
    with_cookie(&gateway, &refresh, client, Json(body))
}

/// Who logs in from where.
fn client(gateway: &Gateway, extensions: &Extensions, headers: &HeaderMap) -> Option<Client> {
    Client::of(&gateway.config.trusted_proxies, extensions, headers)
}

/// The active user with this password. Failures are counted for each name at each address; too many must wait.
///
/// A login counts as failed before its password is looked at, so that guesses made at the same time don't slip past the limit, but
/// not before its turn, so that right passwords sent at the same time don't count against each other.
async fn check_password(gateway: &Gateway, login: &str, password: String, place: &str) -> Result<User> {
    let limits = &gateway.config.logins;
    let counter = format!("login:{place}:{login}");
    if gateway.shared.counted(&counter).await >= limits.failures {
        return Err(too_many_failures());
    }
    let user = store::user_by_login(&gateway.identity.db, login).await?.filter(User::is_active);
    let hash = user.as_ref().and_then(|user| user.password_hash.clone());
    let turn = password::turn().await?;
    if gateway.shared.count(&counter, Duration::from_secs(limits.window_seconds.into())).await > limits.failures {
        return Err(too_many_failures());
    }
    if turn.verify(password, hash).await?
        && let Some(user) = user
    {
        gateway.shared.forget(&counter).await;
        return Ok(user);
    }
    Err(wrong_credentials())
}

fn too_many_failures() -> Error {
    Error::new(Code::RateLimited, "too many failed logins; try again later")
}

fn wrong_credentials() -> Error {
    Error::new(Code::Unauthenticated, "Incorrect username or password")
}

/// `POST /auth/refresh`: the token comes in the cookie or in the body; it is good for one use.
pub(crate) async fn refresh(State(gateway): State<Gateway>, request: Request) -> Result<Response, DhubError> {
    let (extensions, headers, body) = request::split(request);
    let mut fields = Fields::read(&request::body(body, gateway.config.body_bytes).await?)?;
    let in_body = fields.optional_text("refresh_token");
    fields.finish()?;
    let from_body = in_body.is_some();
    let token = in_body.or_else(|| cookie(&headers)).ok_or_else(not_refreshed)?;
    let claims = gateway.tokens.read_dhub(&token, "refresh").ok_or_else(not_refreshed)?;
    let known = gateway.identity.known(Account::Id(claims.sub)).await?.ok_or_else(not_refreshed)?;
    if !end(&gateway, &claims).await? {
        return Err(not_refreshed().into());
    }
    let (access, refresh) = (issue(&gateway, &known.user, "access")?, issue(&gateway, &known.user, "refresh")?);
    let mut answer = json!({"access_token": access, "token_type": "bearer"});
    if from_body {
        answer["refresh_token"] = refresh.clone().into();
    }
    with_cookie(&gateway, &refresh, client(&gateway, &extensions, &headers), Json(answer))
}

fn not_refreshed() -> Error {
    Error::new(Code::Unauthenticated, "Invalid refresh token")
}

/// `POST /auth/logout`: ends the refresh token, if one came along.
pub(crate) async fn logout(
    State(gateway): State<Gateway>,
    call: Call,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<Response, DhubError> {
    let mut fields = Fields::read(&request::body(body, gateway.config.body_bytes).await?)?;
    let token = fields.optional_text("refresh_token").or_else(|| cookie(&headers));
    fields.finish()?;
    if let Some(claims) = token.and_then(|token| gateway.tokens.read_dhub(&token, "refresh"))
        && claims.sub == call.context.principal.user
    {
        end(&gateway, &claims).await?;
    }
    note(&gateway, &call.context, "session.end").await?;
    let mut response = Json(json!({"message": "Logged out successfully"})).into_response();
    let gone = HeaderValue::from_static("refresh_token=; HttpOnly; Path=/api/v1/auth; SameSite=Lax; Max-Age=0");
    response.headers_mut().insert(SET_COOKIE, gone);
    Ok(response)
}

/// `GET /auth/me`
pub(crate) async fn me(State(gateway): State<Gateway>, call: Call) -> Result<Response, DhubError> {
    let known = gateway.identity.known(Account::Id(call.context.principal.user)).await?;
    let known = known.ok_or_else(|| Error::new(Code::Unauthenticated, "Not authenticated"))?;
    let user = &known.user;
    let id: Id = user.id.parse().map_err(Error::internal)?;
    Ok(Json(json!({
        "id": id.prefixed("user"), "email": user.email, "name": user.full_name, "is_active": user.is_active(),
        "provider": "local", "roles": wire::roles(user), "created_at": wire::iso_text(user.created_at),
    }))
    .into_response())
}

/// Signs an access or a refresh token.
fn issue(gateway: &Gateway, user: &User, kind: &str) -> Result<String> {
    let now = gateway.identity.clock.now();
    let lifetime = lifetime(gateway, kind);
    let claims = DhubClaims {
        sub: user.id.parse().map_err(Error::internal)?,
        email: user.email.clone(),
        roles: wire::roles(user),
        kind: kind.to_owned(),
        iat: now.timestamp(),
        exp: (now + lifetime).timestamp(),
        jti: random_jti()?,
    };
    gateway.tokens.sign_dhub(&claims)
}

fn lifetime(gateway: &Gateway, kind: &str) -> TimeDelta {
    let seconds = if kind == "access" { gateway.config.tokens.access_seconds } else { gateway.config.tokens.refresh_seconds };
    TimeDelta::seconds(seconds.into())
}

/// Ends a refresh token; false if it was ended before.
async fn end(gateway: &Gateway, claims: &DhubClaims) -> Result<bool> {
    let expires = DateTime::from_timestamp(claims.exp, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let mut tx = gateway.identity.db.begin().await?;
    let ended = store::revoke_token(&mut tx, &claims.jti, expires).await?;
    tx.commit().await?;
    Ok(ended)
}

async fn note(gateway: &Gateway, context: &Context, action: &str) -> Result<()> {
    let mut tx = gateway.identity.db.begin().await?;
    let record = Record { action, thing: context.principal.user.to_string(), detail: json!({}) };
    audit::write(&mut tx, &gateway.identity.clock, context, record).await?;
    Ok(tx.commit().await?)
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(name, _)| *name == COOKIE_NAME);
    named.next().map(|(_, value)| value.to_owned())
}

fn with_cookie(gateway: &Gateway, token: &str, client: Option<Client>, body: Json<serde_json::Value>) -> Result<Response, DhubError> {
    let age = lifetime(gateway, "refresh").num_seconds();
    let secure = if client.is_some_and(|client| client.https) { "; Secure" } else { "" };
    let cookie = format!("{COOKIE_NAME}={token}; HttpOnly; Path=/api/v1/auth; SameSite=Lax; Max-Age={age}{secure}");
    let mut response = body.into_response();
    response.headers_mut().insert(SET_COOKIE, HeaderValue::from_str(&cookie).map_err(Error::internal)?);
    Ok(response)
}
