//! `madang reindex`: has a running hub build its search index anew, beside the one that serves.

use std::{fs, io::Write};

use clap::Args;
use madang_kit::process::Process;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{Settings, key::Hub};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Where the hub serves, if its settings do not say.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// Does it and prints how many datasets the new index has. Where nothing runs, the index goes, and the next start builds it.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let process = Process::open(arguments.settings.start()?)?;
    let nothing_runs = arguments.url.is_none() && process.lock("catalog").is_ok() && process.lock("gateway").is_ok();
    let answer = if nothing_runs {
        let folder = process.config.data_dir.join("search");
        if folder.is_dir() {
            fs::remove_dir_all(folder)?;
        }
        json!({"datasets": null})
    } else {
        Hub::of(&process, arguments.url.as_ref())?.call(Method::POST, "/madang/v1/admin/search/rebuild", Value::Null).await?
    };
    Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&answer)?)?)
}
