//! Tests of the hub through its front door, one file per promise. Every test runs on every hub that `cargo xtask test` started.

mod authorization;
mod concurrency;
mod flights;
mod forged_token;
mod health;
mod identifier;
mod limits;
mod replay;
mod scenarios;
mod scheme;
mod service;
mod session;
mod signature;
mod sql_step;
mod tutorial;
mod upload;
mod walk;
