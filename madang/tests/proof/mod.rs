//! What a proof finds; shared by the tests that `cargo xtask prove` runs.
#![allow(clippy::print_stdout, reason = "seeds and figures are for the person who runs the tests")]

use std::{fs::File, io::Write as _};

/// Prints a finding; a proof also keeps it for its report (`PROOF_FINDINGS`).
pub(crate) fn tell(line: &str) {
    println!("{line}");
    if let Ok(path) = std::env::var("PROOF_FINDINGS") {
        let mut file = File::options().create(true).append(true).open(path).expect("a file");
        writeln!(file, "{line}").expect("a line");
    }
}
