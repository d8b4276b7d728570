//! Tests of the `madang` command: each starts the program itself, in a folder of its own, as a person would.

mod bomb;
mod clock;
mod config;
mod crash;
mod cron;
mod databases;
mod demo;
mod explain;
mod first_start;
mod flow;
mod hub;
mod key;
mod log;
mod program;
mod python;
mod replay;
mod retention;
mod sign;
mod signed;
mod stop;
mod vectors;
mod watch;
