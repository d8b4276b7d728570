//! The credential stage: who is asking? It never answers a request; it says [`Credential`] and the dialect decides what that means.
//!
//! One file per scheme. If any `x-ncp-*` header is present, the signature decides alone.

pub(crate) mod auth_token;
mod bearer_jwt;
mod ckan_token;
pub(crate) mod ncp_signature;
mod space_basic;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    middleware::Next,
    response::Response,
};
use madang_kit::{Id, Principal, Result, error::chain};

use crate::{
    dialect::family::Family,
    identity::{AccessKey, Identity, issuer::Issuer, token::Tokens},
    refusal::{Draft, Refusals},
};

/// What the credential stage found.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// A proven caller.
    Principal(Principal),
    /// No credential at all.
    Anonymous,
    /// A credential that does not hold.
    Refused(Refusal),
    /// The identity store is away; nobody can be told apart.
    Unavailable,
}

/// Why a credential does not hold. From outside they all look the same; this is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// A header is missing, repeated or not of its form.
    #[error("malformed")]
    Malformed,
    /// No active key, space, token or user of that name.
    #[error("unknown")]
    Unknown,
    /// The signature's time is more than five minutes away.
    #[error("clock")]
    Clock,
    /// The proof is wrong.
    #[error("wrong proof")]
    WrongProof,
    /// The key is disabled, or its time is over.
    #[error("key out of use")]
    OutOfUse,
    /// The signature came before, with another body.
    #[error("replayed")]
    Replayed,
}

/// What the schemes check against.
pub(crate) struct Authenticator {
    pub(crate) identity: Identity,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) refusals: Refusals,
    /// Headers beside `X-CKAN-API-Key` and `Authorization` in which the site looks for CKAN's token.
    pub(crate) token_headers: Vec<String>,
    /// Who issues the Spec Store's tokens, if it is not this hub.
    pub(crate) issuer: Option<Arc<Issuer>>,
}

/// The request target exactly as it came, before any routing.
#[derive(Clone, Debug)]
pub(crate) struct RawTarget(pub(crate) String);

/// The access key whose signature a request carries.
#[derive(Clone)]
pub(crate) struct SignedBy(pub(crate) Arc<AccessKey>);

/// Who a request turned out to be from; the credential stage leaves it on the answer, for the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoggedUser(pub(crate) Id);

/// Puts a [`Credential`] into every request. A signed one that is refused is written down, for its sender to learn why.
pub(crate) async fn authenticate(State(authenticator): State<Arc<Authenticator>>, mut request: Request, next: Next) -> Response {
    let target = request.uri().path_and_query().map_or_else(|| request.uri().path().to_owned(), |target| target.as_str().to_owned());
    let signed = ncp_signature::is_present(request.headers());
    let credential = match authenticator.check(&mut request, signed, &target).await {
        Ok(credential) => credential,
        Err(error) => {
            tracing::error!(error = %chain(&error), "no credential could be checked");
            Credential::Unavailable
        }
    };
    request.extensions_mut().insert(RawTarget(target));
    let draft = match &credential {
        Credential::Refused(reason) if signed => Some(authenticator.refusals.draft(&mut request, *reason).await),
        _ => None,
    };
    let user = if let Credential::Principal(principal) = &credential { Some(LoggedUser(principal.user)) } else { None };
    request.extensions_mut().insert(credential);
    let mut response = next.run(request).await;
    if let Some(user) = user {
        response.extensions_mut().insert(user);
    }
    if response.status() == StatusCode::UNAUTHORIZED
        && let Some(draft) = draft.or_else(|| response.extensions_mut().remove::<Draft>())
    {
        authenticator.refusals.keep(draft, &mut response).await;
    }
    response
}

impl Authenticator {
    async fn check(&self, request: &mut Request, signed: bool, target: &str) -> Result<Credential> {
        if signed {
            let checked = ncp_signature::check(&self.identity, request.headers(), request.method().as_str(), target).await?;
            return Ok(match checked {
                Ok(key) => {
                    let principal = key.principal.clone();
                    request.extensions_mut().insert(SignedBy(key));
                    Credential::Principal(principal)
                }
                Err(refusal) => Credential::Refused(refusal),
            });
        }
        if let Some(token) = auth_token::given(request.headers(), request.uri()) {
            let family = Family::of(request.uri().path());
            return auth_token::check(self, request.extensions_mut(), &token, family).await.map(credential);
        }
        self.check_unsigned(request.headers()).await
    }

    async fn check_unsigned(&self, headers: &HeaderMap) -> Result<Credential> {
        let checked = if let Some(token) = self.ckan_token(headers) {
            ckan_token::check(self, token).await?
        } else {
            match headers.get(AUTHORIZATION) {
                None => return Ok(Credential::Anonymous),
                Some(value) => self.check_authorization(value.to_str().unwrap_or_default()).await?,
            }
        };
        Ok(credential(checked))
    }

    /// CKAN's token in a header of its own.
    fn ckan_token<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        text(headers, "x-ckan-api-key").or_else(|| self.token_headers.iter().find_map(|name| text(headers, name)))
    }

    /// The `Authorization` header: `Basic …`, `Bearer …`, or a bare CKAN token.
    async fn check_authorization(&self, value: &str) -> Result<Checked> {
        match value.split_once(' ') {
            None => ckan_token::check(self, value).await,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("basic") => space_basic::check(&self.identity, rest.trim()).await,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => match bearer_jwt::check(self, rest.trim()).await? {
                Err(_) => ckan_token::check(self, rest.trim()).await, // an extension: CKAN's clients send no "Bearer"
                principal => Ok(principal),
            },
            Some(_) => Ok(Err(Refusal::Malformed)),
        }
    }
}

fn credential(checked: Checked) -> Credential {
    match checked {
        Ok(principal) => Credential::Principal(principal),
        Err(refusal) => Credential::Refused(refusal),
    }
}

/// The outcome of one scheme.
type Checked = std::result::Result<Principal, Refusal>;

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}
