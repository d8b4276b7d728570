//! Secrets at rest: authenticated encryption under a master key that can be rotated.
//!
//! A sealed text is `<key id>.<base64 of nonce and ciphertext>`. New secrets are sealed under the current key; old ones open under
//! the key that they name. The associated data binds a secret to its row, so that a copied ciphertext opens nowhere else.

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::SecretString;

/// A sealed secret that does not open, or a master key that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The key id is not in the ring.
    #[error("sealed under a master key that is not configured")]
    UnknownKey,
    /// The text was changed, or belongs to another row.
    #[error("sealed text does not open")]
    Broken,
    /// Not 32 bytes of base64.
    #[error("a master key is 32 bytes in base64")]
    BadKey,
}

/// The master keys by id.
pub struct Keyring {
    current: String,
    keys: BTreeMap<String, RandomizedNonceKey>,
    /// Derived from the current key, for [`Self::mark`].
    marks: hmac::Key,
}

/// What the key for marks is derived under, so that it is good for nothing else.
const MARKS: &[u8] = b"madang: marks of secrets";

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("current", &self.current).finish_non_exhaustive()
    }
}

impl Keyring {
    /// A ring from base64 texts; `current` is the key for new secrets.
    pub fn new(current: &str, keys: &BTreeMap<String, SecretString>) -> Result<Self, Error> {
        let (mut ring, mut marks) = (BTreeMap::new(), None);
        for (id, text) in keys {
            let bytes = STANDARD.decode(secrecy::ExposeSecret::expose_secret(text)).map_err(|_| Error::BadKey)?;
            let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| Error::BadKey)?;
            ring.insert(id.clone(), key);
            if id == current {
                let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), MARKS);
                marks = Some(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()));
            }
        }
        Ok(Self { current: current.to_owned(), keys: ring, marks: marks.ok_or(Error::UnknownKey)? })
    }

    /// A text that is equal for equal secrets and tells nothing else: `<key id>.<base64>`. A secret can be found by it without being
    /// kept in the clear; after a rotation, marks are made anew.
    pub fn mark(&self, secret: &str) -> String {
        format!("{}.{}", self.current, STANDARD.encode(hmac::sign(&self.marks, secret.as_bytes())))
    }

    /// What every mark under the current key begins with.
    pub fn mark_prefix(&self) -> String {
        format!("{}.", self.current)
    }

    /// Encrypts a secret for the row that `bound_to` names.
    pub fn seal(&self, secret: &str, bound_to: &str) -> Result<String, Error> {
        let key = self.keys.get(&self.current).ok_or(Error::UnknownKey)?;
        let mut bytes = secret.as_bytes().to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(bound_to), &mut bytes).map_err(|_| Error::Broken)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut bytes);
        Ok(format!("{}.{}", self.current, STANDARD.encode(sealed)))
    }

    /// Decrypts what [`Self::seal`] made for the same row.
    pub fn open(&self, sealed: &str, bound_to: &str) -> Result<SecretString, Error> {
        let (id, text) = sealed.split_once('.').ok_or(Error::Broken)?;
        let key = self.keys.get(id).ok_or(Error::UnknownKey)?;
        let mut bytes = STANDARD.decode(text).map_err(|_| Error::Broken)?;
        if bytes.len() < NONCE_LEN {
            return Err(Error::Broken);
        }
        let mut ciphertext = bytes.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| Error::Broken)?;
        let secret = key.open_in_place(nonce, Aad::from(bound_to), &mut ciphertext).map_err(|_| Error::Broken)?;
        std::str::from_utf8(secret).map(SecretString::from).map_err(|_| Error::Broken)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn ring(current: &str) -> Keyring {
        let keys = [("k1", [1_u8; 32]), ("k2", [2; 32])];
        let keys = keys.map(|(id, bytes)| (id.to_owned(), SecretString::from(STANDARD.encode(bytes))));
        Keyring::new(current, &keys.into()).expect("two good keys")
    }

    #[test]
    fn a_secret_opens_for_its_row_only_and_after_rotation() {
        let sealed = ring("k1").seal("비밀", "access_key:A").expect("sealed");
        assert_eq!(ring("k2").open(&sealed, "access_key:A").expect("opened").expose_secret(), "비밀");
        assert_eq!(ring("k2").open(&sealed, "access_key:B").err(), Some(Error::Broken));
        assert_ne!(sealed, ring("k1").seal("비밀", "access_key:A").expect("sealed"), "nonces differ");
    }

    #[test]
    fn a_mark_is_the_same_for_the_same_secret_under_the_same_key() {
        let mark = ring("k1").mark("비밀");
        assert_eq!(mark, ring("k1").mark("비밀"));
        assert!(mark.starts_with(&ring("k1").mark_prefix()) && !mark.contains("비밀"));
        assert_ne!(mark, ring("k1").mark("비밀 "));
        assert_ne!(mark, ring("k2").mark("비밀"));
    }

    #[test]
    fn broken_texts_are_refused() {
        for text in ["", "k1", "k1.", "k1.AAAA", "k9.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "k1.***"] {
            assert!(ring("k1").open(text, "x").is_err(), "{text}");
        }
    }
}
