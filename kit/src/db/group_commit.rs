//! Commits on SQLite that share syncs.
//!
//! SQLite itself would sync its write-ahead log inside each `COMMIT`, while the one writing connection is held: writers would pay
//! one sync each, in a row. Here `COMMIT` only appends to the log and frees the connection. Before a commit is acknowledged it
//! waits for a sync of the log that began after it ended; one sync serves everybody who got that far.
//!
//! What is committed and not yet synced can be read already. So whoever reads waits too ([`GroupCommit::settled`]): nothing that
//! a power failure could take back is told, or acted on. With nothing under way that wait is two comparisons.
//!
//! This is safe beside SQLite's own use of the file. A checkpoint copies the log into the database and syncs both before the log
//! is begun anew or removed, so a commit is in a synced database or in the log that is synced here. And SQLite's locks, which
//! closing any descriptor of a file drops, are on the database and its `-shm` file, never on the log.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use sqlx::{Sqlite, Transaction};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

/// Counts the commits of one database, in the order of its writing connection.
#[derive(Debug)]
pub struct GroupCommit {
    /// The last commit that may be visible.
    begun: AtomicU64,
    /// The last commit that is in the log as a whole, if it did not fail.
    ended: watch::Sender<u64>,
    /// The last commit that a power failure can't take back.
    synced: AtomicU64,
    /// Set by a sync that failed, for good: the system may have dropped what it could not write, and a second sync would not
    /// tell. Nothing is acknowledged any more; the next start reads what the disk has.
    failed: AtomicBool,
    log: Arc<Mutex<LogFile>>,
}

impl GroupCommit {
    /// For a database of this path, whose log may hold commits of an earlier process that were never synced.
    pub(super) fn new(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Self {
            begun: AtomicU64::new(1),
            ended: watch::Sender::new(1),
            synced: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            log: Arc::new(Mutex::new(LogFile { path: path.into(), open: None })),
        }
    }

    /// Commits, and returns when the commit is durable. Once begun it goes on even if nobody waits for it any more: its place in
    /// the count must be given back.
    pub(super) async fn commit(self: &Arc<Self>, transaction: Transaction<'static, Sqlite>) -> sqlx::Result<()> {
        self.check()?;
        let group = Arc::clone(self);
        let ended = tokio::spawn(async move {
            let commit = group.begun.fetch_add(1, SeqCst) + 1;
            let outcome = transaction.commit().await;
            group.end(commit);
            outcome.map(|()| commit)
        });
        let commit = ended.await.map_err(|_| sqlx::Error::WorkerCrashed)??;
        self.durable(commit).await
    }

    /// Returns when everything that could be read before this call is durable.
    pub async fn settled(self: &Arc<Self>) -> sqlx::Result<()> {
        self.durable(self.begun.load(SeqCst)).await
    }

    /// Counts a change that was committed past this group.
    pub(super) fn note(&self) {
        self.end(self.begun.fetch_add(1, SeqCst) + 1);
    }

    /// An error once a sync has failed.
    pub(super) fn check(&self) -> sqlx::Result<()> {
        if self.failed.load(SeqCst) { Err(poisoned()) } else { Ok(()) }
    }

    /// Commits end in the order in which they began, but may be reported in another.
    fn end(&self, commit: u64) {
        self.ended.send_if_modified(|ended| {
            let later = commit > *ended;
            *ended = commit.max(*ended);
            later
        });
    }

    async fn durable(self: &Arc<Self>, commit: u64) -> sqlx::Result<()> {
        if self.synced.load(SeqCst) >= commit {
            return Ok(());
        }
        self.ended.subscribe().wait_for(|ended| *ended >= commit).await.map_err(|_| sqlx::Error::WorkerCrashed)?;
        let log = Arc::clone(&self.log).lock_owned().await;
        if self.synced.load(SeqCst) >= commit {
            return Ok(()); // the one before us did it for us
        }
        let group = Arc::clone(self);
        // All bookkeeping is inside: a sync whose waiter went away still counts, and its failure too.
        tokio::task::spawn_blocking(move || group.sync(log)).await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }

    fn sync(&self, mut log: OwnedMutexGuard<LogFile>) -> sqlx::Result<()> {
        self.check()?;
        let covered = *self.ended.borrow();
        if let Err(error) = log.sync() {
            self.failed.store(true, SeqCst);
            tracing::error!(log = %log.path.display(), %error, "a sync failed; nothing more is acknowledged until a restart");
            return Err(sqlx::Error::Io(error));
        }
        self.synced.store(covered, SeqCst);
        metrics::counter!("madang_database_syncs_total").increment(1);
        Ok(())
    }
}

fn poisoned() -> sqlx::Error {
    sqlx::Error::Io(io::Error::other("an earlier sync of the database failed"))
}

/// The write-ahead log by a descriptor of our own. Kept open: a failed write is told to those who had the file open.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    open: Option<File>,
}

impl LogFile {
    fn sync(&mut self) -> io::Result<()> {
        let there = fs::metadata(&self.path)?;
        let open = self.open.take().map(|file| Ok::<_, io::Error>((file.metadata()?, file))).transpose()?;
        let file = match open {
            Some((ours, file)) if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) => file,
            _ => open_and_sync_folder(&self.path)?,
        };
        file.sync_data()?;
        self.open = Some(file);
        Ok(())
    }
}

/// A log that was just made is found after a power failure only if its folder was synced.
fn open_and_sync_folder(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(folder: &tempfile::TempDir) -> Arc<GroupCommit> {
        Arc::new(GroupCommit::new(&folder.path().join("test.db")))
    }

    #[tokio::test]
    async fn a_failed_sync_is_never_forgiven() {
        let folder = tempfile::tempdir().expect("a folder");
        let group = group(&folder);
        assert!(group.settled().await.is_err(), "there is no log to sync");
        File::create(folder.path().join("test.db-wal")).expect("a log");
        assert!(group.settled().await.is_err(), "now there is one, but what was lost stays lost");
        assert!(group.check().is_err());
    }

    #[tokio::test]
    async fn a_log_that_was_made_anew_is_opened_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let (group, log) = (group(&folder), folder.path().join("test.db-wal"));
        for _ in 0..2 {
            File::create(&log).expect("a log");
            group.note();
            group.settled().await.expect("a sync");
            let open = group.log.lock().await.open.as_ref().expect("a file").metadata().expect("its data").ino();
            assert_eq!(open, fs::metadata(&log).expect("its data").ino());
            fs::rename(&log, folder.path().join("old")).expect("a new name");
        }
    }

    /// A reader may see a commit before the writing connection has reported its end.
    #[tokio::test]
    async fn a_reader_waits_for_a_commit_that_is_under_way() {
        let folder = tempfile::tempdir().expect("a folder");
        File::create(folder.path().join("test.db-wal")).expect("a log");
        let group = group(&folder);
        let commit = group.begun.fetch_add(1, SeqCst) + 1;
        let reader = tokio::spawn({
            let group = Arc::clone(&group);
            async move { group.settled().await }
        });
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert!(!reader.is_finished());
        group.end(commit);
        reader.await.expect("ends").expect("a sync");
        assert_eq!(group.synced.load(SeqCst), commit);
    }
}
