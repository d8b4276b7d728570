//! A client of one hub: how it travels and what it shows as its credential.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Certificate, header::HeaderMap};
use serde_json::json;

use crate::{Call, Hub};

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// How requests travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP/1.1 without TLS.
    Http,
    /// HTTP/2 without TLS, by prior knowledge.
    Http2,
    /// HTTP/1.1 over TLS, trusting the hub's own authority alone.
    Https,
    /// TLS with HTTP/2, as both sides prefer it.
    Https2,
}

/// What a request shows as its credential.
#[derive(Clone, Debug)]
pub enum Login {
    /// Nothing.
    Nobody,
    /// One header.
    Header(&'static str, String),
    /// A signature made for each request.
    Signature {
        /// The public half of the key.
        access_key: String,
        /// The secret half.
        secret_key: String,
        /// How far the signer's clock is from ours.
        shift_ms: i64,
    },
}

impl Login {
    /// A header with this value.
    pub fn header(name: &'static str, value: impl Into<String>) -> Self {
        Self::Header(name, value.into())
    }

    /// A D.Hub access token.
    pub fn bearer(token: &str) -> Self {
        Self::header("authorization", format!("Bearer {token}"))
    }

    /// User and password in padded base64.
    pub fn basic(user: &str, password: &str) -> Self {
        Self::header("authorization", format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }
}

/// Sends requests to one hub.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) login: Login,
    base: String,
    hub: Hub,
}

impl Client {
    /// A client without a credential.
    pub fn new(hub: &Hub, transport: Transport) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default(); // refused if it is installed already
        let builder = reqwest::Client::builder().no_proxy().timeout(PATIENCE).default_headers(HeaderMap::new());
        let authority = || Certificate::from_pem(&hub.ca_pem()).expect("the hub's ca.pem");
        let (builder, base) = match transport {
            Transport::Http => (builder.http1_only(), &hub.http),
            Transport::Http2 => (builder.http2_prior_knowledge(), &hub.http),
            Transport::Https => (builder.http1_only().tls_certs_only([authority()]), &hub.https),
            Transport::Https2 => (builder.tls_certs_only([authority()]), &hub.https),
        };
        let http = builder.build().expect("an HTTP client");
        Self { http, login: Login::Nobody, base: base.clone(), hub: hub.clone() }
    }

    /// The same way of travelling with another credential.
    #[must_use]
    pub fn with(&self, login: Login) -> Self {
        Self { login, ..self.clone() }
    }

    /// What it shows as its credential.
    pub fn get_login(&self) -> Login {
        self.login.clone()
    }

    /// The access token that it shows.
    pub fn access_token(&self) -> String {
        match &self.login {
            Login::Header("authorization", value) => value.trim_start_matches("Bearer ").to_owned(),
            other => unreachable!("no access token: {other:?}"),
        }
    }

    /// The administrator with the access token of a login by user name.
    #[must_use]
    pub async fn log_in(&self) -> Self {
        let credentials = self.hub.credentials();
        self.log_in_with("username", &credentials.username).await
    }

    /// The administrator with the access token of a login by this key and value.
    #[must_use]
    pub async fn log_in_with(&self, key: &str, value: &str) -> Self {
        let body = json!({key: value, "password": self.hub.credentials().password});
        let answer = self.with(Login::Nobody).post("/api/v1/auth/login").json(&body).send().await.is(200);
        self.with(Login::bearer(&answer.text_of("access_token")))
    }

    /// A GET.
    pub fn get(&self, target: &str) -> Call {
        self.call("GET", target)
    }

    /// A POST.
    pub fn post(&self, target: &str) -> Call {
        self.call("POST", target)
    }

    /// Any method.
    pub fn call(&self, method: &str, target: &str) -> Call {
        Call::new(self, method, target, &self.base)
    }
}
