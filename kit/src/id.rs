//! One 128-bit id per thing, and its spellings (design: "Ids").
//!
//! The 128 bits are a UUIDv7: time-ordered, so that "by id" is "by creation". CKAN prints them as a UUID, D.Hub as a prefix and
//! lowercase ULID text. Converting needs no table.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ulid::Ulid;
use uuid::Uuid;

use crate::Error;

/// The identifier of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(Uuid);

/// Characters of a short name.
const SHORT: usize = 12;
/// What short names are made of.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A random name of 12 letters and digits, kept beside the id of the same thing (dataflow.md 2.1).
///
/// # Errors
/// If the system has no randomness.
pub fn short_name() -> Result<String, Error> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::internal("no randomness"))?;
    let mut rest = u128::from_le_bytes(bytes);
    let mut next = || {
        let digit = usize::try_from(rest % 62).unwrap_or_default();
        rest /= 62;
        BASE62.get(digit).copied().map_or('0', char::from)
    };
    Ok((0..SHORT).map(|_| next()).collect())
}

/// A text that is not an id of the wanted spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id")]
pub struct NotAnId;

impl Id {
    /// All zero: no thing has it.
    pub const NIL: Self = Self(Uuid::nil());

    /// A new id; later ones of one process sort after earlier ones.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id of what is known by its parts alone, such as a tag by its name: equal parts give equal ids.
    pub fn named(parts: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        let mut bytes = [0_u8; 16];
        bytes.iter_mut().zip(digest.finalize()).for_each(|(to, from)| *to = from);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// Prefix, `-`, 26 characters of lowercase ULID text: `ds-01h…` (dhub.md section 2).
    pub fn prefixed(self, prefix: &str) -> String {
        format!("{prefix}-{}", self.ulid_lower())
    }

    /// Reads what [`Self::prefixed`] prints.
    ///
    /// # Errors
    /// [`NotAnId`] if the prefix or the text after it is another one.
    pub fn parse_prefixed(prefix: &str, text: &str) -> Result<Self, NotAnId> {
        let ulid = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')).ok_or(NotAnId)?;
        let canonical = ulid.len() == 26 && ulid.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
        if !canonical {
            return Err(NotAnId);
        }
        let id = Ulid::from_string(&ulid.to_ascii_uppercase()).map_err(|_| NotAnId)?;
        let id = Self(Uuid::from_u128(id.0));
        // The decoder takes look-alike letters and drops bits beyond 128; an id has one spelling.
        if id.ulid_lower() == ulid { Ok(id) } else { Err(NotAnId) }
    }

    /// The sixteen bytes.
    pub fn bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// 26 characters of lowercase ULID text.
    pub fn ulid_lower(self) -> String {
        self.ulid_upper().to_ascii_lowercase()
    }

    /// 26 characters of uppercase ULID text (dataspace.md section 3).
    pub fn ulid_upper(self) -> String {
        Ulid(self.0.as_u128()).to_string()
    }
}

impl fmt::Display for Id {
    /// The UUID text; this is what databases and gRPC carry.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for Id {
    type Err = NotAnId;

    /// Reads the hyphenated UUID text.
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if text.len() != 36 {
            return Err(NotAnId);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| NotAnId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_names_the_same_bits() {
        let id = Id::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(Id::parse_prefixed("ds", &id.prefixed("ds")), Ok(id));
        assert_eq!(id.ulid_upper().to_ascii_lowercase(), id.ulid_lower());
    }

    #[test]
    fn other_texts_are_refused() {
        let good = Id::generate().prefixed("ds");
        for text in ["", "ds", "ds-", "col-01h", &good[..20], &good.to_uppercase(), &good.replace("ds-", "ds_")] {
            assert_eq!(Id::parse_prefixed("ds", text), Err(NotAnId), "{text}");
        }
        assert_eq!(Id::parse_prefixed("ds", "ds-zzzzzzzzzzzzzzzzzzzzzzzzzz"), Err(NotAnId), "more than 128 bits");
        assert_eq!("01932c07209f7c8e8f3a1d2b3c4d5e6f".parse::<Id>(), Err(NotAnId), "no hyphens");
    }

    #[test]
    fn short_names_are_twelve_letters_and_digits() {
        let names: Vec<String> = (0..1000).map(|_| short_name().expect("randomness")).collect();
        assert!(names.iter().all(|name| name.len() == SHORT && name.bytes().all(|byte| byte.is_ascii_alphanumeric())));
        let different: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len());
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let ids: Vec<_> = (0..1000).map(|_| Id::generate()).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().map(|id| id.ulid_lower()).is_sorted());
    }
}
