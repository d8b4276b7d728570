//! Why an action was refused (ckan.md 1.4): the closed set of CKAN's error types.

use madang_proto::catalog::v1::{ActionRefusal, ActionRefusalKind};
use serde_json::Value;

use super::Dict;
use crate::Error;

/// A refused action.
#[derive(Debug)]
pub enum Refusal {
    /// The caller may not do this: `Access denied`, with a detail behind a colon.
    Denied(String),
    /// There is no such thing: `Not found`, with a detail behind a colon.
    NotFound(String),
    /// Fields break rules: each with its messages.
    Validation(Dict),
    /// The dictionary is nested wrongly.
    Integrity(String),
    /// A search with parameters that there are not, as Python prints it.
    SearchQuery(String),
    /// A search that can't be read, as Python prints it.
    Search(String),
    /// No action of that name.
    Unknown,
    /// A fault of ours, or a part that is away.
    Fault(Error),
}

impl Refusal {
    /// `Access denied` alone.
    pub fn denied() -> Self {
        Self::Denied(String::new())
    }

    /// `Not found` alone.
    pub fn not_found() -> Self {
        Self::NotFound(String::new())
    }

    /// One field with one message, as a list.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        let list = Value::from(vec![message.into()]);
        Self::Validation(Dict::from_iter([(field.to_owned(), list)]))
    }

    /// One field with one bare text, as few rules have it.
    pub fn bare(field: &str, message: impl Into<String>) -> Self {
        Self::Validation(Dict::from_iter([(field.to_owned(), Value::from(message.into()))]))
    }

    /// A required parameter that is not there.
    pub fn missing(field: &str) -> Self {
        Self::invalid(field, "Missing value")
    }

    /// As gRPC carries it; a fault goes as a status.
    ///
    /// # Errors
    /// The fault.
    pub fn wire(self) -> Result<ActionRefusal, Error> {
        let (kind, detail, fields) = match self {
            Self::Denied(detail) => (ActionRefusalKind::Denied, detail, Dict::new()),
            Self::NotFound(detail) => (ActionRefusalKind::NotFound, detail, Dict::new()),
            Self::Validation(fields) => (ActionRefusalKind::Validation, String::new(), fields),
            Self::Integrity(detail) => (ActionRefusalKind::Integrity, detail, Dict::new()),
            Self::SearchQuery(detail) => (ActionRefusalKind::SearchQuery, detail, Dict::new()),
            Self::Search(detail) => (ActionRefusalKind::Search, detail, Dict::new()),
            Self::Unknown => (ActionRefusalKind::Unspecified, String::new(), Dict::new()),
            Self::Fault(error) => return Err(error),
        };
        let fields = serde_json::to_vec(&fields).map_err(Error::internal)?;
        Ok(ActionRefusal { kind: kind.into(), detail, fields: fields.into() })
    }

    /// Reads what [`Self::wire`] wrote.
    pub fn read(refusal: &ActionRefusal) -> Self {
        match refusal.kind() {
            ActionRefusalKind::Unspecified => Self::Unknown,
            ActionRefusalKind::Denied => Self::Denied(refusal.detail.clone()),
            ActionRefusalKind::NotFound => Self::NotFound(refusal.detail.clone()),
            ActionRefusalKind::Integrity => Self::Integrity(refusal.detail.clone()),
            ActionRefusalKind::SearchQuery => Self::SearchQuery(refusal.detail.clone()),
            ActionRefusalKind::Search => Self::Search(refusal.detail.clone()),
            ActionRefusalKind::Validation => match serde_json::from_slice(&refusal.fields) {
                Ok(fields) => Self::Validation(fields),
                Err(error) => Self::Fault(Error::internal(error)),
            },
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Fault(error)
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        Self::Fault(Error::internal(error))
    }
}
