//! Object Storage: [`bucket`] says who may do what with which bucket, [`object`] moves the bytes.

pub(crate) mod bucket;
pub(crate) mod grpc;
pub(crate) mod object;

use madang_kit::{Code, Error};

/// What a failure of the store means to the caller.
fn lake_error(error: madang_lake::Error) -> Error {
    match error {
        madang_lake::Error::Storage(cause) => Error::internal(cause),
        madang_lake::Error::NotFound(what) => Error::new(Code::NotFound, format!("{what} not found")),
        madang_lake::Error::LimitExceeded(text) => Error::new(Code::TooLarge, text),
        other => Error::new(Code::Invalid, other.to_string()),
    }
}
