//! `cargo xtask <command>`: one short command for each daily act, on a machine that has nothing but Rust.
//!
//! `main.rs` is the table of commands, `cmd/` has one file per command, and five files serve them: `process.rs` starts
//! programs and makes sure they stop, `postgres.rs` and `mariadb.rs` run private databases, `hub.rs` runs the hubs under test,
//! `python.rs` and `debian.rs` bring what a stage needs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to the person who typed the command")]

use std::process::ExitCode;

use anyhow::Result;

mod cmd {
    pub(crate) mod bench;
    pub(crate) mod ci;
    pub(crate) mod data;
    pub(crate) mod lint;
    pub(crate) mod prove;
    pub(crate) mod test;
    pub(crate) mod tidy;
}
mod debian;
mod hub;
mod mariadb;
mod postgres;
mod process;
mod python;

struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<ExitCode>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "test",
        arguments: "[--sqlite-only] [filters…]",
        about: "start PostgreSQL and the hubs under test, run every test, stop everything again",
        run: cmd::test::run,
    },
    Command { name: "lint", arguments: "", about: "format, tidy checks, clippy and documentation, warnings denied", run: cmd::lint::run },
    Command {
        name: "ci",
        arguments: "",
        about: "lint, the short proofs, then test: what has to be green before a change lands",
        run: cmd::ci::run,
    },
    Command {
        name: "data",
        arguments: "",
        about: "bring the larger public tables into target/data (or $MADANG_TEST_DATA_DIR)",
        run: cmd::data::run,
    },
    Command {
        name: "prove",
        arguments: "<name> [--release] [--check]",
        about: "repeat a long check and rewrite its report under docs/proofs",
        run: cmd::prove::run,
    },
    Command {
        name: "bench",
        arguments: "<name>… [--rounds N] [--check]",
        about: "measure a release build against a peer and rewrite its report under docs/benchmarks",
        run: cmd::bench::run,
    },
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    if name == process::GUARD_COMMAND {
        return process::guard_main();
    }
    if matches!(name.as_str(), "" | "help" | "-h" | "--help") {
        println!("{}", usage());
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("error: there is no command `{name}`\n\n{}", usage());
        return ExitCode::from(2);
    };
    if rest.iter().any(|argument| matches!(argument.as_str(), "-h" | "--help")) {
        println!("cargo xtask {} {}\n\n{}", command.name, command.arguments, command.about);
        return ExitCode::SUCCESS;
    }
    (command.run)(&rest).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        // 2 tells a script that nothing was tried, because this machine lacks something or the arguments are wrong.
        ExitCode::from(if error.is::<process::CannotStart>() { 2 } else { 1 })
    })
}

fn usage() -> String {
    let line = |command: &Command| format!("  {:<34} {}", format!("{} {}", command.name, command.arguments), command.about);
    let lines: Vec<String> = COMMANDS.iter().map(line).collect();
    format!("usage: cargo xtask <command>\n\n{}", lines.join("\n"))
}
