//! A flow spec as it is uploaded (spec-store.md 3): who owns which dataset, who may find it, when it runs by itself.
//!
//! It is read in the order of the checks of 1.1, and nothing of it is trusted: whatever names a file or a pipeline later is of
//! harmless letters.

pub(crate) mod schedule;

use madang_proto::pipeline::v1::Findability;
use serde_json::{Map, Value};

use self::schedule::Schedule;
use crate::plan::Package;

/// Characters of an owner's id and of a dataset's name.
const NAME_CHARS: usize = 100;
/// Names that paths of the API have already (spec-store.md 2.1).
const RESERVED: [&str; 3] = ["upload", "update", "rawstore"];
/// Characters of an owner's display name.
const OWNER_CHARS: usize = 200;

/// Why a spec is refused: rows 4 to 7 of spec-store.md 1.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The owner has as many datasets as he may have.
    Limit(u64),
    /// One of the texts of 3.4.
    Schedule(String),
    /// A value is not of its form.
    Value,
    /// Anything else; the text says what.
    Other(String),
}

impl Refused {
    /// The text of the reply.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Limit(limit) => format!("Max datasets for user exceeded plan limit ({limit})"),
            Self::Schedule(text) => text.clone(),
            Self::Value => "Validation failed for contents".to_owned(),
            Self::Other(text) => format!("Unexpected error: {text}"),
        }
    }

    /// A key is not there.
    pub(crate) fn missing(key: &str) -> Self {
        Self::Other(format!("'{key}'"))
    }
}

/// A spec's name: what everything else hangs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The owner's id.
    pub(crate) owner_id: String,
    /// The dataset's name.
    pub(crate) dataset: String,
}

impl Name {
    /// The name in a spec.
    pub(crate) fn read(spec: &Map<String, Value>) -> Result<Self, Refused> {
        let meta = spec.get("meta").and_then(Value::as_object).ok_or_else(|| Refused::missing("meta"))?;
        let part = |key| match meta.get(key) {
            None | Some(Value::Null) => Err(Refused::missing(key)),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(Refused::Value),
        };
        let name = Self { owner_id: part("ownerid")?, dataset: part("dataset")? };
        if is_name(&name.owner_id) && is_name(&name.dataset) { Ok(name) } else { Err(Refused::Value) }
    }

    /// `ownerid/dataset`.
    pub(crate) fn dataset_id(&self) -> String {
        format!("{}/{}", self.owner_id, self.dataset)
    }
}

/// `^[-a-z0-9._]+$`, not a name of the API's own, and not the name of a folder that is one everywhere.
fn is_name(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte));
    plain && (1..=NAME_CHARS).contains(&text.len()) && !RESERVED.contains(&text) && text.bytes().any(|byte| byte != b'.')
}

/// A spec that holds.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    /// Whose it is and what it is called.
    pub(crate) name: Name,
    /// The owner's name, for display.
    pub(crate) owner: String,
    /// Who may read and find what comes out.
    pub(crate) findability: Findability,
    /// When it runs by itself.
    pub(crate) schedule: Option<Schedule>,
    /// What is planned of it.
    pub(crate) package: Package,
}

impl Spec {
    /// Reads all that follows the name; `files_url` is where files of ours are.
    pub(crate) fn read(name: Name, spec: &Map<String, Value>, files_url: &str) -> Result<Self, Refused> {
        let schedule = schedule::read(spec.get("schedule").unwrap_or(&Value::Null)).map_err(Refused::Schedule)?;
        let package = Package::read(&name, spec, files_url)?;
        let meta = spec.get("meta").unwrap_or(&Value::Null);
        let owner = match meta.get("owner") {
            None | Some(Value::Null) => name.owner_id.clone(),
            Some(Value::String(text)) if text.chars().count() <= OWNER_CHARS && !text.chars().any(char::is_control) => text.clone(),
            Some(_) => return Err(Refused::Value),
        };
        if !matches!(meta.get("version").unwrap_or(&Value::Null), Value::Null) && meta.get("version").and_then(Value::as_u64) != Some(1) {
            return Err(Refused::Value);
        }
        let findability = findability(meta.get("findability").unwrap_or(&Value::Null))?;
        Ok(Self { name, owner, findability, schedule, package })
    }
}

fn findability(value: &Value) -> Result<Findability, Refused> {
    match value {
        Value::Null => Ok(Findability::Published),
        Value::String(word) => named(word).ok_or(Refused::Value),
        _ => Err(Refused::Value),
    }
}

/// The findability with a name.
pub(crate) fn named(word: &str) -> Option<Findability> {
    match word {
        "published" => Some(Findability::Published),
        "unlisted" => Some(Findability::Unlisted),
        "private" => Some(Findability::Private),
        _ => None,
    }
}

/// The name of a findability.
pub(crate) fn name_of(findability: Findability) -> &'static str {
    match findability {
        Findability::Unlisted => "unlisted",
        Findability::Private => "private",
        Findability::Published | Findability::Unspecified => "published",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_harmless_letters() {
        for good in ["rivers", "0e9b59", "a-b_c.d", "core"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "A", "강", "a b", "upload", "update", "a\0", &"x".repeat(101)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
