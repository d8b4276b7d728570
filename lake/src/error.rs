//! What can go wrong with a table, told apart by who has to act.

/// The result of a lake operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a lake operation did not happen. Nothing was changed by a failed operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The uploaded bytes, the query or the wanted change is wrong; the text is for the caller.
    #[error("{0}")]
    Invalid(String),
    /// One row of the input is wrong. Written out, the row comes first, then the column if one is at fault.
    #[error("row {row}{}: {reason}", in_column(column.as_deref()))]
    BadRow {
        /// Data row, the header not counted, from 1.
        row: u64,
        /// The column's name, when one column is at fault.
        column: Option<String>,
        /// What is wrong, for the caller; it repeats neither row nor column.
        reason: String,
    },
    /// The table or the version does not exist.
    #[error("{0} does not exist")]
    NotFound(String),
    /// Another commit came first; read the new snapshot and try again.
    #[error("the table is at version {actual}, not at {expected}")]
    Conflict {
        /// The version that the caller had read.
        expected: i64,
        /// The version that is there now.
        actual: i64,
    },
    /// A limit of [`crate::Limits`] was reached.
    #[error("{0}")]
    LimitExceeded(String),
    /// The time of [`crate::Limits`] is over.
    #[error("{0}")]
    OutOfTime(String),
    /// The disk, the object store or the engine failed. The text is for the log, not for the caller.
    #[error("lake storage: {0}")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Wraps a failure of the store or the engine.
    pub fn storage(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Storage(error.into())
    }

    /// A refusal whose text is for the caller.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }
}

fn in_column(column: Option<&str>) -> String {
    column.map_or_else(String::new, |column| format!(", column '{column}'"))
}
