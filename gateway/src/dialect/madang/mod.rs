//! Madang's own API: any of the five schemes opens it.

mod call;
mod key;
mod refusal;
pub(super) mod routes;
mod whoami;
