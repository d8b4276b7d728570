//! `madang sign`: the signature of a request, alone on its line.

use std::{io::Write, time::SystemTime};

use clap::Args;

/// What is signed.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The HTTP method.
    #[arg(long)]
    method: String,
    /// Path and query exactly as they travel.
    #[arg(long)]
    target: String,
    /// Milliseconds since 1970; now, if not given.
    #[arg(long, value_name = "MS")]
    timestamp: Option<u64>,
    /// The access key.
    #[arg(long)]
    access_key: String,
    /// The secret key.
    #[arg(long)]
    secret_key: String,
}

/// Prints the signature. A timestamp that was not given is printed to standard error, because the request must carry the same.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    anyhow::ensure!(arguments.target.starts_with('/'), "the target begins with '/': the path directly after the host");
    let timestamp = if let Some(timestamp) = arguments.timestamp {
        timestamp.to_string()
    } else {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis().to_string();
        writeln!(std::io::stderr(), "x-ncp-apigw-timestamp: {now}")?;
        now
    };
    let method = arguments.method.to_uppercase();
    let signature = madang_gateway::sign(&method, &arguments.target, &timestamp, &arguments.access_key, &arguments.secret_key);
    Ok(writeln!(std::io::stdout(), "{signature}")?)
}
