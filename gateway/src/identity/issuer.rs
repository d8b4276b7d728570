//! Another server that issues the Spec Store's tokens (`MADANG_SPEC_STORE_AUTH_SERVER`). Its public key is fetched when it is first
//! needed, kept, and fetched again when a token does not hold: it may have been changed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jsonwebtoken::DecodingKey;
use madang_kit::{Error, Result, error::chain};

use super::token::{SpecStoreClaims, read_service};

/// How long fetching the key may take.
const FETCH_WITHIN: Duration = Duration::from_secs(5);
/// Between two fetches, once there is a key: forged tokens must not make us ask all the time.
const FETCH_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// The same, while there is none.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Bytes of a key in PEM.
const KEY_BYTES: usize = 64 * 1024;

/// The server and its key.
pub(crate) struct Issuer {
    address: String,
    http: reqwest::Client,
    known: Mutex<Known>,
    /// One fetch at a time.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    key: Option<Arc<DecodingKey>>,
    tried_at: Option<Instant>,
}

impl Issuer {
    /// The server at `host[:port]`; none if that is empty.
    pub(crate) fn of(server: &str) -> Result<Option<Self>> {
        if server.is_empty() {
            return Ok(None);
        }
        let redirect = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().no_proxy().timeout(FETCH_WITHIN).redirect(redirect).build().map_err(Error::internal)?;
        let address = format!("http://{server}/auth/public-key");
        Ok(Some(Self { address, http, known: Mutex::default(), fetching: tokio::sync::Mutex::default() }))
    }

    /// The claims of a token that is genuine, whatever its time.
    pub(crate) async fn read(&self, token: &str) -> Option<SpecStoreClaims> {
        let before = self.key();
        if let Some(claims) = before.as_deref().and_then(|key| read_service(token, key)) {
            return Some(claims);
        }
        let _fetching = self.fetching.lock().await;
        let now = self.key();
        let changed = match (&before, &now) {
            (Some(before), Some(now)) => !Arc::ptr_eq(before, now),
            (None, now) => now.is_some(),
            (Some(_), None) => false,
        };
        if !changed && self.may_fetch() {
            self.fetch().await;
        }
        read_service(token, self.key()?.as_ref())
    }

    fn key(&self) -> Option<Arc<DecodingKey>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).key.clone()
    }

    /// Whether it is time to ask; then it counts as asked.
    fn may_fetch(&self) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = if known.key.is_some() { FETCH_AGAIN_AFTER } else { RETRY_AFTER };
        let may = known.tried_at.is_none_or(|at| at.elapsed() >= pause);
        if may {
            known.tried_at = Some(Instant::now());
        }
        may
    }

    async fn fetch(&self) {
        match self.fetched().await {
            Ok(key) => self.known.lock().unwrap_or_else(PoisonError::into_inner).key = Some(Arc::new(key)),
            Err(error) => tracing::warn!(error = %chain(&error), "the public key of the token server was not fetched"),
        }
    }

    async fn fetched(&self) -> Result<DecodingKey> {
        let answer = self.http.get(&self.address).send().await.and_then(reqwest::Response::error_for_status);
        let mut answer = answer.map_err(Error::internal)?;
        let mut pem = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(Error::internal)? {
            pem.extend_from_slice(&chunk);
            if pem.len() > KEY_BYTES {
                return Err(Error::internal("the key is too long"));
            }
        }
        DecodingKey::from_rsa_pem(&pem).map_err(Error::internal)
    }
}
