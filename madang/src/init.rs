//! What a first start makes: keys, the TLS authority, the first administrator and his credentials.

use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use anyhow::Context;
use madang_gateway::{Credentials, tls};
use madang_kit::{
    Db,
    config::{Config, Environment},
    process::Process,
    secrets::Secrets,
};

use crate::{Settings, parts};

/// `madang init`: makes everything that a first start needs, without serving.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let process = prepare(settings.start()?)?;
    let database = parts::gateway_database(&process).await?;
    administrator(&process, &database).await?;
    database.close().await;
    Ok(())
}

/// Makes the data folder, the keys and the TLS authority, unless they are there.
pub(crate) fn prepare(config: Config) -> anyhow::Result<Process> {
    let mut folder = fs::DirBuilder::new();
    folder.recursive(true).mode(0o700);
    folder.create(&config.data_dir).with_context(|| format!("data folder {}", config.data_dir.display()))?;
    fs::set_permissions(&config.data_dir, fs::Permissions::from_mode(0o700)).context("the data folder must be ours")?;
    let secrets = config.secrets_path();
    if !secrets.exists() {
        anyhow::ensure!(
            config.environment == Environment::Development,
            "{} is missing; production makes no keys by itself",
            secrets.display()
        );
        Secrets::generate(&parts::NAMES)?.store(&secrets)?;
    } else if config.environment == Environment::Development {
        Secrets::complete(&secrets, &parts::NAMES)?;
    }
    tls::ensure_authority(&config.data_dir.join("tls"))?;
    Ok(Process::open(config)?)
}

/// Makes the first administrator in an empty identity store and leaves `credentials.json` behind.
pub(crate) async fn administrator(process: &Process, database: &Db) -> anyhow::Result<()> {
    let (file, draft) = (process.config.data_dir.join("credentials.json"), process.config.data_dir.join("credentials.json.new"));
    let keep = |credentials: &Credentials| write_private(&draft, credentials);
    madang_gateway::bootstrap(database, &process.secrets, process.clock.clone(), keep).await?;
    if draft.exists() {
        // A crash right after the commit leaves the draft; it is good, because the administrator is there.
        fs::rename(&draft, &file).context("credentials.json")?;
    }
    Ok(())
}

fn write_private(path: &Path, credentials: &Credentials) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    serde_json::to_writer_pretty(&mut file, credentials)?;
    writeln!(file)?;
    file.sync_all()
}
