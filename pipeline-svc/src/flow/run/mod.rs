//! A flow at work: its artifacts one after the other, in the order of planning. Each ends in one transaction with its file and its event,
//! under the flow's fence.

mod archive;
mod end;
mod make;
mod source;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use madang_kit::{Code, Error, Result, error::chain};
use madang_lake::Relation;
use madang_proto::pipeline::v1::{ArtifactKind, FlowArtifact, FlowEvent, FlowEventKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::TempPath;

use super::{
    Bounds, Flows,
    descriptor::{self, Descriptor},
    fetch::{Fetched, Missed},
    file,
    make::sink::{Scratch, Sink},
    table::{read::Table, report::Report},
};
use crate::store::flow::{
    self as store, End, State,
    claim::{self, Claim},
    event, file as files,
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

/// An artifact on its way into the transaction that ends it.
#[derive(Default)]
struct Described {
    end: End,
    /// Files that wait for it.
    kept: Vec<files::File>,
    seen: Option<(String, String, String)>,
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
        reports: HashMap::new(),
        scratch: Scratch::new(&flows.scratch, flows.bounds.flow_bytes),
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
    /// What was found in them, until the report is made.
    reports: HashMap<String, Report>,
    /// Files of this attempt that are still on the local disk, by key.
    local: HashMap<String, TempPath>,
    /// Where files are made, and how many bytes of them there may be.
    scratch: Scratch,
    /// Rows of the table that is being read.
    rows: Arc<AtomicU64>,
}

impl Running<'_> {
    async fn work(&mut self) -> Result<()> {
        for pipeline in store::pipelines(&self.flows.db, &self.claim.request.flow_id).await? {
            let state = State::parse(&pipeline.state);
            if let Some(made) = &pipeline.made {
                self.made.insert(pipeline.id.clone(), serde_json::from_str(made).map_err(Error::internal)?);
            }
            self.states.insert(pipeline.id, state);
        }
        let claim = self.claim;
        for artifact in &claim.request.artifacts {
            if self.state(&artifact.pipeline_id) == State::Open && !self.artifact(artifact).await? {
                return Ok(()); // the flow is somebody else's
            }
        }
        self.end_empty().await
    }

    fn state(&self, pipeline: &str) -> State {
        self.states.get(pipeline.trim_start_matches("./")).copied().unwrap_or(State::Open)
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
        let worked = {
            let making = Box::pin(self.make(artifact));
            // Beside it, not between: whoever makes may wait for the one connection that writes, or have it.
            tokio::select! {
                worked = making => match worked {
                    Err(full) if full.code == Code::TooLarge => Err(make::failed(make::task(artifact.kind()), &full.message)),
                    worked => worked?,
                },
                lost = progress(flows, claim, id, &rows) => {
                    lost?;
                    return Ok(false);
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
        let described = match worked {
            Ok(work) => self.described(artifact, work).await,
            Err(Failed(errors)) => Ok(Described { end: End { log: errors.clone(), errors, ..End::default() }, ..Described::default() }),
        };
        let Described { mut end, kept, seen } = match described {
            Err(full) if full.code == Code::TooLarge => {
                let errors = vec![make::task(artifact.kind()).to_owned(), full.message];
                Described { end: End { log: errors.clone(), errors, ..End::default() }, ..Described::default() }
            }
            described => described?,
        };
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
        let outcome = self.outcome(id, success);
        if let Some(success) = outcome {
            self.end(&mut tx, success).await?;
        }
        tx.commit().await?;
        if outcome == Some(true) {
            self.flows.publications.ring();
        }
        self.states.insert(id.to_owned(), State::ended(success));
        self.flows.events.ring();
        Ok(true)
    }

    /// Writes the descriptor of an artifact that is made.
    async fn described(&mut self, artifact: &FlowArtifact, work: Work) -> Result<Described> {
        let (request, kind) = (&self.claim.request, artifact.kind());
        let resources: Vec<Value> = match kind {
            ArtifactKind::Package => self.resources(),
            _ => work.made.resource.iter().cloned().collect(),
        };
        let name = descriptor::package_name(request, kind);
        let previews = if kind == ArtifactKind::Package { self.previews() } else { Vec::new() };
        let descriptor = Descriptor::of(request, kind, &name, &resources, &previews);
        let key = descriptor::key(request, artifact);
        let rows = if kind == ArtifactKind::Package { Some(self.rows_of_csv()) } else { work.made.rows };
        let mut sink = Sink::new(&self.scratch)?;
        sink.put(&descriptor.text)?;
        let mut kept = vec![file::store(self.flows, self.file(&key, "application/json"), &sink.finish()?).await?];
        kept.extend(work.file);
        let end = End {
            success: true,
            stats: descriptor.stats(&name, rows, &format!("{}{key}", request.files_url)),
            made: Some(serde_json::to_string(&work.made).map_err(Error::internal)?),
            same_as: work.same_as,
            log: work.log,
            ..End::default()
        };
        self.made.insert(artifact.pipeline_id.clone(), work.made);
        Ok(Described { end, kept, seen: work.seen })
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
}

/// Tells now and then how far a pipeline is; ends when the flow is somebody else's.
async fn progress(flows: &Flows, claim: &Claim, pipeline: &str, rows: &AtomicU64) -> Result<()> {
    loop {
        tokio::time::sleep(PROGRESS_EVERY).await;
        let log = vec![format!("{pipeline}: begun"), format!("{pipeline}: {} rows read", rows.load(Ordering::Relaxed))];
        if !tell(flows, claim, pipeline, FlowEventKind::Progress, log).await? {
            return Ok(());
        }
    }
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
