//! A private MariaDB for one test run, which speaks MySQL to jobs: found or installed, in a temporary folder, on a free port of 127.0.0.1.

use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context as _, Result, bail, ensure};

use crate::debian;
use crate::postgres::unprivileged_user;
use crate::process::{self, CannotStart, Guard, POLL, Stop};

const SERVER: &str = "mariadbd";
const INSTALLER: &str = "mariadb-install-db";
/// What the installer calls; in some versions of Debian's packages it comes with the client.
const DEFAULTS: &str = "my_print_defaults";
const PACKAGES: [&str; 2] = ["mariadb-server-core", "mariadb-client-core"];
const READY_WITHIN: Duration = Duration::from_mins(1);
/// What tests come in with; a password with signs that an address has to escape would show if it were not.
const USER: &str = "madang";
const PASSWORD: &str = "p@ss:word/비밀";

/// Where the programs are. Installs them where that may be done without asking: as root, on a system with apt.
pub(crate) struct Programs {
    server: PathBuf,
    installer: PathBuf,
}

impl Programs {
    pub(crate) fn find_or_install(guard: &Guard) -> Result<Self> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        if !debian::may_install()? {
            return Err(CannotStart(format!(
                "MariaDB's programs `{SERVER}`, `{INSTALLER}` and `{DEFAULTS}` were not found. Install the packages {} of your system, or run \
                 `cargo xtask test --sqlite-only`.",
                PACKAGES.join(" and ")
            ))
            .into());
        }
        debian::install(guard, &PACKAGES).context("`--sqlite-only` does without MariaDB")?;
        Self::find().ok_or_else(|| {
            CannotStart(format!("the packages {} were installed, but their programs are not found", PACKAGES.join(" and "))).into()
        })
    }

    fn find() -> Option<Self> {
        let find = |name: &str| {
            let folder =
                process::find_in_path(&[name]).or_else(|| Some(PathBuf::from("/usr/sbin")).filter(|folder| folder.join(name).exists()));
            folder.map(|folder| folder.join(name))
        };
        find(DEFAULTS)?;
        Some(Self { server: find(SERVER)?, installer: find(INSTALLER)? })
    }
}

/// A running server. It stops with the guard that started it.
pub(crate) struct Server {
    port: u16,
}

impl Server {
    /// Makes and starts a server with the database `madang`; `folder` is made for it.
    pub(crate) fn start(guard: &Guard, programs: &Programs, folder: &Path, log: &Path) -> Result<Self> {
        fs::create_dir(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let user = unprivileged_user()?;
        if let Some((uid, gid)) = user {
            chown(folder, Some(uid), Some(gid))?;
        }
        let program = |path: &Path| -> Result<Command> {
            let mut command = process::clean(path);
            command.current_dir(folder).env("LC_ALL", "C").arg("--no-defaults").arg(format!("--datadir={}", folder.join("data").display()));
            command.stdout(process::log_file(log)?).stderr(process::log_file(log)?);
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            Ok(command)
        };
        let made = guard.run(program(&programs.installer)?.args(["--auth-root-authentication-method=normal", "--skip-test-db"]))?;
        ensure!(made.success(), "`{INSTALLER}` failed; its output ends:\n{}", process::tail(log, 20));

        let first = folder.join("first.sql");
        fs::write(
            &first,
            format!(
                "CREATE DATABASE IF NOT EXISTS {USER} CHARACTER SET utf8mb4;\n\
                 CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO '{USER}'@'%';\n"
            ),
        )?;
        let port = process::free_port()?;
        let mut server = program(&programs.server)?;
        server.args([
            format!("--port={port}"),
            format!("--socket={}", folder.join("s").display()),
            format!("--init-file={}", first.display()),
            "--bind-address=127.0.0.1".to_owned(),
            "--skip-name-resolve".to_owned(),
            "--innodb-buffer-pool-size=32M".to_owned(),
            "--innodb-flush-log-at-trx-commit=0".to_owned(),
        ]);
        let running = guard.spawn(&mut server, Stop::Terminate)?;
        let deadline = Instant::now() + READY_WITHIN;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = guard.ended(running)? {
                bail!("MariaDB ended at its start ({status}); its log ends:\n{}", process::tail(log, 20));
            }
            ensure!(Instant::now() < deadline, "MariaDB was not ready within {READY_WITHIN:?}; its log ends:\n{}", process::tail(log, 20));
            thread::sleep(POLL);
        }
        Ok(Self { port })
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How tests come in: a JSON object.
    pub(crate) fn login(&self) -> String {
        serde_json::json!({"host": "127.0.0.1", "port": self.port, "database": USER, "username": USER, "password": PASSWORD}).to_string()
    }
}
