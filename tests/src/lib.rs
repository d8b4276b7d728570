//! What the tests of the front door share: the hubs under test, a client for them, and independent ways of making credentials.
//!
//! `cargo xtask test` starts the hubs and says in `MADANG_TEST_HUBS` where they are. A test is a function of one hub that
//! [`on_every_hub`] runs on each of them:
//!
//! ```no_run
//! # use madang_tests::{Hub, on_every_hub};
//! # async fn example() {
//! on_every_hub(|hub: Hub| async move {
//!     hub.visitor().get("/healthz").send().await.is(200);
//! })
//! .await;
//! # }
//! ```
//!
//! Nothing here knows the hub's code: signatures, tokens, forms and tables are made and read by what stands in this crate.
//! A request whose answer is a fault of the hub (5xx) fails the test that sent it.
#![expect(clippy::missing_panics_doc, reason = "a panic here is a failed test")]

mod call;
pub mod ckan;
mod client;
pub mod delimited;
mod form;
mod hub;
pub mod raw;
pub mod scenario;
pub mod search;
pub mod signature;
pub mod token;
pub mod work;

pub use call::{Answer, Call};
pub use client::{Client, Login, Transport};
pub use form::{FilePart, form};
pub use hub::{Credentials, Hub, fixture, fixture_bytes, hubs, note, on_every_hub};
