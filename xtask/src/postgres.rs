//! A private PostgreSQL for one test run: found or installed, in a temporary folder, on a free port of 127.0.0.1.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use anyhow::{Context as _, Result, bail, ensure};

use crate::debian;
use crate::process::{self, CannotStart, Guard, POLL, Stop};

const PROGRAMS: &[&str] = &["initdb", "postgres", "psql"];
const READY_WITHIN: Duration = Duration::from_mins(1);
const SUPERUSER: &str = "madang";

/// The folder that has PostgreSQL's programs. Installs them where that may be done without asking: as root, on a
/// system with apt.
pub(crate) fn find_or_install(guard: &Guard) -> Result<PathBuf> {
    if let Some(folder) = find() {
        return Ok(folder);
    }
    if !debian::may_install()? {
        return Err(CannotStart(
            "PostgreSQL's programs `initdb`, `postgres` and `psql` were not found together (looked in PATH, in `pg_config --bindir` and in \
             /usr/lib/postgresql/*/bin). Install the package `postgresql` of your system, or run `cargo xtask test --sqlite-only`."
                .to_owned(),
        )
        .into());
    }
    debian::install(guard, &["postgresql"]).context("`--sqlite-only` does without PostgreSQL")?;
    find().ok_or_else(|| CannotStart("the package `postgresql` was installed, but its programs are still not found".to_owned()).into())
}

fn find() -> Option<PathBuf> {
    process::find_in_path(PROGRAMS).or_else(from_pg_config).or_else(newest_of_debian)
}

fn from_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    process::has_all(&folder, PROGRAMS).then_some(folder)
}

fn newest_of_debian() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.filter_map(Result::ok).map(|version| version.path().join("bin"));
    let number = |folder: &PathBuf| folder.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    folders.filter(|folder| process::has_all(folder, PROGRAMS)).max_by_key(number)
}

/// A running server. It stops with the guard that started it.
pub(crate) struct Server {
    port: u16,
}

impl Server {
    /// Makes and starts a server that has these databases; `folder` is made for it.
    pub(crate) fn start(guard: &Guard, programs: &Path, folder: &Path, log: &Path, databases: &[String]) -> Result<Self> {
        Self::start_with(guard, programs, folder, log, databases, &["shared_buffers=32MB", "max_wal_size=256MB"])
    }

    /// With settings of its own.
    pub(crate) fn start_with(
        guard: &Guard,
        programs: &Path,
        folder: &Path,
        log: &Path,
        databases: &[String],
        more: &[&str],
    ) -> Result<Self> {
        fs::create_dir(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let user = unprivileged_user()?;
        if let Some((uid, gid)) = user {
            chown(folder, Some(uid), Some(gid))?;
        }
        let data = folder.join("data");
        let program = |name: &str| -> Result<Command> {
            let mut command = process::clean(programs.join(name));
            command.current_dir(folder).env("LC_ALL", "C").arg("-D").arg(&data).stderr(process::log_file(log)?);
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid); // this also drops root's other groups
            }
            Ok(command)
        };

        let initdb = ["-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--lc-messages=C", "--no-sync"];
        let status = guard.run(program("initdb")?.args(initdb).stdout(process::log_file(log)?))?;
        ensure!(status.success(), "`initdb` failed; its output ends:\n{}", process::tail(log, 20));

        let port = process::free_port()?;
        let mut server = program("postgres")?;
        server.args(["-p", &port.to_string()]).stdout(process::log_file(log)?);
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=", // none: the path of a temporary folder can be too long for a socket
            "max_connections=500",
        ];
        for setting in settings.iter().chain(more) {
            server.args(["-c", setting]);
        }
        let running = guard.spawn(&mut server, Stop::Interrupt)?;
        let deadline = Instant::now() + READY_WITHIN;
        while !is_ready(&data)? {
            if let Some(status) = guard.ended(running)? {
                bail!("PostgreSQL ended at its start ({status}); its log ends:\n{}", process::tail(log, 20));
            }
            ensure!(
                Instant::now() < deadline,
                "PostgreSQL was not ready within {READY_WITHIN:?}; its log ends:\n{}",
                process::tail(log, 20)
            );
            thread::sleep(POLL);
        }
        let server = Self { port };
        let mut psql = process::clean(programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--dbname", &server.maintenance_url()]);
        for database in databases {
            psql.args(["--command", &format!("CREATE DATABASE {database}")]);
        }
        let status = guard.run(psql.stdout(process::log_file(log)?).stderr(process::log_file(log)?))?;
        ensure!(status.success(), "cannot create the databases; the log ends:\n{}", process::tail(log, 20));
        Ok(server)
    }

    /// How one gets in: a JSON object.
    pub(crate) fn login(&self, database: &str) -> String {
        format!(r#"{{"host": "127.0.0.1", "port": {}, "database": "{database}", "username": "{SUPERUSER}", "password": ""}}"#, self.port)
    }

    /// Host and port.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.address())
    }

    /// The start of the address of each of its databases.
    pub(crate) fn address(&self) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}", self.port)
    }

    /// A database from which tests may create their own.
    pub(crate) fn maintenance_url(&self) -> String {
        self.url("postgres")
    }
}

/// The last line of a server's pid file tells whether it takes connections; this is where `pg_ctl` looks, too.
fn is_ready(data: &Path) -> Result<bool> {
    match fs::read_to_string(data.join("postmaster.pid")) {
        Ok(text) => Ok(text.lines().nth(7).is_some_and(|state| state.trim() == "ready")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("cannot read PostgreSQL's pid file"),
    }
}

/// PostgreSQL refuses to run as root: then it runs as the user that its package made, or as `nobody`.
pub(crate) fn unprivileged_user() -> Result<Option<(u32, u32)>> {
    if !debian::is_root()? {
        return Ok(None);
    }
    let user = ["postgres", "nobody"].into_iter().find_map(|name| Some((debian::id(&["-u", name])?, debian::id(&["-g", name])?)));
    Ok(Some(user.context("PostgreSQL does not run as root, and there is neither a user `postgres` nor a user `nobody`")?))
}
