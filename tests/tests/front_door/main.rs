//! Tests of the hub through its front door, one file per promise. Every test runs on every hub that `cargo xtask test` started.

mod authorization;
mod collection;
mod concurrency;
mod dataset;
mod flights;
mod forged_token;
mod formats;
mod health;
mod hostile;
mod identifier;
mod limits;
mod openapi;
mod query;
mod replay;
mod scenarios;
mod scheme;
mod service;
mod session;
mod signature;
mod sql_step;
mod table;
mod tutorial;
mod upload;
mod user;
mod walk;
