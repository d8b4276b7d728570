//! The hubs under test: which there are, and how one is started.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::postgres::Server;
use crate::process::{self, Guard, POLL, Stop};

/// Every test of the front door runs against each of these.
pub(crate) const PLANS: &[Plan] = &[
    Plan { name: "sqlite", store: Store::Sqlite, layout: Layout::OneProcess },
    Plan { name: "postgres", store: Store::Postgres { prefix: "madang" }, layout: Layout::OneProcess },
    Plan { name: "split", store: Store::Postgres { prefix: "madang_split" }, layout: Layout::ProcessPerService },
];

/// The services behind the gateway. Each has a gRPC address and, like the gateway, a database of its own.
const SERVICES: &[&str] = &["catalog", "pipeline", "survey"];
const GATEWAY: &str = "gateway";

const READY_WITHIN: Duration = Duration::from_mins(1);
const READY: &str = "madang ready ";

pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) store: Store,
    pub(crate) layout: Layout,
}

pub(crate) enum Store {
    /// Files in the data folder: what `madang up` does when nothing is configured.
    Sqlite,
    /// One database per service, named prefix and service.
    Postgres { prefix: &'static str },
}

#[derive(Clone, Copy)]
pub(crate) enum Layout {
    /// `madang up`.
    OneProcess,
    /// `madang init`, then one `madang serve …` per service and for the gateway, talking gRPC over loopback.
    ProcessPerService,
}

impl Plan {
    pub(crate) fn needs_postgres(&self) -> bool {
        matches!(self.store, Store::Postgres { .. })
    }

    /// The names of its PostgreSQL databases.
    pub(crate) fn databases(&self) -> Vec<String> {
        match self.store {
            Store::Sqlite => Vec::new(),
            Store::Postgres { prefix } => owners_of_databases().map(|owner| database(prefix, owner)).collect(),
        }
    }
}

fn owners_of_databases() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().copied().chain([GATEWAY])
}

fn database(prefix: &str, owner: &str) -> String {
    format!("{prefix}_{}", owner.replace('-', "_"))
}

/// `MADANG_SPEC_STORE_DATABASE_URL` for ("spec-store", "DATABASE_URL").
fn variable(owner: &str, what: &str) -> String {
    format!("MADANG_{}_{what}", owner.replace('-', "_").to_uppercase())
}

/// Where hubs are started.
pub(crate) struct Place<'a> {
    pub(crate) guard: &'a Guard,
    /// The binary under test.
    pub(crate) madang: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) logs: &'a Path,
    pub(crate) postgres: Option<&'a Server>,
    /// Hosts with ports that jobs may reach, for `MADANG_FETCH_ALLOW`.
    pub(crate) fetch_allow: &'a str,
}

/// Starts a hub, waits until it serves, and returns its entry of `MADANG_TEST_HUBS`.
pub(crate) fn start(plan: &Plan, place: &Place<'_>) -> Result<Value> {
    let home = place.folder.join("hubs").join(plan.name);
    fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    let hub = Hub { plan, place, data: home.join("data"), home };
    let mut grpc = serde_json::Map::new();
    let front = match plan.layout {
        Layout::OneProcess => {
            grpc.extend(SERVICES.iter().map(|service| (service.replace('-', "_"), Value::Null)));
            hub.serve(plan.name, hub.command(&["up"])?.args(FRONT))?
        }
        Layout::ProcessPerService => {
            hub.run_to_end(&["init"])?;
            let mut addresses = Vec::new();
            for service in SERVICES {
                let listen = format!("127.0.0.1:{}", process::free_port()?);
                addresses.push((variable(service, "URL"), format!("http://{listen}")));
                addresses.push((variable(service, "LISTEN"), listen));
            }
            // All get all addresses: services call one another, too.
            let serve = |name: &str, more: &[&str]| -> Result<ReadyLine> {
                let mut command = hub.command(&["serve", name])?;
                hub.serve(&format!("{}-{name}", plan.name), command.args(more).envs(addresses.iter().cloned()))
            };
            for service in SERVICES {
                grpc.insert(service.replace('-', "_"), serve(service, &[])?.value(service)?.into());
            }
            serve(GATEWAY, FRONT)?
        }
    };
    Ok(json!({
        "name": plan.name,
        "http": front.value("http")?,
        "https": front.value("https")?,
        "credentials": hub.data.join("credentials.json"),
        "ca": hub.data.join("tls/ca.pem"),
        "secrets": hub.data.join("secrets.toml"),
        "data_dir": hub.data,
        "grpc": grpc,
    }))
}

