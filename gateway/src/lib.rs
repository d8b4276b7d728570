//! The only HTTP door: edge → credential → dialect → gRPC. It owns identity, and the only database it opens is its own.
//!
//! * [`edge`]: listeners, TLS, limits, request ids, the access log, metrics, health.
//! * [`credential`]: one file per scheme; says who is asking and answers nothing.
//! * [`admission`]: usage plans and the memory of signed writes, for requests with a good signature.
//! * [`refusal`], [`explain`]: why a signature was refused, for those who may know.
//! * [`dialect`]: one folder per API; routes in a table, JSON types, one error table.
//! * [`identity`]: users, spaces, keys and tokens.
//! * [`openapi`]: what all of it is, for programs and for people.

mod admission;
mod credential;
mod dialect;
mod edge;
pub mod explain;
mod identity;
mod keys;
mod openapi;
mod refusal;
mod shared_state;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use madang_kit::{
    Clock, Context, Db, Drain, Error, Principal, Result,
    ckan::SiteOptions,
    config::{Config, Replay},
    error::chain,
    housekeeping,
    rpc::{self, Channel},
    secrets::Secrets,
};
use madang_proto::{
    catalog::v1::{actions_client::ActionsClient, catalog_client::CatalogClient},
    pipeline::v1::{
        IntroduceRequest, buckets_client::BucketsClient, codes_client::CodesClient, connections_client::ConnectionsClient,
        executions_client::ExecutionsClient, flows_client::FlowsClient, jobs_client::JobsClient, pipelines_client::PipelinesClient,
        triggers_client::TriggersClient, workflows_client::WorkflowsClient,
    },
    spec_store::v1::spec_store_client::SpecStoreClient,
    survey::v1::{
        live_tables_client::LiveTablesClient, panels_client::PanelsClient, privacy_client::PrivacyClient,
        respondents_client::RespondentsClient, responses_client::ResponsesClient, surveys_client::SurveysClient,
        webhooks_client::WebhooksClient,
    },
};

pub use credential::ncp_signature::sign;
pub use edge::{Addresses, Listeners, tls};
pub use identity::bootstrap::Credentials;
pub use keys::{Keys, MAX_PAGE as MAX_KEYS};

use credential::Authenticator;
use identity::{Identity, access_key, issuer::Issuer, key_store, outbox, store, token::Tokens};
use refusal::Refusals;
use shared_state::SharedState;

/// The largest message from a service: a page of rows comes in pieces of 1 MiB.
const MESSAGE_BYTES: usize = 16 << 20;
/// The largest answer of an action of CKAN: as many packages as a list may have.
const ACTION_BYTES: usize = 256 << 20;
/// The largest message from or to spec-store-svc: a revision with what its pipelines said.
const SPEC_BYTES: usize = 32 << 20;
/// The largest page of responses: a thousand sheets of the largest size.
const RESPONSE_BYTES: usize = 300 << 20;
/// How often pipeline-svc is told of the first space until it was heard.
const INTRODUCE_EVERY: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_mins(10);
/// How long the counts of a quota are kept.
const KEEP_USAGE: TimeDelta = TimeDelta::days(62);

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
    /// The way to spec-store-svc; none where nobody serves it.
    pub spec_store: Option<Channel>,
    /// The way to survey-svc; none where nobody serves it.
    pub survey: Option<Channel>,
    /// The time.
    pub clock: Clock,
    /// The options of CKAN's face.
    pub site: SiteOptions,
    /// Counts for `/metrics`, if they are collected.
    pub metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
}

/// What handlers work with. Each request clones it several times, so it is one pointer.
#[derive(Clone)]
pub(crate) struct Gateway(Arc<House>);

impl std::ops::Deref for Gateway {
    type Target = House;

    fn deref(&self) -> &House {
        &self.0
    }
}

