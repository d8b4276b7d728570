//! D.Hub (dhub.md): Bearer JWT or an NCP signature, `{"detail": …}` errors.

mod auth;
mod batch;
mod call;
mod collection;
mod dataset;
mod error;
mod fields;
mod pipeline;
pub(super) mod routes;
mod table;
mod trace;
mod wire;
