//! The Spec Store (spec-store.md): specs and their revisions below `/source`, the token issuer below `/auth`, and the store of source
//! files below `/rawstore`.

mod call;
mod cors;
mod error;
mod form;
mod issuer;
mod jsonp;
mod object;
mod permissions;
mod rawstore;
mod report;
mod revision;
pub(crate) mod routes;
mod upload;
mod wire;
