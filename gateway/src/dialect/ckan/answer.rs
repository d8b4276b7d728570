//! The envelope (ckan.md 1.4), JSONP (1.6), and texts without an envelope.

use std::io;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE, header::RETRY_AFTER},
    response::Response,
};
use bytes::Bytes;
use madang_kit::{
    Code, Error,
    ckan::{Dict, Outcome, Refusal},
    error::chain,
};
use serde::Serialize;
use serde_json::{Serializer, Value, json, ser::Formatter};

use super::action::Action;

const JSON: &str = "application/json;charset=utf-8";
const SCRIPT: &str = "application/javascript;charset=utf-8";

/// What an action gave: its JSON is written as it came, so that a large one is not read first.
pub(super) enum Given {
    Value(Value),
    Json(Bytes),
}

impl From<Value> for Given {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl Given {
    fn text(&self) -> String {
        match self {
            Self::Value(value) => text(value),
            Self::Json(bytes) => {
                let mut escaped = Vec::with_capacity(bytes.len() + bytes.len() / 8);
                let written = std::str::from_utf8(bytes).map(|json| Ascii.write_string_fragment(&mut escaped, json));
                if !matches!(written, Ok(Ok(()))) {
                    return "null".to_owned(); // what the catalogue wrote is text, and memory takes it
                }
                String::from_utf8(escaped).unwrap_or_default()
            }
        }
    }
}

/// What an action gave, in the envelope. With a callback, a good answer is a call of it.
pub(super) fn enveloped(site_url: &str, action: &Action, given: &Dict, outcome: Outcome<Given>, callback: Option<&str>) -> Response {
    let help = format!("{site_url}/api/3/action/help_show?name={}", action.name);
    match outcome {
        Ok(result) => {
            let body = format!("{{\"help\":{},\"success\":true,\"result\":{}}}", text(&help.into()), result.text());
            match callback {
                Some(callback) => respond(StatusCode::OK, SCRIPT, format!("{}({body});", escaped(callback))),
                None => respond(StatusCode::OK, JSON, body),
            }
        }
        Err(refusal) => {
            let (status, error) = refused(action.name, given, refusal);
            respond(status, JSON, text(&json!({"help": help, "success": false, "error": error})))
        }
    }
}

/// A JSON text alone, as the API answers where there is no action to speak of.
pub(super) fn bad_request(message: &str) -> Response {
    respond(StatusCode::BAD_REQUEST, JSON, text(&format!("Bad request - {message}").into()))
}

/// A refusal without an envelope.
pub(super) fn refused_bare(refusal: Refusal) -> Response {
    let (status, error) = refused("", &Dict::new(), refusal);
    respond(status, JSON, text(&json!({"success": false, "error": error})))
}

/// A value without an envelope.
pub(super) fn bare(status: StatusCode, value: &Value) -> Response {
    respond(status, JSON, text(value))
}

/// A feed.
pub(super) fn atom(body: String) -> Response {
    respond(StatusCode::OK, "application/atom+xml;charset=utf-8", body)
}

/// The one table from refusals to statuses and error dictionaries.
fn refused(action: &str, given: &Dict, refusal: Refusal) -> (StatusCode, Value) {
    let with = |start: &str, detail: String| if detail.is_empty() { start.to_owned() } else { format!("{start}: {detail}") };
    let error = |kind: &str, message: String| json!({"__type": kind, "message": message});
    match refusal {
        Refusal::Denied(detail) => (StatusCode::FORBIDDEN, error("Authorization Error", with("Access denied", detail))),
        Refusal::NotFound(detail) => (StatusCode::NOT_FOUND, error("Not Found Error", with("Not found", detail))),
        Refusal::Validation(mut fields) => {
            fields.insert("__type".to_owned(), "Validation Error".into());
            (StatusCode::CONFLICT, fields.into())
        }
        Refusal::Integrity(message) => {
            let mut body = error("Integrity Error", message);
            body["data"] = given.clone().into();
            (StatusCode::BAD_REQUEST, body)
        }
        Refusal::SearchQuery(detail) => {
            (StatusCode::BAD_REQUEST, error("Search Query Error", format!("Search Query is invalid: {detail}")))
        }
        Refusal::Search(detail) => (StatusCode::CONFLICT, error("Search Error", format!("Search error: {detail}"))),
        Refusal::Unknown => fault(action, &Error::internal("an action of the table that the catalogue does not know")),
        Refusal::Fault(failed) => fault(action, &failed),
    }
}

fn fault(action: &str, failed: &Error) -> (StatusCode, Value) {
    if let Some(cause) = &failed.cause {
        tracing::error!(action, code = failed.code.name(), error = %chain(cause.as_ref()), "action failed");
    }
    let (status, kind) = match failed.code {
        Code::Unauthenticated => (StatusCode::UNAUTHORIZED, "Authorization Error"),
        Code::Denied => (StatusCode::FORBIDDEN, "Authorization Error"),
        Code::NotFound | Code::NotVisible => (StatusCode::NOT_FOUND, "Not Found Error"),
        Code::Invalid | Code::AlreadyExists | Code::Conflict => (StatusCode::CONFLICT, "Validation Error"),
        Code::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Validation Error"),
        Code::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "Rate Limit Error"),
        Code::TimedOut => (StatusCode::REQUEST_TIMEOUT, "Internal Server Error"),
        Code::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Internal Server Error"),
        Code::NotImplemented => (StatusCode::NOT_IMPLEMENTED, "Internal Server Error"),
        Code::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    };
    let message = if failed.code == Code::Internal { "Internal Server Error" } else { failed.message.as_str() };
    (status, json!({"__type": kind, "message": message}))
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("30"));
    }
    response
}

/// JSON in which every letter beyond ASCII is escaped, as CKAN writes it.
fn text(value: &Value) -> String {
    let mut bytes = Vec::with_capacity(256);
    let written = value.serialize(&mut Serializer::with_formatter(&mut bytes, Ascii));
    if written.is_err() {
        return "null".to_owned(); // a value that was read as JSON can be written
    }
    String::from_utf8(bytes).unwrap_or_default()
}

struct Ascii;

const DIGITS: [u8; 16] = *b"0123456789abcdef";

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| !c.is_ascii()) {
            writer.write_all(fragment.get(plain..at).unwrap_or_default().as_bytes())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                let digit = |shift: u16| DIGITS.get(usize::from(*unit >> shift & 15)).copied().unwrap_or(b'0');
                writer.write_all(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)])?;
            }
            plain = at + c.len_utf8();
        }
        writer.write_all(fragment.get(plain..).unwrap_or_default().as_bytes())
    }
}

/// A callback's name, harmless in HTML.
fn escaped(callback: &str) -> String {
    let mut text = String::with_capacity(callback.len());
    for c in callback.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&#34;"),
            '\'' => text.push_str("&#39;"),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_beyond_ascii_are_escaped() {
        assert_eq!(text(&json!({"제목": "a\"é😀b"})), r#"{"\uc81c\ubaa9":"a\"\u00e9\ud83d\ude00b"}"#);
    }
}
