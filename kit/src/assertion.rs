//! Assertions: how one process of ours tells another who is asking. There is no trusted network.
//!
//! An assertion is a small signed text, `base64url(claims).base64url(Ed25519 signature)`, that names its issuer, one gRPC method,
//! one principal, and lives 60 seconds. The receiver knows each issuer's public key and which methods that issuer may call.
//! Both sides keep an assertion for most of its life, so that no request pays for a signature.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{Clock, Principal};

const LIFETIME_MS: i64 = 60_000;
/// A signer hands an assertion out again until it is this old; the rest of its life is for the way.
const REUSE: Duration = Duration::from_secs(40);
/// How far the clocks of two processes may be apart.
const CLOCK_SKEW_MS: i64 = 5_000;
const CACHED: u64 = 50_000;
/// Longer texts are refused before anything is decoded.
const MAX_BYTES: usize = 8 * 1024;

/// The name of a process: `gateway`, `catalog`, `pipeline`, ….
pub type Service = String;

/// What an assertion says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    issuer: Service,
    method: String,
    issued_ms: i64,
    expires_ms: i64,
    principal: Principal,
}

/// Why a call was refused. The text goes to the log, the caller reads one word: unauthenticated or denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no assertion.
    #[error("no assertion")]
    Missing,
    /// It can't be read.
    #[error("malformed assertion")]
    Malformed,
    /// Its issuer is not known here.
    #[error("unknown issuer")]
    UnknownIssuer,
    /// The signature is not the issuer's.
    #[error("wrong signature")]
    WrongSignature,
    /// It is too old, too new or lives too long.
    #[error("expired or not yet valid")]
    Expired,
    /// It was made for another method.
    #[error("made for another method")]
    OtherMethod,
    /// The issuer may not call this method.
    #[error("the issuer may not call this method")]
    NotAllowed,
}

/// Makes assertions in the name of one process. Each call has its own, so cloning costs next to nothing.
#[derive(Clone)]
pub struct Signer(Arc<Signing>);

struct Signing {
    issuer: Service,
    key: Ed25519KeyPair,
    clock: Clock,
    /// With the time at which each was made.
    made: Cache<(Principal, String), (i64, Arc<str>)>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("issuer", &self.0.issuer).finish_non_exhaustive()
    }
}

/// A key that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 key in base64")]
pub struct BadKey;

/// A new key pair: the private key (PKCS #8) and the public key, both base64url.
pub fn generate_key() -> Result<(SecretString, String), BadKey> {
    let pair = Ed25519KeyPair::generate().map_err(|_| BadKey)?;
    let document = pair.to_pkcs8().map_err(|_| BadKey)?;
    Ok((SecretString::from(BASE64.encode(document.as_ref())), BASE64.encode(pair.public_key().as_ref())))
}

impl Signer {
    /// A signer with a private key from [`generate_key`].
    pub fn new(issuer: &str, private_key: &SecretString, clock: Clock) -> Result<Self, BadKey> {
        let bytes = BASE64.decode(private_key.expose_secret()).map_err(|_| BadKey)?;
        let key = Ed25519KeyPair::from_pkcs8(&bytes).map_err(|_| BadKey)?;
        let made = Cache::builder().max_capacity(CACHED).time_to_live(REUSE).build();
        Ok(Self(Arc::new(Signing { issuer: issuer.to_owned(), key, clock, made })))
    }

    /// An assertion that `principal` is calling `method` (`/package.Service/Method`).
    pub fn assertion(&self, principal: &Principal, method: &str) -> Arc<str> {
        let (key, now) = ((principal.clone(), method.to_owned()), self.0.clock.now_ms());
        // The clock may have been set since: an assertion of another time opens nothing.
        if let Some((made, assertion)) = self.0.made.get(&key)
            && Duration::from_millis(now.abs_diff(made)) < REUSE
        {
            return assertion;
        }
        let assertion: Arc<str> = self.sign(principal, method, now).into();
        self.0.made.insert(key, (now, assertion.clone()));
        assertion
    }

    fn sign(&self, principal: &Principal, method: &str, issued_ms: i64) -> String {
        let claims = Claims {
            issuer: self.0.issuer.clone(),
            method: method.to_owned(),
            issued_ms,
            expires_ms: issued_ms.saturating_add(LIFETIME_MS),
            principal: principal.clone(),
        };
        let claims = BASE64.encode(serde_json::to_vec(&claims).unwrap_or_default());
        let signature = BASE64.encode(self.0.key.sign(claims.as_bytes()).as_ref());
        format!("{claims}.{signature}")
    }
}

/// Which methods each process may call. A pattern is a whole method or ends with `*`.
pub type AllowList = HashMap<Service, Vec<String>>;

/// What a verified assertion says.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The process that calls.
    pub issuer: Service,
    /// On whose behalf.
    pub principal: Principal,
}

/// Checks assertions on the receiving side. Cloning costs next to nothing.
#[derive(Clone)]
pub struct Verifier(Arc<Verifying>);