/// What the hubs' CKAN face allows beyond its defaults; an option that nobody knows is a warning only.
const CKAN_OPTIONS: &str = r#"{"ckan.auth.allow_dataset_collaborators": true, "ckan.auth.allow_admin_collaborators": "yes", "ckan.datastore.sqlsearch.enabled": true, "ckan.unheard_of": 1}"#;

/// Any two free ports, so that several hubs can run at once.
const FRONT: &[&str] = &["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"];

struct Hub<'a> {
    plan: &'a Plan,
    place: &'a Place<'a>,
    home: PathBuf,
    data: PathBuf,
}

impl Hub<'_> {
    /// A call of `madang` in this hub's data folder, with this hub's databases.
    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = process::clean(self.place.madang);
        let options = self.home.join("ckan.json");
        fs::write(&options, CKAN_OPTIONS).with_context(|| format!("cannot write {}", options.display()))?;
        command.args(arguments).arg("--data-dir").arg(&self.data).arg("--ckan-config").arg(&options).current_dir(&self.home);
        if !self.place.fetch_allow.is_empty() {
            command.env("MADANG_FETCH_ALLOW", self.place.fetch_allow);
        }
        if let Store::Postgres { prefix } = self.plan.store {
            let server = self.place.postgres.context("this hub needs PostgreSQL")?;
            for owner in owners_of_databases() {
                command.env(variable(owner, "DATABASE_URL"), server.url(&database(prefix, owner)));
            }
        }
        Ok(command)
    }

    fn run_to_end(&self, arguments: &[&str]) -> Result<()> {
        let name = format!("{}-{}", self.plan.name, arguments.join("-"));
        let log = self.log(&name);
        let mut command = self.command(arguments)?;
        let status = self.place.guard.run(command.stdout(process::log_file(&log)?).stderr(process::log_file(&log)?))?;
        ensure!(status.success(), "`madang {}` failed ({status}); its log ends:\n{}", arguments.join(" "), process::tail(&log, 20));
        Ok(())
    }

    /// Starts a process of this hub and waits for its ready line.
    fn serve(&self, name: &str, command: &mut Command) -> Result<ReadyLine> {
        let log = self.log(name);
        let guard = self.place.guard;
        let running = guard.spawn(command.stdout(process::log_file(&log)?).stderr(process::log_file(&log)?), Stop::Terminate)?;
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let ended = guard.ended(running)?; // asked first: what it wrote at its end is in the log by now
            if let Some(ready) = ReadyLine::find(&String::from_utf8_lossy(&fs::read(&log)?)) {
                return Ok(ready);
            }
            if let Some(status) = ended {
                bail!("{name} ended before it was ready ({status}); its log ends:\n{}", process::tail(&log, 40));
            }
            ensure!(Instant::now() < deadline, "{name} was not ready within {READY_WITHIN:?}; its log ends:\n{}", process::tail(&log, 40));
            thread::sleep(POLL);
        }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.place.logs.join(format!("{name}.log"))
    }
}

/// `madang ready http=… https=…`
struct ReadyLine(String);

impl ReadyLine {
    /// Only a complete line counts: the rest may not be written yet.
    fn find(log: &str) -> Option<Self> {
        let complete = &log[..log.rfind('\n')?];
        complete.lines().find_map(|line| line.strip_prefix(READY)).map(|rest| Self(rest.to_owned()))
    }

    fn value(&self, key: &str) -> Result<&str> {
        let mut pairs = self.0.split_whitespace().filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == key).with_context(|| format!("the line `{READY}{}` has no {key}=", self.0))?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_line_counts_only_when_it_is_complete() {
        assert!(ReadyLine::find("madang ready http=http://127.0.0.1:80").is_none());
        assert!(ReadyLine::find("INFO almost: madang ready http=x\n").is_none());
        let ready = ReadyLine::find("a log line\nmadang ready http=http://127.0.0.1:80 https=https://127.0.0.1:443\n").unwrap();
        assert_eq!(ready.value("http").unwrap(), "http://127.0.0.1:80");
        assert_eq!(ready.value("https").unwrap(), "https://127.0.0.1:443");
        assert!(ready.value("catalog").is_err());
    }

    #[test]
    fn a_dash_in_a_name_becomes_an_underscore() {
        assert_eq!(variable("spec-store", "DATABASE_URL"), "MADANG_SPEC_STORE_DATABASE_URL");
        assert_eq!(database("madang", "spec-store"), "madang_spec_store");
    }
}
