//! Pipelines, codes and the run engine.
//!
//! [`grpc`] is the contract's face; [`pipeline`], [`code`], [`run`], [`schedule`], [`event`] and [`job`] hold the rules, [`store`] the
//! SQL. [`plan`] is what a run does, checked once; [`engine`] works plans off: it holds a run under a lease, goes from step to step and publishes each
//! through the catalogue.

mod catalogue;
mod code;
mod connection;
mod database;
mod engine;
mod event;
mod flow;
mod grpc;
mod job;
mod organization;
mod permission;
mod pipeline;
mod plan;
mod run;
mod schedule;
mod storage;
mod store;
mod thing;

use std::{path::PathBuf, sync::Arc, time::Duration};

use madang_kit::{
    Clock, Db, Drain, Error, Result,
    assertion::AllowList,
    bell::Bell,
    config::PipelineConfig,
    housekeeping,
    keyring::Keyring,
    outbound::FetchAllow,
    rpc::{Channel, Served},
};
use madang_lake::{Files, Flow, Lake, Objects, Reader};
use madang_proto::pipeline::v1::{
    buckets_server::BucketsServer, codes_server::CodesServer, connections_server::ConnectionsServer, executions_server::ExecutionsServer,
    flows_server::FlowsServer, jobs_server::JobsServer, pipelines_server::PipelinesServer, triggers_server::TriggersServer,
    workflows_server::WorkflowsServer,
};
use tonic::service::Routes;

use crate::{
    connection::Vault,
    engine::{Engine, Python},
    store::claim::Shares,
};

/// The largest message: a page of pipelines with their steps.
const MESSAGE_BYTES: usize = 16 << 20;

/// A flow with the descriptors of all its resources.
const FLOW_BYTES: usize = 64 << 20;

/// What the service needs.
pub struct Options {
    /// The pipelines' own database.
    pub database: Db,
    /// The table store, for reading and staging.
    pub lake: Arc<dyn Lake>,
    /// Rows between the nodes of jobs.
    pub flow: Arc<dyn Flow>,
    /// Files as rows of text.
    pub reader: Arc<dyn Reader>,
    /// Files that flows bring and make.
    pub flow_files: Arc<dyn Files>,
    /// A folder for files of flows that live only as long as one call; it is emptied at the start.
    pub scratch: PathBuf,
    /// Object Storage.
    pub objects: Arc<dyn Objects>,
    /// Keys for the secrets of connections.
    pub keyring: Keyring,
    /// Where connections may lead beyond public addresses.
    pub fetch_allow: FetchAllow,
    /// The way to catalog-svc.
    pub catalog: Channel,
    /// The time.
    pub clock: Clock,
    /// What the operator set: workers, shares, the interpreter.
    pub config: PipelineConfig,
    /// What scripts of users must not see.
    pub data_dir: PathBuf,
}

/// What every part of the service works with.
#[derive(Clone)]
struct Pipelines {
    db: Db,
    lake: Arc<dyn Lake>,
    flow: Arc<dyn Flow>,
    objects: Arc<dyn Objects>,
    vault: Vault,
    catalog: catalogue::Catalogue,
    clock: Clock,
    engine: Engine,
    /// Rung when a schedule was changed.
    scheduled: Bell,
    /// Of run conditions.
    defaults: Arc<job::Defaults>,
}

/// Who may call what.
pub fn allow_list() -> AllowList {
    let services = ["Pipelines", "Codes", "Jobs", "Executions", "Workflows", "Triggers", "Buckets", "Connections"];
    let calls = services.map(|service| format!("/madang.pipeline.v1.{service}/*"));
    let flows = vec!["/madang.pipeline.v1.Flows/*".to_owned()];
    let files = ["PutSourceFile", "FindSourceFiles", "OpenFlowFile"].map(|call| format!("/madang.pipeline.v1.Flows/{call}"));
    let of_gateway = calls.into_iter().chain(files).collect();
    AllowList::from([("gateway".to_owned(), of_gateway), ("spec-store".to_owned(), flows)])
}

