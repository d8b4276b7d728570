//! One request and its answer.

use reqwest::{Body, Method, RequestBuilder, Url, Version, header::HeaderMap};
use serde_json::{Map, Value};

use crate::{Client, FilePart, Login, form, signature};

/// How much of a body a failure shows.
const SHOWN: usize = 600;

/// A request in the making.
#[derive(Debug)]
pub struct Call {
    request: RequestBuilder,
    name: String,
}

impl Call {
    pub(crate) fn new(client: &Client, method: &str, target: &str, base: &str) -> Self {
        let url = Url::parse(&format!("{base}{target}")).expect("a URL");
        let mut request = client.http.request(Method::from_bytes(method.as_bytes()).expect("a method"), url.clone());
        match &client.login {
            Login::Nobody => {}
            Login::Header(name, value) => request = request.header(*name, value),
            Login::Signature { access_key, secret_key, shift_ms } => {
                let travels = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
                for (name, value) in signature::headers(method, &travels, access_key, secret_key, *shift_ms) {
                    request = request.header(name, value);
                }
            }
        }
        Self { request, name: format!("{method} {target}") }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        Self { request: self.request.header(name, value), ..self }
    }

    /// Adds headers.
    #[must_use]
    pub fn headers<'a>(self, headers: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        headers.into_iter().fold(self, |call, (name, value)| call.header(name, &value))
    }

    /// A JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// A form with files.
    #[must_use]
    pub fn form(self, parts: &[FilePart<'_>]) -> Self {
        let (content_type, body) = form(parts);
        self.body(&content_type, body)
    }

    /// Any body.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<Body>) -> Self {
        let call = self.header("content-type", content_type);
        Self { request: call.request.body(body), ..call }
    }

    /// Sends it. Whatever was asked, the answer must not be a fault of the hub, and it must have a name.
    pub async fn send(self) -> Answer {
        let name = self.name.clone();
        let answer = self.try_send().await.unwrap_or_else(|error| Answer::none(&name, &error));
        assert!(answer.status < 500, "{answer}");
        assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{name}: the answer has no x-request-id");
        answer
    }

    /// Sends it; the answer may fail to come.
    ///
    /// # Errors
    /// What the HTTP client says.
    pub async fn try_send(self) -> reqwest::Result<Answer> {
        let response = self.request.send().await?;
        let (status, version, headers) = (response.status().as_u16(), response.version(), response.headers().clone());
        let bytes = response.bytes().await?.to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer { call: self.name, status, version, headers, text, bytes })
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The HTTP version.
    pub version: Version,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
    /// The body as it came.
    pub bytes: Vec<u8>,
    call: String,
}

impl Answer {
    fn none(call: &str, error: &reqwest::Error) -> Self {
        let text = format!("no answer came: {error:?}");
        Self { status: 599, version: Version::default(), headers: HeaderMap::new(), text, bytes: Vec::new(), call: call.to_owned() }
    }

    /// Demands a status.
    #[expect(clippy::return_self_not_must_use, reason = "often the demand is all")]
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert!(self.status == status, "expected {status}; {self}");
        self
    }

    /// Demands a status and a body, byte for byte.
    #[track_caller]
    pub fn is_exactly(&self, status: u16, text: &str) {
        assert_eq!((self.status, self.text.as_str()), (status, text), "{}", self.call);
    }

    /// Demands D.Hub's refusal of a caller without a valid credential.
    #[track_caller]
    pub fn is_unauthenticated(&self) {
        assert_eq!(self.status, 401, "{self}");
        assert_eq!(self.header("www-authenticate"), Some("Bearer"), "{self}");
        let body = self.object();
        assert!(body.len() == 1 && body.get("detail").is_some_and(Value::is_string), "{self}");
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let parsed = serde_json::from_str(&self.text);
        assert!(parsed.is_ok(), "not JSON: {self}");
        parsed.expect("just looked")
    }

    /// The body as a JSON object.
    #[track_caller]
    pub fn object(&self) -> Map<String, Value> {
        match self.json() {
            Value::Object(object) => object,
            _ => unreachable!("not a JSON object: {self}"),
        }
    }

    /// The keys of the body in the order in which they came.
    #[track_caller]
    pub fn keys(&self) -> Vec<String> {
        self.object().keys().cloned().collect()
    }

    /// A text in the body.
    #[track_caller]
    pub fn text_of(&self, key: &str) -> String {
        let text = self.json()[key].as_str().map(str::to_owned);
        assert!(text.is_some(), "no text '{key}': {self}");
        text.unwrap_or_default()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Everything that two answers must have in common to be the same answer: all but the names of the moment.
    pub fn without_its_moment(&self) -> (u16, Vec<(String, String)>, &str) {
        let own = |name: &str| !matches!(name, "x-request-id" | "x-madang-refusal" | "date");
        let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let mut headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        headers.retain(|(name, _)| own(name));
        headers.sort();
        (self.status, headers, &self.text)
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown: String = self.text.chars().take(SHOWN).collect();
        write!(f, "{} gave {}: {shown}", self.call, self.status)
    }
}