/// What is in the gateway.
pub(crate) struct House {
    identity: Identity,
    tokens: Arc<Tokens>,
    users: Arc<outbox::Relay>,
    shared: Arc<dyn shared_state::SharedState>,
    refusals: Refusals,
    catalog: CatalogClient<Channel>,
    actions: ActionsClient<Channel>,
    site: SiteOptions,
    /// What links of CKAN's face begin with, without a slash at the end.
    site_url: String,
    pipelines: PipelinesClient<Channel>,
    codes: CodesClient<Channel>,
    jobs: JobsClient<Channel>,
    executions: ExecutionsClient<Channel>,
    workflows: WorkflowsClient<Channel>,
    triggers: TriggersClient<Channel>,
    buckets: BucketsClient<Channel>,
    connections: ConnectionsClient<Channel>,
    flows: FlowsClient<Channel>,
    spec_store: SpecStoreClient<Channel>,
    /// Who issues the Spec Store's tokens, if it is not this hub.
    issuer: Option<Arc<Issuer>>,
    surveys: SurveysClient<Channel>,
    live_tables: LiveTablesClient<Channel>,
    respondents: RespondentsClient<Channel>,
    panels: PanelsClient<Channel>,
    responses: ResponsesClient<Channel>,
    privacy: PrivacyClient<Channel>,
    webhooks: WebhooksClient<Channel>,
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
    let (identity, tokens) = open(&options.database, &options.secrets, options.clock.clone()).await?;
    housekeeping::spawn(&identity.db, &identity.clock, drain);
    access_key::mark_secrets(&identity).await?;
    identity.watch(drain);
    let users = outbox::Relay::new(identity.clone(), options.catalog.clone()).start(drain).await;
    spawn_sweeps(identity.clone(), drain);
    let (config, shared) = (Arc::new(config), Arc::new(shared_state::Memory::new(&identity.db)));
    spawn_give_back(shared.clone(), drain);
    let parts = parts(&options);
    let survey = options.survey.clone().unwrap_or_else(rpc::absent);
    let gateway = Gateway(Arc::new(House {
        refusals: Refusals::new(shared.clone(), identity.clone(), config.clone()),
        identity,
        tokens: Arc::new(tokens),
        users,
        shared,
        catalog: CatalogClient::new(options.catalog.clone()).max_decoding_message_size(MESSAGE_BYTES),
        actions: ActionsClient::new(options.catalog.clone()).max_decoding_message_size(ACTION_BYTES),
        site_url: site_url(&options.site, &listeners)?,
        site: options.site,
        pipelines: PipelinesClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        codes: CodesClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        jobs: JobsClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        executions: ExecutionsClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        workflows: WorkflowsClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        triggers: TriggersClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        buckets: BucketsClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        connections: ConnectionsClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        flows: FlowsClient::new(options.pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES),
        spec_store: SpecStoreClient::new(options.spec_store.clone().unwrap_or_else(rpc::absent))
            .max_decoding_message_size(SPEC_BYTES)
            .max_encoding_message_size(SPEC_BYTES),
        issuer: Issuer::of(&config.spec_store.auth_server)?.map(Arc::new),
        surveys: SurveysClient::new(survey.clone()).max_decoding_message_size(MESSAGE_BYTES),
        respondents: RespondentsClient::new(survey.clone()).max_decoding_message_size(MESSAGE_BYTES),
        panels: PanelsClient::new(survey.clone()).max_decoding_message_size(MESSAGE_BYTES),
        responses: ResponsesClient::new(survey.clone()).max_decoding_message_size(RESPONSE_BYTES),
        privacy: PrivacyClient::new(survey.clone()).max_decoding_message_size(MESSAGE_BYTES),
        live_tables: LiveTablesClient::new(survey.clone()),
        webhooks: WebhooksClient::new(survey).max_decoding_message_size(MESSAGE_BYTES),
        parts: Arc::new(parts),
        metrics: options.metrics,
        config,
    }));
    introduce(&gateway, drain).await;
    let router = edge::wrap(dialect::router(gateway.clone()), &gateway);
    listeners.serve(router, drain);
    Ok(())
}

/// The services whose readiness is this gateway's.
fn parts(options: &Options) -> Vec<(&'static str, Channel)> {
    let always = [("catalog", options.catalog.clone()), ("pipeline", options.pipeline.clone())];
    let others = [("spec-store", &options.spec_store), ("survey", &options.survey)];
    always.into_iter().chain(others.into_iter().filter_map(|(name, channel)| Some((name, channel.clone()?)))).collect()
}

/// What the site calls itself, or the address at which it is served.
fn site_url(site: &SiteOptions, listeners: &Listeners) -> Result<String> {
    if !site.site_url.is_empty() {
        return Ok(site.site_url.trim_end_matches('/').to_owned());
    }
    let Addresses { http, https } = listeners.addresses().map_err(Error::internal)?;
    let plain = http.map(|address| format!("http://{address}"));
    Ok(plain.or_else(|| https.map(|address| format!("https://{address}"))).unwrap_or_default())
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
    fn authenticator(&self) -> Arc<Authenticator> {
        let named = [&self.site.key_header, &self.site.token_header];
        let token_headers = named.into_iter().map(|name| name.to_lowercase()).filter(|name| name != "authorization").collect();
        let (identity, tokens, refusals) = (self.identity.clone(), self.tokens.clone(), self.refusals.clone());
        Arc::new(Authenticator { identity, tokens, refusals, token_headers, issuer: self.issuer.clone() })
    }

    fn keys(&self) -> Keys {
        Keys::new(self.identity.clone(), self.shared.clone())
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

/// Gives back what was counted of quotas and not used, once nothing new comes.
fn spawn_give_back(shared: Arc<dyn SharedState>, drain: &Drain) {
    let stop = drain.token();
    drain.spawn(async move {
        stop.cancelled().await;
        if let Err(error) = shared.give_back().await {
            tracing::warn!(error = %chain(&error), "unused requests of quotas not given back");
        }
    });
}

/// Forgets ended tokens that have expired and counts of past months, now and then.
fn spawn_sweeps(identity: Identity, drain: &Drain) {
    housekeeping::every(SWEEP_EVERY, drain, "expired tokens not removed yet", move || {
        let identity = identity.clone();
        async move { sweep(&identity).await }
    });
}

async fn sweep(identity: &Identity) -> Result<()> {
    let mut tx = identity.db.begin().await?;
    let now = identity.clock.now();
    store::sweep_revoked_tokens(&mut tx, now).await?;
    let [_, month] = admission::periods(now - KEEP_USAGE);
    key_store::sweep_usage(&mut tx, &month).await?;
    Ok(tx.commit().await?)
}
