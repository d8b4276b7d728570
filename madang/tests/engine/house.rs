//! A catalogue and a pipeline service of a test's own, in this process, on real files.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use madang_kit::{
    Clock, Context, Db, Drain, Id, Principal,
    ckan::SiteOptions,
    config::{Config, PipelineConfig},
    db::Durability,
    principal::Scheme,
    rpc::{self, Channel},
    secrets::Secrets,
};
use madang_lake::Decoder;
use madang_lake_engine::{Durability as LakeDurability, Engine, EngineOptions};
use madang_proto::{
    catalog::v1::{
        CreateDatasetRequest, PutUserRequest, ReadTableRequest, UploadEnd, UploadFile, UploadStart, UploadTableRequest,
        WriteMode as UploadMode, catalog_client::CatalogClient, read_table_response::Part as ReadPart, upload_table_request::Part,
        users_client::UsersClient,
    },
    pipeline::v1::{
        Card, CreatePipelineRequest, Definition, GetRunRequest, Input, Output, ReadMode, Run, RunState, Sql, StartRunRequest, Step,
        WriteMode, input::From, pipelines_client::PipelinesClient, step::Work,
    },
};
use tempfile::TempDir;

use crate::fault::Faults;

/// What is uploaded, in two parts.
pub(crate) const ROWS: [i64; 5] = [1, 2, 3, 4, 5];
/// How long a run may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// A lease, and a little more.
pub(crate) const LEASE_MS: i64 = 31_000;
/// After so long without an end, the lease was prolonged when the clock was moved.
const LEASE_AGAIN: Duration = Duration::from_secs(10);

/// A user whom the catalogue knows, an administrator.
async fn user(catalog: &Channel, name: &str) -> Context {
    let principal = Principal {
        user: Id::generate(),
        name: name.to_owned(),
        space: None,
        roles: vec!["admin".to_owned(), "user".to_owned()],
        scheme: Scheme::BearerJwt,
    };
    let request = PutUserRequest {
        id: principal.user.to_string(),
        name: name.to_owned(),
        email: format!("{name}@example.com"),
        state: "active".to_owned(),
        sysadmin: true,
        revision: 1,
        ..PutUserRequest::default()
    };
    let service = Context::new(Principal::service("gateway"));
    UsersClient::new(catalog.clone()).put_user(rpc::request(&service, request)).await.unwrap();
    Context::new(principal)
}

