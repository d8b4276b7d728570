//! The form of the three headers: what is missing, and which digests a signature may stand for.

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use madang_kit::unhex;

use super::{
    captured::{Captured, Field},
    mistake::{Header, Mistake},
};

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true);
const STANDARD_LENIENT: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const URL_LENIENT: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);
/// Characters of a digest in base64 without its padding.
const UNPADDED: usize = 43;

/// An HMAC-SHA256.
pub(super) type Digest = [u8; 32];

/// Headers that are missing, repeated or not of their form.
pub(super) fn missing(request: &Captured) -> Vec<Mistake> {
    let fields =
        [(Header::Timestamp, &request.timestamp), (Header::AccessKey, &request.access_key), (Header::Signature, &request.signature)];
    let mistake = |(header, field): (Header, &Field)| match field {
        Field::Missing => Some(Mistake::HeaderMissing(header)),
        Field::Repeated => Some(Mistake::HeaderRepeated(header)),
        Field::Withheld(length) if header != Header::AccessKey => Some(Mistake::HeaderMalformed(header, *length)),
        _ => None,
    };
    fields.into_iter().filter_map(mistake).collect()
}

/// What is wrong with the form of the signature alone, whatever it was made of.
pub(super) fn of_signature(request: &Captured) -> Option<Mistake> {
    digests(request.signature.text()?).into_iter().find_map(|(mistake, _)| mistake)
}

/// The digests that a text may stand for, each with the mistake in how it is written.
pub(super) fn digests(text: &str) -> Vec<(Option<Mistake>, Digest)> {
    let mut found = Vec::new();
    if let Some(digest) = of_hex(text) {
        found.push((Some(Mistake::HexDigest), digest));
    }
    let bytes = STANDARD_LENIENT.decode(text).unwrap_or_default();
    if let Ok(digest) = Digest::try_from(bytes.as_slice()) {
        let padded = text.len() == UNPADDED + 1 && text.ends_with('=');
        found.push(((!padded).then_some(Mistake::PaddingLost), digest));
    } else if let Some(digest) = std::str::from_utf8(&bytes).ok().and_then(of_hex) {
        found.push((Some(Mistake::HexDigest), digest));
    } else if let Ok(digest) = Digest::try_from(URL_LENIENT.decode(text).unwrap_or_default().as_slice()) {
        found.push((Some(Mistake::UrlSafeBase64), digest));
    }
    found
}

fn of_hex(text: &str) -> Option<Digest> {
    unhex(text)?.try_into().ok()
}

/// A secret as if it were base64, in the ways in which common decoders read what is none.
pub(super) fn decoded(secret: &str) -> Vec<Vec<u8>> {
    let url: String = secret
        .chars()
        .map(|c| {
            if c == '+' {
                '-'
            } else if c == '/' {
                '_'
            } else {
                c
            }
        })
        .collect();
    let only_standard: String = secret.chars().filter(|c| c.is_ascii_alphanumeric() || "+/".contains(*c)).collect();
    let standard: String = secret.chars().filter(|c| c.is_ascii_alphanumeric() || "+/=".contains(*c)).collect();
    // Four characters hold three bytes; a rest of one holds nothing.
    let whole = |text: &str| text.get(..text.len() - usize::from(text.len() % 4 == 1)).unwrap_or_default().to_owned();
    let readings = [
        STANDARD_LENIENT.decode(secret),
        URL_LENIENT.decode(whole(&url)),
        STANDARD_LENIENT.decode(&standard),
        STANDARD_LENIENT.decode(whole(&only_standard)),
    ];
    let mut found: Vec<Vec<u8>> = readings.into_iter().flatten().filter(|bytes| !bytes.is_empty()).collect();
    found.sort();
    found.dedup();
    found
}
