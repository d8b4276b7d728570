//! Personal values at rest. Each person (a panel, or whoever filled in a sheet) has a key of its own, kept sealed under a master key;
//! destroying that one key makes every value of the person noise, wherever a copy of it lies.

use std::{collections::BTreeMap, sync::Arc};

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::STANDARD};
use madang_kit::{Error, Result, keyring::Keyring};
use secrecy::{ExposeSecret, SecretString};

/// The name of a subject's only key in its own ring.
const OWN: &str = "s";

/// Seals and opens.
#[derive(Clone)]
pub(crate) struct Vault {
    keyring: Arc<Keyring>,
}

/// One person's key, ready for use.
pub(crate) struct Subject {
    ring: Keyring,
    /// As it is stored.
    pub(crate) wrapped: String,
}

impl Vault {
    pub(crate) fn new(keyring: Keyring) -> Self {
        Self { keyring: Arc::new(keyring) }
    }

    /// A new key for a person.
    pub(crate) fn new_subject(&self, id: &str) -> Result<Subject> {
        let mut bytes = [0_u8; 32];
        rand::fill(&mut bytes).map_err(|_| Error::internal("no randomness"))?;
        let key = SecretString::from(STANDARD.encode(bytes));
        let wrapped = self.keyring.seal(key.expose_secret(), &bound(id)).map_err(Error::internal)?;
        Ok(Subject { ring: ring(key)?, wrapped })
    }

    /// The key of a person.
    pub(crate) fn subject(&self, id: &str, wrapped: &str) -> Result<Subject> {
        let key = self.keyring.open(wrapped, &bound(id)).map_err(Error::internal)?;
        Ok(Subject { ring: ring(key)?, wrapped: wrapped.to_owned() })
    }

    /// What keys under the current master key begin with.
    pub(crate) fn current(&self) -> String {
        self.keyring.mark_prefix()
    }

    /// The same key under the current master key.
    pub(crate) fn rewrap(&self, id: &str, wrapped: &str) -> Result<String> {
        let key = self.keyring.open(wrapped, &bound(id)).map_err(Error::internal)?;
        self.keyring.seal(key.expose_secret(), &bound(id)).map_err(Error::internal)
    }

    /// Seals what is no person's: a token, a webhook's secret.
    pub(crate) fn seal(&self, text: &str, bound_to: &str) -> Result<String> {
        self.keyring.seal(text, bound_to).map_err(Error::internal)
    }

    /// Opens what [`Self::seal`] made; `None` if it is not that.
    pub(crate) fn open(&self, sealed: &str, bound_to: &str) -> Option<SecretString> {
        self.keyring.open(sealed, bound_to).ok()
    }
}

impl Subject {
    /// Seals one value; `place` is its column.
    pub(crate) fn seal(&self, value: &str, place: &str) -> Result<String> {
        self.ring.seal(value, place).map_err(Error::internal)
    }

    /// Opens one value.
    pub(crate) fn open(&self, sealed: &str, place: &str) -> Result<String> {
        Ok(self.ring.open(sealed, place).map_err(Error::internal)?.expose_secret().to_owned())
    }
}

fn ring(key: SecretString) -> Result<Keyring> {
    Keyring::new(OWN, &BTreeMap::from([(OWN.to_owned(), key)])).map_err(Error::internal)
}

fn bound(id: &str) -> String {
    format!("subject:{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(current: &str) -> Vault {
        let keys = [("k1", [1_u8; 32]), ("k2", [2; 32])].map(|(id, bytes)| (id.to_owned(), SecretString::from(STANDARD.encode(bytes))));
        Vault::new(Keyring::new(current, &keys.into()).expect("a ring"))
    }

    #[test]
    fn a_value_opens_after_rotation_and_for_its_person_only() {
        let subject = vault("k1").new_subject("A").expect("made");
        let sealed = subject.seal("김널", "panel.name").expect("sealed");
        let rewrapped = vault("k2").rewrap("A", &subject.wrapped).expect("rewrapped");
        assert!(rewrapped.starts_with(&vault("k2").current()));
        let again = vault("k2").subject("A", &rewrapped).expect("opened");
        assert_eq!(again.open(&sealed, "panel.name").expect("opened"), "김널");
        assert!(again.open(&sealed, "panel.email").is_err());
        assert!(vault("k2").subject("B", &rewrapped).is_err());
    }
}
