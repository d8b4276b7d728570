//! The one cookie: the token of the sheet that this browser fills in behind this link.

use axum::http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, SET_COOKIE},
};

const NAME: &str = "sheet";
/// As long as a draft is kept.
const SECONDS: u32 = 14 * 24 * 3600;
/// What browsers keep. A sheet whose link carried more is lost by a reload, and nothing else.
const MAX_BYTES: usize = 4_000;

/// The token, if there is one.
pub(super) fn token(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).map(|(_, token)| token.to_owned())
}

/// Remembers a sheet.
pub(super) fn remember(headers: &mut HeaderMap, serial: &str, token: &str, https: bool) {
    set(headers, serial, token, SECONDS, https);
}

/// Forgets the sheet: it was submitted.
pub(super) fn forget(headers: &mut HeaderMap, serial: &str, https: bool) {
    set(headers, serial, "", 0, https);
}

fn set(headers: &mut HeaderMap, serial: &str, token: &str, seconds: u32, https: bool) {
    let secure = if https { "; Secure" } else { "" };
    let text = format!("{NAME}={token}; Path=/r/{serial}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    if text.len() <= MAX_BYTES
        && let Ok(value) = HeaderValue::from_str(&text)
    {
        headers.append(SET_COOKIE, value);
    }
}
