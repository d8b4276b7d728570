//! `cargo xtask test`: everything a test needs is started here, on a machine with only Rust.
//!
//! The tests learn about it from the environment:
//!
//! | variable | value |
//! | --- | --- |
//! | `MADANG_TEST_HUBS` | JSON array, one object per running hub: `name`, `http`, `https` (addresses), `credentials`, `ca`, `secrets` (files), `data_dir`, `grpc` (object: service to address, or null where all runs in one process) |
//! | `MADANG_TEST_FIXTURES` | the folder `tests/fixtures` |
//! | `MADANG_BIN` | the `madang` program under test, for tests that start a hub of their own |
//! | `MADANG_TEST_POSTGRES` | address of a PostgreSQL database from which a test may create its own; absent with `--sqlite-only` |
//! | `MADANG_TEST_MARIADB` | JSON object with the login of a MariaDB that jobs may reach; absent with `--sqlite-only` |
//! | `MADANG_TEST_FILE_SERVER` | address at which a test may serve files that the hubs may fetch |
//! | `MADANG_TEST_HOOK_SERVER` | address at which a test may be a webhook that the hubs may call |
//! | `MADANG_TEST_DATA` | the folder with the tables of `cargo xtask data`; absent if they were not brought |

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs, thread};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;

use crate::cmd::data;
use crate::debian;
use crate::hub::{self, PLANS, Place, Plan};
use crate::mariadb;
use crate::postgres::{self, Server};
use crate::process::{self, Guard};

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    test(&Guard::start()?, arguments)
}

/// What the samples of `docs/samples` are run by. A Java runtime without its compiler would not do, so it is looked for by that.
const LANGUAGES: &[(&str, &str)] = &[
    ("python3", "python3"),
    ("javac", "default-jdk-headless"),
    ("node", "nodejs"),
    ("bash", "bash"),
    ("openssl", "openssl"),
    ("curl", "curl"),
];

/// Runs all tests. The last thing printed is the runner's own summary, unless it failed: then a word on the hubs' logs follows.
pub(crate) fn test(guard: &Guard, arguments: &[String]) -> Result<ExitCode> {
    let options = Options::parse(arguments);
    let runner = Runner::find();
    let plans: Vec<&Plan> = PLANS.iter().filter(|plan| !(options.sqlite_only && plan.needs_postgres())).collect();
    // Looked for first: what is missing should be told before the long build, not after it.
    let programs =
        if options.sqlite_only { None } else { Some((postgres::find_or_install(guard)?, mariadb::Programs::find_or_install(guard)?)) };

    debian::bring(guard, LANGUAGES)?;

    let madang = process::stage("build madang", || build_madang(guard, false))?;
    process::stage("build tests", || {
        let status = guard.run(runner.command().arg("--no-run").current_dir(process::root()?))?;
        ensure!(status.success(), "the tests do not build");
        Ok(())
    })?;

    let folder = guard.temporary_folder()?;
    let logs = folder.join("logs");
    fs::create_dir(&logs)?;
    let mut tests = runner.command();
    tests.args(runner.arguments(&options.rest)).current_dir(process::root()?);
    process::forget_settings(&mut tests); // the tests start hubs, too
    let hubs = process::stage("start hubs", || start(guard, &plans, programs.as_ref(), &madang, &folder, &logs));
    let outcome = hubs.and_then(|environment| guard.run(tests.envs(environment)));
    match &outcome {
        Ok(status) if status.success() => {}
        _ => keep(&logs)?,
    }
    Ok(process::exit_code(outcome?))
}

