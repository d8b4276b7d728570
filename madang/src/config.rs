//! `madang config`: every setting with its origin.

use std::io::Write;

use crate::Settings;

/// Prints key, value and origin (`default`, `file`, `environment` or `flag`), one setting a line.
pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for setting in settings.load()?.settings() {
        writeln!(out, "{setting}")?;
    }
    Ok(())
}
