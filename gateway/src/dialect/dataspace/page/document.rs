//! A page from the doctype to its headers.

use axum::{
    body::Body,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS},
    },
    response::Response,
};
use maud::{DOCTYPE, Markup, html};

use super::{
    asset::{SCRIPT_PATH, STYLE_PATH},
    words::Words,
};

/// Everything comes from here, except pictures that an author put into a question. Who wants a survey inside a page of his own uses
/// `/r/{serial}/form`, so nobody may frame this one.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' https:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Links carry who the respondent is: no address leaves with a click, no index keeps one, no cache a page.
const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CONTENT_SECURITY_POLICY, POLICY),
    (CACHE_CONTROL, "no-store"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
];

/// A page with this title and content; one with a form gets the script.
pub(super) fn page(status: StatusCode, words: Words, title: &str, content: &Markup, has_form: bool) -> Response {
    let markup = html! {
        (DOCTYPE)
        html lang=(words.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex, nofollow";
                title { (title) }
                link rel="stylesheet" href=(STYLE_PATH.as_str());
                @if has_form { script src=(SCRIPT_PATH.as_str()) defer {} }
            }
            body { main { (content) } }
        }
    };
    let mut response = Response::new(Body::from(markup.into_string()));
    *response.status_mut() = status;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
