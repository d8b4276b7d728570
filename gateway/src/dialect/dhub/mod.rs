//! D.Hub (dhub.md): Bearer JWT or an NCP signature, `{"detail": …}` errors.

mod auth;
mod batch;
mod call;
mod collection;
mod dataset;
mod error;
mod fields;
mod list;
mod pipeline;
pub(super) mod routes;
mod rows;
mod table;
mod trace;
mod upload;
mod user;
mod version;
mod wire;