#[derive(Debug, PartialEq)]
struct Options {
    sqlite_only: bool,
    /// For the test runner, as given.
    rest: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Self {
        let ours = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
        let (before, after) = arguments.split_at(ours);
        let sqlite_only = before.iter().any(|argument| argument == "--sqlite-only");
        let rest = before.iter().filter(|argument| *argument != "--sqlite-only").chain(after).cloned().collect();
        Self { sqlite_only, rest }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Runner {
    Nextest,
    CargoTest,
}

impl Runner {
    fn find() -> Self {
        let version = process::cargo().args(["nextest", "--version"]).output();
        if version.is_ok_and(|output| output.status.success()) { Self::Nextest } else { Self::CargoTest }
    }

    fn command(self) -> Command {
        let mut cargo = process::cargo();
        match self {
            Self::Nextest => cargo.args(["nextest", "run"]),
            Self::CargoTest => cargo.arg("test"),
        };
        cargo.arg("--workspace"); // the same selection everywhere, or Cargo builds dependencies again with other features
        cargo
    }

    /// Nextest takes any number of filters; `cargo test` wants them behind `--`.
    fn arguments(self, given: &[String]) -> Vec<String> {
        let only_filters = !given.is_empty() && given.iter().all(|argument| !argument.starts_with('-'));
        let separator = (self == Self::CargoTest && only_filters).then(|| "--".to_owned());
        separator.into_iter().chain(given.iter().cloned()).collect()
    }
}

/// Builds the program and returns its path, as Cargo itself tells it.
pub(crate) fn build_madang(guard: &Guard, release: bool) -> Result<PathBuf> {
    let mut cargo = process::cargo();
    cargo.args(["build", "--workspace", "--bin", "madang", "--message-format=json-render-diagnostics"]).current_dir(process::root()?);
    if release {
        cargo.arg("--release");
    }
    let (status, output) = guard.capture(&mut cargo)?;
    ensure!(status.success(), "madang does not build");
    let messages = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs = messages.filter_map(|message| match (&message["target"]["name"], &message["executable"]) {
        (Value::String(name), Value::String(path)) if name == "madang" => Some(PathBuf::from(path)),
        _ => None,
    });
    programs.next_back().context("Cargo built no program `madang`")
}

/// Starts PostgreSQL, then all hubs at once, and returns what the tests are told.
fn start(
    guard: &Guard,
    plans: &[&Plan],
    programs: Option<&(PathBuf, mariadb::Programs)>,
    madang: &Path,
    folder: &Path,
    logs: &Path,
) -> Result<Vec<(&'static str, String)>> {
    let databases: Vec<String> = plans.iter().flat_map(|plan| plan.databases()).collect();
    let postgres = match programs {
        Some((programs, _)) => Some(Server::start(guard, programs, &folder.join("postgres"), &logs.join("postgresql.log"), &databases)?),
        None => None,
    };
    let mariadb = match programs {
        Some((_, programs)) => Some(mariadb::Server::start(guard, programs, &folder.join("mariadb"), &logs.join("mariadb.log"))?),
        None => None,
    };
    let file_server = format!("127.0.0.1:{}", process::free_port()?);
    let hook_server = format!("127.0.0.1:{}", process::free_port()?);
    let servers = [file_server.clone(), hook_server.clone()];
    let reached = postgres.iter().map(Server::host).chain(mariadb.iter().map(mariadb::Server::address)).chain(servers);
    let fetch_allow = reached.collect::<Vec<_>>().join(",");
    let place = Place { guard, madang, folder, logs, postgres: postgres.as_ref(), fetch_allow: &fetch_allow };
    let hubs: Vec<Value> = thread::scope(|scope| {
        let starting: Vec<_> = plans.iter().map(|plan| scope.spawn(|| hub::start(plan, &place))).collect();
        starting.into_iter().map(|hub| hub.join().map_err(|_| anyhow!("starting a hub panicked"))?).collect::<Result<_>>()
    })?;

    let root = process::root()?;
    let mut environment = vec![
        ("MADANG_TEST_HUBS", Value::from(hubs).to_string()),
        ("MADANG_TEST_FIXTURES", root.join("tests/fixtures").display().to_string()),
        ("MADANG_BIN", madang.display().to_string()),
        ("MADANG_TEST_FILE_SERVER", file_server),
        ("MADANG_TEST_HOOK_SERVER", hook_server),
    ];
    environment.extend(postgres.map(|server| ("MADANG_TEST_POSTGRES", server.maintenance_url())));
    environment.extend(mariadb.map(|server| ("MADANG_TEST_MARIADB", server.login())));
    environment.extend(data::already_there(&root).map(|folder| ("MADANG_TEST_DATA", folder.display().to_string())));
    Ok(environment)
}

/// Saves the logs from the temporary folder and says where they are. In CI nobody can open them there, so it shows their ends.
fn keep(logs: &Path) -> Result<()> {
    let kept = process::root()?.join("target/test-logs");
    if kept.exists() {
        fs::remove_dir_all(&kept)?;
    }
    fs::create_dir_all(&kept)?;
    let mut names: Vec<_> = fs::read_dir(logs)?.collect::<Result<_, _>>()?;
    names.sort_by_key(fs::DirEntry::file_name);
    eprintln!("\nthe logs of the hubs are in {}", kept.display());
    for entry in names {
        let copy = kept.join(entry.file_name());
        fs::copy(entry.path(), &copy)?;
        if env::var_os("CI").is_some() {
            eprintln!("  {} ends:\n{}", entry.file_name().display(), process::tail(&copy, 20));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn our_own_option_is_taken_out_and_the_rest_is_passed_on() {
        let options = Options::parse(&strings(&["login", "--sqlite-only", "paging", "--", "--sqlite-only"]));
        assert_eq!(options, Options { sqlite_only: true, rest: strings(&["login", "paging", "--", "--sqlite-only"]) });
        assert_eq!(Options::parse(&[]), Options { sqlite_only: false, rest: Vec::new() });
    }

    #[test]
    fn cargo_test_gets_its_filters_behind_a_separator() {
        let cases: [(&[&str], &[&str]); 3] =
            [(&["login", "paging"], &["--", "login", "paging"]), (&["--lib", "login"], &["--lib", "login"]), (&[], &[])];
        for (given, passed) in cases {
            assert_eq!(Runner::CargoTest.arguments(&strings(given)), strings(passed));
            assert_eq!(Runner::Nextest.arguments(&strings(given)), strings(given));
        }
    }
}
