//! `madang serve`: one part of the hub in this process; the others are reached over gRPC.

use clap::{Args, ValueEnum};
use madang_kit::process::Process;

use crate::{Settings, parts};

/// Which part.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The part to run.
    part: Part,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    /// The HTTP door; owns identity.
    Gateway,
    /// Organizations, datasets and tables.
    Catalog,
    /// Pipelines and runs.
    Pipeline,
    /// Source specs and their revisions.
    SpecStore,
    /// Surveys and their answers.
    Survey,
}

/// Runs the part until the process is told to stop.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let process = Process::open(arguments.settings.start()?)?;
    let config = &process.config;
    match arguments.part {
        Part::Catalog => {
            let (served, allowed) = parts::catalog(&process).await?;
            process.serve(config.catalog.listen, served, allowed).await?;
        }
        Part::Pipeline => {
            let catalog = process.connect("pipeline", "catalog", config.catalog.url.as_ref())?;
            let (served, allowed) = parts::pipeline(&process, catalog).await?;
            process.serve(config.pipeline.listen, served, allowed).await?;
        }
        Part::SpecStore => {
            let pipeline = process.connect("spec-store", "pipeline", config.pipeline.url.as_ref())?;
            let (served, allowed) = parts::spec_store(&process, pipeline).await?;
            process.serve(config.spec_store.listen, served, allowed).await?;
        }
        Part::Survey => {
            let catalog = process.connect("survey", "catalog", config.catalog.url.as_ref())?;
            let (served, allowed) = parts::survey(&process, catalog).await?;
            process.serve(config.survey.listen, served, allowed).await?;
        }
        Part::Gateway => {
            let ways = parts::Ways {
                catalog: process.connect("gateway", "catalog", config.catalog.url.as_ref())?,
                pipeline: process.connect("gateway", "pipeline", config.pipeline.url.as_ref())?,
                spec_store: process.connect_if_set("gateway", config.spec_store.url.as_ref())?,
                survey: process.connect_if_set("gateway", config.survey.url.as_ref())?,
            };
            let listeners = parts::listeners(&process).await?;
            let database = parts::gateway_database(&process).await?;
            let addresses = parts::gateway(&process, listeners, database, ways).await?;
            parts::announce(&process, addresses)?;
            process.run().await?;
        }
    }
    Ok(())
}
