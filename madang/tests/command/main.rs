//! Tests of the `madang` command: each starts the program itself, in a folder of its own, as a person would.

mod bomb;
mod clock;
mod config;
mod crash;
mod cron;
mod databases;
mod demo;
mod dice;
mod first_start;
mod flow;
mod hub;
mod log;
mod program;
#[path = "../proof/mod.rs"]
mod proof;
mod python;
mod retention;
mod runs;
mod sign;
mod stop;
mod watch;
