//! A flow at work: its artifacts one after the other, in the order of planning. Each ends in one transaction with its file and its event,
//! under the flow's fence.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use madang_kit::{Code, Error, Result, error::chain};
use madang_lake::{Place, Relation, RowStream};
use madang_proto::pipeline::v1::{ArtifactKind, Findability, FlowArtifact, FlowEvent, FlowEventKind, FlowSource, SourceKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::TempPath;

use super::{
    Bounds, Flows,
    descriptor::{self, Descriptor, PREVIEW_ROWS},
    fetch::{self, Fetched, Missed},
    file, lake_error,
    make::{
        csv, json as json_file, parquet,
        sink::{Made as Written, Sink},
        sqlite,
        zip::Zip,
    },
    same, step,
    table::{
        read::{self, Table},
        schema::TableSchema,
    },
};
use crate::store::flow::{
    self as store, End, State,
    claim::{self, Claim},
    event, file as files, publication,
};

/// How often a pipeline tells how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// Lines of a pipeline's log that are sent.
const LOG_MAX: usize = 100;

/// What came of an artifact; kept with its pipeline.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Made {
    /// The resource of the package; none if there is nothing to show.
    pub(super) resource: Option<Value>,
    /// The file's key.
    pub(super) key: String,
    pub(super) bytes: u64,
    /// In hexadecimal digits.
    pub(super) md5: String,
    pub(super) rows: Option<u64>,
}

/// Why an artifact was not made: the task that failed, and lines that say why.
struct Failed(Vec<String>);

/// How making ended: what was made and its file, or why not. An error is ours.
type Making = Result<std::result::Result<Work, Failed>>;

/// An artifact that is made and not kept yet.
#[derive(Default)]
struct Work {
    made: Made,
    /// Waits for the transaction.
    file: Option<files::File>,
    /// What else waits for it: of a source its address, its tag, and the key of the copy.
    seen: Option<(String, String, String)>,
    same_as: Option<String>,
    log: Vec<String>,
}

/// Works off a flow.
pub(super) async fn run(flows: &Flows, claim: &Claim) -> Result<()> {
    let mut running = Running {
        flows,
        claim,
        bounds: flows.bounds.of(&claim.request),
        states: HashMap::new(),
        made: HashMap::new(),
        fetched: HashMap::new(),
        tables: HashMap::new(),
        local: HashMap::new(),
        rows: Arc::default(),
    };
    let worked = running.work().await;
    for table in running.tables.values() {
        if let Ok(rows) = &table.rows {
            forget(flows, rows).await;
        }
    }
    worked
}

async fn forget(flows: &Flows, rows: &Relation) {
    if let Err(error) = flows.flow.forget(rows).await {
        tracing::debug!(error = %chain(&error), "rows of a flow were left behind");
    }
}

struct Running<'a> {
    flows: &'a Flows,
    claim: &'a Claim,
    bounds: Bounds,
    states: HashMap<String, State>,
    made: HashMap<String, Made>,
    /// Sources by address.
    fetched: HashMap<String, Arc<std::result::Result<Fetched, Missed>>>,
    /// Tables by the name of their source.
    tables: HashMap<String, Arc<Table>>,
    /// Files of this attempt that are still on the local disk, by key.
    local: HashMap<String, TempPath>,
    /// Rows of the table that is being read.
    rows: Arc<AtomicU64>,
}

