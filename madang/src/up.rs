//! `madang up`: the whole hub in one process.

use clap::Args;

use crate::{Settings, demo, init, parts};

/// How the hub is run.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Run the nine calls of the tutorial once the hub serves, and print them.
    #[arg(long)]
    demo: bool,
}

/// Runs the hub until the process is told to stop.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let process = init::prepare(arguments.settings.start()?)?;
    let listeners = parts::listeners(&process).await?;
    let database = parts::gateway_database(&process).await?;
    init::administrator(&process, &database).await?;

    let (served, allowed) = parts::catalog(&process).await?;
    let [to_catalog, from_pipeline] = two(process.embed(&["gateway", "pipeline"], served, allowed).await?)?;
    let (served, allowed) = parts::pipeline(&process, from_pipeline).await?;
    let to_pipeline = process.embed(&["gateway"], served, allowed).await?;
    let to_pipeline = to_pipeline.into_iter().next().ok_or_else(|| anyhow::anyhow!("no way to pipeline-svc"))?;
    let (served, allowed) = parts::survey(&process).await?;
    let to_survey = process.embed(&["gateway"], served, allowed).await?;
    let to_survey = to_survey.into_iter().next().ok_or_else(|| anyhow::anyhow!("no way to survey-svc"))?;
    let addresses = parts::gateway(&process, listeners, database, to_catalog, to_pipeline, to_survey).await?;
    parts::announce(&process, addresses)?;

    if arguments.demo {
        demo::run(&process.config, addresses).await?;
    }
    Ok(process.run().await?)
}

fn two<T>(channels: Vec<T>) -> anyhow::Result<[T; 2]> {
    channels.try_into().map_err(|_| anyhow::anyhow!("no way to catalog-svc"))
}
