//! What failures of the lake mean to callers.

use madang_kit::{Code, Error};

/// What a lake error means to a caller.
pub(crate) fn lake_error(error: madang_lake::Error) -> Error {
    use madang_lake::Error as Lake;
    match error {
        Lake::Invalid(text) => Error::invalid("file", "content", text),
        Lake::BadRow { row, column, reason } => {
            let place = column.map_or_else(|| format!("row {row}"), |column| format!("row {row}, column '{column}'"));
            Error::invalid("file", "row", format!("{place}: {reason}"))
        }
        Lake::NotFound(thing) => Error::new(Code::NotFound, format!("{thing} does not exist")),
        Lake::Conflict { .. } => Error::new(Code::Conflict, "the table was changed by somebody else meanwhile"),
        Lake::LimitExceeded(text) => Error::invalid("file", "limit", text),
        Lake::OutOfTime(text) => Error::new(Code::TimedOut, text),
        Lake::Storage(cause) => Error::internal(cause),
    }
}

/// What a lake error means to somebody who asked for rows: the conditions or the statement are at fault, or took too long.
pub(crate) fn in_query(error: madang_lake::Error) -> Error {
    use madang_lake::Error as Lake;
    match error {
        Lake::Invalid(text) => Error::invalid("filter", "statement", text),
        Lake::LimitExceeded(text) => Error::invalid("filter", "limit", text),
        Lake::OutOfTime(text) => Error::new(Code::TimedOut, text),
        Lake::NotFound(thing) => Error::new(Code::NotFound, format!("{thing} does not exist")),
        Lake::Storage(cause) => Error::internal(cause),
        other => Error::internal(other),
    }
}