impl Running<'_> {
    async fn work(&mut self) -> Result<()> {
        for pipeline in store::pipelines(&self.flows.db, &self.claim.request.flow_id).await? {
            let state = State::parse(&pipeline.state);
            if let Some(made) = &pipeline.made {
                self.made.insert(pipeline.pipeline_id.clone(), serde_json::from_str(made).map_err(Error::internal)?);
            }
            self.states.insert(pipeline.pipeline_id, state);
        }
        let claim = self.claim;
        for artifact in &claim.request.artifacts {
            if self.state(&artifact.pipeline_id) == State::Open && !self.artifact(artifact).await? {
                return Ok(()); // the flow is somebody else's
            }
        }
        self.end().await
    }

    fn state(&self, pipeline: &str) -> State {
        self.states.get(pipeline.trim_start_matches("./")).copied().unwrap_or(State::Open)
    }

    /// Ends the flow.
    async fn end(&self) -> Result<()> {
        let success = self.states.values().all(|state| *state == State::Succeeded);
        let (request, now) = (&self.claim.request, self.flows.clock.now());
        let mut tx = self.flows.db.begin().await?;
        if !claim::hold(&mut tx, self.claim).await? {
            return Ok(());
        }
        claim::finish(&mut tx, self.claim, success, now).await?;
        if success {
            let private = request.findability() == Findability::Private;
            files::set_private(&mut tx, &request.owner_id, &request.dataset, private).await?;
            publication::insert(&mut tx, request, now).await?;
        }
        tx.commit().await?;
        if success {
            self.flows.publications.ring();
        }
        Ok(())
    }

    /// Makes one artifact; false if the flow is somebody else's.
    async fn artifact(&mut self, artifact: &FlowArtifact) -> Result<bool> {
        let id = artifact.pipeline_id.as_str();
        if let Some(other) = artifact.depends_on.iter().find(|other| self.state(other) == State::Failed) {
            let other = other.trim_start_matches("./");
            let why = format!("Dependency unsuccessful. Cannot run until dependency \"./{other}\" is successfullyexecuted");
            return self.finish(artifact, Err(Failed(vec![why]))).await;
        }
        if !self.tell(id, FlowEventKind::Start, Vec::new()).await? {
            return Ok(false);
        }
        let (flows, claim, rows) = (self.flows, self.claim, self.rows.clone());
        let begun = format!("{id}: begun");
        let worked = {
            let mut making = Box::pin(self.make(artifact));
            loop {
                tokio::select! {
                    worked = &mut making => break worked?,
                    () = tokio::time::sleep(PROGRESS_EVERY) => {
                        let log = vec![begun.clone(), format!("{id}: {} rows read", rows.load(Ordering::Relaxed))];
                        if !tell(flows, claim, id, FlowEventKind::Progress, log).await? {
                            return Ok(false);
                        }
                    }
                }
            }
        };
        self.finish(artifact, worked).await
    }

    async fn tell(&self, pipeline: &str, kind: FlowEventKind, log: Vec<String>) -> Result<bool> {
        tell(self.flows, self.claim, pipeline, kind, log).await
    }

    /// Ends an artifact with all that belongs to it; false if the flow is somebody else's.
    async fn finish(&mut self, artifact: &FlowArtifact, worked: std::result::Result<Work, Failed>) -> Result<bool> {
        let (id, now, request) = (artifact.pipeline_id.as_str(), self.flows.clock.now(), &self.claim.request);
        let kind = artifact.kind();
        let (mut end, mut kept, mut seen) = (End::default(), Vec::new(), None);
        match worked {
            Err(Failed(errors)) => end = End { log: errors.clone(), errors, ..End::default() },
            Ok(work) => {
                let resources: Vec<Value> = match kind {
                    ArtifactKind::Package => self.resources(),
                    _ => work.made.resource.iter().cloned().collect(),
                };
                let name = descriptor::package_name(request, kind);
                let previews = if kind == ArtifactKind::Package { self.previews() } else { Vec::new() };
                let descriptor = Descriptor::of(request, &name, &resources, &previews)?;
                let base = format!("{}/{}/{}", request.owner_id, request.dataset, request.revision);
                let key = match kind {
                    ArtifactKind::Package => format!("{base}/datapackage.json"),
                    _ => format!("{base}/{}/datapackage.json", descriptor::name(&request.flow_id, id)),
                };
                let rows = if kind == ArtifactKind::Package { Some(self.rows_of_csv()) } else { work.made.rows };
                end.stats = descriptor.stats(&name, rows, &format!("{}{key}", request.files_url));
                let mut sink = Sink::new(&self.flows.scratch)?;
                sink.put(&descriptor.text)?;
                kept.push(file::store(self.flows, self.file(&key, "application/json"), &sink.finish()?).await?);
                kept.extend(work.file);
                end.success = true;
                end.made = Some(serde_json::to_string(&work.made).map_err(Error::internal)?);
                end.same_as = work.same_as;
                end.log = work.log;
                seen = work.seen;
                self.made.insert(id.to_owned(), work.made);
            }
        }
        let success = end.success;
        end.log.truncate(LOG_MAX);
        let mut tx = self.flows.db.begin().await?;
        if !claim::hold(&mut tx, self.claim).await? {
            drop(tx);
            for file in kept {
                file::give_up(self.flows, &file.stored).await;
            }
            return Ok(false);
        }
        for file in &kept {
            files::keep(&mut tx, file, false, now).await?;
        }
        if let Some((url, tag, key)) = seen {
            files::note_seen(&mut tx, &request.owner_id, &request.dataset, &url, &tag, &key).await?;
        }
        store::end_pipeline(&mut tx, &request.flow_id, id, self.claim.attempt, end, now).await?;
        tx.commit().await?;
        self.states.insert(id.to_owned(), State::ended(success));
        self.flows.events.ring();
        Ok(true)
    }

    /// A file of this flow under a key.
    fn file(&self, key: &str, content_type: &str) -> files::File {
        let request = &self.claim.request;
        files::File {
            stored: String::new(),
            key: key.to_owned(),
            owner_id: request.owner_id.clone(),
            dataset: request.dataset.clone(),
            bytes: 0,
            md5: String::new(),
            sha256: String::new(),
            content_type: content_type.to_owned(),
            private: 1, // until the flow has succeeded
        }
    }

    /// What was made, in the order of planning.
    fn resources(&self) -> Vec<Value> {
        let artifacts = self.claim.request.artifacts.iter();
        artifacts.filter_map(|artifact| self.made.get(&artifact.pipeline_id)?.resource.clone()).collect()
    }

    /// Names of previews and of what they show.
    fn previews(&self) -> Vec<(String, String)> {
        let request = &self.claim.request;
        let previews = request.artifacts.iter().filter(|artifact| artifact.kind() == ArtifactKind::Preview);
        let named =
            |artifact: &FlowArtifact| (descriptor::name(&request.flow_id, &artifact.pipeline_id).to_owned(), artifact.source.clone());
        previews.map(named).collect()
    }

    fn rows_of_csv(&self) -> u64 {
        let artifacts = self.claim.request.artifacts.iter().filter(|artifact| artifact.kind() == ArtifactKind::Csv);
        artifacts.filter_map(|artifact| self.made.get(&artifact.pipeline_id)?.rows).sum()
    }

    async fn make(&mut self, artifact: &FlowArtifact) -> Making {
        match artifact.kind() {
            ArtifactKind::Report => self.report(artifact).await,
            ArtifactKind::Copy => self.copy(artifact).await,
            ArtifactKind::Zip => self.zip(artifact).await,
            ArtifactKind::Package | ArtifactKind::Unspecified => Ok(Ok(Work::default())),
            ArtifactKind::Sqlite => self.sqlite(artifact).await,
            ArtifactKind::Csv | ArtifactKind::Json | ArtifactKind::Preview | ArtifactKind::Parquet => self.derived(artifact).await,
        }
    }

    fn source(&self, name: &str) -> Result<FlowSource> {
        let found = self.claim.request.sources.iter().find(|source| source.name == name);
        found.cloned().ok_or_else(|| Error::internal("an artifact has no source"))
    }

    /// Fetches a source, once.
    async fn fetch(&mut self, source: &FlowSource) -> Result<Arc<std::result::Result<Fetched, Missed>>> {
        if let Some(fetched) = self.fetched.get(&source.url) {
            return Ok(fetched.clone());
        }
        let fetched = fetch::fetch(self.flows, self.claim, &source.url, &self.bounds).await;
        if let Err(Missed { error, .. }) = &fetched
            && error.code == Code::Internal
        {
            return Err(Error::internal(format!("a source can't be fetched: {}", chain(error))));
        }
        let fetched = Arc::new(fetched);
        self.fetched.insert(source.url.clone(), fetched.clone());
        Ok(fetched)
    }

    /// Reads a table, once.
    async fn table(&mut self, source: &FlowSource) -> Result<Arc<Table>> {
        if let Some(table) = self.tables.get(&source.name) {
            return Ok(table.clone());
        }
        let fetched = self.fetch(source).await?;
        let table = match &*fetched {
            Err(Missed { code, error }) => read::unreadable(code, &error.message),
            Ok(fetched) => {
                let parts = (self.flows.reader.as_ref(), self.flows.flow.as_ref());
                let read = read::read(parts, source, &fetched.made.path, &self.bounds.limits(), &self.rows).await?;
                step::follow(self.flows, source, read, &self.bounds.limits()).await?
            }
        };
        let table = Arc::new(table);
        self.tables.insert(source.name.clone(), table.clone());
        Ok(table)
    }

    /// What is kept of an artifact with this name, unless everything is to be done again.
    async fn same(&self, name: &str) -> Result<Option<Work>> {
        let request = &self.claim.request;
        if request.forced {
            return Ok(None);
        }
        let Some(made) = store::same(&self.flows.db, &request.owner_id, &request.dataset, name).await? else { return Ok(None) };
        let made: Made = serde_json::from_str(&made).map_err(Error::internal)?;
        if !made.key.is_empty() && files::find(&self.flows.db, &made.key).await?.is_none() {
            return Ok(None);
        }
        let log = vec!["nothing has changed: what was made before is taken".to_owned()];
        Ok(Some(Work { made, log, same_as: Some(name.to_owned()), ..Work::default() }))
    }

    /// Keeps a file under its content and says what it is.
    async fn keep(&mut self, artifact: &FlowArtifact, source: Option<&FlowSource>, made: Written, about: About<'_>) -> Result<Work> {
        let request = &self.claim.request;
        let name = descriptor::name(&request.flow_id, &artifact.pipeline_id).to_owned();
        let key = format!("{}/{}/{name}/{}/{}/{}", request.owner_id, request.dataset, about.folder, made.md5, about.file);
        let stored = file::store(self.flows, self.file(&key, about.content_type), &made).await?;
        let told = descriptor::File {
            url: format!("{}{key}", request.files_url),
            bytes: made.bytes,
            md5: &made.md5,
            rows: about.rows,
            schema: about.schema,
        };
        let resource = Some(descriptor::resource(artifact, &name, source, &told));
        let work = Work {
            made: Made { resource, key: key.clone(), bytes: made.bytes, md5: made.md5, rows: about.rows },
            file: Some(stored),
            ..Work::default()
        };
        self.local.insert(key, made.path);
        Ok(work)
    }

    async fn report(&mut self, artifact: &FlowArtifact) -> Making {
        let sources = self.tabular("");
        let same_as = self.named(artifact, &sources).await?;
        if let Some(name) = &same_as
            && let Some(work) = self.same(name).await?
        {
            return Ok(Ok(work));
        }
        let (mut elements, mut log) = (Vec::new(), Vec::new());
        for source in &sources {
            let table = self.table(source).await?;
            let (rows, valid) = (table.report.rows.unwrap_or_default(), table.report.is_valid());
            log.push(format!("{}: {rows} rows checked, {}", source.name, if valid { "valid" } else { "invalid" }));
            elements.push(table.report.element(source));
        }
        let mut sink = Sink::new(&self.flows.scratch)?;
        sink.put(&serde_json::to_vec(&elements).map_err(Error::internal)?)?;
        let about =
            About { folder: "data", file: "validation_report.json".to_owned(), content_type: "application/json", rows: None, schema: None };
        let work = self.keep(artifact, None, sink.finish()?, about).await?;
        Ok(Ok(Work { same_as, log, ..work }))
    }

    /// The name of an artifact by its sources; none if one could not be fetched.
    async fn named(&mut self, artifact: &FlowArtifact, sources: &[FlowSource]) -> Result<Option<String>> {
        let mut sums = Vec::with_capacity(sources.len());
        for source in sources {
            match &*self.fetch(source).await? {
                Ok(fetched) => sums.push(fetched.made.sha256.clone()),
                Err(_) => return Ok(None),
            }
        }
        let named: Vec<(&FlowSource, &str)> = sources.iter().zip(sums.iter().map(String::as_str)).collect();
        Ok(Some(same::of_sources(artifact, &named, self.bounds.rows)))
    }

    async fn copy(&mut self, artifact: &FlowArtifact) -> Making {
        let source = self.source(&artifact.source)?;
        let fetched = self.fetch(&source).await?;
        let fetched = match &*fetched {
            Ok(fetched) => fetched,
            Err(Missed { error, .. }) => return Ok(Err(failed("load_resource", &error.message))),
        };
        let request = &self.claim.request;
        let name = descriptor::name(&request.flow_id, &artifact.pipeline_id).to_owned();
        let (folder, file) = source.path.rsplit_once('/').unwrap_or(("archive", &source.path));
        let key = format!("{}/{}/{name}/{folder}/{}/{file}", request.owner_id, request.dataset, fetched.made.md5);
        let stored = file::store(self.flows, self.file(&key, "application/octet-stream"), &fetched.made).await?;
        let schema = match source.kind() {
            SourceKind::Tabular => TableSchema::parse(&source.schema).ok(),
            _ => None,
        };
        let told = descriptor::File {
            url: format!("{}{key}", request.files_url),
            bytes: fetched.made.bytes,
            md5: &fetched.made.md5,
            rows: None,
            schema: None,
        };
        let mut resource = descriptor::resource(artifact, &name, Some(&source), &told);
        if schema.is_some() {
            resource["schema"] = serde_json::from_str(&source.schema).unwrap_or_default();
        }
        let seen = fetched.tag.clone().map(|tag| (source.url.clone(), tag, key.clone()));
        let log = vec![format!("{} bytes copied", fetched.made.bytes)];
        let made = Made { resource: Some(resource), key, bytes: fetched.made.bytes, md5: fetched.made.md5.clone(), rows: None };
        Ok(Ok(Work { made, file: Some(stored), seen, same_as: None, log }))
    }

    /// A file that is made of a table.
    async fn derived(&mut self, artifact: &FlowArtifact) -> Making {
        let source = self.source(&artifact.source)?;
        let same_as = self.named(artifact, std::slice::from_ref(&source)).await?;
        if let Some(name) = &same_as
            && let Some(work) = self.same(name).await?
        {
            return Ok(Ok(work));
        }
        let table = self.table(&source).await?;
        let relation = match &table.rows {
            Ok(rows) => rows,
            Err(why) => return Ok(Err(failed(task(artifact.kind()), why))),
        };
        let (name, count) = (descriptor::name(&self.claim.request.flow_id, &artifact.pipeline_id).to_owned(), relation.rows());
        if artifact.kind() == ArtifactKind::Preview && count <= PREVIEW_ROWS {
            let log = vec![format!("{count} rows need no preview")];
            return Ok(Ok(Work { log, same_as, ..Work::default() }));
        }
        let rows = self.rows_of(relation)?;
        let scratch = &self.flows.scratch;
        let (made, extension, content_type, rows) = match artifact.kind() {
            ArtifactKind::Csv => (csv::write(rows, scratch).await?, "csv", "text/csv", count),
            ArtifactKind::Json => (json_file::write(rows, &table.schema, u64::MAX, scratch).await?.0, "json", "application/json", count),
            ArtifactKind::Preview => {
                let (made, written) = json_file::write(rows, &table.schema, PREVIEW_ROWS, scratch).await?;
                (made, "json", "application/json", written)
            }
            _ => {
                let stage = Place { run: self.claim.id.to_string(), output: self.claim.fence };
                let made = parquet::write(self.flows.flow.as_ref(), self.flows.objects.as_ref(), rows, &stage, scratch).await?;
                (made, "parquet", "application/vnd.apache.parquet", count)
            }
        };
        let is_typed = matches!(artifact.kind(), ArtifactKind::Csv | ArtifactKind::Json);
        let about = About {
            folder: "data",
            file: format!("{name}.{extension}"),
            content_type,
            rows: Some(rows),
            schema: is_typed.then_some(&table.schema),
        };
        let work = self.keep(artifact, Some(&source), made, about).await?;
        Ok(Ok(Work { same_as, log: vec![format!("{rows} rows written")], ..work }))
    }

    /// One database with a table for each source, or for one of them.
    async fn sqlite(&mut self, artifact: &FlowArtifact) -> Making {
        let sources = self.tabular(&artifact.source);
        let same_as = self.named(artifact, &sources).await?;
        if let Some(name) = &same_as
            && let Some(work) = self.same(name).await?
        {
            return Ok(Ok(work));
        }
        let (mut tables, mut count) = (Vec::new(), 0);
        for source in &sources {
            let table = self.table(source).await?;
            match &table.rows {
                Ok(rows) => {
                    count += rows.rows();
                    tables.push((source.name.clone(), self.rows_of(rows)?));
                }
                Err(why) => return Ok(Err(failed(task(artifact.kind()), why))),
            }
        }
        let made = sqlite::write(tables, &self.flows.scratch).await?;
        let name = descriptor::name(&self.claim.request.flow_id, &artifact.pipeline_id);
        let (file, content_type) = (format!("{name}.sqlite"), "application/vnd.sqlite3");
        let about = About { folder: "data", file, content_type, rows: Some(count), schema: None };
        let work = self.keep(artifact, None, made, about).await?;
        Ok(Ok(Work { same_as, log: vec![format!("{count} rows written")], ..work }))
    }

    /// The tables of the flow; with a name that one.
    fn tabular(&self, name: &str) -> Vec<FlowSource> {
        let wanted = |source: &&FlowSource| source.kind() == SourceKind::Tabular && (name.is_empty() || source.name == name);
        self.claim.request.sources.iter().filter(wanted).cloned().collect()
    }

    fn rows_of(&self, relation: &Relation) -> Result<RowStream> {
        self.flows.flow.rows(relation).map_err(lake_error)
    }

    /// The archive of everything.
    async fn zip(&mut self, artifact: &FlowArtifact) -> Making {
        let claim = self.claim;
        let request = &claim.request;
        let mut resources = Vec::new();
        let mut members: Vec<(String, Member)> = Vec::new();
        let mut sums = Vec::new();
        let mut seen = HashSet::new();
        for source in request.sources.iter().filter(|source| seen.insert(source.path.clone())) {
            let fetched = self.fetch(source).await?;
            match &*fetched {
                Ok(there) => sums.push((source.path.clone(), there.made.md5.clone())),
                Err(Missed { error, .. }) => return Ok(Err(failed("load_resource", &error.message))),
            }
            members.push((source.path.clone(), Member::Fetched(fetched)));
        }
        for other in
            request.artifacts.iter().filter(|other| artifact.depends_on.iter().any(|id| id.trim_start_matches("./") == other.pipeline_id))
        {
            let Some(made) = self.made.get(&other.pipeline_id).filter(|made| !made.key.is_empty()) else { continue };
            let path = format!("data/{}", made.key.rsplit('/').next().unwrap_or_default());
            if let Some(mut resource) = made.resource.clone() {
                resource["path"] = path.clone().into();
                resources.push(resource);
            }
            sums.push((path.clone(), made.md5.clone()));
            members.push((path, Member::Made(made.key.clone())));
        }
        let mut package = descriptor::package(request);
        let readme = package.shift_remove("readme");
        package.insert("resources".to_owned(), resources.into());
        let text = super::make::python::indented(&Value::Object(package));
        let same_as = same::of_files(artifact, &sums, &text);
        if let Some(work) = self.same(&same_as).await? {
            return Ok(Ok(work));
        }
        let mut zip = Zip::new(&self.flows.scratch)?;
        zip.bytes("datapackage.json", &text).await?;
        if let Some(readme) = readme.as_ref().and_then(Value::as_str) {
            zip.bytes("README.md", readme.as_bytes()).await?;
        }
        for (path, member) in &members {
            match member {
                Member::Fetched(fetched) => {
                    if let Ok(there) = &**fetched {
                        zip.file(path, &there.made.path).await?;
                    }
                }
                Member::Made(key) => {
                    if !self.local.contains_key(key) {
                        let local = fetch::local(self.flows, key).await?;
                        self.local.insert(key.clone(), local);
                    }
                    if let Some(local) = self.local.get(key) {
                        zip.file(path, local).await?;
                    }
                }
            }
        }
        let name = descriptor::name(&request.flow_id, &artifact.pipeline_id);
        let about = About { folder: "data", file: format!("{name}.zip"), content_type: "application/zip", rows: None, schema: None };
        let log = vec![format!("{} files packed", members.len())];
        let work = self.keep(artifact, None, zip.finish()?, about).await?;
        Ok(Ok(Work { same_as: Some(same_as), log, ..work }))
    }
}

