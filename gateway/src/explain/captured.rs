//! A request as it came: what is needed to find out what was signed, and never a value that could be a secret.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::form;

/// The longest timestamp that is kept, in characters.
const MAX_TIMESTAMP: usize = 24;
/// The longest of the other header values that are kept, in characters.
const MAX_HEADER: usize = 1_024;
/// The largest body that is kept, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// Headers that tell where a request was sent and what proxies made of it. Others are not kept: they may hold credentials.
const TELLING: [&str; 15] = [
    "host",
    "via",
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-prefix",
    "x-forwarded-path",
    "x-forwarded-uri",
    "x-original-uri",
    "x-original-url",
    "x-original-path",
    "x-original-forwarded-path",
    "x-envoy-original-path",
    "x-rewrite-url",
];

/// A captured request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Captured {
    /// As sent.
    pub method: String,
    /// Path and query as they travelled.
    pub target: String,
    /// `x-ncp-apigw-timestamp`.
    pub timestamp: Field,
    /// `x-ncp-iam-access-key`.
    pub access_key: Field,
    /// `x-ncp-apigw-signature-v2`.
    pub signature: Field,
    /// The headers of [`TELLING`] that it had, in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Kept,
    /// When it came, by the server's clock, in milliseconds since 1970.
    pub received_ms: i64,
}

/// A header of the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Field {
    /// It was not there.
    Missing,
    /// It was there more than once.
    Repeated,
    /// Its value.
    Text(String),
    /// Something that is not what the header is for, so that it could be a secret; only its length in characters is kept.
    Withheld(usize),
}

/// A body, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kept {
    /// In base64; empty if there was none.
    Whole(String),
    /// Not kept, for this reason.
    Not(String),
}

impl Captured {
    /// A request with the values of its headers, by names in lower case. The access key is kept if `is_name` says that it is a key's
    /// name.
    pub fn new(method: &str, target: &str, headers: &[(&str, &str)], is_name: impl Fn(&str) -> bool, received_ms: i64) -> Self {
        let field = |name: &str, keep: &dyn Fn(&str) -> bool| Field::of(headers, name, keep);
        let telling = headers.iter().filter(|(name, value)| TELLING.contains(name) && value.len() <= MAX_HEADER);
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            timestamp: field("x-ncp-apigw-timestamp", &is_time),
            access_key: field("x-ncp-iam-access-key", &is_name),
            signature: field("x-ncp-apigw-signature-v2", &|text| !form::digests(text).is_empty()),
            headers: telling.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: Kept::Whole(String::new()),
            received_ms,
        }
    }

    /// Whether the header of the access key holds the name of a key.
    pub fn names_key(&self) -> bool {
        matches!(self.access_key, Field::Text(_))
    }

    /// The bytes of its body; empty if there are none.
    pub(super) fn body_bytes(&self) -> Vec<u8> {
        match &self.body {
            Kept::Whole(text) => STANDARD.decode(text).unwrap_or_default(),
            Kept::Not(_) => Vec::new(),
        }
    }

    /// The value of a kept header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether it seems to have come through a proxy.
    pub(super) fn was_forwarded(&self) -> bool {
        self.headers.iter().any(|(name, _)| name != "host")
    }
}

impl Kept {
    /// A body that is small enough.
    pub fn whole(bytes: &[u8]) -> Self {
        Self::Whole(STANDARD.encode(bytes))
    }
}

impl Field {
    fn of(headers: &[(&str, &str)], name: &str, keep: &dyn Fn(&str) -> bool) -> Self {
        let mut values = headers.iter().filter(|(known, _)| *known == name).map(|(_, value)| *value);
        match (values.next(), values.next()) {
            (None, _) => Self::Missing,
            (Some(_), Some(_)) => Self::Repeated,
            (Some(value), None) if keep(value) => Self::Text(value.to_owned()),
            (Some(value), None) => Self::Withheld(value.chars().count()),
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Digits, perhaps with a sign or a fraction.
fn is_time(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TIMESTAMP && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte))
}
