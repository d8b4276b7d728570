//! NCP Data Flow (dataflow.md): NCP signatures, the gateway's `error{}` envelope, the service's problem documents.

mod call;
mod condition;
mod error;
mod execution;
mod job;
mod node;
pub(super) mod routes;
mod stats;
mod trigger;
mod wire;
mod workflow;
