//! The mistakes, their names in answers and what each means.

use std::fmt;

/// One of the three headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    Timestamp,
    AccessKey,
    Signature,
}

/// Something that makes a signed request be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    Seconds,
    /// How far it is ahead of the server's clock; negative = behind.
    ClockOff {
        ms: i64,
    },
    QueryMissing,
    QueryReordered,
    /// What was signed in place of path and query.
    HostInTarget {
        signed: String,
    },
    /// The method that was signed.
    WrongMethod {
        signed: String,
    },
    /// `secret` = at the end of the secret, not of the text.
    TrailingNewline {
        secret: bool,
    },
    Crlf,
    HexDigest,
    SecretDecoded,
    BodySigned,
    /// What was signed, and the first character at which it differs, counted from 1.
    EncodingDiffers {
        signed: String,
        position: usize,
    },
    KeysSwapped {
        in_header: bool,
    },
    PaddingLost,
    /// The path that was signed.
    PathRewritten {
        signed: String,
    },
    KeyDisabled,
    KeyExpired,
    Replayed,
    // beyond the seventeen
    /// The time that was signed is so much later than the one in the header.
    TwoClockReads {
        ms: i64,
    },
    EscapedNewline,
    UrlSafeBase64,
    HeaderMissing(Header),
    HeaderRepeated(Header),
    /// Its length in characters.
    HeaderMalformed(Header, usize),
    UnknownKey,
    NoMatch {
        forwarded: bool,
    },
    Good,
}

impl Mistake {
    /// The name in answers.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Seconds => "seconds_instead_of_milliseconds",
            Self::ClockOff { .. } => "clock_off",
            Self::QueryMissing => "query_missing",
            Self::QueryReordered => "query_reordered",
            Self::HostInTarget { .. } => "host_in_target",
            Self::WrongMethod { .. } => "wrong_method",
            Self::TrailingNewline { .. } => "trailing_newline",
            Self::Crlf => "crlf",
            Self::HexDigest => "hex_digest",
            Self::SecretDecoded => "secret_base64_decoded",
            Self::BodySigned => "body_signed",
            Self::EncodingDiffers { .. } => "percent_encoding_differs",
            Self::KeysSwapped { .. } => "access_key_and_secret_swapped",
            Self::PaddingLost => "padding_lost",
            Self::PathRewritten { .. } => "path_rewritten",
            Self::KeyDisabled => "key_disabled",
            Self::KeyExpired => "key_expired",
            Self::Replayed => "replayed",
            Self::TwoClockReads { .. } => "two_clock_reads",
            Self::EscapedNewline => "escaped_newline",
            Self::UrlSafeBase64 => "url_safe_base64",
            Self::HeaderMissing(_) => "header_missing",
            Self::HeaderRepeated(_) => "header_repeated",
            Self::HeaderMalformed(..) => "header_malformed",
            Self::UnknownKey => "unknown_key",
            Self::NoMatch { .. } => "no_match",
            Self::Good => "signature_holds",
        }
    }
}

impl fmt::Display for Mistake {
    /// What it means and what to do, in a sentence or two.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Seconds => "The timestamp is in seconds. It must be in milliseconds since 1970: 13 digits today, without a fraction.",
            Self::ClockOff { ms } => return off(f, *ms),
            Self::QueryMissing => "The query string was not signed. Sign path, '?' and query exactly as they travel.",
            Self::QueryReordered => {
                "The parameters were signed in another order than they travelled. Nothing is sorted: sign the query exactly as it travels."
            }
            Self::HostInTarget { signed } => {
                return write!(f, "'{signed}' was signed. Sign only what comes after the host, beginning with '/'.");
            }
            Self::WrongMethod { signed } => {
                return write!(f, "The method '{signed}' was signed. Sign the method that is sent, in upper case.");
            }
            Self::TrailingNewline { secret: false } => "The signed text ends with a newline. It must end with the access key.",
            Self::TrailingNewline { secret: true } => {
                "The secret key that was signed with ends with a newline, as if read from a file. Cut it off."
            }
            Self::Crlf => "The lines were joined by CR LF. Join them by a single LF (0x0A).",
            Self::HexDigest => "The signature is the digest in hexadecimal. Send the 32 bytes in base64: 44 characters.",
            Self::SecretDecoded => "The secret key was decoded from base64 first. Use its characters as they are.",
            Self::BodySigned => "The body was signed. Only method, target, timestamp and access key are.",
            Self::EncodingDiffers { signed, position } => {
                return write!(
                    f,
                    "'{signed}' was signed, which differs from what travelled at character {position}. Sign the target as it stands on the \
                     request line, percent-encoding included."
                );
            }
            Self::KeysSwapped { in_header: true } => {
                "x-ncp-iam-access-key holds the secret key. It has to hold the access key; the secret is never sent. Consider making a new key."
            }
            Self::KeysSwapped { in_header: false } => {
                "Access key and secret key were exchanged when signing. The secret key is the key of the HMAC."
            }
            Self::PaddingLost => "The signature lacks its padding. Base64 of 32 bytes has 44 characters, the last of which is '='.",
            Self::PathRewritten { signed } => {
                return write!(
                    f,
                    "The path '{signed}' was signed, and another one arrived. A proxy rewrote it, or a part of it was left out when signing."
                );
            }
            Self::KeyDisabled => "The access key is disabled, or its user is not active. An administrator can enable it.",
            Self::KeyExpired => "The access key has expired. An administrator can prolong it.",
            Self::Replayed => {
                "This signature came before, with another body, and this hub takes a signature for one body only. Sign each request anew, at \
                 least a millisecond apart."
            }
            Self::TwoClockReads { ms } => {
                return write!(f, "The signed timestamp is {ms} ms from the one in the header: the clock was read twice. Read it once.");
            }
            Self::EscapedNewline => "A backslash and an 'n' were signed in place of a newline.",
            Self::UrlSafeBase64 => "The signature is in the URL-safe alphabet. Use the standard one, with '+' and '/'.",
            Self::HeaderMissing(header) => return write!(f, "The header {header} is missing."),
            Self::HeaderRepeated(header) => return write!(f, "The header {header} is there more than once."),
            Self::HeaderMalformed(Header::Timestamp, length) => {
                return write!(f, "The timestamp, {length} characters long, is no number. It must be milliseconds since 1970 in digits.");
            }
            Self::HeaderMalformed(header, length) => {
                return write!(f, "The value of {header}, {length} characters long, is no digest in base64. It must have 44 characters.");
            }
            Self::UnknownKey => "There is no access key of that name.",
            Self::NoMatch { forwarded } => return no_match(f, *forwarded),
            Self::Good => "The signature itself is right for this key.",
        };
        f.write_str(text)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timestamp => "x-ncp-apigw-timestamp",
            Self::AccessKey => "x-ncp-iam-access-key",
            Self::Signature => "x-ncp-apigw-signature-v2",
        })
    }
}

fn off(f: &mut fmt::Formatter<'_>, ms: i64) -> fmt::Result {
    let (side, ms) = (if ms < 0 { "behind" } else { "ahead of" }, ms.unsigned_abs());
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    write!(f, "The timestamp is {hours} h {minutes} min {seconds} s ({ms} ms) {side} the server's clock; up to 5 minutes are allowed.")
}

fn no_match(f: &mut fmt::Formatter<'_>, forwarded: bool) -> fmt::Result {
    f.write_str(
        "No known mistake gives this signature. Most likely it was made with another secret key; compare the string below with yours.",
    )?;
    if forwarded {
        f.write_str(" The request came through a proxy: see that it leaves method, path and query as they are.")
    } else {
        Ok(())
    }
}
