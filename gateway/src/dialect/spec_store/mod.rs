//! The Spec Store (spec-store.md): specs and their revisions below `/source`, the token issuer below `/auth`, the store of source files below
//! `/rawstore`, and what is found of all below `/metastore` and `/storage`.

mod call;
mod cors;
mod error;
mod form;
mod issuer;
mod jsonp;
mod metastore;
mod object;
mod permissions;
mod rawstore;
mod report;
mod revision;
pub(crate) mod routes;
mod upload;
mod wire;
