//! A process of ours: configuration, keys, clock, databases, ways to others, and the loop around a gRPC service.

use std::{
    fs::File,
    io::Write,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::net::TcpListener;

use crate::{
    Clock, Db, Drain, Error, Result,
    assertion::{AllowList, Signer},
    config::Config,
    db::Deleted,
    rpc::{self, Channel, Served},
    secrets::Secrets,
};

/// How long tasks may take to end once the process stops.
const STOP_WITHIN: Duration = Duration::from_secs(25);

/// What every process starts from.
#[derive(Clone, Debug)]
pub struct Process {
    /// What the operator set.
    pub config: Config,
    /// The keys that this process has.
    pub secrets: Secrets,
    /// The time.
    pub clock: Clock,
    /// Ends the process well.
    pub drain: Drain,
    /// Held while the process lives.
    locks: Arc<Mutex<Vec<File>>>,
}

impl Process {
    /// Reads the keys and makes the clock.
    pub fn open(config: Config) -> Result<Self> {
        let secrets = Secrets::load(&config.secrets_path()).map_err(Error::internal)?;
        let clock = Clock::with_offset_file(config.clock_offset_file.clone());
        Ok(Self { config, secrets, clock, drain: Drain::default(), locks: Arc::default() })
    }

    /// Claims a part's files in the data folder for this process.
    ///
    /// # Errors
    /// [`crate::Code::Conflict`] if another process has them.
    pub fn lock(&self, name: &str) -> Result<()> {
        let path = self.config.data_dir.join(format!("{name}.lock"));
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(Error::internal)?;
        if file.try_lock().is_err() {
            let text = format!("another process runs {name} on {}", self.config.data_dir.display());
            return Err(Error::new(crate::Code::Conflict, text));
        }
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).push(file);
        Ok(())
    }

    /// Opens the database of a part.
    pub async fn database(&self, set: Option<&String>, name: &str) -> Result<Db> {
        Ok(Db::connect(&self.config.database_url(set, name), self.config.durability).await?)
    }

    /// The same for a part that keeps what people may ask to be forgotten.
    pub async fn forgetting_database(&self, set: Option<&String>, name: &str) -> Result<Db> {
        let url = self.config.database_url(set, name);
        Ok(Db::connect_with(&url, self.config.durability, Deleted::Overwritten).await?)
    }

    /// Where a part keeps files that live only as long as one call.
    pub fn scratch(&self, name: &str) -> Result<PathBuf> {
        let folder = self.config.data_dir.join("tmp").join(name);
        std::fs::create_dir_all(&folder).map_err(Error::internal)?;
        Ok(folder)
    }

    /// Signs calls in the name of a process.
    pub fn signer(&self, name: &str) -> Result<Signer> {
        self.secrets.signer(name, self.clock.clone()).map_err(Error::internal)
    }

    /// The way to a service in another process.
    pub fn connect(&self, from: &str, to: &str, url: Option<&String>) -> Result<Channel> {
        let url = url.ok_or_else(|| Error::internal(format!("{to}.url is not set: {from} must reach {to}")))?;
        rpc::connect(url, self.signer(from)?)
    }

    /// The way to a service in another process, if the installation has it.
    pub fn connect_if_set(&self, from: &str, url: Option<&String>) -> Result<Option<Channel>> {
        url.map(|url| rpc::connect(url, self.signer(from)?)).transpose()
    }

    /// The way to a service in this process.
    pub async fn embed(&self, from: &[&str], served: Served, allowed: AllowList) -> Result<Vec<Channel>> {
        let verifier = self.secrets.verifier(allowed, self.clock.clone()).map_err(Error::internal)?;
        let guarded = served.guarded(verifier, &self.drain).await;
        from.iter().map(|from| Ok(rpc::local(guarded.clone(), self.signer(from)?))).collect()
    }

    /// Serves a gRPC service until the process is told to stop.
    pub async fn serve(&self, listen: Option<SocketAddr>, served: Served, allowed: AllowList) -> Result<()> {
        let name = served.name;
        let listen = listen.ok_or_else(|| Error::internal(format!("{name}.listen is not set")))?;
        let listener = TcpListener::bind(listen).await.map_err(Error::internal)?;
        let address = listener.local_addr().map_err(Error::internal)?;
        let verifier = self.secrets.verifier(allowed, self.clock.clone()).map_err(Error::internal)?;
        let guarded = served.guarded(verifier, &self.drain).await;
        let drain = self.drain.clone();
        self.drain.spawn(async move {
            if let Err(error) = rpc::serve(listener, guarded, &drain).await {
                tracing::error!(error = %crate::error::chain(&error), "the service ended");
                drain.start();
            }
        });
        self.announce(&format!("{name}=http://{address}"))?;
        self.run().await
    }

    /// Prints the line that tells the world that this process serves.
    pub fn announce(&self, what: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "madang ready {what}").and_then(|()| out.flush()).map_err(Error::internal)
    }

    /// Waits for the signal to stop, then for every task to end.
    pub async fn run(&self) -> Result<()> {
        self.drain.on_signal().await.map_err(Error::internal)?;
        if !self.drain.finished(STOP_WITHIN).await {
            tracing::warn!("some tasks did not end in time");
        }
        Ok(())
    }
}
