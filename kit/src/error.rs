//! The closed set of errors that services answer with; each dialect of the gateway maps it in one table.

use std::error::Error as StdError;

use madang_proto::common::v1::{Failure, FieldProblem as FieldProblemMessage};
use prost::Message;
use tonic::Status;

/// The result of a service's work.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call was refused. The set is closed: a new dialect finds its statuses here, it adds none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// A field breaks a rule; [`Error::fields`] names both.
    Invalid,
    /// No valid credential or assertion.
    Unauthenticated,
    /// Known caller, no right.
    Denied,
    /// The thing does not exist.
    NotFound,
    /// The thing exists and the caller may not see it.
    NotVisible,
    /// Something with that name or key exists.
    AlreadyExists,
    /// The thing is in a state that forbids the wanted change.
    Conflict,
    /// A body, a file or an answer is larger than its limit.
    TooLarge,
    /// Too many requests; try later.
    RateLimited,
    /// A limit on time was reached.
    TimedOut,
    /// A part that is needed is away; try later.
    Unavailable,
    /// The dialect has it, this installation does not.
    NotImplemented,
    /// A fault of ours. The message is for the log alone.
    Internal,
}

/// Each code with its name on the wire and its gRPC code.
const CODES: [(Code, &str, tonic::Code); 13] = [
    (Code::Invalid, "invalid", tonic::Code::InvalidArgument),
    (Code::Unauthenticated, "unauthenticated", tonic::Code::Unauthenticated),
    (Code::Denied, "denied", tonic::Code::PermissionDenied),
    (Code::NotFound, "not_found", tonic::Code::NotFound),
    (Code::NotVisible, "not_visible", tonic::Code::NotFound),
    (Code::AlreadyExists, "already_exists", tonic::Code::AlreadyExists),
    (Code::Conflict, "conflict", tonic::Code::FailedPrecondition),
    (Code::TooLarge, "too_large", tonic::Code::OutOfRange),
    (Code::RateLimited, "rate_limited", tonic::Code::ResourceExhausted),
    (Code::TimedOut, "timed_out", tonic::Code::DeadlineExceeded),
    (Code::Unavailable, "unavailable", tonic::Code::Unavailable),
    (Code::NotImplemented, "not_implemented", tonic::Code::Unimplemented),
    (Code::Internal, "internal", tonic::Code::Internal),
];

impl Code {
    /// The name on the wire: `not_found`, ….
    pub fn name(self) -> &'static str {
        CODES.iter().find(|row| row.0 == self).map_or("internal", |row| row.1)
    }

    fn grpc(self) -> tonic::Code {
        CODES.iter().find(|row| row.0 == self).map_or(tonic::Code::Internal, |row| row.2)
    }

    fn parse(name: &str) -> Option<Self> {
        CODES.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    fn from_grpc(code: tonic::Code) -> Self {
        CODES.iter().find(|row| row.2 == code).map_or(Self::Internal, |row| row.0)
    }
}

/// One field that breaks one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// Path from the request's root: `name`, `steps.0.outputs`.
    pub field: String,
    /// The rule's short name: `missing`, `too_long`, `unknown`, ….
    pub rule: String,
    /// A sentence for the caller.
    pub message: String,
}

/// A refused call: a code, a sentence for the caller, the fields at fault, and the cause for the log.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Which of the closed set.
    pub code: Code,
    /// A sentence for the caller; empty of internals.
    pub message: String,
    /// The fields at fault, for [`Code::Invalid`].
    pub fields: Vec<FieldProblem>,
    /// What lies behind it; logged, never sent.
    #[source]
    pub cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of any code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), fields: Vec::new(), cause: None }
    }

    /// A field breaks a rule.
    pub fn invalid(field: impl Into<String>, rule: &str, message: impl Into<String>) -> Self {
        let problem = FieldProblem { field: field.into(), rule: rule.to_owned(), message: message.into() };
        Self { code: Code::Invalid, message: problem.message.clone(), fields: vec![problem], cause: None }
    }

    /// There is no such thing: `not_found("dataset", "ds-…")`.
    pub fn not_found(kind: &str, id: impl std::fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("{kind} '{id}' not found"))
    }

    /// Whether nothing was done for certain. Otherwise the answer may have been lost after the deed.
    pub fn is_refusal(&self) -> bool {
        !matches!(self.code, Code::Internal | Code::Unavailable | Code::TimedOut)
    }

    /// A fault of ours; the cause goes to the log.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { code: Code::Internal, message: "internal error".to_owned(), fields: Vec::new(), cause: Some(cause.into()) }
    }
}

impl From<sqlx::Error> for Error {
    /// A database that is away is [`Code::Unavailable`]; everything else is ours.
    fn from(error: sqlx::Error) -> Self {
        let away = matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_)) || is_out_of_service(&error);
        let mut mapped = Self::internal(error);
        if away {
            mapped.code = Code::Unavailable;
            "the database is not available".clone_into(&mut mapped.message);
        }
        mapped
    }
}

/// PostgreSQL that shuts down or starts (57P), has lost the connection (08) or has no room (53); SQLite on a full disk (13).
fn is_out_of_service(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
    code == "13" || ["57P", "08", "53"].iter().any(|class| code.len() == 5 && code.starts_with(class))
}

impl From<Error> for Status {
    /// Logs a fault of ours here, once, because the text does not travel.
    fn from(error: Error) -> Self {
        if let Some(cause) = &error.cause {
            tracing::error!(code = error.code.name(), error = %chain(cause.as_ref()), "call failed");
        }
        let fields = error.fields.into_iter().map(|p| FieldProblemMessage { field: p.field, rule: p.rule, message: p.message }).collect();
        let failure = Failure { code: error.code.name().to_owned(), message: error.message.clone(), fields };
        Self::with_details(error.code.grpc(), error.message, failure.encode_to_vec().into())
    }
}

impl From<Status> for Error {
    /// Reads what the other side's `From<Error>` wrote; a bare status keeps its code only. One that comes from the connection, as when the
    /// other process ended in the middle of a call, means that the service is away.
    fn from(status: Status) -> Self {
        match Failure::decode(status.details()) {
            Ok(failure) if !failure.code.is_empty() => {
                let fields =
                    failure.fields.into_iter().map(|p| FieldProblem { field: p.field, rule: p.rule, message: p.message }).collect();
                let code = Code::parse(&failure.code).unwrap_or(Code::Internal);
                Self { code, message: failure.message, fields, cause: None }
            }
            _ => {
                let code = if std::error::Error::source(&status).is_some() { Code::Unavailable } else { Code::from_grpc(status.code()) };
                let mut error = Self::new(code, "the service is not available");
                error.cause = Some(Box::new(status));
                error
            }
        }
    }
}

/// An error with its causes on one line.
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_wire() {
        for (code, ..) in CODES {
            let mut sent = Error::new(code, "왜냐하면");
            sent.fields.push(FieldProblem { field: "name".into(), rule: "missing".into(), message: "name is missing".into() });
            let fields = sent.fields.clone();
            let read = Error::from(Status::from(sent));
            assert_eq!((read.code, read.message.as_str(), read.fields), (code, "왜냐하면", fields));
        }
    }

    #[test]
    fn a_lost_connection_means_that_the_service_is_away() {
        let lost = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(Error::from(Status::from_error(lost.into())).code, Code::Unavailable);
        assert_eq!(Error::from(Status::unknown("bare")).code, Code::Internal);
    }

    #[test]
    fn a_cause_never_travels() {
        let status = Status::from(Error::internal("password=hunter2"));
        assert!(!format!("{status:?}").contains("hunter2"));
    }
}
