//! Flows of the Spec Store, from the request to the published dataset, on SQLite and PostgreSQL: the test is the Spec Store.

#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

mod access;
#[path = "../command/databases.rs"]
mod databases;
mod hostile;
mod house;
mod life;
mod plan;
mod python;
mod server;
mod tables;
