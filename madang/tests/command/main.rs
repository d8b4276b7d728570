//! Tests of the `madang` command: each starts the program itself, in a folder of its own, as a person would.

mod bomb;
mod clock;
mod config;
mod crash;
mod cron;
mod databases;
mod demo;
mod first_start;
mod flow;
mod hub;
mod log;
mod program;
mod python;
mod retention;
mod sign;
mod stop;
mod watch;