/// Ends everything once the last face of the house is gone.
struct Lights(Drain, #[expect(dead_code, reason = "removed when it is dropped")] TempDir);

impl Drop for Lights {
    fn drop(&mut self) {
        self.0.start();
    }
}

/// One of each, with a source, a copy of it, and the sum of the copy.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) faults: Faults,
    catalog: Channel,
    pipelines: Channel,
    context: Context,
    clock_file: PathBuf,
    /// The pipelines' database, on a way of our own.
    pub(crate) database: Db,
    source: String,
    copy: String,
    sum: String,
    pipeline: String,
    _lights: Arc<Lights>,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A house where something is set otherwise.
    pub(crate) async fn with(set: impl FnOnce(&mut PipelineConfig)) -> Self {
        let mut config = Config::default().pipeline;
        set(&mut config);
        let folder = tempfile::tempdir().unwrap();
        let clock_file = folder.path().join("offset");
        let clock = Clock::with_offset_file(Some(clock_file.clone()));
        let secrets = Secrets::generate(&["gateway", "catalog", "pipeline"]).unwrap();
        let scratch = folder.path().join("scratch");
        fs::create_dir(&scratch).unwrap();
        let options =
            EngineOptions { durability: LakeDurability::Fast, scratch: scratch.clone(), ..EngineOptions::new(folder.path().join("root")) };
        let lake = Arc::new(Engine::open(options).unwrap());
        let drain = Drain::default();
        let database =
            async |name: &str| Db::connect(&format!("sqlite:{}", folder.path().join(name).display()), Durability::Fast).await.unwrap();
        let signer = |name: &str| secrets.signer(name, clock.clone()).unwrap();

        let options = madang_catalog::Options {
            database: database("catalog.db").await,
            files: lake.files(),
            fetch_allow: madang_kit::outbound::FetchAllow::default(),
            lake: lake.clone(),
            spool_dir: scratch,
            search_dir: folder.path().join("search"),
            upload_bytes: 1 << 20,
            unpacked_bytes: 1 << 20,
            clock: clock.clone(),
            site: SiteOptions::default(),
        };
        let served = madang_catalog::service(options, &drain).await.unwrap();
        let verifier = secrets.verifier(madang_catalog::allow_list(), clock.clone()).unwrap();
        let guarded = served.guarded(verifier, &drain).await;
        let catalog = rpc::local(guarded.clone(), signer("gateway"));

        let faults = Faults::default();
        let own = database("pipeline.db").await;
        let options = madang_pipeline::Options {
            database: own.clone(),
            flow: lake.clone(),
            reader: lake.clone(),
            flow_files: lake.flow_files(),
            scratch: folder.path().join("flows"),
            objects: lake.objects(),
            lake,
            keyring: secrets.keyring().unwrap(),
            fetch_allow: madang_kit::outbound::FetchAllow::default(),
            catalog: faults.on(rpc::local(guarded, signer("pipeline"))),
            clock: clock.clone(),
            config,
            data_dir: folder.path().to_owned(),
        };
        let served = madang_pipeline::service(options, &drain).await.unwrap();
        let verifier = secrets.verifier(madang_pipeline::allow_list(), clock.clone()).unwrap();
        let pipelines = rpc::local(served.guarded(verifier, &drain).await, signer("gateway"));

        let context = user(&catalog, "kim").await;
        let mut house = Self {
            faults,
            catalog,
            pipelines,
            context,
            clock_file,
            database: own,
            source: String::new(),
            copy: String::new(),
            sum: String::new(),
            pipeline: String::new(),
            _lights: Arc::new(Lights(drain, folder)),
        };
        house.furnish().await;
        house
    }

    /// The datasets, the pipeline.
    async fn furnish(&mut self) {
        for name in ["source", "copy", "sum"] {
            let request = CreateDatasetRequest { title: name.to_owned(), ..CreateDatasetRequest::default() };
            let made = CatalogClient::new(self.catalog.clone()).create_dataset(rpc::request(&self.context, request)).await.unwrap();
            let id = made.into_inner().id;
            match name {
                "source" => self.source = id,
                "copy" => self.copy = id,
                _ => self.sum = id,
            }
        }
        self.pipeline = self.make_pipeline(&self.copy).await;
    }

    /// Carries rows over into a dataset, and their sum into another.
    async fn make_pipeline(&self, copy: &str) -> String {
        let steps = vec![
            step("copy", "SELECT n FROM t", &self.source, copy, ReadMode::Cdc, WriteMode::Append),
            step("sum", "SELECT sum(n) AS n FROM t", copy, &self.sum, ReadMode::Full, WriteMode::Overwrite),
        ];
        let request = CreatePipelineRequest {
            card: Some(Card { title: "p".to_owned(), ..Card::default() }),
            definition: Some(Definition { steps, ..Definition::default() }),
            unique_title: false,
        };
        let made = PipelinesClient::new(self.pipelines.clone()).create_pipeline(rpc::request(&self.context, request)).await.unwrap();
        made.into_inner().id
    }

    /// The same house, for another administrator.
    pub(crate) async fn as_somebody_else(&self) -> Self {
        Self { context: user(&self.catalog, "lee").await, ..self.clone() }
    }

    /// Starts a pipeline that nobody else has.
    pub(crate) async fn start_another(&self) -> Run {
        let request = CreateDatasetRequest { title: "another".to_owned(), ..CreateDatasetRequest::default() };
        let made = CatalogClient::new(self.catalog.clone()).create_dataset(rpc::request(&self.context, request)).await.unwrap();
        let pipeline = self.make_pipeline(&made.into_inner().id).await;
        self.start_pipeline(&pipeline).await
    }

    /// Adds rows to the source.
    pub(crate) async fn upload(&self, rows: &[i64]) {
        let text = std::iter::once("n".to_owned()).chain(rows.iter().map(i64::to_string)).collect::<Vec<_>>().join("\n");
        let start = UploadStart { dataset_id: self.source.clone(), mode: UploadMode::Append.into(), keys: Vec::new() };
        let file = UploadFile { filename: "rows.csv".to_owned(), ..UploadFile::default() };
        let parts = [Part::Start(start), Part::File(file), Part::Chunk(text.into()), Part::End(UploadEnd {})];
        let messages = futures::stream::iter(parts.map(|part| UploadTableRequest { part: Some(part) }));
        CatalogClient::new(self.catalog.clone()).upload_table(rpc::request(&self.context, messages)).await.unwrap();
    }

    pub(crate) async fn start(&self) -> Run {
        self.start_pipeline(&self.pipeline).await
    }

    async fn start_pipeline(&self, pipeline: &str) -> Run {
        let request = StartRunRequest { pipeline_id: pipeline.to_owned(), ..StartRunRequest::default() };
        PipelinesClient::new(self.pipelines.clone()).start_run(rpc::request(&self.context, request)).await.unwrap().into_inner()
    }

    pub(crate) async fn run_to_end(&self) -> Run {
        let run = self.start().await;
        self.ended(&run).await
    }

    pub(crate) async fn ended(&self, run: &Run) -> Run {
        let look = async {
            loop {
                let found = self.look(run).await;
                if !matches!(found.state(), RunState::Queued | RunState::Running) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("the run ends")
    }

    /// Lets leases run out until the run has ended: a worker that is held may have written a moment ago, which prolongs its lease.
    pub(crate) async fn outlive(&self, run: &Run) -> Run {
        for leases in 1..10 {
            self.move_clock(leases * LEASE_MS);
            if let Ok(ended) = tokio::time::timeout(LEASE_AGAIN, self.ended(run)).await {
                return ended;
            }
        }
        panic!("the run does not end")
    }

    /// Waits until a run is as it should be.
    pub(crate) async fn until(&self, run: &Run, holds: impl Fn(&Run) -> bool) {
        let look = async {
            while !holds(&self.look(run).await) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("the run gets there");
    }

    pub(crate) async fn look(&self, run: &Run) -> Run {
        let request = GetRunRequest { run_id: run.id.clone() };
        PipelinesClient::new(self.pipelines.clone()).get_run(rpc::request(&self.context, request)).await.unwrap().into_inner()
    }

    pub(crate) fn move_clock(&self, milliseconds: i64) {
        let new = self.clock_file.with_extension("new");
        fs::write(&new, milliseconds.to_string()).unwrap();
        fs::rename(&new, &self.clock_file).unwrap();
    }

    /// A step that failed has published nothing, one that succeeded has.
    pub(crate) async fn check_steps(&self, run: &Run) {
        for (name, dataset) in [("copy", &self.copy), ("sum", &self.sum)] {
            let step = run.steps.iter().find(|step| step.name == name).expect("a step");
            let rows = self.numbers(dataset).await;
            assert_eq!(step.state() == RunState::Succeeded, !rows.is_empty(), "{name}: {step:?}, {rows:?}");
        }
    }

    /// Every row of the source was carried over once.
    pub(crate) async fn check_all_once(&self, about: &str) {
        let mut copied = self.numbers(&self.copy).await;
        copied.sort_unstable();
        assert_eq!((copied, self.numbers(&self.sum).await), (ROWS.to_vec(), vec![ROWS.iter().sum()]), "{about}");
    }

    async fn numbers(&self, dataset: &str) -> Vec<i64> {
        use arrow::{array::AsArray, datatypes::Int64Type};
        let request = ReadTableRequest { dataset_id: dataset.to_owned(), ..ReadTableRequest::default() };
        let mut stream =
            CatalogClient::new(self.catalog.clone()).read_table(rpc::request(&self.context, request)).await.unwrap().into_inner();
        let (mut decoder, mut numbers) = (Decoder::default(), Vec::new());
        while let Some(message) = stream.message().await.unwrap() {
            if let Some(ReadPart::Rows(bytes)) = message.part {
                for batch in decoder.decode(bytes).unwrap() {
                    numbers.extend(batch.column(0).as_primitive::<Int64Type>().iter().flatten());
                }
            }
        }
        numbers
    }
}

fn step(name: &str, query: &str, from: &str, to: &str, read_mode: ReadMode, write_mode: WriteMode) -> Step {
    Step {
        name: name.to_owned(),
        work: Some(Work::Sql(Sql { query: query.to_owned() })),
        inputs: [("t".to_owned(), Input { from: Some(From::DatasetId(from.to_owned())) })].into(),
        outputs: [("o".to_owned(), Output { dataset_id: Some(to.to_owned()) })].into(),
        read_mode: read_mode.into(),
        write_mode: write_mode.into(),
        ..Step::default()
    }
}
