//! CKAN's action contract, as both of its sides speak it (ckan.md 1.4, 1.5, 4, 11): dictionaries, refusals, coercions, site options.
//!
//! The gateway knows HTTP and users, the catalogue everything else; a dictionary goes in, a value or a [`Refusal`] comes out.

mod coerce;
mod name;
mod options;
mod problems;
mod refusal;

use serde_json::{Map, Value};

pub use coerce::{flag, flag_value, natural, python_type, required, text, text_of, truthy};
pub use name::{check_email, check_name_length, check_name_letters};
pub use options::SiteOptions;
pub use problems::Problems;
pub use refusal::Refusal;

/// A dictionary: what an action is given and what most answer with.
pub type Dict = Map<String, Value>;
/// What an action answers.
pub type Outcome<T = Value> = std::result::Result<T, Refusal>;

/// A time as CKAN writes it: UTC without a zone, with microseconds (ckan.md 1.8).
pub fn date(time: chrono::DateTime<chrono::Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

/// MD5 of an e-mail in lower case, by which pictures are found (ckan.md 4.5); the caller's digest, printed.
pub fn hex(bytes: &[u8]) -> String {
    let digits = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from(digits[usize::from(digit)])));
    }
    text
}