struct Verifying {
    public_keys: HashMap<Service, Vec<u8>>,
    allowed: AllowList,
    clock: Clock,
    seen: Cache<String, Arc<Claims>>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("allowed", &self.0.allowed).finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier that knows these public keys (base64url) and allows these calls.
    pub fn new<'a>(keys: impl IntoIterator<Item = (&'a Service, &'a String)>, allowed: AllowList, clock: Clock) -> Result<Self, BadKey> {
        let mut public_keys = HashMap::new();
        for (service, key) in keys {
            public_keys.insert(service.clone(), BASE64.decode(key).map_err(|_| BadKey)?);
        }
        let seen = Cache::builder().max_capacity(CACHED).time_to_live(Duration::from_millis(LIFETIME_MS.unsigned_abs())).build();
        Ok(Self(Arc::new(Verifying { public_keys, allowed, clock, seen })))
    }

    /// Checks an assertion for a call of `method`. Signature first, so that a stranger learns nothing from the order of checks.
    pub fn verify(&self, assertion: Option<&str>, method: &str) -> Result<Verified, Refusal> {
        let assertion = assertion.ok_or(Refusal::Missing)?;
        let claims = match self.0.seen.get(assertion) {
            Some(claims) => claims,
            None => self.read(assertion)?,
        };
        let now = self.0.clock.now_ms();
        let lifetime = claims.expires_ms.saturating_sub(claims.issued_ms);
        if now >= claims.expires_ms || claims.issued_ms > now.saturating_add(CLOCK_SKEW_MS) || lifetime > LIFETIME_MS {
            return Err(Refusal::Expired);
        }
        if claims.method != method {
            return Err(Refusal::OtherMethod);
        }
        if !self.allows(&claims.issuer, method) {
            return Err(Refusal::NotAllowed);
        }
        Ok(Verified { issuer: claims.issuer.clone(), principal: claims.principal.clone() })
    }

    fn read(&self, assertion: &str) -> Result<Arc<Claims>, Refusal> {
        if assertion.len() > MAX_BYTES {
            return Err(Refusal::Malformed);
        }
        let (body, signature) = assertion.split_once('.').ok_or(Refusal::Malformed)?;
        let signature = BASE64.decode(signature).map_err(|_| Refusal::Malformed)?;
        let bytes = BASE64.decode(body).map_err(|_| Refusal::Malformed)?;
        let claims: Claims = serde_json::from_slice(&bytes).map_err(|_| Refusal::Malformed)?;
        let key = self.0.public_keys.get(&claims.issuer).ok_or(Refusal::UnknownIssuer)?;
        let key = UnparsedPublicKey::new(&ED25519, key);
        key.verify(body.as_bytes(), &signature).map_err(|_| Refusal::WrongSignature)?;
        let claims = Arc::new(claims);
        self.0.seen.insert(assertion.to_owned(), claims.clone());
        Ok(claims)
    }

    fn allows(&self, issuer: &str, method: &str) -> bool {
        let patterns = self.0.allowed.get(issuer).map(Vec::as_slice).unwrap_or_default();
        patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => method.starts_with(prefix),
            None => pattern == method,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHOD: &str = "/madang.catalog.v1.Catalog/ReadTable";

    fn pair(allowed: &[&str]) -> (Signer, Verifier, Signer) {
        let (private, public) = generate_key().expect("key");
        let (foreign, _) = generate_key().expect("key");
        let allowed = HashMap::from([("gateway".to_owned(), allowed.iter().map(|&m| m.to_owned()).collect())]);
        let keys = HashMap::from([("gateway".to_owned(), public)]);
        (
            Signer::new("gateway", &private, Clock::default()).expect("signer"),
            Verifier::new(&keys, allowed, Clock::default()).expect("verifier"),
            Signer::new("gateway", &foreign, Clock::default()).expect("signer"),
        )
    }

    #[test]
    fn the_named_method_is_opened_and_no_other() {
        let (signer, verifier, foreign) = pair(&["/madang.catalog.v1.Catalog/*"]);
        let who = Principal::service("gateway");
        let assertion = signer.assertion(&who, METHOD);
        assert_eq!(verifier.verify(Some(&assertion), METHOD).expect("allowed").principal, who);
        let other = "/madang.catalog.v1.Catalog/CreateDataset";
        assert_eq!(verifier.verify(Some(&assertion), other).err(), Some(Refusal::OtherMethod));
        assert_eq!(verifier.verify(None, METHOD).err(), Some(Refusal::Missing));
        assert_eq!(verifier.verify(Some(&foreign.assertion(&who, METHOD)), METHOD).err(), Some(Refusal::WrongSignature));
    }

    #[test]
    fn an_issuer_is_held_to_its_list() {
        let (signer, verifier, _) = pair(&["/madang.catalog.v1.Catalog/CreateDataset"]);
        let assertion = signer.assertion(&Principal::service("gateway"), METHOD);
        assert_eq!(verifier.verify(Some(&assertion), METHOD).err(), Some(Refusal::NotAllowed));
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let (signer, verifier, _) = pair(&["*"]);
        let good = signer.assertion(&Principal::service("gateway"), METHOD).to_string();
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert!(verifier.verify(Some(&changed), METHOD).is_err(), "at {at}");
        }
    }
}
