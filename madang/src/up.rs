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
    let [catalog, from_pipeline, from_survey] = ways(process.embed(&["gateway", "pipeline", "survey"], served, allowed).await?)?;
    let (served, allowed) = parts::pipeline(&process, from_pipeline).await?;
    let [pipeline, from_spec_store] = ways(process.embed(&["gateway", "spec-store"], served, allowed).await?)?;
    let (served, allowed) = parts::spec_store(&process, from_spec_store).await?;
    let [spec_store] = ways(process.embed(&["gateway"], served, allowed).await?)?;
    let (served, allowed) = parts::survey(&process, from_survey).await?;
    let [survey] = ways(process.embed(&["gateway"], served, allowed).await?)?;
    let to_services = parts::Ways { catalog, pipeline, spec_store: Some(spec_store), survey: Some(survey) };
    let addresses = parts::gateway(&process, listeners, database, to_services).await?;
    parts::announce(&process, addresses)?;

    if arguments.demo {
        demo::run(&process.config, addresses).await?;
    }
    Ok(process.run().await?)
}

fn ways<T, const N: usize>(channels: Vec<T>) -> anyhow::Result<[T; N]> {
    channels.try_into().map_err(|_| anyhow::anyhow!("a service has not as many ways to it as it was asked for"))
}
