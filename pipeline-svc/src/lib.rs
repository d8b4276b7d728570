//! Pipelines and the run engine.
//!
//! [`grpc`] is the contract's face, [`pipeline`] and [`run`] hold the rules, [`store`] the SQL. [`engine`] works off queued runs:
//! it claims one under a lease, works through its steps and publishes each through the catalogue.

mod catalogue;
mod definition;
mod engine;
mod grpc;
mod permission;
mod pipeline;
mod run;
mod store;

use std::sync::Arc;

use madang_kit::{
    Clock, Db, Drain, Error, Result,
    assertion::AllowList,
    housekeeping,
    rpc::{Channel, Served},
};
use madang_lake::Lake;
use madang_proto::pipeline::v1::pipelines_server::PipelinesServer;
use tokio::sync::Notify;
use tonic::service::Routes;

/// What the service needs.
pub struct Options {
    /// The pipelines' own database.
    pub database: Db,
    /// The table store, for reading and staging.
    pub lake: Arc<dyn Lake>,
    /// The way to catalog-svc.
    pub catalog: Channel,
    /// The time.
    pub clock: Clock,
    /// Runs that are worked on at the same time.
    pub workers: usize,
}

/// What every part of the service works with.
#[derive(Clone)]
struct Pipelines {
    db: Db,
    lake: Arc<dyn Lake>,
    catalog: catalogue::Catalogue,
    clock: Clock,
    /// Rung when a run was queued.
    queued: Arc<Notify>,
}

/// Who may call what.
pub fn allow_list() -> AllowList {
    AllowList::from([("gateway".to_owned(), vec!["/madang.pipeline.v1.Pipelines/*".to_owned()])])
}

/// Brings the database up to date, starts the engine and gives the service.
pub async fn service(options: Options, drain: &Drain) -> Result<Served> {
    options.database.migrate(&store::MIGRATIONS).await.map_err(Error::internal)?;
    let pipelines = Pipelines {
        db: options.database,
        lake: options.lake,
        catalog: catalogue::Catalogue::new(options.catalog),
        clock: options.clock,
        queued: Arc::default(),
    };
    housekeeping::spawn(&pipelines.db, &pipelines.clock, drain);
    engine::start(&pipelines, options.workers, drain);
    let database = pipelines.db.clone();
    Ok(Served { name: "pipeline", routes: Routes::new(PipelinesServer::new(pipelines)), database })
}
