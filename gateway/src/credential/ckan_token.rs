//! CKAN's API token, alone in `Authorization` or in `X-CKAN-API-Key` (ckan.md 2.1).

use chrono::TimeDelta;
use madang_kit::{Result, error::chain, principal::Scheme};

use super::{Authenticator, Checked, Refusal};
use crate::identity::{Account, store};

/// `last_access` is written at most this often (ckan.md 2.1).
const TOUCH_EVERY: TimeDelta = TimeDelta::seconds(600);

/// Checks a token.
pub(super) async fn check(authenticator: &Authenticator, token: &str) -> Result<Checked> {
    let Some(claims) = authenticator.tokens.read_ckan(token.trim()) else { return Ok(Err(Refusal::WrongProof)) };
    let identity = &authenticator.identity;
    let Some(known) = identity.known(Account::ApiToken(claims.jti.clone())).await? else { return Ok(Err(Refusal::Unknown)) };
    let (db, now) = (identity.db.clone(), identity.clock.now());
    if identity.first_use_since(&claims.jti).await {
        tokio::spawn(async move {
            if let Err(error) = store::touch_api_token(&db, &claims.jti, now, now - TOUCH_EVERY).await {
                tracing::warn!(error = %chain(&error), "last access of an API token not noted");
            }
        });
    }
    known.principal(Scheme::CkanToken).map(Ok)
}
