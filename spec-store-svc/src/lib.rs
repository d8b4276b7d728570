//! The Spec Store: source specs, their revisions, and the planner.
//!
//! [`grpc`] is the contract's face. [`spec`] and [`plan`] are functions of what was uploaded, [`state`] of what was heard; [`upload`],
//! [`report`], [`revision`] and [`end`] are what can be done, [`store`] the SQL. Three tasks work by themselves: [`flows`] hands flows to
//! pipeline-svc and reads what becomes of them, [`scheduler`] runs datasets again, [`end`] fails what is not heard of any more.
//! Nothing here fetches anything.

mod end;
mod flows;
mod grpc;
mod plan;
mod report;
mod revision;
mod scheduler;
mod search;
mod spec;
mod state;
mod store;
mod upload;

use std::sync::Arc;

use madang_kit::{
    Clock, Db, Drain, Error, Result,
    assertion::AllowList,
    bell::Bell,
    config::{Execution, SpecStoreConfig},
    housekeeping,
    rpc::{Channel, Served},
};
use madang_proto::{pipeline::v1::flows_client::FlowsClient, spec_store::v1::spec_store_server::SpecStoreServer};
use tokio::sync::Notify;
use tonic::service::Routes;

/// The largest message: a spec, or a revision with what its pipelines said.
const MESSAGE_BYTES: usize = 32 << 20;

/// What the service needs.
pub struct Options {
    /// The Spec Store's own database.
    pub database: Db,
    /// The way to pipeline-svc.
    pub pipeline: Channel,
    /// The time.
    pub clock: Clock,
    /// What the operator set.
    pub config: SpecStoreConfig,
}

/// What every part of the service works with.
#[derive(Clone)]
struct SpecStore {
    db: Db,
    flows: FlowsClient<Channel>,
    clock: Clock,
    config: Arc<SpecStoreConfig>,
    /// Rung when there is a command for pipeline-svc.
    commands: Bell,
    /// Rung when a timer was changed.
    scheduled: Bell,
    /// Wakes who waits for a revision.
    changed: Arc<Notify>,
}

impl SpecStore {
    /// Whether somebody else works on what is planned from now on.
    fn is_external(&self) -> bool {
        self.config.execution == Execution::External
    }
}

/// Who may call what.
pub fn allow_list() -> AllowList {
    AllowList::from([("gateway".to_owned(), vec!["/madang.spec_store.v1.SpecStore/*".to_owned()])])
}

/// Brings the database up to date, starts what works by itself, and gives the service.
pub async fn service(options: Options, drain: &Drain) -> Result<Served> {
    let Options { database: db, pipeline, clock, config } = options;
    db.migrate(&store::MIGRATIONS).await.map_err(Error::internal)?;
    let (commands, scheduled) = (Bell::new("madang_spec_commands", &db, drain), Bell::new("madang_spec_timers", &db, drain));
    let (flows, changed, config) = (flows::client(pipeline), Arc::new(Notify::new()), Arc::new(config));
    let store = SpecStore { db, flows, clock, config, commands, scheduled, changed };
    housekeeping::spawn(&store.db, &store.clock, drain);
    flows::send(&store, drain);
    flows::watch(&store, drain);
    scheduler::start(&store, drain);
    end::sweep(&store, drain);
    let database = store.db.clone();
    let server = SpecStoreServer::new(store).max_decoding_message_size(MESSAGE_BYTES).max_encoding_message_size(MESSAGE_BYTES);
    Ok(Served { name: "spec-store", routes: Routes::new(server), database })
}
