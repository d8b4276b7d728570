//! How each part of the hub is put together, the same way in one process and in many.

use std::sync::Arc;

use madang_kit::{
    Db, Result,
    assertion::AllowList,
    ckan::SiteOptions,
    config::Listen,
    db::Durability,
    error::Error,
    outbound::FetchAllow,
    process::Process,
    rpc::{Channel, Served},
    telemetry,
};
use madang_lake_engine::{Engine, EngineOptions, Root};

/// The processes that sign assertions.
pub(crate) const NAMES: [&str; 5] = ["gateway", "catalog", "pipeline", "spec-store", "survey"];

/// A service with the calls that it allows.
pub(crate) type Part = (Served, AllowList);

/// The catalogue.
pub(crate) async fn catalog(process: &Process) -> Result<Part> {
    process.lock("catalog")?;
    let lake = lake(process)?;
    let options = madang_catalog::Options {
        database: process.forgetting_database(process.config.catalog.database_url.as_ref(), "catalog").await?,
        files: lake.files(),
        lake,
        fetch_allow: FetchAllow::parse(&process.config.fetch_allow).map_err(Error::internal)?,
        spool_dir: process.scratch("uploads")?,
        search_dir: process.config.data_dir.join("search"),
        upload_bytes: process.config.upload_bytes,
        unpacked_bytes: process.config.unpacked_bytes,
        clock: process.clock.clone(),
        site: SiteOptions::load(&process.config.ckan),
    };
    Ok((madang_catalog::service(options, &process.drain).await?, madang_catalog::allow_list()))
}

/// Pipelines and the run engine.
pub(crate) async fn pipeline(process: &Process, catalog: Channel) -> Result<Part> {
    process.lock("pipeline")?;
    let lake = lake(process)?;
    let options = madang_pipeline::Options {
        database: process.database(process.config.pipeline.database_url.as_ref(), "pipeline").await?,
        flow: lake.clone(),
        reader: lake.clone(),
        flow_files: lake.flow_files(),
        scratch: process.scratch("flows")?,
        objects: lake.objects(),
        lake,
        keyring: process.secrets.keyring().map_err(Error::internal)?,
        fetch_allow: FetchAllow::parse(&process.config.fetch_allow).map_err(Error::internal)?,
        catalog,
        clock: process.clock.clone(),
        config: process.config.pipeline.clone(),
        data_dir: process.config.data_dir.clone(),
    };
    Ok((madang_pipeline::service(options, &process.drain).await?, madang_pipeline::allow_list()))
}

/// Source specs, revisions and the planner.
pub(crate) async fn spec_store(process: &Process, pipeline: Channel) -> Result<Part> {
    process.lock("spec-store")?;
    let options = madang_spec_store::Options {
        database: process.database(process.config.spec_store.database_url.as_ref(), "spec-store").await?,
        pipeline,
        clock: process.clock.clone(),
        config: process.config.spec_store.clone(),
    };
    Ok((madang_spec_store::service(options, &process.drain).await?, madang_spec_store::allow_list()))
}

/// Surveys and their answers.
pub(crate) async fn survey(process: &Process, catalog: Channel) -> Result<Part> {
    process.lock("survey")?;
    let options = madang_survey::Options {
        database: process.forgetting_database(process.config.survey.database_url.as_ref(), "survey").await?,
        keyring: process.secrets.keyring().map_err(Error::internal)?,
        fetch_allow: FetchAllow::parse(&process.config.fetch_allow).map_err(Error::internal)?,
        catalog,
        clock: process.clock.clone(),
        config: process.config.survey.clone(),
    };
    Ok((madang_survey::service(options, &process.drain).await?, madang_survey::allow_list()))
}

/// The gateway's sockets: bound first, so that an address that is taken costs nothing.
pub(crate) async fn listeners(process: &Process) -> Result<madang_gateway::Listeners> {
    process.lock("gateway")?;
    let tls = match process.config.https {
        Listen::Off => None,
        Listen::At(_) => {
            let folder = process.config.data_dir.join("tls");
            Some(madang_gateway::tls::server_config(&folder, &process.config.tls_names).map_err(Error::internal)?)
        }
    };
    madang_gateway::Listeners::bind(&process.config, tls).await.map_err(Error::internal)
}

/// The gateway's ways to the services.
pub(crate) struct Ways {
    pub(crate) catalog: Channel,
    pub(crate) pipeline: Channel,
    /// None where nobody serves it.
    pub(crate) spec_store: Option<Channel>,
    /// The same.
    pub(crate) survey: Option<Channel>,
}

/// The gateway, serving when this returns. Gives the addresses for the ready line.
pub(crate) async fn gateway(
    process: &Process,
    listeners: madang_gateway::Listeners,
    database: Db,
    ways: Ways,
) -> Result<madang_gateway::Addresses> {
    let addresses = listeners.addresses().map_err(Error::internal)?;
    let metrics =
        telemetry::start_metrics(&process.drain).map(|handle| Arc::new(move || handle.render()) as Arc<dyn Fn() -> String + Send + Sync>);
    let (secrets, clock, site) = (process.secrets.clone(), process.clock.clone(), SiteOptions::load(&process.config.ckan));
    let Ways { catalog, pipeline, spec_store, survey } = ways;
    let options = madang_gateway::Options { database, secrets, catalog, pipeline, spec_store, survey, clock, site, metrics };
    madang_gateway::start(options, process.config.clone(), listeners, &process.drain).await?;
    Ok(addresses)
}

/// The gateway's database.
pub(crate) async fn gateway_database(process: &Process) -> Result<Db> {
    process.database(process.config.gateway.database_url.as_ref(), "gateway").await
}

/// The ready line of the gateway: `http=http://… https=https://…`.
pub(crate) fn announce(process: &Process, addresses: madang_gateway::Addresses) -> Result<()> {
    let named = [("http", addresses.http), ("https", addresses.https)];
    let words = named.into_iter().filter_map(|(scheme, address)| Some(format!("{scheme}={scheme}://{}", address?)));
    process.announce(&words.collect::<Vec<_>>().join(" "))
}

fn lake(process: &Process) -> Result<Arc<Engine>> {
    let root = match &process.config.object_store_url {
        Some(url) => Root::Url(url.parse().map_err(|_| Error::internal("object_store_url is not a URL"))?),
        None => Root::Folder(process.config.data_dir.clone()),
    };
    let durability = match process.config.durability {
        Durability::Full => madang_lake_engine::Durability::Full,
        Durability::Fast => madang_lake_engine::Durability::Fast,
    };
    let engine = Engine::open(EngineOptions { root, durability, scratch: process.scratch("engine")? });
    Ok(Arc::new(engine.map_err(Error::internal)?))
}
