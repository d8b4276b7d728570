//! `cargo xtask ci`: what has to be green before a change lands. It ends with the test runner's own summary.

use std::process::ExitCode;

use anyhow::Result;

use crate::cmd::{lint, prove, test};
use crate::process::{self, Guard};

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let guard = Guard::start()?;
    lint::lint(&guard)?;
    process::stage("short proofs", || prove::short(&guard))?;
    test::test(&guard, arguments)
}
