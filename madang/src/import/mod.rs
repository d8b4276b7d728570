//! `madang import ckan URL`: brings another CKAN site over by its public API.
//!
//! Users come first, then organizations and groups, then what lies above what, then datasets with their resources; ids are kept. What is
//! done is written to a file in the data folder, one line each, so that a run that was interrupted goes on where it stopped, and a
//! repeated run brings only what is new. What the hub has already is updated.

mod ledger;
mod site;
mod thing;

use std::{io::Write, time::Instant};

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use madang_gateway::Credentials;
use madang_kit::{config::Listen, outbound::FetchAllow, process::Process};
use serde_json::{Value, json};

use self::{ledger::Ledger, site::Site, thing::Kind};
use crate::Settings;

/// What is read at once from the other site and written to ours.
const AT_ONCE: usize = 8;
/// Progress is told after so many things.
const TELL_EVERY: usize = 100;
/// Failures that are told one by one.
const FAILURES_SHOWN: usize = 20;

/// What is imported.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    from: From,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum From {
    /// Organizations, groups, users and datasets of a CKAN site.
    Ckan {
        /// The site's address, `https://data.example.org`
        url: String,
        /// A token of an administrator of that site: then e-mails and passwords of users, and private datasets, come too.
        #[arg(long, env = "MADANG_IMPORT_TOKEN", hide_env_values = true)]
        from_token: Option<String>,
        /// Where our hub serves [default: the address in the settings].
        #[arg(long)]
        to: Option<String>,
    },
}

/// Brings everything over and tells what came of it as JSON.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let From::Ckan { url, from_token, to } = &arguments.from;
    let process = Process::open(arguments.settings.start()?)?;
    let allow =
        FetchAllow::parse(&process.config.fetch_allow).map_err(|entry| anyhow::anyhow!("fetch_allow: '{entry}' is not host:port"))?;
    let theirs = Site::theirs(url, from_token.as_deref(), &allow).await?;
    let ours = Site::ours(&our_address(&process, to.as_ref())?, &our_token(&process)?)?;
    let ledger = Ledger::open(&process.config.data_dir, &theirs.host)?;
    let mut report = serde_json::Map::new();
    let mut failures = Vec::new();
    for kind in Kind::ALL {
        let done = bring(kind, &theirs, &ours, &ledger, &mut failures).await?;
        report.insert(kind.name().to_owned(), json!(done));
    }
    report.insert("failed".to_owned(), failures.len().into());
    for failure in failures.iter().take(FAILURES_SHOWN) {
        writeln!(std::io::stderr(), "{failure}")?;
    }
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&Value::Object(report))?)?;
    ensure!(failures.is_empty(), "{} things could not be imported; run it again once the cause is gone", failures.len());
    Ok(())
}

/// Everything of one kind; gives how many are here now that were not before.
async fn bring(kind: Kind, theirs: &Site, ours: &Site, ledger: &Ledger, failures: &mut Vec<String>) -> anyhow::Result<usize> {
    let mut names = theirs.names(kind.list()).await.with_context(|| format!("the list of {}", kind.name()))?;
    names.retain(|name| !ledger.has(kind.name(), name));
    let (all, began) = (names.len(), Instant::now());
    let (mut done, mut waiting) = (0, names.into_iter());
    let mut working = tokio::task::JoinSet::new();
    loop {
        while working.len() < AT_ONCE {
            let Some(name) = waiting.next() else { break };
            let (theirs, ours) = (theirs.clone(), ours.clone());
            working.spawn(async move {
                let outcome = thing::bring(kind, &theirs, &ours, &name).await;
                (name, outcome)
            });
        }
        let Some(finished) = working.join_next().await else { break };
        let (name, outcome) = finished?;
        match outcome {
            Ok(()) => {
                ledger.note(kind.name(), &name)?;
                done += 1;
                if done % TELL_EVERY == 0 {
                    writeln!(std::io::stderr(), "{}: {done} of {all}, {:.0} s", kind.name(), began.elapsed().as_secs_f64())?;
                }
            }
            Err(error) => failures.push(format!("{} {name}: {error:#}", kind.name())),
        }
    }
    writeln!(std::io::stderr(), "{}: {done} of {all}", kind.name())?;
    Ok(done)
}

fn our_address(process: &Process, to: Option<&String>) -> anyhow::Result<String> {
    match (to, process.config.http) {
        (Some(url), _) => Ok(url.clone()),
        (None, Listen::At(address)) => Ok(format!("http://{address}")),
        (None, Listen::Off) => anyhow::bail!("the hub serves no plain HTTP; say where it is with --to"),
    }
}

fn our_token(process: &Process) -> anyhow::Result<String> {
    let path = process.config.data_dir.join("credentials.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
    let credentials: Credentials = serde_json::from_str(&text).with_context(|| format!("{} is not as expected", path.display()))?;
    Ok(credentials.ckan_api_token)
}
