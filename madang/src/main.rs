//! `madang`: the command people type.

mod config;
mod demo;
mod explain;
mod import;
mod init;
mod key;
mod parts;
mod reindex;
mod serve;
mod sign;
mod up;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use madang_kit::{
    config::{Config, Loaded},
    error::chain,
    telemetry,
};

/// Small requests allocate much: a third of the instructions of a signed call were the system's `malloc` and `free`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One data hub behind one signing gateway.
#[derive(Debug, Parser)]
#[command(name = "madang", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole hub in this process.
    Up(up::Arguments),
    /// Make what a first start needs, without serving.
    Init(Settings),
    /// Run one part of the hub in this process.
    Serve(serve::Arguments),
    /// Print the NCP signature of a request.
    Sign(sign::Arguments),
    /// Say why a captured request with an NCP signature is refused.
    Explain(explain::Arguments),
    /// Administer access keys and their usage plans.
    Key(key::Arguments),
    /// Build the search index anew.
    Reindex(reindex::Arguments),
    /// Bring another system's things over.
    Import(import::Arguments),
    /// Print every setting with its origin.
    Config(Settings),
}

/// Settings that every command takes. What is not given comes from the environment, the file, or the defaults.
#[derive(Clone, Debug, Default, Args)]
struct Settings {
    /// A TOML file with settings.
    #[arg(long, value_name = "FILE", env = "MADANG_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// Where databases, tables, files and keys lie [default: data].
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// Where plain HTTP is served [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR|off", global = true)]
    http: Option<String>,
    /// Where HTTPS is served [default: 127.0.0.1:8443].
    #[arg(long, value_name = "ADDR|off", global = true)]
    https: Option<String>,
    /// A JSON file with options of CKAN's face, by CKAN's names.
    #[arg(long, value_name = "FILE", global = true)]
    ckan_config: Option<PathBuf>,
}

impl Settings {
    fn load(&self) -> anyhow::Result<Loaded> {
        let data_dir = self.data_dir.as_ref().map(|path| path.display().to_string());
        let ckan_config = self.ckan_config.as_ref().map(|path| path.display().to_string());
        let given = [("data_dir", data_dir), ("http", self.http.clone()), ("https", self.https.clone()), ("ckan_config", ckan_config)];
        let flags: Vec<_> = given.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        Ok(Loaded::load(self.config.as_deref(), &flags)?)
    }

    /// Loads the settings and starts logging as they say.
    fn start(&self) -> anyhow::Result<Config> {
        let config = self.load()?.config;
        telemetry::start_logging(&config.log, config.environment);
        Ok(config)
    }
}

fn main() -> ExitCode {
    // Two TLS libraries are in the tree; without a choice rustls panics at the first handshake.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return fail("the TLS library could not be set up");
    }
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&chain(error.as_ref())),
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(arguments) => runtime()?.block_on(up::run(&arguments)),
        Command::Init(settings) => runtime()?.block_on(init::run(&settings)),
        Command::Serve(arguments) => runtime()?.block_on(serve::run(&arguments)),
        Command::Sign(arguments) => sign::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Key(arguments) => runtime()?.block_on(key::run(&arguments)),
        Command::Reindex(arguments) => runtime()?.block_on(reindex::run(&arguments)),
        Command::Import(arguments) => runtime()?.block_on(import::run(&arguments)),
        Command::Config(settings) => config::run(&settings),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "madang: {message}");
    ExitCode::FAILURE
}
