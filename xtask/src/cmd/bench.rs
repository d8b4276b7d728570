//! `cargo xtask bench <name>`: a release build against a peer, with a report under `docs/benchmarks/`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::{env, fs, thread};

use anyhow::{Context as _, Result, bail, ensure};

use crate::cmd::test;
use crate::debian;
use crate::postgres::{self, Server};
use crate::process::{self, Guard};
use crate::python;

/// Pairs measured unless told otherwise.
const ROUNDS: u32 = 5;

/// PostgreSQL as a peer: what somebody who cares a little would set on a machine of this size. fsync is on.
const PEER: &[&str] = &["shared_buffers=512MB", "max_wal_size=4GB", "maintenance_work_mem=256MB"];

/// A program `bench/<name>.py`; `bench/harness.py` tells what it is given.
struct Bench {
    name: &'static str,
    title: &'static str,
    packages: &'static [&'static str],
    postgres: bool,
    /// Example programs of the workspace that it runs.
    examples: &'static [&'static str],
    /// Programs that it runs, and their packages.
    programs: &'static [(&'static str, &'static str)],
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "ingest",
        title: "Upload to queryable, against PostgreSQL COPY and DuckDB",
        packages: &["duckdb==2.0.1", "requests==2.34.2"],
        postgres: true,
        examples: &[],
        programs: &[],
    },
    Bench {
        name: "dataspace",
        title: "Answers of surveys: collected, imported, exported",
        packages: &["requests==2.34.2"],
        postgres: true,
        examples: &[],
        programs: &[],
    },
    Bench {
        name: "memory",
        title: "Memory during a 2 GB upload",
        packages: &["requests==2.34.2"],
        postgres: false,
        examples: &[],
        programs: &[],
    },
    Bench {
        name: "paging",
        title: "The first and the last page of ten million rows",
        packages: &["requests==2.34.2"],
        postgres: false,
        examples: &[],
        programs: &[],
    },
    Bench {
        name: "ckan",
        title: "CKAN's catalogue: 50,000 datasets made through the API, read, and changed resource by resource",
        packages: &["requests==2.34.2"],
        postgres: false,
        examples: &[],
        programs: &[],
    },
    Bench {
        name: "datastore",
        title: "The DataStore with a million rows: loading, single-row upserts, filters, full text",
        packages: &["requests==2.34.2"],
        postgres: true,
        examples: &[],
        programs: &[],
    },
    Bench {
        name: "search",
        title: "package_search over 50,000 datasets of 5 resources",
        packages: &["requests==2.34.2"],
        postgres: false,
        examples: &[],
        programs: &[],
    },
    Bench {
        name: "start",
        title: "From the call to ready",
        packages: &["requests==2.34.2"],
        postgres: false,
        examples: &[],
        programs: &[],
    },
    Bench {
        name: "runs",
        title: "The run engine, beside graphile-worker and Prefect",
        packages: &["requests==2.34.2"],
        postgres: true,
        examples: &[],
        programs: &[],
    },
    Bench {
        name: "commits",
        title: "Acknowledged commits a second",
        packages: &["requests==2.34.2"],
        postgres: true,
        examples: &["commits"],
        programs: &[],
    },
    Bench {
        name: "signature",
        title: "The signature check, beside nginx with Lua and HAProxy",
        packages: &["requests==2.34.2"],
        postgres: false,
        examples: &["constant"],
        programs: &[
            ("nginx", "nginx"),
            ("haproxy", "haproxy"),
            ("wrk", "wrk"),
            ("valgrind", "valgrind"),
            ("/usr/lib/nginx/modules/ngx_http_lua_module.so", "libnginx-mod-http-lua"),
        ],
    },
];

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let names: Vec<_> = BENCHES.iter().map(|bench| bench.name).collect();
    let wanted: Vec<_> = BENCHES.iter().filter(|bench| arguments.iter().any(|argument| argument == bench.name)).collect();
    if wanted.is_empty() {
        bail!("which benchmark? {}", names.join(", "));
    }
    let rounds = match arguments.iter().position(|argument| argument == "--rounds") {
        Some(at) => arguments.get(at + 1).and_then(|text| text.parse().ok()).context("--rounds wants a number")?,
        None => ROUNDS,
    };
    let guard = Guard::start()?;
    let madang = process::stage("build madang, release", || test::build_madang(&guard, true))?;
    for bench in wanted {
        let report = process::stage(bench.name, || measure(&guard, bench, &madang, rounds))?;
        if !arguments.iter().any(|argument| argument == "--check") {
            write(bench, rounds, &report)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the program and returns its report.
fn measure(guard: &Guard, bench: &Bench, madang: &Path, rounds: u32) -> Result<String> {
    let root = process::root()?;
    let python = python::with_packages(guard, bench.packages)?;
    debian::bring(guard, bench.programs)?;
    let folder = guard.temporary_folder()?;
    let mut program = process::clean(python);
    program
        .arg(root.join("bench").join(bench.name).with_extension("py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONPATH", root.join("bench/peers"))
        .env("BENCH_MADANG", madang)
        .env("BENCH_FOLDER", &folder)
        .env("BENCH_DATA", root.join("target/bench"))
        .env("BENCH_ROUNDS", rounds.to_string());
    if !bench.examples.is_empty() {
        program.env("BENCH_EXAMPLES", examples(guard, bench.examples)?);
    }
    if bench.postgres {
        let programs = postgres::find_or_install(guard)?;
        let log = folder.join("postgres.log");
        let server = Server::start_with(guard, &programs, &folder.join("postgres"), &log, &[], PEER)?;
        program.env("BENCH_POSTGRES", server.address()).env("BENCH_PSQL", programs.join("psql"));
    }
    let (status, report) = guard.capture(&mut program)?;
    print!("{report}");
    ensure!(status.success(), "the benchmark failed");
    Ok(report)
}

/// Builds example programs and returns their folder.
fn examples(guard: &Guard, names: &[&str]) -> Result<std::path::PathBuf> {
    let root = process::root()?;
    let mut cargo = process::cargo();
    cargo.args(["build", "--workspace", "--release"]).args(names.iter().flat_map(|name| ["--example", name])).current_dir(&root);
    ensure!(guard.run(cargo.stdout(Stdio::null()))?.success(), "the examples do not build");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    Ok(target.join("release/examples"))
}

fn write(bench: &Bench, rounds: u32, report: &str) -> Result<()> {
    let mut text = format!("# {}\n\n", bench.title);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    writeln!(text, "`cargo xtask bench {} --rounds {rounds}` on {cores} cores{}, release build.\n", bench.name, memory())?;
    text.push_str(report.trim_end());
    text.push('\n');
    let folder = process::root()?.join("docs/benchmarks");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}.md", bench.name));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// What the machine has, where Linux tells it.
fn memory() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.map(|kibibytes| format!(" and {} GB", kibibytes / 1_000_000)).unwrap_or_default()
}
