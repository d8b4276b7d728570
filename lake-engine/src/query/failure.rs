//! Failures of the query engine, told apart by whose fault they are.

use datafusion::{arrow::error::ArrowError, error::DataFusionError};
use madang_lake::Error;

use crate::storage;

/// A failure while planning or running. What the statement or the data caused is for the caller, in words that name
/// neither files nor code; what the store or the engine caused is for the log.
pub(super) fn refused(error: DataFusionError, memory_bytes: usize) -> Error {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(text) => {
            tracing::debug!(memory_bytes, text, "a query ran out of memory");
            Error::LimitExceeded(format!("the query needs more than {memory_bytes} bytes of memory, which is the limit"))
        }
        DataFusionError::SQL(parse, _) => Error::invalid(parse.to_string()),
        DataFusionError::Plan(text) | DataFusionError::Execution(text) | DataFusionError::Configuration(text) => {
            Error::invalid(clean(text))
        }
        DataFusionError::NotImplemented(text) => Error::invalid(format!("not supported: {}", clean(text))),
        DataFusionError::SchemaError(schema, _) => Error::invalid(clean(&schema.to_string())),
        DataFusionError::ArrowError(arrow, _) => arrow_failure(arrow).unwrap_or_else(|| storage(error.to_string())),
        _ => storage(error),
    }
}

/// Failures of arithmetic and conversion come from the data; others don't.
fn arrow_failure(error: &ArrowError) -> Option<Error> {
    match error {
        ArrowError::DivideByZero => Some(Error::invalid("division by zero")),
        ArrowError::ArithmeticOverflow(text)
        | ArrowError::ComputeError(text)
        | ArrowError::CastError(text)
        | ArrowError::ParseError(text)
        | ArrowError::InvalidArgumentError(text) => Some(Error::invalid(clean(text))),
        _ => None,
    }
}

/// The text without the engine's prefixes, stack traces and the name of its only schema.
fn clean(text: &str) -> String {
    let text = text.split("\n\nbacktrace").next().unwrap_or(text);
    text.trim_start_matches("Error during planning: ").replace("datafusion.public.", "")
}
