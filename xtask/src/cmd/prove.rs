//! `cargo xtask prove <name>`: a long check against a running hub, with a report under `docs/proofs/`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{fs, thread};

use anyhow::{Context as _, Result, bail, ensure};

use crate::cmd::{data, test};
use crate::hub::{self, PLANS, Place};
use crate::process::{self, Guard};

/// A check: a Python program that gets the hub's address, its credentials and a data file, and prints what it found.
struct Proof {
    name: &'static str,
    title: &'static str,
    program: &'static str,
    packages: &'static [&'static str],
    table: &'static str,
}

const PROOFS: &[Proof] = &[Proof {
    name: "flights",
    title: "336,776 flights in, every value out again, and a SQL step that agrees with DuckDB",
    program: include_str!("prove/flights.py"),
    packages: &["duckdb==2.0.0", "pytz==2026.6", "requests==2.34.2"],
    table: "flights.csv",
}];

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let names: Vec<_> = PROOFS.iter().map(|proof| proof.name).collect();
    let Some(proof) = PROOFS.iter().find(|proof| arguments.iter().any(|argument| argument == proof.name)) else {
        bail!("which proof? {}", names.join(", "));
    };
    let release = arguments.iter().any(|argument| argument == "--release");
    let guard = Guard::start()?;
    let folder = guard.temporary_folder()?;
    let table = data::folder(&process::root()?).join(proof.table);
    if !table.exists() {
        data::run(&[])?;
    }
    let python = python(&guard, &folder, proof.packages)?;
    let madang = test::build_madang(&guard, release)?;
    let program = folder.join("proof.py");
    fs::write(&program, proof.program)?;

    let plan = PLANS.first().context("there is no plan for a hub")?;
    let logs = folder.join("logs");
    fs::create_dir(&logs)?;
    let place = Place { guard: &guard, madang: &madang, folder: &folder, logs: &logs, postgres: None };
    let hub = hub::start(plan, &place)?;
    let text = |key: &str| hub[key].as_str().unwrap_or_default().to_owned();
    let output = Command::new(python).arg(program).args([text("http"), text("credentials")]).arg(table).output()?;
    let findings = String::from_utf8_lossy(&output.stdout);
    print!("{findings}");
    ensure!(output.status.success(), "the proof failed:\n{}", String::from_utf8_lossy(&output.stderr));
    report(proof, release, &findings)?;
    Ok(ExitCode::SUCCESS)
}

/// A Python with the packages, in a folder of its own.
fn python(guard: &Guard, folder: &Path, packages: &[&str]) -> Result<std::path::PathBuf> {
    let home = folder.join("python");
    let made = guard.run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    ensure!(made.success(), "python3 with its venv module is missing");
    let python = home.join("bin/python");
    let installed =
        guard.run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages))?;
    ensure!(installed.success(), "pip could not install {}", packages.join(", "));
    Ok(python)
}

fn report(proof: &Proof, release: bool, findings: &str) -> Result<()> {
    let profile = if release { "release" } else { "dev" };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!("# {}\n\n", proof.title);
    writeln!(
        text,
        "`cargo xtask prove {}{}` on {cores} cores, {profile} build, SQLite.\n",
        proof.name,
        if release { " --release" } else { "" }
    )?;
    writeln!(text, "```\n{}\n```", findings.trim_end())?;
    let path = process::root()?.join("docs/proofs").join(format!("{}.md", proof.name));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
