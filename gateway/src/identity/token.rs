//! The JSON Web Tokens that the gateway issues and accepts.
//!
//! * D.Hub access and refresh tokens: HS256, header `{"alg":"HS256","typ":"JWT"}` in that order (dhub.md section 3).
//! * CKAN API tokens: HS256 with `jti` and `iat` (ckan.md 2.2).
//! * Spec Store service tokens: RS256 (spec-store.md 1.4).
//!
//! Each kind has a key of its own, so no token passes for one of another kind. The algorithm is fixed for each kind, never read
//! from the token.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rsa::KeyPair,
    signature::KeyPair as _,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use madang_kit::{Clock, Error, Id, Result, hex, secrets::pem};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Longer tokens are refused before they are decoded.
const MAX_BYTES: usize = 16 * 1024;

/// Keys of all token kinds.
pub(crate) struct Tokens {
    dhub: Vec<u8>,
    ckan: Vec<u8>,
    files: Vec<u8>,
    spec_store: Option<SpecStoreKeys>,
    clock: Clock,
}

struct SpecStoreKeys {
    private: EncodingKey,
    public: DecodingKey,
    pem: String,
}

/// Claims of a D.Hub token (dhub.md section 3).
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DhubClaims {
    /// The user's id, as a UUID.
    pub(crate) sub: Id,
    pub(crate) email: String,
    pub(crate) roles: Vec<String>,
    /// `access` or `refresh`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Seconds since 1970.
    pub(crate) iat: i64,
    /// Seconds since 1970.
    pub(crate) exp: i64,
    pub(crate) jti: String,
}

/// Claims of a CKAN token.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CkanClaims {
    pub(crate) jti: String,
    pub(crate) iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exp: Option<i64>,
}

/// Claims of a Spec Store service token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SpecStoreClaims {
    /// The owner id.
    pub(crate) userid: String,
    #[serde(default)]
    pub(crate) permissions: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    pub(crate) service: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exp: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nbf: Option<i64>,
    /// A token with an audience is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) aud: Option<serde_json::Value>,
}

impl Tokens {
    pub(crate) fn new(token_key: &SecretString, spec_store_key: Option<&SecretString>, clock: Clock) -> Result<Self> {
        let spec_store = spec_store_key.map(SpecStoreKeys::read).transpose()?;
        Ok(Self {
            dhub: derive(token_key, b"dhub")?,
            ckan: derive(token_key, b"ckan")?,
            files: derive(token_key, b"files")?,
            spec_store,
            clock,
        })
    }

    /// Signs a D.Hub token.
    pub(crate) fn sign_dhub(&self, claims: &DhubClaims) -> Result<String> {
        sign_hs256(&self.dhub, claims)
    }

    /// The claims of a D.Hub token that is genuine, of the wanted kind and in its time.
    pub(crate) fn read_dhub(&self, token: &str, kind: &str) -> Option<DhubClaims> {
        let claims: DhubClaims = read(token, &DecodingKey::from_secret(&self.dhub), Algorithm::HS256)?;
        (claims.kind == kind && self.in_time(Some(claims.exp), Some(claims.iat))).then_some(claims)
    }

    /// Signs a CKAN token.
    pub(crate) fn sign_ckan(&self, claims: &CkanClaims) -> Result<String> {
        sign_hs256(&self.ckan, claims)
    }

    /// The claims of a CKAN token that is genuine and in its time.
    pub(crate) fn read_ckan(&self, token: &str) -> Option<CkanClaims> {
        let claims: CkanClaims = read(token, &DecodingKey::from_secret(&self.ckan), Algorithm::HS256)?;
        self.in_time(claims.exp, Some(claims.iat)).then_some(claims)
    }

