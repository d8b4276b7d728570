//! Madang's own API: any of the five schemes opens it.

pub(super) mod routes;
mod whoami;
