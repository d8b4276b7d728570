//! The keys of an installation: one TOML file, readable by its owner alone.
//!
//! `madang up` makes it at first start. In production each process gets a file with its own private assertion key and whatever
//! else it needs; absent parts are absent rights.

use std::{collections::BTreeMap, fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand,
    rsa::{KeyPair, KeySize},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    Clock,
    assertion::{self, AllowList, Signer, Verifier},
    keyring::{self, Keyring},
};

/// Keys that are missing or unusable; the text names which.
#[derive(Debug, thiserror::Error)]
#[error("secrets: {0}")]
pub struct Error(String);

/// The keys of an installation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Keys that secrets at rest are encrypted under.
    #[serde(default)]
    pub master: Option<MasterKeys>,
    /// The HS256 key of D.Hub's and CKAN's tokens.
    #[serde(default, serialize_with = "expose_option")]
    pub token_key: Option<SecretString>,
    /// The RS256 private key of Spec Store tokens (PKCS #8 PEM).
    #[serde(default, serialize_with = "expose_option")]
    pub spec_store_key: Option<SecretString>,
    /// Keys of the assertions between our processes.
    pub assertions: AssertionKeys,
}

/// The master keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MasterKeys {
    /// The id of the key for new secrets.
    pub current: String,
    /// 32 bytes in base64, by id.
    #[serde(serialize_with = "expose_map")]
    pub keys: BTreeMap<String, SecretString>,
}

/// Ed25519 keys by process name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssertionKeys {
    /// Private keys of the processes that this file is for.
    #[serde(default, serialize_with = "expose_map")]
    pub private: BTreeMap<String, SecretString>,
    /// Public keys of every process.
    pub public: BTreeMap<String, String>,
}

impl AssertionKeys {
    fn add(&mut self, process: &str) -> Result<(), Error> {
        let (private, public) = assertion::generate_key().map_err(|error| Error(error.to_string()))?;
        self.private.insert(process.to_owned(), private);
        self.public.insert(process.to_owned(), public);
        Ok(())
    }
}

impl Secrets {
    /// New keys for an installation with these processes.
    pub fn generate(processes: &[&str]) -> Result<Self, Error> {
        let mut assertions = AssertionKeys::default();
        for process in processes {
            assertions.add(process)?;
        }
        let master = MasterKeys { current: "k1".to_owned(), keys: BTreeMap::from([("k1".to_owned(), random_key()?)]) };
        Ok(Self { master: Some(master), token_key: Some(random_key()?), spec_store_key: Some(rsa_key()?), assertions })
    }

    /// Reads the file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|error| Error(format!("{}: {error}", path.display())))?;
        // The parser's own message would quote the line, and with it a key.
        toml::from_str(&text).map_err(|_| Error(format!("{}: not in the expected form", path.display())))
    }

    /// Writes the file, mode 0600; an existing one is not touched.
    pub fn store(&self, path: &Path) -> Result<(), Error> {
        let text = toml::to_string_pretty(self).map_err(|_| Error("can't be written as TOML".to_owned()))?;
        let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| Error(format!("{}: {error}", path.display())))
    }

    /// Gives processes that an older installation did not have their keys; what is there stays.
    pub fn complete(path: &Path, processes: &[&str]) -> Result<(), Error> {
        let mut secrets = Self::load(path)?;
        let new: Vec<_> = processes.iter().filter(|process| !secrets.assertions.public.contains_key(**process)).collect();
        if new.is_empty() {
            return Ok(());
        }
        for process in new {
            secrets.assertions.add(process)?;
        }
        let draft = path.with_extension("toml.new");
        fs::remove_file(&draft).ok(); // a crash may have left one
        secrets.store(&draft)?;
        fs::rename(&draft, path).map_err(|error| Error(format!("{}: {error}", path.display())))
    }

    /// The ring of master keys.
    pub fn keyring(&self) -> Result<Keyring, Error> {
        let master = self.master.as_ref().ok_or_else(|| Error("no [master] keys".to_owned()))?;
        Keyring::new(&master.current, &master.keys).map_err(|error: keyring::Error| Error(error.to_string()))
    }

    /// The signer of one of our processes.
    pub fn signer(&self, process: &str, clock: Clock) -> Result<Signer, Error> {
        let key = self.assertions.private.get(process).ok_or_else(|| Error(format!("no private assertion key of {process}")))?;
        Signer::new(process, key, clock).map_err(|error| Error(format!("assertions.private.{process}: {error}")))
    }

    /// The verifier for a service that allows these calls.
    pub fn verifier(&self, allowed: AllowList, clock: Clock) -> Result<Verifier, Error> {
        Verifier::new(&self.assertions.public, allowed, clock).map_err(|error| Error(format!("assertions.public: {error}")))
    }
}

fn random_key() -> Result<SecretString, Error> {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes).map_err(|_| Error("no randomness".to_owned()))?;
    Ok(SecretString::from(STANDARD.encode(bytes)))
}

fn rsa_key() -> Result<SecretString, Error> {
    let failed = |_| Error("no RSA key could be made".to_owned());
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
    Ok(SecretString::from(pem("PRIVATE KEY", der.as_ref())))
}

/// PEM text (RFC 7468) of some DER.
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut lines = vec![format!("-----BEGIN {label}-----")];
    lines.extend(text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()));
    lines.push(format!("-----END {label}-----\n"));
    lines.join("\n")
}

#[expect(clippy::ref_option, reason = "serde passes the field itself")]
fn expose_option<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(ExposeSecret::expose_secret).serialize(serializer)
}

fn expose_map<S: Serializer>(secrets: &BTreeMap<String, SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    let exposed: BTreeMap<_, _> = secrets.iter().map(|(id, secret)| (id, secret.expose_secret())).collect();
    exposed.serialize(serializer)
}
