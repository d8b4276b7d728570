//! `cargo xtask prove <name>`: a long check, with a report under `docs/proofs/`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs, thread};

use anyhow::{Context as _, Result, bail, ensure};

use crate::cmd::{data, test};
use crate::debian;
use crate::hub::{self, PLANS, Place};
use crate::mariadb;
use crate::postgres::{self, Server};
use crate::process::{self, Guard};
use crate::python;

struct Proof {
    name: &'static str,
    title: &'static str,
    check: Check,
}

enum Check {
    /// A Python program that gets the address and the credentials of a hub on SQLite and one thing more, and prints what it found. `programs` are
    /// others that it runs (or a file of theirs), with Debian's packages.
    Program { text: &'static str, packages: &'static [&'static str], programs: &'static [(&'static str, &'static str)], more: More },
    /// Tests that start their own hubs and do more when told by a variable: targets, each with a filter. They add what they found to the
    /// file `PROOF_FINDINGS`.
    Tests { tests: &'static [(&'static str, &'static str)], variables: &'static [(&'static str, &'static str)], databases: &'static str },
}

enum More {
    /// A table of `cargo xtask data`.
    Table(&'static str),
    /// The hub's data folder.
    DataFolder,
    /// A free port of this machine that the hub may fetch from.
    Port,
    /// A table, and the logins of a PostgreSQL and a MariaDB as JSON.
    TableAndDatabases(&'static str),
}

const PROOFS: &[Proof] = &[
    Proof {
        name: "flights",
        title: "336,776 flights in, every value out again; a SQL step, and filter, join and aggregate, that agree with DuckDB",
        check: Check::Program {
            text: include_str!("prove/flights.py"),
            packages: &["duckdb==2.0.1", "pytz==2026.6", "requests==2.34.2"],
            programs: &[],
            more: More::Table("flights.csv"),
        },
    },
    Proof {
        name: "jobs",
        title: "Signed jobs over 336,776 flights agree with DuckDB: CSV objects into Parquet, PostgreSQL into MariaDB",
        check: Check::Program {
            text: include_str!("prove/jobs.py"),
            packages: &["duckdb==2.0.1", "pg8000==1.31.6", "pymysql==1.2.4", "pytz==2026.6", "requests==2.34.2"],
            programs: &[],
            more: More::TableAndDatabases("flights.csv"),
        },
    },
    Proof {
        name: "readers",
        title: "Every version of the hub's tables, read by others, equals what the API answers",
        check: Check::Program {
            text: include_str!("prove/readers.py"),
            packages: &["deltalake==1.6.6", "duckdb==2.0.1", "polars==2.1.0", "pyarrow==26.0.1", "pytz==2026.6", "requests==2.34.2"],
            programs: &[],
            more: More::DataFolder,
        },
    },
    Proof {
        name: "openapi",
        title: "Requests made from the OpenAPI document get documented statuses and shapes, and no fault of the hub",
        check: Check::Program {
            text: include_str!("prove/openapi.py"),
            packages: &["requests==2.34.2", "schemathesis==4.32.5"],
            programs: &[],
            more: More::DataFolder,
        },
    },
    Proof {
        name: "ckanapi",
        title: "CKAN's own client, library and command line: actions, errors, dump of one hub and load into another, both ways",
        check: Check::Program {
            text: include_str!("prove/ckanapi.py"),
            packages: &["ckanapi==4.11", "requests==2.34.2"],
            programs: &[],
            more: More::DataFolder,
        },
    },
    Proof {
        name: "snippets",
        title: "What portals print beside a table, in Python, R, JavaScript and curl, run as it stands",
        check: Check::Program {
            text: include_str!("prove/snippets.py"),
            packages: &["pandas==3.1.1", "requests==2.34.2"],
            programs: SNIPPETS,
            more: More::DataFolder,
        },
    },
    Proof {
        name: "specclient",
        title: "The Spec Store's own client library pushes data packages and reads their status, only the host changed",
        check: Check::Program {
            text: include_str!("prove/specclient.py"),
            packages: &["requests==2.34.2"],
            programs: &[("npm", "npm")],
            more: More::DataFolder,
        },
    },
    Proof {
        name: "derived",
        title: "A source spec over HTTP, 100 MB of CSV among its sources: every file that is made of it opened by a foreign program",
        check: Check::Program {
            text: include_str!("prove/derived.py"),
            packages: &["duckdb==2.0.1", "odfpy==1.4.1", "openpyxl==3.1.5", "pandas==3.1.1", "pytz==2026.6", "requests==2.34.2"],
            programs: &[("sqlite3", "sqlite3"), ("unzip", "unzip")],
            more: More::Port,
        },
    },
    Proof {
        name: "flows",
        title: "100 flows while the pipeline service and the Spec Store are killed at random moments: every revision ends, no half file, nothing published twice",
        check: Check::Tests {
            tests: &[("command", "flows::"), ("flows", "")],
            variables: &[("FLOWS", "50")],
            databases: "SQLite and PostgreSQL",
        },
    },
    Proof {
        name: "deploy",
        title: "What is deployed: the chart rendered by Helm and valid for Kubernetes, policies, settings, compose, alerts, against the program",
        check: Check::Program {
            text: include_str!("prove/deploy.py"),
            packages: &["kubernetes-validate==1.37.0", "pyyaml==6.0.4", "requests==2.34.2"],
            programs: DEPLOYERS,
            more: More::DataFolder,
        },
    },
    Proof {
        name: "containers",
        title: "The Dockerfile's targets and compose's profiles, built and run in containers",
        check: Check::Program {
            text: include_str!("prove/containers.py"),
            packages: &["pyyaml==6.0.4", "requests==2.34.2"],
            programs: ENGINES,
            more: More::DataFolder,
        },
    },
    Proof {
        name: "pages",
        title: "Respondents' pages in Chromium, on a phone and a desk, with script and without: answered, read back exactly, accessible",
        check: Check::Program {
            text: include_str!("prove/pages.py"),
            packages: &["playwright==1.65.2", "requests==2.34.2"],
            programs: BROWSER,
            more: More::DataFolder,
        },
    },
    Proof {
        name: "lake",
        title: "Killed at 200 random moments of concurrent uploads: no acknowledged row missing, none doubled, no half version",
        check: Check::Tests { tests: &[("command", "crash::")], variables: &[("CRASH_ROUNDS", "100")], databases: "SQLite and PostgreSQL" },
    },
    Proof {
        name: "folds",
        title: "Killed at 100 random moments of row-level changes and folds: no acknowledged row lost, none doubled",
        check: Check::Tests { tests: &[("command", "folds::")], variables: &[("FOLD_ROUNDS", "50")], databases: "SQLite and PostgreSQL" },
    },
    Proof {
        name: "runs",
        title: "Runs while workers are killed or stand still, faults at every step, schedules across restarts: each ends once, with its rows once",
        check: Check::Tests {
            tests: &[("command", "runs::"), ("engine", "")],
            variables: &[("PROOF_RUNS", "10000"), ("PROOF_SLOTS", "2000"), ("PROOF_STALE", "5")],
            databases: "SQLite and PostgreSQL",
        },
    },
    Proof {
        name: "schedules",
        title: "10,000 due slots within one minute, two pipeline processes, one of them killed now and then: one execution record per slot",
        check: Check::Tests { tests: &[("command", "slots_of_a_minute")], variables: &[("SLOTS", "10000")], databases: "PostgreSQL" },
    },
];

/// What the snippets are written in, beside Python.
const SNIPPETS: &[(&str, &str)] = &[
    ("curl", "curl"),
    ("node", "nodejs"),
    ("Rscript", "r-base-core"),
    ("/usr/lib/R/site-library/httr/DESCRIPTION", "r-cran-httr"),
    ("/usr/lib/R/site-library/jsonlite/DESCRIPTION", "r-cran-jsonlite"),
];

/// A browser that shows Korean, and what brings the accessibility checker.
const BROWSER: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("/usr/lib/chromium/locales/ko.pak", "chromium-l10n"),
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", "fonts-noto-cjk"),
    ("npm", "npm"),
];

/// What checks compose and alerts; Helm comes as a Python package.
const DEPLOYERS: &[(&str, &str)] = &[("docker-compose", "docker-compose"), ("promtool", "prometheus")];

/// What builds and runs containers, where no engine's registry of images can be reached.
const ENGINES: &[(&str, &str)] = &[
    ("/usr/lib/podman/aardvark-dns", "aardvark-dns"),
    ("/usr/lib/podman/netavark", "netavark"),
    ("debootstrap", "debootstrap"),
    ("docker-compose", "docker-compose"),
    ("iptables", "iptables"),
    ("podman", "podman"),
    ("runc", "runc"),
    ("strip", "binutils"),
];

/// How a proof is run.
#[derive(Clone, Copy)]
struct Options {
    release: bool,
    /// Leaves the report as it is.
    check: bool,
    /// With less of everything, for every change.
    short: bool,
}

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let names: Vec<_> = PROOFS.iter().map(|proof| proof.name).collect();
    let Some(proof) = PROOFS.iter().find(|proof| has(proof.name)) else { bail!("which proof? {}", names.join(", ")) };
    prove(&Guard::start()?, proof, Options { release: has("--release"), check: has("--check"), short: false })?;
    Ok(ExitCode::SUCCESS)
}

/// The proofs that are quick enough for every change.
pub(crate) fn short(guard: &Guard) -> Result<()> {
    let mut quick = PROOFS.iter().filter(|proof| matches!(proof.name, "readers" | "snippets" | "derived"));
    quick.try_for_each(|proof| prove(guard, proof, Options { release: false, check: true, short: true }))
}

fn prove(guard: &Guard, proof: &Proof, options: Options) -> Result<()> {
    let folder = guard.temporary_folder()?;
    let logs = folder.join("logs");
    fs::create_dir(&logs)?;
    let findings = match &proof.check {
        Check::Program { text, packages, programs, more } => {
            debian::bring(guard, programs)?;
            program(guard, &folder, &logs, options, text, packages, more)?
        }
        Check::Tests { tests, variables, .. } => run_tests(guard, &folder, options, tests, variables)?,
    };
    if options.check { Ok(()) } else { report(proof, options, &findings) }
}

fn program(guard: &Guard, folder: &Path, logs: &Path, options: Options, text: &str, packages: &[&str], more: &More) -> Result<String> {
    let python = python::with_packages(guard, packages)?;
    if let More::Table(_) | More::TableAndDatabases(_) = more
        && data::already_there(&process::root()?).is_none()
    {
        data::run(&[])?;
    }
    let madang = test::build_madang(guard, options.release)?;
    let file = folder.join("proof.py");
    fs::write(&file, text)?;

    let plan = PLANS.first().context("there is no plan for a hub")?;
    let databases = match more {
        More::TableAndDatabases(_) => Some(Databases::start(guard, folder, logs)?),
        More::Table(_) | More::DataFolder | More::Port => None,
    };
    let port = process::free_port()?;
    let fetch_allow = databases.as_ref().map_or_else(|| format!("127.0.0.1:{port}"), Databases::hosts);
    let place = Place { guard, madang: &madang, folder, logs, postgres: None, fetch_allow: &fetch_allow };
    let hub = hub::start(plan, &place)?;
    let value = |key: &str| hub[key].as_str().unwrap_or_default().to_owned();
    let more = match more {
        More::Table(name) | More::TableAndDatabases(name) => data::folder(&process::root()?).join(name),
        More::DataFolder => value("data_dir").into(),
        More::Port => port.to_string().into(),
    };
    let output = Command::new(python)
        .arg(file)
        .args([value("http"), value("credentials")])
        .arg(more)
        .args(databases.map(|databases| databases.logins()))
        .env("MADANG_BIN", &madang)
        .env("PYTHONPATH", process::root()?.join("xtask/src/cmd/prove")) // what a proof has in a second file
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("MADANG_SAMPLES", process::root()?.join("docs/samples"))
        .envs(options.short.then_some(("PROOF_SHORT", "1")))
        .env("PROOF_PICTURES", process::root()?.join("target/pictures"))
        .output()?;
    let findings = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{findings}");
    ensure!(output.status.success(), "the proof failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(findings)
}

/// What jobs read and write beside objects.
struct Databases {
    postgres: Server,
    mariadb: mariadb::Server,
}

impl Databases {
    fn start(guard: &Guard, folder: &Path, logs: &Path) -> Result<Self> {
        let programs = postgres::find_or_install(guard)?;
        let postgres = Server::start(guard, &programs, &folder.join("postgres"), &logs.join("postgresql.log"), &["flights".to_owned()])?;
        let programs = mariadb::Programs::find_or_install(guard)?;
        let mariadb = mariadb::Server::start(guard, &programs, &folder.join("mariadb"), &logs.join("mariadb.log"))?;
        Ok(Self { postgres, mariadb })
    }

    fn hosts(&self) -> String {
        format!("{},{}", self.postgres.host(), self.mariadb.address())
    }

    /// A JSON object, the kind to how one gets in.
    fn logins(&self) -> String {
        format!(r#"{{"postgresql": {}, "mysql": {}}}"#, self.postgres.login("flights"), self.mariadb.login())
    }
}

fn run_tests(guard: &Guard, folder: &Path, options: Options, tests: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<String> {
    let programs = postgres::find_or_install(guard)?;
    let server = Server::start(guard, &programs, &folder.join("postgres"), &folder.join("postgres.log"), &[])?;
    let findings = folder.join("findings");
    for (target, filter) in tests {
        let mut cargo = process::cargo();
        cargo.args(["test", "--workspace", "--test", target]).args(options.release.then_some("--release")).current_dir(process::root()?);
        cargo.args(["--", "--nocapture", "--test-threads=1", filter]);
        cargo.envs(variables.iter().copied().filter(|(name, _)| env::var_os(name).is_none())); // who sets another number gets it
        cargo.env("MADANG_TEST_POSTGRES", server.maintenance_url()).env("PROOF_FINDINGS", &findings);
        ensure!(guard.run(&mut cargo)?.success(), "the proof failed");
    }
    fs::read_to_string(&findings).context("the tests found nothing")
}

fn report(proof: &Proof, options: Options, findings: &str) -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (flag, profile) = if options.release { (" --release", "release") } else { ("", "dev") };
    let databases = match proof.check {
        Check::Program { .. } => "SQLite",
        Check::Tests { databases, .. } => databases,
    };
    let mut text = format!("# {}\n\n", proof.title);
    writeln!(text, "`cargo xtask prove {}{flag}` on {cores} cores, {profile} build, {databases}.\n", proof.name)?;
    writeln!(text, "```\n{}\n```", findings.trim_end())?;
    let path = process::root()?.join("docs/proofs").join(format!("{}.md", proof.name));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
