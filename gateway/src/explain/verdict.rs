//! What an explanation says, and in which order.

use serde::Serialize;

use super::{
    KeyHalves,
    captured::{Captured, Field, Kept},
    mask::{hide, visible},
    mistake::Mistake,
};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Its name: `query_missing`, ….
    pub mistake: &'static str,
    /// What it means and what to do.
    pub explanation: String,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The name of the first of the verdicts.
    pub verdict: &'static str,
    /// The mistakes, the most telling first; never empty.
    pub verdicts: Vec<Verdict>,
    /// The text that the server verified, with `⏎` for each newline. It has no newline at its end.
    pub string_to_sign: String,
    /// How far the timestamp is ahead of the server's clock, in milliseconds; negative = behind. Absent if it is no number.
    pub clock_off_ms: Option<i64>,
    /// Of the request's body: how many bytes were looked at, or why none were.
    pub body: String,
}

impl From<Mistake> for Verdict {
    fn from(mistake: Mistake) -> Self {
        Self { mistake: mistake.name(), explanation: mistake.to_string() }
    }
}

/// Puts the verdicts together with the text that was verified; nothing in it shows a secret.
pub(super) fn finish(request: &Captured, key: Option<&KeyHalves<'_>>, verdicts: Vec<Verdict>, secrets: &[&str]) -> Explanation {
    let secrets: Vec<&str> = secrets.iter().copied().chain(key.map(|key| key.secret)).collect();
    let mut told: Vec<Verdict> = Vec::new();
    for verdict in verdicts {
        if !told.iter().any(|other| other.mistake == verdict.mistake) {
            let explanation = visible(&hide(&verdict.explanation, &secrets));
            told.push(Verdict { explanation, ..verdict });
        }
    }
    // That the signature is right says nothing where something else is wrong, and the other way about.
    let tells = |verdict: &Verdict| !["signature_holds", "no_match"].contains(&verdict.mistake);
    if told.iter().any(tells) {
        told.retain(|verdict| verdict.mistake != "signature_holds");
    }
    if told.is_empty() {
        told.push(Verdict::from(Mistake::NoMatch { forwarded: request.was_forwarded() }));
    }
    let (timestamp, name) = (shown(&request.timestamp), shown(&request.access_key));
    let text = format!("{} {}\n{timestamp}\n{name}", request.method, request.target);
    let clock_off_ms = request.timestamp.text().and_then(|text| text.parse::<i64>().ok());
    Explanation {
        verdict: told.first().map_or("no_match", |verdict| verdict.mistake),
        string_to_sign: visible(&hide(&text, &secrets)),
        clock_off_ms: clock_off_ms.map(|timestamp| timestamp.saturating_sub(request.received_ms)),
        body: match &request.body {
            Kept::Whole(_) => format!("{} bytes", request.body_bytes().len()),
            Kept::Not(why) => format!("not kept: {why}"),
        },
        verdicts: told,
    }
}

fn shown(field: &Field) -> String {
    match field {
        Field::Missing => "‹missing›".to_owned(),
        Field::Repeated => "‹there more than once›".to_owned(),
        Field::Text(text) => text.clone(),
        Field::Withheld(length) => format!("‹{length} characters›"),
    }
}
