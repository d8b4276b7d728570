//! Spec Store's `Auth-Token`: an RS256 service token whose `userid` is the owner id (spec-store.md 1.4).

use madang_kit::{Result, principal::Scheme};

use super::{Authenticator, Checked, Refusal};
use crate::identity::Account;

/// Checks a service token.
pub(super) async fn check(authenticator: &Authenticator, token: &str) -> Result<Checked> {
    let Some(claims) = authenticator.tokens.read_spec_store(token.trim()) else { return Ok(Err(Refusal::WrongProof)) };
    match authenticator.identity.known(Account::OwnerId(claims.userid)).await? {
        Some(known) => known.principal(Scheme::AuthToken).map(Ok),
        None => Ok(Err(Refusal::Unknown)),
    }
}
