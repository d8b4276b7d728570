//! Tests of the `madang` command: each starts the program itself, in a folder of its own, as a person would.

mod bomb;
mod ckan;
mod clock;
mod config;
mod crash;
mod cron;
mod databases;
mod demo;
mod dice;
mod explain;
#[path = "../flows/server.rs"]
#[allow(dead_code, reason = "the tests of flows use more of it")]
mod file_server;
mod first_start;
mod flow;
mod flows;
mod folds;
mod hub;
mod key;
mod load;
mod log;
mod program;
#[path = "../proof/mod.rs"]
mod proof;
mod python;
mod replay;
mod retention;
mod runs;
mod search;
mod sign;
mod signed;
mod spec;
mod stop;
mod vectors;
mod watch;
