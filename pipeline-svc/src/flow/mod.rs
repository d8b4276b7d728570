//! Flows: what a source spec becomes (spec-store.md 4 and 6).
//!
//! The Spec Store plans; here sources are fetched ([`fetch`]), read by their Table Schema ([`table`]), files made of them ([`make`]) and
//! kept by key ([`mod@file`]), and what succeeded is published in the catalogue ([`publish`]). A flow is a row that a worker holds under a
//! lease ([`worker`]); every pipeline of its plan ends in one transaction with its files and its event ([`event`]), so whoever takes the
//! flow up again goes on behind the last one that ended ([`run`]).

mod descriptor;
mod event;
mod fetch;
mod file;
mod grpc;
mod intake;
mod make;
mod publish;
mod run;
mod same;
mod step;
mod table;
mod worker;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use madang_kit::{Clock, Code, Db, Drain, Error, Result, bell::Bell, outbound::FetchAllow};
use madang_lake::{Files, Flow, Lake, Limits, Objects, Reader};
use madang_proto::pipeline::v1::StartFlowRequest;
use tokio_util::sync::CancellationToken;

use crate::{catalogue::Catalogue, store::flow::claim};

/// What flows work with.
#[derive(Clone)]
pub(crate) struct Flows {
    pub(crate) db: Db,
    pub(crate) lake: Arc<dyn Lake>,
    pub(crate) flow: Arc<dyn Flow>,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) objects: Arc<dyn Objects>,
    /// Files that are brought and made, by a key of the store's own.
    pub(crate) files: Arc<dyn Files>,
    pub(crate) allow: FetchAllow,
    pub(crate) catalog: Catalogue,
    pub(crate) clock: Clock,
    /// For files that live only as long as one call; nobody else's.
    pub(crate) scratch: PathBuf,
    pub(crate) bounds: Bounds,
    /// The process ends: whoever watches is let go.
    pub(crate) stop: CancellationToken,
    /// Rung when a flow waits.
    waiting: Bell,
    /// Rung when there are events.
    events: Bell,
    /// Rung when a publication is due.
    publications: Bell,
}

/// What the operator set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Flows that one process works on at the same time.
    pub(crate) workers: usize,
    /// Flows of one owner that are worked on at the same time, in all processes together.
    pub(crate) per_owner: i64,
    /// Bytes of one source.
    pub(crate) source_bytes: u64,
    /// Bytes of all files of one flow together, those that it reads and those that it makes.
    pub(crate) flow_bytes: u64,
    /// Rows of one table.
    pub(crate) rows: u64,
    /// How long one flow may take.
    pub(crate) time: Duration,
}

/// What [`Flows`] is made of.
pub(crate) struct Parts {
    pub(crate) db: Db,
    pub(crate) lake: Arc<dyn Lake>,
    pub(crate) flow: Arc<dyn Flow>,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) allow: FetchAllow,
    pub(crate) catalog: Catalogue,
    pub(crate) clock: Clock,
    pub(crate) scratch: PathBuf,
    pub(crate) bounds: Bounds,
}

impl Flows {
    /// Hangs up the bells and starts workers, publisher and sweep.
    pub(crate) async fn start(parts: Parts, drain: &Drain) -> Result<Self> {
        let Parts { db, lake, flow, reader, objects, files, allow, catalog, clock, scratch, bounds } = parts;
        clear(&scratch).await?;
        if let Db::Sqlite { .. } = db {
            claim::end_all(&db, clock.now()).await?; // this database has one process
        }
        let bell = |name| Bell::new(name, &db, drain);
        let (waiting, events) = (bell("madang_flows"), bell("madang_flow_events"));
        let publications = bell("madang_flow_publications");
        let stop = drain.token();
        let flows =
            Self { db, lake, flow, reader, objects, files, allow, catalog, clock, scratch, bounds, stop, waiting, events, publications };
        worker::spawn(&flows, drain);
        publish::spawn(&flows, drain);
        file::spawn_sweep(&flows, drain);
        Ok(flows)
    }
}

/// Makes the folder anew: what a process left there that was killed belongs to nobody.
async fn clear(folder: &Path) -> Result<()> {
    match tokio::fs::remove_dir_all(folder).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::internal(error)),
        _ => {}
    }
    tokio::fs::create_dir_all(folder).await.map_err(Error::internal)
}

impl Bounds {
    /// The limits of one flow: its own where they are lower.
    fn of(&self, request: &StartFlowRequest) -> Self {
        let said = request.limits.unwrap_or_default();
        let lower = |own: u64, said: u64| if said == 0 { own } else { own.min(said) };
        Self {
            source_bytes: lower(self.source_bytes, said.max_source_bytes),
            rows: lower(self.rows, said.max_rows),
            time: Duration::from_secs(lower(self.time.as_secs(), said.max_run_seconds.into())),
            ..*self
        }
    }

    /// What reading one source may take: its text may be twice what a source may have, whatever it is packed in.
    fn limits(&self) -> Limits {
        Limits { rows: self.rows, time: self.time, decoded_bytes: self.source_bytes.saturating_mul(2), ..Limits::STEP }
    }
}

/// Does long work that never pauses beside the tasks that prolong leases and answer requests.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

/// A fault of the store is ours; everything else is the data's.
pub(crate) fn lake_error(error: madang_lake::Error) -> Error {
    match error {
        madang_lake::Error::Storage(cause) => Error::internal(cause),
        other => Error::new(Code::Invalid, other.to_string()),
    }
}
