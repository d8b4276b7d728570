//! Programs that a stage needs: found, or installed from Debian where that may be done without asking.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::process::{self, CannotStart, Guard};

/// Whether packages may be installed: as root, on a system with apt.
pub(crate) fn may_install() -> Result<bool> {
    Ok(is_root()? && process::find_in_path(&["apt-get"]).is_some())
}

/// Installs packages.
pub(crate) fn install(guard: &Guard, packages: &[&str]) -> Result<()> {
    eprintln!("installing Debian's packages: {}", packages.join(" "));
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    for arguments in [&["update"][..], &install] {
        let status = guard.run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))?;
        ensure!(status.success(), CannotStart(format!("`apt-get {}` failed", arguments.join(" "))));
    }
    Ok(())
}

/// Brings what is missing of (program or path of a file, its package). What may not be installed stays missing, and is told.
pub(crate) fn bring(guard: &Guard, programs: &[(&str, &'static str)]) -> Result<()> {
    let is_there = |program: &str| Path::new("/usr/sbin").join(program).is_file() || process::find_in_path(&[program]).is_some();
    let missing = programs.iter().filter(|(program, _)| !is_there(program));
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    if may_install()? {
        return install(guard, &packages);
    }
    eprintln!("MISSING, and not to be installed without asking: {}", packages.join(" "));
    Ok(())
}

pub(crate) fn is_root() -> Result<bool> {
    Ok(id(&["-u"]).context("`id -u` does not tell who runs this")? == 0)
}

pub(crate) fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
