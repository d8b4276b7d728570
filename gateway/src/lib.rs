//! The only HTTP door: edge → credential → dialect → gRPC. It owns identity, and the only database it opens is its own.
//!
//! * [`edge`]: listeners, TLS, limits, request ids, the access log, metrics, health.
//! * [`credential`]: one file per scheme; says who is asking and answers nothing.
//! * [`dialect`]: one folder per API; routes in a table, JSON types, one error table.
//! * [`identity`]: users, spaces, keys and tokens.
//! * [`openapi`]: what all of it is, for programs and for people.

mod credential;
mod dialect;
mod edge;
mod identity;
mod openapi;
mod shared_state;

use std::{sync::Arc, time::Duration};

use madang_kit::{
    Clock, Context, Db, Drain, Error, Principal, Result,
    config::{Config, Replay},
    housekeeping,
    rpc::{self, Channel},
    secrets::Secrets,
};
use madang_proto::{
    catalog::v1::catalog_client::CatalogClient,
    pipeline::v1::{
        IntroduceRequest, buckets_client::BucketsClient, codes_client::CodesClient, connections_client::ConnectionsClient,
        executions_client::ExecutionsClient, jobs_client::JobsClient, pipelines_client::PipelinesClient, triggers_client::TriggersClient,
        workflows_client::WorkflowsClient,
    },
};

pub use credential::ncp_signature::sign;
pub use edge::{Addresses, Listeners, tls};
pub use identity::bootstrap::Credentials;

use credential::Authenticator;
use identity::{Identity, outbox, store, token::Tokens};

/// The largest message from a service: a page of rows comes in pieces of 1 MiB.
const MESSAGE_BYTES: usize = 16 << 20;
/// How often pipeline-svc is told of the first space until it was heard.
const INTRODUCE_EVERY: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_mins(10);

/// What the gateway needs.
pub struct Options {
    /// Its own database.
    pub database: Db,
    /// The keys of the installation.
    pub secrets: Secrets,
    /// The way to catalog-svc.
    pub catalog: Channel,
    /// The way to pipeline-svc.
    pub pipeline: Channel,
    /// The time.
    pub clock: Clock,
    /// Counts for `/metrics`, if they are collected.
    pub metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
}

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct Gateway {
    identity: Identity,
    tokens: Arc<Tokens>,
    users: Arc<outbox::Relay>,
    shared: Arc<dyn shared_state::SharedState>,
    catalog: CatalogClient<Channel>,
    pipelines: PipelinesClient<Channel>,
    codes: CodesClient<Channel>,
    jobs: JobsClient<Channel>,
    executions: ExecutionsClient<Channel>,
    workflows: WorkflowsClient<Channel>,
    triggers: TriggersClient<Channel>,
    buckets: BucketsClient<Channel>,
    connections: ConnectionsClient<Channel>,
    parts: Arc<Vec<(&'static str, Channel)>>,
    metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
    config: Arc<Config>,
}

/// Opens the identity store and makes the first administrator if there is none. `keep` makes the credentials durable before they
/// are committed.
pub async fn bootstrap(
    database: &Db,
    secrets: &Secrets,
    clock: Clock,
    keep: impl FnOnce(&Credentials) -> std::io::Result<()>,
) -> Result<Option<Credentials>> {
    let (identity, tokens) = open(database, secrets, clock).await?;
    identity::bootstrap::bootstrap(&identity, &tokens, keep).await
}

/// Starts the gateway on its listeners.
pub async fn start(options: Options, config: Config, listeners: Listeners, drain: &Drain) -> Result<()> {
    let (identity, tokens) = open(&options.database, &options.secrets, options.clock).await?;
    housekeeping::spawn(&identity.db, &identity.clock, drain);
    let users = outbox::Relay::new(identity.clone(), options.catalog.clone()).start(drain).await;
    spawn_sweeps(identity.clone(), drain);
    let gateway = Gateway {
        identity,
        tokens: Arc::new(tokens),
        users,
        shared: Arc::new(shared_state::Memory::default()),
        catalog: CatalogClient::new(options.catalog.clone()).max_decoding_message_size(MESSAGE_BYTES),
        pipelines: PipelinesClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        codes: CodesClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        jobs: JobsClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        executions: ExecutionsClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        workflows: WorkflowsClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        triggers: TriggersClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        buckets: BucketsClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        connections: ConnectionsClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        parts: Arc::new(vec![("catalog", options.catalog), ("pipeline", options.pipeline)]),
        metrics: options.metrics,
        config: Arc::new(config),
    };
    introduce(&gateway, drain).await;
    let router = edge::wrap(dialect::router(gateway.clone()), &gateway);
    listeners.serve(router, drain);
    Ok(())
}

/// Tells pipeline-svc which space has the buckets that were put there by hand: at once if it is there already, else as soon as it is.
async fn introduce(gateway: &Gateway, drain: &Drain) {
    if told_first_space(gateway).await {
        return;
    }
    let (gateway, stop) = (gateway.clone(), drain.token());
    drain.spawn(async move {
        while stop.run_until_cancelled(tokio::time::sleep(INTRODUCE_EVERY)).await.is_some() {
            if told_first_space(&gateway).await {
                return;
            }
        }
    });
}

async fn told_first_space(gateway: &Gateway) -> bool {
    let space = match store::oldest_space(&gateway.identity.db).await {
        Ok(Some(space)) => space,
        Ok(None) => return true,
        Err(_) => return false,
    };
    let context = Context::new(Principal::service("gateway"));
    let request = IntroduceRequest { space_id: space.to_string() };
    gateway.buckets.clone().introduce(rpc::request(&context, request)).await.is_ok()
}

impl Gateway {
    fn authenticator(&self) -> Authenticator {
        Authenticator { identity: self.identity.clone(), tokens: self.tokens.clone() }
    }

    fn demands_first_body(&self) -> bool {
        self.config.replay == Replay::Strict
    }

    fn remembers_writes(&self) -> bool {
        self.config.replay != Replay::Off
    }
}

async fn open(database: &Db, secrets: &Secrets, clock: Clock) -> Result<(Identity, Tokens)> {
    database.migrate(&store::MIGRATIONS).await.map_err(Error::internal)?;
    let keyring = secrets.keyring().map_err(Error::internal)?;
    let token_key = secrets.token_key.as_ref().ok_or_else(|| Error::internal("secrets: no token_key"))?;
    let tokens = Tokens::new(token_key, secrets.spec_store_key.as_ref(), clock.clone())?;
    Ok((Identity::new(database.clone(), keyring, clock), tokens))
}

/// Forgets ended tokens that have expired, now and then.
fn spawn_sweeps(identity: Identity, drain: &Drain) {
    housekeeping::every(SWEEP_EVERY, drain, "expired tokens not removed yet", move || {
        let identity = identity.clone();
        async move { sweep(&identity).await }
    });
}

async fn sweep(identity: &Identity) -> Result<()> {
    let mut tx = identity.db.begin().await?;
    store::sweep_revoked_tokens(&mut tx, identity.clock.now()).await?;
    Ok(tx.commit().await?)
}
