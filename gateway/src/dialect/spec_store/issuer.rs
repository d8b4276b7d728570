//! The issuer of tokens (spec-store.md 1.4 and 1.6): a user's credential becomes a service token. Where another server issues them
//! (`MADANG_SPEC_STORE_AUTH_SERVER`), nothing is here.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{Extensions, HeaderMap, Uri, header::CONTENT_TYPE},
    response::IntoResponse,
};
use chrono::TimeDelta;
use madang_kit::{Code, Error, Result, hex, principal::Scheme};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::{call::Query, error::SpecError, permissions, wire};
use crate::{
    Gateway,
    credential::{
        Credential,
        auth_token::{self, ServiceToken},
    },
    identity::{
        Account, Known,
        store::{self, User},
        token::SpecStoreClaims,
    },
};

/// How long a service token lasts. The original's lasted for ever; whoever asks for one before each push does not notice.
const TOKEN_LIFE: TimeDelta = TimeDelta::hours(24);
/// Characters of a service's name.
const MAX_SERVICE: usize = 100;

/// The key that service tokens are verified with.
pub(crate) async fn public_key(State(gateway): State<Gateway>) -> Result<impl IntoResponse, SpecError> {
    demand_built_in(&gateway)?;
    let key = gateway.tokens.spec_store_public_key().ok_or_else(|| Error::internal("no key for Spec Store tokens"))?.to_owned();
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], key))
}

/// Who the caller is. There are no other sign-in providers.
pub(crate) async fn check(
    State(gateway): State<Gateway>,
    extensions: Extensions,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<Value>, SpecError> {
    demand_built_in(&gateway)?;
    let Some(known) = person(&gateway, &extensions, &headers, &uri).await? else {
        return Ok(Json(json!({"authenticated": false, "providers": {}})));
    };
    let user = &known.user;
    Ok(Json(json!({"authenticated": true, "profile": {
        "id": user.owner_id,
        "name": shown_name(user),
        "email": user.email,
        "username": user.name,
        "avatar_url": user.image_url,
        "join_date": wire::iso_of(user.created_at),
    }})))
}

/// A token for a service. Whoever may have none gets no permissions.
pub(crate) async fn authorize(
    State(gateway): State<Gateway>,
    extensions: Extensions,
    headers: HeaderMap,
    uri: Uri,
    query: Query,
) -> Result<Json<Value>, SpecError> {
    demand_built_in(&gateway)?;
    let service = query.get("service");
    if service.chars().count() > MAX_SERVICE {
        return Err(Error::invalid("service", "too_long", format!("service has at most {MAX_SERVICE} characters")).into());
    }
    let Some(known) = person(&gateway, &extensions, &headers, &uri).await? else { return Ok(Json(json!({"permissions": {}}))) };
    let end = (gateway.identity.clock.now() + TOKEN_LIFE).timestamp();
    let shown = extensions.get::<ServiceToken>();
    if shown.is_some_and(|ServiceToken(claims)| claims.service == auth_token::FILES) && service != auth_token::FILES {
        return Ok(Json(json!({"permissions": {}}))); // it was got for source files alone
    }
    // A token that was got for another one does not outlive it.
    let before = shown.and_then(|ServiceToken(claims)| claims.exp);
    let claims = SpecStoreClaims {
        userid: known.user.owner_id.clone(),
        permissions: permissions::of_service(service, known.user.sysadmin),
        service: service.to_owned(),
        exp: Some(before.map_or(end, |before| before.min(end))),
        nbf: None,
        aud: None,
    };
    let token = gateway.tokens.sign_spec_store(&claims)?;
    Ok(Json(json!({"userid": claims.userid, "permissions": claims.permissions, "service": claims.service, "token": token})))
}

/// The id of the owner with a user name.
pub(crate) async fn resolve(State(gateway): State<Gateway>, query: Query) -> Result<Json<Value>, SpecError> {
    demand_built_in(&gateway)?;
    let found = named(&gateway, query.get("username")).await?;
    Ok(Json(json!({"userid": found.map(|user| user.owner_id)})))
}

/// The ids in `user/package`.
pub(crate) async fn resolve_path(State(gateway): State<Gateway>, query: Query) -> Result<Json<Value>, SpecError> {
    demand_built_in(&gateway)?;
    let (name, package) = query.get("path").trim_matches('/').split_once('/').unwrap_or((query.get("path"), ""));
    let found = named(&gateway, name).await?;
    let package = Some(package).filter(|package| found.is_some() && !package.is_empty());
    Ok(Json(json!({"userid": found.as_ref().map(|user| &user.owner_id), "packageid": package})))
}

/// What everybody may know of a user.
pub(crate) async fn get_profile(State(gateway): State<Gateway>, query: Query) -> Result<Json<Value>, SpecError> {
    demand_built_in(&gateway)?;
    let Some(user) = named(&gateway, query.get("username")).await? else { return Ok(Json(json!({"found": false, "profile": null}))) };
    let profile = json!({
        "id": user.owner_id,
        "name": shown_name(&user),
        "join_date": wire::iso_of(user.created_at),
        "avatar_url": user.image_url,
        "gravatar": hex_md5(&user.email.to_lowercase()),
    });
    Ok(Json(json!({"found": true, "profile": profile})))
}

fn demand_built_in(gateway: &Gateway) -> Result<()> {
    if gateway.issuer.is_none() { Ok(()) } else { Err(Error::new(Code::NotFound, "another server issues the tokens of this hub")) }
}

/// The person whose credential a request shows: one of any dialect, or a token of a login where the Spec Store's clients put theirs.
async fn person(gateway: &Gateway, extensions: &Extensions, headers: &HeaderMap, uri: &Uri) -> Result<Option<Arc<Known>>> {
    match extensions.get::<Credential>() {
        Some(Credential::Unavailable) => return Err(Error::new(Code::Unavailable, "credentials can't be checked now")),
        Some(Credential::Principal(principal)) if principal.scheme != Scheme::SpaceBasic => {
            return gateway.identity.known(Account::Id(principal.user)).await;
        }
        _ => {}
    }
    let Some(token) = auth_token::given(headers, uri) else { return Ok(None) };
    if let Some(claims) = gateway.tokens.read_dhub(&token, "access") {
        return gateway.identity.known(Account::Id(claims.sub)).await;
    }
    match gateway.tokens.read_ckan(&token) {
        Some(claims) => gateway.identity.known(Account::ApiToken(claims.jti)).await,
        None => Ok(None),
    }
}

async fn named(gateway: &Gateway, name: &str) -> Result<Option<User>> {
    let found = store::person_by_word(&gateway.identity.db, name).await?;
    Ok(found.filter(|user| user.is_active() && user.name == name))
}

fn shown_name(user: &User) -> &str {
    if user.full_name.is_empty() { &user.name } else { &user.full_name }
}

fn hex_md5(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}
