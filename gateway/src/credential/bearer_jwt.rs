//! D.Hub's `Bearer <access token>` (dhub.md section 3).

use madang_kit::{Result, principal::Scheme};

use super::{Authenticator, Checked, Refusal};
use crate::identity::Account;

/// Checks an access token; a refresh token does not pass for one.
pub(super) async fn check(authenticator: &Authenticator, token: &str) -> Result<Checked> {
    let Some(claims) = authenticator.tokens.read_dhub(token, "access") else { return Ok(Err(Refusal::WrongProof)) };
    match authenticator.identity.known(Account::Id(claims.sub)).await? {
        Some(known) => known.principal(Scheme::BearerJwt).map(Ok),
        None => Ok(Err(Refusal::Unknown)),
    }
}
