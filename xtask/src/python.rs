//! Python with packages, for the programs under `prove/` and `bench/`.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::process::{self, CannotStart, Guard};

/// A Python that has these packages, in a folder of its own under `target`; made at the first call.
pub(crate) fn with_packages(guard: &Guard, packages: &[&str]) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    packages.hash(&mut hasher);
    let home = process::root()?.join("target/python").join(format!("{:016x}", hasher.finish()));
    let (python, complete) = (home.join("bin/python"), home.join("complete"));
    if complete.is_file() {
        return Ok(python);
    }
    let made = guard.run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
    let missing =
        || CannotStart("`python3` with its module `venv` is missing. Install Debian's packages `python3` and `python3-venv`.".to_owned());
    ensure!(made.is_ok_and(|status| status.success()), missing());
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let installed = guard.run(Command::new(&python).args(install).args(packages))?;
    ensure!(installed.success(), CannotStart(format!("pip could not install {}", packages.join(", "))));
    fs::write(&complete, packages.join("\n")).with_context(|| format!("cannot write {}", complete.display()))?;
    Ok(python)
}
