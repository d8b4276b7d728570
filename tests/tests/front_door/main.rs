//! Tests of the hub through its front door, one file per promise. Every test runs on every hub that `cargo xtask test` started.

mod authorization;
mod collection;
mod compaction;
mod concurrency;
mod dataset;
mod delete;
mod flights;
mod forged_token;
mod health;
mod identifier;
mod limits;
mod merge;
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
mod widen;
