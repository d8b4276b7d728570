//! The hubs under test, as `cargo xtask test` describes them.

use std::{collections::BTreeMap, env, fs, io::Write, path::PathBuf};

use serde::Deserialize;

use crate::{Client, Login, Transport, token::Keys};

/// A running hub.
#[derive(Clone, Debug, Deserialize)]
pub struct Hub {
    /// `sqlite`, `postgres`, `split`, …; failures name it.
    pub name: String,
    /// `http://127.0.0.1:…`
    pub http: String,
    /// `https://127.0.0.1:…`
    pub https: String,
    /// Where its services can be called directly; `None` where all runs in one process.
    pub grpc: BTreeMap<String, Option<String>>,
    /// The authority that signed its certificate.
    pub ca: PathBuf,
    /// Where it keeps its data; no answer may name it.
    pub data_dir: PathBuf,
    credentials: PathBuf,
    secrets: PathBuf,
}

/// One credential of every kind for the first administrator (design, section 8).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Credentials {
    pub username: String,
    pub password: String,
    pub email: String,
    pub access_key: String,
    pub secret_key: String,
    pub space_id: String,
    pub api_key: String,
    pub hmac_key: String,
    pub ckan_api_token: String,
    pub owner_id: String,
    pub spec_store_token: String,
}

impl Hub {
    /// The credentials that its first start left behind.
    pub fn credentials(&self) -> Credentials {
        let text = fs::read_to_string(&self.credentials).expect("the hub's credentials.json");
        serde_json::from_str(&text).expect("the eleven credentials")
    }

    /// Its keys, for forging what it must refuse.
    pub fn keys(&self) -> Keys {
        Keys::read(&fs::read_to_string(&self.secrets).expect("the hub's secrets.toml"))
    }

    /// The authority's certificate.
    pub fn ca_pem(&self) -> Vec<u8> {
        fs::read(&self.ca).expect("the hub's ca.pem")
    }

    /// Someone without a credential.
    pub fn visitor(&self) -> Client {
        Client::new(self, Transport::Http)
    }

    /// The administrator, logged in by password.
    pub async fn admin(&self) -> Client {
        self.visitor().log_in().await
    }

    /// The administrator, with signatures.
    pub fn signed(&self) -> Client {
        self.visitor().with(self.signature())
    }

    /// The administrator's access key as a login.
    pub fn signature(&self) -> Login {
        let Credentials { access_key, secret_key, .. } = self.credentials();
        Login::Signature { access_key, secret_key, shift_ms: 0 }
    }

    /// The first space, with its API key.
    pub fn space_basic(&self) -> Login {
        let credentials = self.credentials();
        Login::basic(&credentials.space_id, &credentials.api_key)
    }

    /// CKAN's API token.
    pub fn ckan_token(&self) -> Login {
        Login::header("authorization", self.credentials().ckan_api_token)
    }

    /// The Spec Store's service token.
    pub fn auth_token(&self) -> Login {
        Login::header("auth-token", self.credentials().spec_store_token)
    }
}

/// The hubs that the tests are to walk over.
pub fn hubs() -> Vec<Hub> {
    let text = env::var("MADANG_TEST_HUBS").expect("no hub to test (MADANG_TEST_HUBS); run `cargo xtask test`, which starts them");
    let hubs: Vec<Hub> = serde_json::from_str(&text).expect("MADANG_TEST_HUBS is a JSON array of hubs");
    assert!(!hubs.is_empty(), "MADANG_TEST_HUBS names no hub");
    hubs
}

/// Runs a scenario on every hub at the same time, each to its own end, and names those on which it failed.
pub async fn on_every_hub<F, W>(scenario: F)
where
    F: Fn(Hub) -> W,
    W: Future<Output = ()> + Send + 'static,
{
    let running: Vec<_> = hubs().into_iter().map(|hub| (hub.name.clone(), tokio::spawn(scenario(hub)))).collect();
    let mut failed = Vec::new();
    for (name, task) in running {
        if let Err(error) = task.await {
            failed.push(format!("on hub '{name}': {}", reason(error)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn reason(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "cancelled".to_owned() };
    let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "(no text)".to_owned())
}

/// A file of `tests/fixtures`.
pub fn fixture(name: &str) -> String {
    String::from_utf8(fixture_bytes(name)).expect("a text")
}

/// The same as bytes.
pub fn fixture_bytes(name: &str) -> Vec<u8> {
    let folder = env::var("MADANG_TEST_FIXTURES").expect("no fixtures (MADANG_TEST_FIXTURES); run `cargo xtask test`");
    fs::read(PathBuf::from(folder).join(name)).expect("a fixture")
}

/// Tells whoever reads the test's output, such as why something was left out.
pub fn note(text: &str) {
    writeln!(std::io::stderr(), "note: {text}").expect("standard error");
}