    /// Signs a Spec Store service token.
    pub(crate) fn sign_spec_store(&self, claims: &SpecStoreClaims) -> Result<String> {
        let keys = self.spec_store.as_ref().ok_or_else(|| Error::internal("no key for Spec Store tokens"))?;
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &keys.private).map_err(Error::internal)
    }

    /// The claims of a Spec Store token of this hub that is genuine and in its time.
    pub(crate) fn read_spec_store(&self, token: &str) -> Option<SpecStoreClaims> {
        let claims = read_service(token, &self.spec_store.as_ref()?.public)?;
        self.is_timely(&claims).then_some(claims)
    }

    /// Whether a genuine Spec Store token may be used now.
    pub(crate) fn is_timely(&self, claims: &SpecStoreClaims) -> bool {
        claims.aud.is_none() && self.in_time(claims.exp, claims.nbf)
    }

    /// The key that Spec Store tokens are verified with, as PEM text.
    pub(crate) fn spec_store_public_key(&self) -> Option<&str> {
        self.spec_store.as_ref().map(|keys| keys.pem.as_str())
    }

    /// A proof that this hub signed a text about a file, in hexadecimal.
    pub(crate) fn sign_file(&self, text: &str) -> Result<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.files).map_err(Error::internal)?;
        mac.update(text.as_bytes());
        Ok(hex(&mac.finalize().into_bytes()))
    }

    /// Whether such a proof is genuine.
    pub(crate) fn is_file_signature(&self, text: &str, signature: &str) -> bool {
        let known = self.sign_file(text).unwrap_or_default();
        !known.is_empty() && bool::from(known.as_bytes().ct_eq(signature.as_bytes()))
    }

    fn in_time(&self, expires: Option<i64>, not_before: Option<i64>) -> bool {
        /// Clocks of two machines differ.
        const SKEW_SECONDS: i64 = 60;
        let now = self.clock.now().timestamp();
        expires.is_none_or(|expires| now < expires) && not_before.is_none_or(|start| start <= now.saturating_add(SKEW_SECONDS))
    }
}

impl SpecStoreKeys {
    fn read(secret: &SecretString) -> Result<Self> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(secret.expose_secret().as_bytes())
            .map_err(|_| Error::internal("spec_store_key is not PEM"))?;
        let pair = KeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| Error::internal("spec_store_key is not an RSA key"))?;
        let private = EncodingKey::from_rsa_pem(secret.expose_secret().as_bytes()).map_err(Error::internal)?;
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| Error::internal("spec_store_key has no public key"))?;
        let public = DecodingKey::from_rsa_der(pair.public_key().as_ref());
        Ok(Self { private, public, pem: pem("PUBLIC KEY", spki.as_ref()) })
    }
}

/// The claims of a Spec Store token that is genuine under a key, whatever its time.
pub(super) fn read_service(token: &str, key: &DecodingKey) -> Option<SpecStoreClaims> {
    read(token, key, Algorithm::RS256)
}

fn read<T: DeserializeOwned>(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<T> {
    if token.len() > MAX_BYTES {
        return None;
    }
    let mut rules = Validation::new(algorithm);
    // Times are checked against our own clock, which tests may shift.
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    jsonwebtoken::decode::<T>(token, key, &rules).ok().map(|data| data.claims)
}

fn sign_hs256(key: &[u8], claims: &impl Serialize) -> Result<String> {
    let header = BASE64.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = BASE64.encode(serde_json::to_vec(claims).map_err(Error::internal)?);
    let message = format!("{header}.{claims}");
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(Error::internal)?;
    mac.update(message.as_bytes());
    Ok(format!("{message}.{}", BASE64.encode(mac.finalize().into_bytes())))
}

fn derive(key: &SecretString, purpose: &[u8]) -> Result<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).map_err(Error::internal)?;
    mac.update(purpose);
    Ok(mac.finalize().into_bytes().to_vec())
}

/// A random URL-safe text of 32 bytes, for `jti`.
pub(crate) fn random_jti() -> Result<String> {
    let mut bytes = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::internal("no randomness"))?;
    Ok(BASE64.encode(bytes))
}
