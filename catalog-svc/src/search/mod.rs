//! Search: an index beside the database that follows the log of its changes.
//!
//! The database writes the log itself (`search_change`, by triggers), so that no change of a dataset can miss it. [`follow`] brings the
//! index to the end of the log; a search first waits until it has been there since the search began, so everybody finds what he
//! wrote, and what was hidden from him is hidden at once. An index without a past follows the log from its beginning: that is how one
//! is built, at the first start, after damage, and beside the one that serves ([`follow::rebuild`]). Each process has an index of its own.

mod analysis;
mod collect;
mod dismax;
mod document;
mod fields;
mod folder;
mod follow;
mod index;
mod load;
mod moment;
mod query;
mod question;
mod seen;
mod syntax;

use std::{
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use madang_kit::{Code, Error, Result};
use tantivy::{IndexReader, Searcher};
use tokio::sync::{Mutex, Notify, Semaphore, watch};

use self::{fields::Fields, follow::Follower};
pub(crate) use self::{
    follow::{rebuild, spawn},
    question::{Answer, Facet, Question, Refused, Text, ask, parse_sort},
    seen::Standing,
};

/// How long a search waits for its index.
const WAIT: Duration = Duration::from_secs(10);
/// Searches that work at once; others wait.
const AT_ONCE: usize = 16;

/// The search of one process.
#[derive(Clone)]
pub(crate) struct Search(Arc<Inner>);

struct Inner {
    root: PathBuf,
    follower: Mutex<Follower>,
    serving: RwLock<Option<(Fields, IndexReader)>>,
    /// How many times the follower has set out.
    started: AtomicU64,
    /// Its last way that has ended, and whether it went to the end of the log.
    ended: watch::Sender<(u64, bool)>,
    wake: Notify,
    room: Semaphore,
    /// Held while an index is built beside the one that serves.
    building: Mutex<()>,
}

impl Search {
    /// Search with an index below a folder; it is opened by the follower.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self(Arc::new(Inner {
            root,
            follower: Mutex::new(Follower::default()),
            serving: RwLock::new(None),
            started: AtomicU64::new(0),
            ended: watch::channel((0, false)).0,
            wake: Notify::new(),
            room: Semaphore::new(AT_ONCE),
            building: Mutex::new(()),
        }))
    }

    /// The index as of now or later.
    ///
    /// # Errors
    /// [`Code::Unavailable`] if it can't follow the log, or is still being built.
    async fn newest(&self) -> Result<(Fields, Searcher)> {
        let unavailable = |why: &str| Error::new(Code::Unavailable, format!("Unable to connect to the search server: {why}"));
        let wanted = self.0.started.load(Ordering::SeqCst) + 1;
        let mut ended = self.0.ended.subscribe();
        self.0.wake.notify_one();
        match tokio::time::timeout(WAIT, ended.wait_for(|(number, _)| *number >= wanted)).await {
            Ok(Ok(last)) if last.1 => {}
            Ok(_) => return Err(unavailable("the index can't be brought up to date")),
            Err(_) => return Err(unavailable("the index is being built")),
        }
        let serving = self.0.serving.read().unwrap_or_else(PoisonError::into_inner);
        let (fields, reader) = serving.as_ref().ok_or_else(|| unavailable("there is no index"))?;
        Ok((fields.clone(), reader.searcher()))
    }
}

/// A fault of the index as one of ours.
fn fault(error: tantivy::TantivyError) -> Error {
    Error::internal(error)
}
