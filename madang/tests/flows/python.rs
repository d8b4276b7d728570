//! Files opened by a foreign program: Python and what comes with it.

use std::{io::Write as _, process::Command};

use tempfile::NamedTempFile;

/// Runs a program over a file, whose path is `sys.argv[1]`, and gives what it prints.
pub(crate) fn ask(bytes: &[u8], program: &str) -> String {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let output = Command::new("python3").args(["-c", program]).arg(file.path()).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
