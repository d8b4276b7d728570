//! D.Hub (dhub.md): Bearer JWT or an NCP signature, `{"detail": …}` errors.

mod absent;
mod auth;
mod batch;
mod call;
mod code;
mod collection;
mod dataset;
pub(super) mod error;
mod event;
mod history;
mod list;
mod pipeline;
pub(super) mod routes;
mod rows;
mod step;
mod table;
mod trace;
mod upload;
pub(super) mod user;
mod version;
pub(super) mod wire;

use super::fields;