/// Brings the database up to date, starts the engine and the schedules, and gives the service.
pub async fn service(options: Options, drain: &Drain) -> Result<Served> {
    let Options { database: db, lake, flow, reader, flow_files, scratch, objects, keyring, fetch_allow, catalog, clock, config, data_dir } =
        options;
    let vault = Vault { keyring: Arc::new(keyring), allow: fetch_allow.clone() };
    db.migrate(&store::MIGRATIONS).await.map_err(Error::internal)?;
    let catalog = catalogue::Catalogue::new(catalog);
    let python = Python::new(config.python.as_deref(), config.python_seconds, config.python_bytes, std::env::temp_dir(), data_dir);
    let parts = engine::Parts {
        db: db.clone(),
        lake: lake.clone(),
        catalog: catalog.clone(),
        flow: flow.clone(),
        objects: objects.clone(),
        vault: vault.clone(),
        bad_percent: config.bad_percent.into(),
        clock: clock.clone(),
        python,
        seats: config.workers,
        shares: shares(&config),
    };
    let flows = flow::Flows::start(
        flow::Parts {
            db: db.clone(),
            lake: lake.clone(),
            flow: flow.clone(),
            reader,
            objects: objects.clone(),
            files: flow_files,
            allow: fetch_allow,
            catalog: catalog.clone(),
            clock: clock.clone(),
            scratch,
            bounds: bounds(&config),
        },
        drain,
    )
    .await?;
    let engine = Engine::start(parts, drain);
    let scheduled = Bell::new("madang_scheduled", &db, drain);
    let defaults = Arc::new(job::Defaults::new(&config));
    let pipelines = Pipelines { db, lake, flow, objects, vault, catalog, clock, engine, scheduled, defaults };
    housekeeping::spawn(&pipelines.db, &pipelines.clock, drain);
    schedule::start(&pipelines, drain);
    job::firing::serve(&pipelines, drain);
    let database = pipelines.db.clone();
    let routes = Routes::new(PipelinesServer::new(pipelines.clone()).max_encoding_message_size(MESSAGE_BYTES))
        .add_service(CodesServer::new(pipelines.clone()).max_encoding_message_size(MESSAGE_BYTES))
        .add_service(JobsServer::new(pipelines.clone()).max_encoding_message_size(MESSAGE_BYTES))
        .add_service(ExecutionsServer::new(pipelines.clone()).max_encoding_message_size(MESSAGE_BYTES))
        .add_service(WorkflowsServer::new(pipelines.clone()).max_encoding_message_size(MESSAGE_BYTES))
        .add_service(TriggersServer::new(pipelines.clone()).max_encoding_message_size(MESSAGE_BYTES))
        .add_service(BucketsServer::new(pipelines.clone()).max_encoding_message_size(MESSAGE_BYTES))
        .add_service(FlowsServer::new(flows).max_decoding_message_size(FLOW_BYTES).max_encoding_message_size(MESSAGE_BYTES))
        .add_service(ConnectionsServer::new(pipelines));
    Ok(Served { name: "pipeline", routes, database })
}

/// One user leaves a worker to the others, unless the operator says otherwise.
fn shares(config: &PipelineConfig) -> Shares {
    let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    Shares {
        per_user: if config.runs_per_user > 0 { whole(config.runs_per_user) } else { whole(config.workers.saturating_sub(1).max(1)) },
        per_space: if config.runs_per_space > 0 { whole(config.runs_per_space) } else { i64::MAX },
    }
}

/// What one flow may take.
fn bounds(config: &PipelineConfig) -> flow::Bounds {
    flow::Bounds {
        workers: config.flow_workers,
        per_owner: i64::try_from(config.flows_per_owner.max(1)).unwrap_or(i64::MAX),
        source_bytes: config.flow_source_bytes,
        flow_bytes: config.flow_bytes,
        rows: config.flow_rows,
        time: Duration::from_secs(config.flow_seconds.into()),
    }
}
