//! `cargo xtask lint`: everything that can be said about the code without running it, quick things first.

use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};

use crate::cmd::tidy;
use crate::process::{self, Guard};

pub(crate) fn run(_arguments: &[String]) -> Result<ExitCode> {
    lint(&Guard::start()?)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs every stage, so that one call tells all there is to mend.
pub(crate) fn lint(guard: &Guard) -> Result<()> {
    let root = process::root()?;
    let cargo = |arguments: &[&str]| {
        let mut command = process::cargo();
        command.args(arguments).current_dir(&root);
        command
    };
    let run = |command: &mut Command| {
        let status = guard.run(command)?;
        ensure!(status.success(), "{status}");
        Ok(())
    };
    let mut document = cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"]);
    document.env("RUSTDOCFLAGS", "-D warnings");

    let stages = [
        ("format", process::stage("format", || run(&mut cargo(&["fmt", "--all", "--check"])))),
        ("tidy", process::stage("tidy", || tidy::check(&root))),
        ("clippy", process::stage("clippy", || run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])))),
        ("doc", process::stage("doc", || run(&mut document))),
    ];
    let failed: Vec<String> = stages.iter().filter_map(|(name, result)| Some(format!("{name} ({})", result.as_ref().err()?))).collect();
    ensure!(failed.is_empty(), "lint failed: {}", failed.join(", "));
    Ok(())
}
