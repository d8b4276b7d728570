//! What every service shares: configuration, the two-database wrapper, context and assertions, errors, audit, idempotency,
//! telemetry, start and stop.

pub mod assertion;
pub mod audit;
pub mod bell;
pub mod check;
pub mod ckan;
pub mod clock;
pub mod config;
pub mod db;
pub mod drain;
pub mod error;
pub mod fetch;
mod hex;
pub mod housekeeping;
pub mod id;
pub mod idempotency;
pub mod keyring;
pub mod outbound;
pub mod principal;
pub mod process;
pub mod rpc;
pub mod secrets;
pub mod survey;
pub mod telemetry;
pub mod time;
pub mod timer;

pub use clock::Clock;
pub use db::{Db, Tx};
pub use drain::Drain;
pub use error::{Code, Error, Result};
pub use hex::{hex, unhex};
pub use id::Id;
pub use principal::{Context, Principal};
