//! Tokens and assertions as a forger would make them: with the right keys, with wrong ones, and with none.

use std::collections::BTreeMap;

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64},
};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;

/// The header of every HS256 token of the hub, byte for byte (dhub.md section 3).
pub const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The hub's `secrets.toml`, as far as forging needs it.
#[derive(Clone, Debug, Deserialize)]
pub struct Keys {
    token_key: String,
    spec_store_key: String,
    assertions: AssertionKeys,
}

#[derive(Clone, Debug, Deserialize)]
struct AssertionKeys {
    private: BTreeMap<String, String>,
}

impl Keys {
    /// Reads the file's text.
    pub fn read(text: &str) -> Self {
        toml::from_str(text).expect("secrets.toml")
    }

    /// The key of D.Hub's tokens.
    pub fn dhub(&self) -> Vec<u8> {
        hmac(self.token_key.as_bytes(), b"dhub")
    }

    /// The key of CKAN's tokens.
    pub fn ckan(&self) -> Vec<u8> {
        hmac(self.token_key.as_bytes(), b"ckan")
    }

    /// The RSA key of Spec Store tokens.
    pub fn spec_store(&self) -> Rsa {
        Rsa::read(&self.spec_store_key)
    }

    /// The Ed25519 key with which a process of the hub signs assertions.
    pub fn process(&self, name: &str) -> Ed25519KeyPair {
        let text = self.assertions.private.get(name).expect("the private key of this process");
        Ed25519KeyPair::from_pkcs8(&BASE64.decode(text).expect("base64url")).expect("an Ed25519 key")
    }
}

/// The claims of a token, unchecked.
pub fn claims(token: &str) -> Value {
    let middle = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&BASE64.decode(middle).expect("base64url")).expect("claims")
}

/// A token with an HMAC-SHA256 signature, whatever its header says.
pub fn hs256(key: &[u8], header: &str, claims: &Value) -> String {
    let message = message(header, claims);
    let signature = BASE64.encode(hmac(key, message.as_bytes()));
    format!("{message}.{signature}")
}

/// A token without a signature.
pub fn unsigned(header: &str, claims: &Value) -> String {
    format!("{}.", message(header, claims))
}

fn message(header: &str, claims: &Value) -> String {
    format!("{}.{}", BASE64.encode(header), BASE64.encode(claims.to_string()))
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// An RSA key pair.
#[derive(Debug)]
pub struct Rsa(RsaKeyPair);

impl Rsa {
    fn read(pem: &str) -> Self {
        let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        Self(RsaKeyPair::from_pkcs8(&STANDARD.decode(text).expect("PEM")).expect("an RSA key"))
    }

    /// A key that the hub does not know.
    pub fn foreign() -> Self {
        Self(RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a new RSA key"))
    }

    /// A token signed with it.
    pub fn rs256(&self, claims: &Value) -> String {
        let message = message(r#"{"typ":"JWT","alg":"RS256"}"#, claims);
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).expect("a signature");
        format!("{message}.{}", BASE64.encode(signature))
    }

    /// Every spelling of the public key that somebody may take for a secret.
    pub fn public_spellings(&self) -> Vec<Vec<u8>> {
        let pkcs1 = self.0.public_key().as_ref().to_vec();
        let spki = self.0.public_key().as_der().expect("a public key").as_ref().to_vec();
        let texts = [pem("RSA PUBLIC KEY", &pkcs1), pem("PUBLIC KEY", &spki)];
        let trimmed = texts.clone().map(|text| text.trim_end().as_bytes().to_vec());
        [pkcs1, spki].into_iter().chain(texts.map(String::into_bytes)).chain(trimmed).collect()
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// An assertion between processes: `base64url(claims).base64url(signature over the former)`.
pub fn assertion(key: &Ed25519KeyPair, claims: &Value) -> String {
    let claims = BASE64.encode(claims.to_string());
    let signature = BASE64.encode(key.sign(claims.as_bytes()));
    format!("{claims}.{signature}")
}
