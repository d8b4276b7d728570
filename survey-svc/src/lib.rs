//! Surveys, collect groups, panels, answer sheets and what guards the personal data in them.
//!
//! [`grpc`] is the contract's face. [`survey`], [`group`], [`panel`], [`profile`] and [`response`] hold the rules, [`store`] the SQL.
//! [`live`] keeps answers as tables of the catalogue. [`sheet`] is what respondents meet; [`recorder`] writes what they submit, many sheets in one transaction. [`vault`] keeps personal
//! values sealed, [`access`] notes who works with them.

mod access;
mod audit;
mod cells;
mod export;
mod group;
mod grpc;
mod import;
mod import_line;
mod live;
mod panel;
mod panel_import;
mod permission;
mod privacy;
mod profile;
mod recorder;
mod response;
mod sanitise;
mod schedule;
mod serial;
mod sheet;
mod store;
mod survey;
mod vault;
mod webhook;
mod webhook_admin;
mod xlsx;

use std::sync::Arc;

use madang_kit::{
    Clock, Db, Drain, Error, Result,
    assertion::AllowList,
    config::SurveyConfig,
    housekeeping,
    keyring::Keyring,
    outbound::FetchAllow,
    rpc::{Channel, Served},
};
use madang_proto::survey::v1::{
    live_tables_server::LiveTablesServer, panels_server::PanelsServer, privacy_server::PrivacyServer,
    respondents_server::RespondentsServer, responses_server::ResponsesServer, surveys_server::SurveysServer,
    webhooks_server::WebhooksServer,
};
use moka::sync::Cache;
use tonic::service::Routes;

use crate::{recorder::Recorder, survey::Frozen, vault::Vault, webhook::Deliveries};

/// Surveys that collect now; they are frozen.
const CACHED_SURVEYS: u64 = 1_000;

/// The largest message: a page of a thousand sheets of the largest size.
const MESSAGE_BYTES: usize = 300 << 20;

/// What the service needs.
pub struct Options {
    /// The surveys' own database.
    pub database: Db,
    /// Keys for personal values and secrets.
    pub keyring: Keyring,
    /// Where webhooks may lead beyond public addresses.
    pub fetch_allow: FetchAllow,
    /// The way to the catalogue, which has the live tables.
    pub catalog: Channel,
    /// The time.
    pub clock: Clock,
    /// What the operator set.
    pub config: SurveyConfig,
}

/// What every part of the service works with.
#[derive(Clone)]
struct Surveys {
    db: Db,
    vault: Vault,
    clock: Clock,
    config: Arc<SurveyConfig>,
    recorder: Recorder,
    deliveries: Deliveries,
    allow: FetchAllow,
    catalogue: live::Catalogue,
    frozen: Cache<String, Arc<Frozen>>,
}

/// Who may call what.
pub fn allow_list() -> AllowList {
    let services = ["Surveys", "Respondents", "Panels", "Responses", "Privacy", "Webhooks", "LiveTables"];
    let calls = services.map(|service| format!("/madang.survey.v1.{service}/*"));
    AllowList::from([("gateway".to_owned(), calls.to_vec())])
}

/// Brings the database up to date, starts what runs in the background, and gives the service.
pub async fn service(options: Options, drain: &Drain) -> Result<Served> {
    let Options { database: db, keyring, fetch_allow, catalog, clock, config } = options;
    db.migrate(&store::MIGRATIONS).await.map_err(Error::internal)?;
    let vault = Vault::new(keyring);
    let config = Arc::new(config);
    let deliveries = Deliveries::start(&db, &vault, &clock, fetch_allow.clone(), drain);
    let parts = recorder::Parts { db: db.clone(), clock: clock.clone(), config: config.clone(), deliveries: deliveries.clone() };
    let recorder = Recorder::start(parts, drain);
    let frozen = Cache::new(CACHED_SURVEYS);
    let catalogue = live::Catalogue::new(catalog);
    let surveys = Surveys { db, vault, clock, config, recorder, deliveries, allow: fetch_allow, catalogue, frozen };
    housekeeping::spawn(&surveys.db, &surveys.clock, drain);
    schedule::start(&surveys, drain);
    privacy::start(&surveys, drain);
    live::start(&surveys, drain);
    let database = surveys.db.clone();
    let routes = Routes::new(SurveysServer::new(surveys.clone()))
        .add_service(RespondentsServer::new(surveys.clone()))
        .add_service(PanelsServer::new(surveys.clone()))
        .add_service(ResponsesServer::new(surveys.clone()).max_encoding_message_size(MESSAGE_BYTES))
        .add_service(PrivacyServer::new(surveys.clone()))
        .add_service(WebhooksServer::new(surveys.clone()))
        .add_service(LiveTablesServer::new(surveys));
    Ok(Served { name: "survey", routes, database })
}
