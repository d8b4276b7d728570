//! NCP signature v2 (dataflow.md 1.3): HMAC-SHA256 over method, raw request target, timestamp and access key.
//!
//! ```text
//! string_to_sign = METHOD + " " + request_target + "\n" + timestamp + "\n" + access_key
//! signature      = base64(HMAC-SHA256(secret_key, string_to_sign))
//! ```
//!
//! Nothing is canonicalized: the target is what travelled on the request line.

use std::sync::{Arc, LazyLock};

use axum::http::HeaderMap;
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use madang_kit::Result;
use sha2::Sha256;

use super::Refusal;
use crate::identity::{AccessKey, Identity, Standing, access_key::MAX_NAME, keyed};

/// The header with the time.
pub(crate) const TIMESTAMP: &str = "x-ncp-apigw-timestamp";
/// The header that names the key.
pub(crate) const ACCESS_KEY: &str = "x-ncp-iam-access-key";
/// The header that carries the signature.
pub(crate) const SIGNATURE: &str = "x-ncp-apigw-signature-v2";
/// How far the signature's time may be from ours, in milliseconds, in both directions.
pub(crate) const WINDOW_MS: u64 = 300_000;
/// What a signature by an unknown key is checked against, so that it takes as long as a known one's.
static NOBODY: LazyLock<Hmac<Sha256>> = LazyLock::new(|| keyed("nobody has this secret key, nobody has this secret key"));

/// Whether a request is signed, well or badly: then nothing else counts.
pub(crate) fn is_present(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("x-ncp-"))
}

/// The signature of a request, in base64.
pub fn sign(method: &str, target: &str, timestamp: &str, access_key: &str, secret_key: &str) -> String {
    STANDARD.encode(mac(&keyed(secret_key), method, target, timestamp, access_key).finalize().into_bytes())
}

/// Checks a signed request; gives the key that signed it.
pub(crate) async fn check(
    identity: &Identity,
    headers: &HeaderMap,
    method: &str,
    target: &str,
) -> Result<std::result::Result<Arc<AccessKey>, Refusal>> {
    let Some(signed) = Signed::read(headers) else { return Ok(Err(Refusal::Malformed)) };
    let now = identity.clock.now();
    if !is_timely(now.timestamp_millis(), signed.timestamp_ms) {
        return Ok(Err(Refusal::Clock));
    }
    // A key whose secret stands in place of its name opens nothing; only the explanation of the refusal needs it.
    let key = identity.access_key(signed.access_key).await?.filter(|key| key.name == signed.access_key);
    let keyed = key.as_ref().map_or(&*NOBODY, |key| &key.mac);
    let genuine = mac(keyed, method, target, signed.timestamp, signed.access_key).verify_slice(&signed.signature).is_ok();
    Ok(match key {
        None => Err(Refusal::Unknown),
        Some(_) if !genuine => Err(Refusal::WrongProof),
        Some(key) if key.standing(now) != Standing::Good => Err(Refusal::OutOfUse),
        Some(key) => Ok(key),
    })
}

/// Whether a signature of one time holds at another.
fn is_timely(now_ms: i64, timestamp_ms: i64) -> bool {
    now_ms.abs_diff(timestamp_ms) <= WINDOW_MS
}

/// What the header of the access key holds, if it may be a name.
pub(crate) fn named(headers: &HeaderMap) -> Option<&str> {
    only(headers, ACCESS_KEY).filter(|text| (1..=MAX_NAME).contains(&text.len()))
}

/// The three headers, well formed.
struct Signed<'a> {
    timestamp: &'a str,
    timestamp_ms: i64,
    access_key: &'a str,
    signature: [u8; 32],
}

impl<'a> Signed<'a> {
    fn read(headers: &'a HeaderMap) -> Option<Self> {
        let timestamp = only(headers, TIMESTAMP)?;
        let digits = (1..=16).contains(&timestamp.len()) && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let access_key = named(headers)?;
        let mut decoded = [0; 33]; // what decoding 44 characters may need
        let length = STANDARD.decode_slice(only(headers, SIGNATURE)?, &mut decoded).ok()?;
        (digits && length == 32).then_some(())?;
        let signature = *decoded.first_chunk()?;
        Some(Self { timestamp, timestamp_ms: timestamp.parse().ok()?, access_key, signature })
    }
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn mac(key: &Hmac<Sha256>, method: &str, target: &str, timestamp: &str, access_key: &str) -> Hmac<Sha256> {
    let mut mac = key.clone();
    for part in [method, " ", target, "\n", timestamp, "\n", access_key] {
        mac.update(part.as_bytes());
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 7, check 1: five minutes exactly, in both directions.
    #[test]
    fn the_window_ends_after_five_minutes() {
        let now = 1_772_400_000_123;
        assert!([-300_000, -1, 0, 1, 300_000].into_iter().all(|off| is_timely(now, now + off)));
        assert!([-300_001, 300_001, -now, i64::MAX - now, i64::MIN].into_iter().all(|off| !is_timely(now, now.saturating_add(off))));
    }

    const KEY: (&str, &str) = ("AKDEMO0000000000TEST", "sk-demo-9f2c41aa7b6e4d0c8a35");
    const OTHER: (&str, &str) = ("ncp_iam_BPKRSAMPLE01", "B64+like/Secret=Key0123456789abcdefXYZ");

    /// V1 to V8 of dataflow.md 1.4.
    #[test]
    fn the_vectors_hold() {
        let stats = "/api/v1/stats/executions?startDate=2026-03-01T00%3A00%3A00&endDate=2026-03-02T23%3A59%3A59";
        let korean = "/api/v1/triggers?name=%EB%A7%A4%EC%B6%9C%20%EC%A7%91%EA%B3%84&page=0";
        let execution = "/api/v1/jobs/5Yns7JgRt25f/executions?workflowId=pJ1HCEI7L9ha&triggerId=T63391JxQHNj";
        let vectors = [
            ("GET", "/api/v1/jobs", "1700000000000", KEY, "52IvgQ9dXAodmPqvfy+opW7I1y4cgz5eawwszTZ2jYc="),
            ("GET", "/api/v1/jobs?page=0&limit=1000", "1700000000000", KEY, "tuZKygwbuRPlWndv3nXUIrRamnBHwfPbfJHWCT7zDpY="),
            ("GET", stats, "1772400000123", KEY, "O+EBOw1HzS7EUKJNsy3/vEG6JeMbgzp4csuJZpR6r84="),
            ("GET", korean, "1772400000123", KEY, "O0aYFS1zsPh/se1nIzRB5/EWO3mV/NrjaYEHv/vAy3I="),
            ("POST", "/api/v1/jobs/verify", "1772400000456", KEY, "i0+NYlf+RSVIMYEfnjB1a6DiouZkyi6RnepfqDsZ5oI="),
            ("POST", execution, "1772400000456", OTHER, "+RL5c+mRvKw5zRTl/inXnqp3vHe0zCyKph3vdfm+nPI="),
            ("DELETE", "/api/v1/triggers/T63391JxQHNj", "1772400000789", OTHER, "MLv7i6CvMm6rsgdhzz6Y86nTkTW0d5RyI+iAWygUWsw="),
            ("GET", "/photos/puppy.jpg?query1=&query2", "1505290625682", KEY, "IvkWImgt2WjJ/bXYckjSiBZ/SwtLbqpHBtBg721NU5E="),
        ];
        for (method, target, timestamp, (access_key, secret_key), signature) in vectors {
            assert_eq!(sign(method, target, timestamp, access_key, secret_key), signature, "{method} {target}");
        }
    }
}
