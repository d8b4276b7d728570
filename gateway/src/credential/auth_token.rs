//! Spec Store's `Auth-Token`: an RS256 service token whose `userid` is the owner id (spec-store.md 1.4). Below the Spec Store's paths it
//! may stand in the query as `jwt`; the header wins.

use std::sync::Arc;

use axum::http::{Extensions, HeaderMap, Uri};
use madang_kit::{
    Result,
    principal::{ADMIN, Scheme},
};

use super::{Authenticator, Checked, Refusal, text};
use crate::{
    dialect::family::Family,
    identity::{Account, token::SpecStoreClaims},
};

/// The service that source files are sent to.
pub(crate) const FILES: &str = "rawstore";

/// The claims of a good token, for the Spec Store: the owner need not be a user of the hub.
#[derive(Clone, Debug)]
pub(crate) struct ServiceToken(pub(crate) Arc<SpecStoreClaims>);

/// The token that a request shows.
pub(crate) fn given(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    if let Some(token) = text(headers, "auth-token") {
        return Some(token.trim().to_owned());
    }
    if Family::of(uri.path()) != Family::SpecStore {
        return None;
    }
    let mut pairs = url::form_urlencoded::parse(uri.query()?.as_bytes());
    pairs.find(|(name, _)| name == "jwt").map(|(_, token)| token.trim().to_owned())
}

/// Checks a service token. One of another server says who the owner is: it opens the Spec Store alone, and makes nobody an administrator. Nor
/// does one that was got for the store of source files open anything else.
pub(super) async fn check(authenticator: &Authenticator, extensions: &mut Extensions, token: &str, family: Family) -> Result<Checked> {
    let (tokens, issuer) = (&authenticator.tokens, authenticator.issuer.as_ref());
    let is_elsewhere = family != Family::SpecStore;
    let claims = match issuer {
        None => tokens.read_spec_store(token),
        Some(issuer) => issuer.read(token).await.filter(|claims| tokens.is_timely(claims)),
    };
    let Some(claims) = claims else { return Ok(Err(Refusal::WrongProof)) };
    if is_elsewhere && (issuer.is_some() || claims.service == FILES) {
        return Ok(Err(Refusal::WrongProof));
    }
    let known = authenticator.identity.known(Account::OwnerId(claims.userid.clone())).await?;
    if known.is_some() || issuer.is_some() {
        extensions.insert(ServiceToken(Arc::new(claims)));
    }
    let Some(known) = known else { return Ok(Err(Refusal::Unknown)) };
    let mut principal = known.principal(Scheme::AuthToken)?;
    if issuer.is_some() {
        principal.roles.retain(|role| role != ADMIN);
    }
    Ok(Ok(principal))
}
