//! `cargo xtask ci`: what has to be green before a change lands. It ends with the test runner's own summary.

use std::process::ExitCode;

use anyhow::Result;

use crate::cmd::{lint, test};
use crate::process::Guard;

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let guard = Guard::start()?;
    lint::lint(&guard)?;
    test::test(&guard, arguments)
}