/// A file of the archive.
enum Member {
    Fetched(Arc<std::result::Result<Fetched, Missed>>),
    Made(String),
}

/// What is said of a file that was made.
struct About<'a> {
    folder: &'static str,
    file: String,
    content_type: &'static str,
    rows: Option<u64>,
    schema: Option<&'a TableSchema>,
}

/// Writes an event under the flow's fence; false if the flow is somebody else's.
async fn tell(flows: &Flows, claim: &Claim, pipeline: &str, kind: FlowEventKind, log: Vec<String>) -> Result<bool> {
    let mut tx = flows.db.begin().await?;
    if !claim::hold(&mut tx, claim).await? {
        return Ok(false);
    }
    let told = event::of(&claim.request.flow_id, pipeline, kind, flows.clock.now());
    let attempt = u32::try_from(claim.attempt).unwrap_or(u32::MAX);
    event::add(&mut tx, FlowEvent { log, attempt, ..told }).await?;
    tx.commit().await?;
    flows.events.ring();
    Ok(true)
}

/// What a task is called in the first line of its errors.
fn task(kind: ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::Csv => "create_csv",
        ArtifactKind::Json => "create_json",
        ArtifactKind::Preview => "load_preview",
        ArtifactKind::Parquet => "create_parquet",
        _ => "create_sqlite",
    }
}

/// The first line is the task, the second says where it failed (spec-store.md 6).
fn failed(task: &str, why: &str) -> Failed {
    Failed(vec![task.to_owned(), why.to_owned()])
}
