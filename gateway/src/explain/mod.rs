//! Why a signed request was refused: tries what people do wrong until the signature fits (issue "Data Flow", item 5).
//!
//! ```text
//! captured request + key ──► form ──► search ──► verdicts, most telling first
//!                            what the     which mistakes, made together,
//!                            headers are  give exactly this signature
//! ```
//!
//! A signature can't be read backwards: a mistake is found by making it and comparing. So a verdict of the search is certain, and one
//! that nobody thought of is "no match". The engine is pure: the gateway gives it what it kept of a refused request, `madang explain`
//! what somebody captured. Nothing that it says holds a signature or the secret ([`mask`]).

pub(crate) mod captured;
mod form;
pub(crate) mod mask;
mod mistake;
mod search;
mod target;
#[cfg(test)]
mod tests;
mod verdict;

pub use captured::{Captured, Field, Kept, MAX_BODY};
pub use verdict::{Explanation, Verdict};

use self::mistake::Mistake;
use crate::credential::ncp_signature::WINDOW_MS;
pub use crate::identity::Standing;

/// What is known of the key that the request names.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// Nothing: there is no such key.
    Unknown,
    /// The request names this key.
    Named(KeyHalves<'a>),
    /// The request has this key's secret where its name should stand.
    NamedBySecret(KeyHalves<'a>),
}

/// The two halves of a key.
#[derive(Clone, Copy)]
pub struct KeyHalves<'a> {
    /// The public half.
    pub access_key: &'a str,
    /// The secret half.
    pub secret: &'a str,
    /// Whether it opens anything.
    pub standing: Standing,
}

impl std::fmt::Debug for KeyHalves<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyHalves").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// A time in seconds has as many, until the year 2286.
const DIGITS_OF_SECONDS: usize = 10;

/// Explains a refused request. `replayed`: it was refused because its signature came before, with another body. `secrets`: what no text
/// may show, beside the key's own secret.
pub fn explain(request: &Captured, key: Key<'_>, replayed: bool, secrets: &[&str]) -> Explanation {
    let mut verdicts = Vec::new();
    let halves = match key {
        Key::Unknown => None,
        Key::Named(halves) => Some(halves),
        Key::NamedBySecret(halves) => {
            verdicts.push(Verdict::from(Mistake::KeysSwapped { in_header: true }));
            Some(halves)
        }
    };
    verdicts.extend(form::missing(request).into_iter().map(Verdict::from));
    let clock = clock(request);
    verdicts.extend(clock.clone().map(Verdict::from));
    if let Some(halves) = halves {
        let found = search::search(request, &halves);
        if replayed {
            verdicts.push(Verdict::from(Mistake::Replayed));
        }
        let seconds = matches!(clock, Some(Mistake::Seconds));
        verdicts.extend(found.into_iter().filter(|mistake| !(seconds && *mistake == Mistake::Seconds)).map(Verdict::from));
        verdicts.extend(standing(halves.standing).map(Verdict::from));
    } else if matches!(request.access_key, Field::Text(_) | Field::Withheld(_)) {
        verdicts.push(Verdict::from(Mistake::UnknownKey));
        verdicts.extend(form::of_signature(request).map(Verdict::from));
    }
    verdict::finish(request, halves.as_ref(), verdicts, secrets)
}

/// What is wrong with the time, whatever was signed.
fn clock(request: &Captured) -> Option<Mistake> {
    let Field::Text(text) = &request.timestamp else { return None };
    if text.contains('.') || text.len() == DIGITS_OF_SECONDS {
        return Some(Mistake::Seconds);
    }
    let timestamp: i64 = text.parse().ok()?;
    let off = timestamp.saturating_sub(request.received_ms);
    (off.unsigned_abs() > WINDOW_MS).then_some(Mistake::ClockOff { ms: off })
}

fn standing(standing: Standing) -> Option<Mistake> {
    match standing {
        Standing::Good => None,
        Standing::Disabled => Some(Mistake::KeyDisabled),
        Standing::Expired => Some(Mistake::KeyExpired),
    }
}
