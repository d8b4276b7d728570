//! Madang's own API: any of the five schemes opens it. Errors read as D.Hub's.

mod bucket;
mod call;
mod connection;
mod key;
mod object;
mod refusal;
pub(super) mod routes;
mod search;
mod whoami;

use super::dhub::error::DhubError as Refusal;
