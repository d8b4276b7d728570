//! A catalogue and a pipeline service of a test's own, in this process, on real files; the Spec Store is the test.

use std::{collections::HashMap, fs, path::PathBuf, sync::Arc, time::Duration};

use futures::StreamExt;
use madang_kit::{
    Clock, Context, Db, Drain, Id, Principal,
    ckan::SiteOptions,
    config::{Config, PipelineConfig},
    db::Durability,
    outbound::FetchAllow,
    principal::Scheme,
    rpc::{self, Channel},
    secrets::Secrets,
};
use madang_lake_engine::{Durability as LakeDurability, Engine, EngineOptions};
use madang_proto::{
    catalog::v1::{ActRequest, PutUserRequest, act_response::Outcome, actions_client::ActionsClient, users_client::UsersClient},
    pipeline::v1::{FlowEvent, FlowEventKind, OpenFlowFileRequest, StartFlowRequest, WatchFlowsRequest, flows_client::FlowsClient},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{databases::Databases, server::Server};

/// How long a flow may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// What files' addresses begin with.
pub(crate) const FILES: &str = "http://hub/rawstore/";

/// Ends everything with the house.
struct Lights(Drain, #[expect(dead_code, reason = "removed when it is dropped")] TempDir);

impl Drop for Lights {
    fn drop(&mut self) {
        self.0.start();
    }
}

pub(crate) struct House {
    pub(crate) server: Server,
    pub(crate) flows: FlowsClient<Channel>,
    pub(crate) clock_file: PathBuf,
    catalog: Channel,
    owner: Context,
    databases: Option<Databases>,
    _lights: Lights,
}

/// What happened to a flow.
#[derive(Debug, Default)]
pub(crate) struct Story {
    pub(crate) events: Vec<FlowEvent>,
    /// How each pipeline ended.
    pub(crate) ends: HashMap<String, FlowEvent>,
    pub(crate) published: Option<Id>,
}

impl House {
    /// A house on SQLite.
    pub(crate) async fn new() -> Self {
        Self::with(None, |_| {}).await
    }

    /// One on PostgreSQL, where there is a server.
    pub(crate) async fn on_postgres() -> Option<Self> {
        let databases = Databases::new().await?;
        Some(Self::with(Some(databases), |_| {}).await)
    }

    pub(crate) async fn with(databases: Option<Databases>, set: impl FnOnce(&mut PipelineConfig)) -> Self {
        let mut config = Config::default().pipeline;
        set(&mut config);
        let server = Server::start().await;
        let allow = FetchAllow::parse(&server.address).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let clock_file = folder.path().join("offset");
        let clock = Clock::with_offset_file(Some(clock_file.clone()));
        let secrets = Secrets::generate(&["gateway", "catalog", "pipeline", "spec-store"]).unwrap();
        let (scratch, root) = (folder.path().join("scratch"), folder.path().join("root"));
        fs::create_dir(&scratch).unwrap();
        let options = EngineOptions { durability: LakeDurability::Fast, scratch: scratch.clone(), ..EngineOptions::new(root.clone()) };
        let lake = Arc::new(Engine::open(options).unwrap());
        let drain = Drain::default();
        let urls: HashMap<String, String> = databases.iter().flat_map(Databases::variables).collect();
        let database = async |name: &str| {
            let own = format!("sqlite:{}", folder.path().join(name).display());
            let url = urls.get(&format!("MADANG_{}_DATABASE_URL", name.to_uppercase())).unwrap_or(&own);
            Db::connect(url, Durability::Fast).await.unwrap()
        };
        let signer = |name: &str| secrets.signer(name, clock.clone()).unwrap();
        let options = madang_catalog::Options {
            database: database("catalog").await,
            files: lake.files(),
            fetch_allow: allow.clone(),
            lake: lake.clone(),
            spool_dir: scratch.clone(),
            search_dir: folder.path().join("search"),
            upload_bytes: 1 << 30,
            unpacked_bytes: 1 << 30,
            clock: clock.clone(),
            site: SiteOptions::default(),
        };
        let catalogue = madang_catalog::service(options, &drain).await.unwrap();
        let verifier = secrets.verifier(madang_catalog::allow_list(), clock.clone()).unwrap();
        let guarded = catalogue.guarded(verifier, &drain).await;
        let catalog = rpc::local(guarded.clone(), signer("gateway"));
        let options = madang_pipeline::Options {
            database: database("pipeline").await,
            flow: lake.clone(),
            reader: lake.clone(),
            flow_files: lake.flow_files(),
            scratch: folder.path().join("flows"),
            objects: lake.objects(),
            lake,
            keyring: secrets.keyring().unwrap(),
            fetch_allow: allow,
            catalog: rpc::local(guarded, signer("pipeline")),
            clock: clock.clone(),
            config,
            data_dir: folder.path().to_owned(),
        };
        let pipelines = madang_pipeline::service(options, &drain).await.unwrap();
        let verifier = secrets.verifier(madang_pipeline::allow_list(), clock.clone()).unwrap();
        let pipelines = rpc::local(pipelines.guarded(verifier, &drain).await, signer("spec-store"));
        let owner = user(&catalog, "mina").await;
        let flows = FlowsClient::new(pipelines).max_decoding_message_size(32 << 20);
        Self { server, flows, clock_file, catalog, owner, databases, _lights: Lights(drain, folder) }
    }

    pub(crate) async fn remove(self) {
        if let Some(databases) = self.databases {
            databases.remove().await;
        }
    }

    /// The Spec Store's own context, for what it asks in nobody's name.
    pub(crate) fn service() -> Context {
        Context::new(Principal::service("spec-store"))
    }

    /// Starts a flow for the owner, a user of the hub.
    pub(crate) async fn start(&self, request: StartFlowRequest) -> Result<(), tonic::Status> {
        self.flows.clone().start_flow(rpc::request(&Context::new(self.owner.principal.clone()), request)).await.map(drop)
    }

    /// Starts a flow and waits for its end, and for its publication if it succeeded.
    pub(crate) async fn run(&self, request: StartFlowRequest) -> Story {
        let (flow, pipelines) = (request.flow_id.clone(), request.artifacts.len());
        self.start(request).await.unwrap();
        tokio::time::timeout(PATIENCE, self.story(&flow, pipelines)).await.expect("the flow ends")
    }

    /// Follows a flow to its end.
    pub(crate) async fn story(&self, flow: &str, pipelines: usize) -> Story {
        let mut story = Story::default();
        let events = self.flows.clone().watch_flows(rpc::request(&Self::service(), WatchFlowsRequest { after: 0 })).await.unwrap();
        let mut events = events.into_inner();
        while let Some(event) = events.next().await {
            let event = event.unwrap();
            if event.flow_id != flow {
                continue;
            }
            match event.kind() {
                FlowEventKind::Finish => {
                    let twice = story.ends.insert(event.pipeline_id.clone(), event.clone());
                    assert!(twice.is_none(), "{twice:?} ended twice");
                }
                FlowEventKind::Published => story.published = Some(id(&event.dataset_id)),
                _ => {}
            }
            story.events.push(event);
            let failed = story.ends.values().any(|end| !end.success);
            if story.ends.len() == pipelines && (failed || story.published.is_some()) {
                break;
            }
        }
        story
    }

    /// The bytes of a file, asked for by somebody.
    pub(crate) async fn open(&self, key: &str, owner: &str, range: (u64, u64)) -> Result<Vec<u8>, tonic::Status> {
        let (offset, bytes) = range;
        let request = OpenFlowFileRequest { key: key.to_owned(), offset, bytes, owner_id: owner.to_owned() };
        let mut pieces = self.flows.clone().open_flow_file(rpc::request(&Self::service(), request)).await?.into_inner();
        let mut found = Vec::new();
        while let Some(piece) = pieces.next().await {
            found.extend_from_slice(&piece?.chunk);
        }
        Ok(found)
    }

    pub(crate) async fn read(&self, key: &str) -> Vec<u8> {
        self.open(key, OWNER, (0, 0)).await.unwrap()
    }

    pub(crate) async fn json(&self, key: &str) -> Value {
        serde_json::from_slice(&self.read(key).await).unwrap()
    }

    /// A file by its whole address.
    pub(crate) async fn at(&self, url: &Value) -> Vec<u8> {
        self.read(url.as_str().unwrap().strip_prefix(FILES).unwrap()).await
    }

    /// An action of the catalogue, as the owner, or as nobody.
    pub(crate) async fn act(&self, as_owner: bool, action: &str, dict: &Value) -> Result<Value, String> {
        let context = if as_owner { Context::new(self.owner.principal.clone()) } else { Context::new(Principal::anonymous()) };
        let request = ActRequest {
            action: action.to_owned(),
            dict: serde_json::to_vec(dict).unwrap().into(),
            site_url: "http://hub".to_owned(),
            reads: true,
        };
        let answer = ActionsClient::new(self.catalog.clone()).act(rpc::request(&context, request)).await.unwrap().into_inner();
        match answer.outcome.unwrap() {
            Outcome::Result(result) => Ok(serde_json::from_slice(&result).unwrap()),
            Outcome::Refusal(refusal) => Err(format!("{:?} {}", refusal.kind(), refusal.detail)),
        }
    }

    /// Moves the hub's clock.
    pub(crate) fn forward(&self, milliseconds: i64) {
        fs::write(&self.clock_file, milliseconds.to_string()).unwrap();
    }
}

/// The owner's id.
pub(crate) const OWNER: &str = "0e9b59";

fn id(bytes: &[u8]) -> Id {
    let hex = madang_kit::hex(bytes);
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-").parse().unwrap()
}

async fn user(catalog: &Channel, name: &str) -> Context {
    let principal =
        Principal { user: Id::generate(), name: name.to_owned(), space: None, roles: vec!["user".to_owned()], scheme: Scheme::AuthToken };
    let request = PutUserRequest {
        id: principal.user.to_string(),
        name: name.to_owned(),
        email: format!("{name}@example.com"),
        state: "active".to_owned(),
        revision: 1,
        ..PutUserRequest::default()
    };
    let service = Context::new(Principal::service("gateway"));
    UsersClient::new(catalog.clone()).put_user(rpc::request(&service, request)).await.unwrap();
    Context::new(principal)
}
