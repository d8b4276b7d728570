//! JSONP: with `callback=fn` a JSON answer is a call of `fn` (spec-store.md 1).

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use madang_kit::{Code, Error};

use super::error::SpecError;

/// Characters of a function's name.
const MAX_NAME: usize = 100;
/// Bytes of an answer that is wrapped.
const MAX_BODY: usize = 32 << 20;

/// Wraps good JSON answers where a callback is wanted. A name that is no name of a function wraps nothing.
pub(super) async fn wrap(request: Request, next: Next) -> Response {
    let Some(callback) = request.uri().query().and_then(callback) else { return next.run(request).await };
    let response = next.run(request).await;
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if response.status() != StatusCode::OK || !is_json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(json) = to_bytes(body, MAX_BODY).await else {
        return SpecError::from(Error::new(Code::TooLarge, "the answer is too large for a callback")).into_response();
    };
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/javascript"));
    parts.headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    let script = [callback.as_bytes(), b"(", json.as_ref(), b");"].concat();
    Response::from_parts(parts, Body::from(script))
}

/// The callback of a query, if it is a name: letters, digits, `_`, `$` and dots.
fn callback(query: &str) -> Option<String> {
    let (_, name) = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "callback")?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_$.".contains(&byte));
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || b"_$".contains(&byte));
    (plain && begins && name.len() <= MAX_NAME).then(|| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::callback;

    #[test]
    fn only_names_of_functions_are_called() {
        assert_eq!(callback("a=1&callback=jQuery_1.done").as_deref(), Some("jQuery_1.done"));
        for none in ["", "callback=", "callback=1a", "callback=alert(1)//", "callback=a%20b", "callback=%3Cscript%3E"] {
            assert_eq!(callback(none), None, "{none}");
        }
    }
}
