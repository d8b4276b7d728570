//! Links for respondents and their signature (dataspace.md section 6).
//!
//! A signature is of what stands in the link: HMAC-SHA256 over `{serial}?{k1}={v1}&…`, keys in lower case and order, values as they
//! are encoded there; its URL-safe base64, the first eight characters.

use std::fmt::Write as _;

use base64::{Engine, engine::general_purpose::URL_SAFE};
use hmac::Mac;
use madang_kit::survey::RESERVED_KEY;
use subtle::ConstantTimeEq;
use url::form_urlencoded;

use crate::identity::keyed;

/// Characters of a signature.
const SHOWN: usize = 8;

/// The query of a link: keys in order, values percent-encoded, signed if there is a key.
pub(super) fn query(serial: &str, parameters: &[(String, String)], hmac_key: Option<&str>) -> String {
    let mut pairs: Vec<_> = parameters.iter().map(|(key, value)| (key.to_lowercase(), encode(value))).collect();
    pairs.sort();
    let mut query = joined(&pairs);
    if let Some(key) = hmac_key {
        let signature = sign(key, &format!("{serial}?{query}"));
        query = if query.is_empty() { format!("{RESERVED_KEY}={signature}") } else { format!("{query}&{RESERVED_KEY}={signature}") };
    }
    query
}

/// Whether a link's raw query carries its signature. Links whose values were encoded another way count as their canonical form.
pub(super) fn is_signed(serial: &str, raw_query: &str, hmac_key: &str) -> bool {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut given = None;
    for pair in raw_query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = key.to_lowercase();
        if key == RESERVED_KEY { given = Some(value.to_owned()) } else { pairs.push((key, value.to_owned())) }
    }
    let Some(given) = given else { return false };
    pairs.sort();
    let fits = |pairs: &[(String, String)]| {
        let expected = sign(hmac_key, &format!("{serial}?{}", joined(pairs)));
        bool::from(expected.as_bytes().ct_eq(given.as_bytes()))
    };
    let canonical: Vec<_> = pairs.iter().map(|(key, value)| (key.clone(), encode(&decode(value)))).collect();
    // Both are compared in any case, so that time tells nothing.
    fits(&pairs) | fits(&canonical)
}

/// The parameters of a raw query, decoded, without the signature.
pub(super) fn parameters(raw_query: &str) -> Vec<(String, String)> {
    let pairs = form_urlencoded::parse(raw_query.as_bytes()).filter(|(key, _)| !key.eq_ignore_ascii_case(RESERVED_KEY));
    pairs.map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
}

fn sign(key: &str, message: &str) -> String {
    let mut mac = keyed(key);
    mac.update(message.as_bytes());
    URL_SAFE.encode(mac.finalize().into_bytes()).chars().take(SHOWN).collect()
}

fn joined(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}

/// Unreserved characters stay, everything else is `%XX` of its UTF-8 bytes.
fn encode(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}"); // writing to a text never fails
        }
    }
    text
}

fn decode(value: &str) -> String {
    form_urlencoded::parse(format!("v={value}").as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "SECRET_FROM_DATASPACE";

    #[test]
    fn the_published_vectors() {
        for (message, hmac) in [
            ("aLBNYVAk1Ku?store=gangnam-store&uid=TEST_UID", "XUVJFZA_"),
            ("aLBNYVAk1Ku?store=%EA%B0%95%EB%82%A8%EC%A0%90&uid=TEST_UID", "Fm0zzi5O"),
            ("aLBNYVAk1Ku?store=강남점&uid=TEST_UID", "jx4sAKGP"),
            ("aLBNYVAk1Ku?store=%ea%b0%95%eb%82%a8%ec%a0%90&uid=TEST_UID", "drqpHBW7"),
        ] {
            assert_eq!(sign(KEY, message), hmac, "{message}");
        }
        let parameters = [("uid".to_owned(), "TEST_UID".to_owned()), ("store".to_owned(), "강남점".to_owned())];
        assert_eq!(query("aLBNYVAk1Ku", &parameters, Some(KEY)), "store=%EA%B0%95%EB%82%A8%EC%A0%90&uid=TEST_UID&hmac=Fm0zzi5O");
    }

    #[test]
    fn links_are_verified_as_they_stand() {
        for good in [
            "uid=TEST_UID&store=%EA%B0%95%EB%82%A8%EC%A0%90&hmac=Fm0zzi5O",
            "hmac=Fm0zzi5O&STORE=%EA%B0%95%EB%82%A8%EC%A0%90&uid=TEST_UID",
            "store=%ea%b0%95%eb%82%a8%ec%a0%90&uid=TEST_UID&hmac=Fm0zzi5O",
            "store=%ea%b0%95%eb%82%a8%ec%a0%90&uid=TEST_UID&hmac=drqpHBW7",
        ] {
            assert!(is_signed("aLBNYVAk1Ku", good, KEY), "{good}");
        }
        for bad in [
            "",
            "store=gangnam-store&uid=TEST_UID",
            "store=gangnam-store&uid=TEST_UID2&hmac=XUVJFZA_",
            "store=gangnam-store&uid=TEST_UID&x=1&hmac=XUVJFZA_",
            "store=gangnam-store&uid=TEST_UID&hmac=",
        ] {
            assert!(!is_signed("aLBNYVAk1Ku", bad, KEY), "{bad}");
        }
        assert!(is_signed("aLBNYVAk1Ku", &query("aLBNYVAk1Ku", &[], Some(KEY)), KEY), "no parameters");
    }
}
