//! `pageToken` (dataspace.md section 3): base64 of lowercase letters and digits, bound to what was asked, so that it fits no other query.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use madang_kit::{Error, Id, Result, time};
use madang_proto::survey::v1::Position;

use super::identifier::{lower, read_lower};

/// A client may lose the padding in a query.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));
const MAX_CHARS: usize = 128;
/// Characters of what it is bound to.
const MARK: usize = 12;
/// Characters of an id.
const ID: usize = 27;

/// Prints a token.
pub(super) fn show(position: &Position, bound_to: &[&str]) -> String {
    let seconds = position.submitted_at.and_then(time::read).map_or(0, |at| at.timestamp());
    BASE64.encode(format!("{}{}{seconds}", mark(bound_to), lower(&position.id)))
}

/// Reads a token of the same query.
pub(super) fn read(token: &str, bound_to: &[&str]) -> Result<Position> {
    let bad = || Error::invalid("pageToken", "unknown", "pageToken does not belong to this query");
    if token.len() > MAX_CHARS {
        return Err(bad());
    }
    let text = BASE64.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(bad)?;
    let (mark_given, rest) = text.split_at_checked(MARK).ok_or_else(bad)?;
    let (id, seconds) = rest.split_at_checked(ID).ok_or_else(bad)?;
    if mark_given != mark(bound_to) {
        return Err(bad());
    }
    let id: Id = read_lower(id).ok_or_else(bad)?;
    let seconds: i64 = seconds.parse().map_err(|_| bad())?;
    Ok(Position { submitted_at: Some(prost_types::Timestamp { seconds, nanos: 0 }), id: id.to_string() })
}

fn mark(bound_to: &[&str]) -> String {
    let text = bound_to.join("\n");
    let digest = digest(&SHA256, text.as_bytes());
    let digits = digest.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).take(MARK).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_fits_its_query_only() {
        let position =
            Position { submitted_at: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }), id: Id::generate().to_string() };
        let token = show(&position, &["s", "", ""]);
        assert!(!token.contains(['+', '/']));
        assert_eq!(read(&token, &["s", "", ""]).expect("fits"), position);
        assert_eq!(read(token.trim_end_matches('='), &["s", "", ""]).expect("fits"), position);
        for (token, bound_to) in
            [(token.as_str(), ["t", "", ""]), ("ZjJrdXJyeWo=", ["s", "", ""]), ("", ["s", "", ""]), ("한글", ["s", "", ""])]
        {
            assert!(read(token, &bound_to).is_err(), "{token}");
        }
    }
}
