//! Versions of tables: which one is newest, what it holds, and how the next one comes to be.
//!
//! The newest version known of each table is kept; whoever commits one knows what it holds without reading it. Delta versions
//! have no gaps, so one look for the log file of the next version tells whether it is still the newest; if not, only the newer
//! log files are read.

mod actions;
mod commit;
mod evolve;
mod history;

use std::sync::Arc;

use deltalake::{
    DeltaTableError,
    kernel::{LogicalFileView, Metadata, Protocol, Version},
    logstore::{LogStoreRef, StorageConfig, commit_uri_from_version, default_logstore},
    table::state::DeltaTableState,
};
use madang_lake::{DataFile, Error, ROW_ID, Result, Schema, Snapshot, TableId};
use moka::sync::Cache;
use object_store::{ObjectStore, ObjectStoreExt, path::Path, prefix::PrefixStore};
use tokio::sync::OnceCell;
use url::Url;

use crate::{storage, store};

/// All tables of a store.
#[derive(Debug)]
pub(crate) struct Tables {
    store: Arc<dyn ObjectStore>,
    latest: Cache<TableId, Arc<Resolved>>,
    older: Cache<(TableId, i64), Arc<Snapshot>>,
}

/// One version of a table, in Delta's words and in ours.
#[derive(Debug)]
struct Resolved {
    snapshot: Snapshot,
    protocol: Protocol,
    metadata: Metadata,
    /// The number of the last publish that it holds, 0 for none.
    publish: OnceCell<i64>,
    /// The last version that was read from the log, this one or one before; newer ones are read on top of it.
    state: Arc<DeltaTableState>,
}

impl Tables {
    /// Tables of `store`, nothing resolved yet.
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, latest: Cache::new(1_024), older: Cache::new(1_024) }
    }

    /// Resolves a version, by default the newest.
    pub(crate) async fn snapshot(&self, table: &TableId, version: Option<i64>) -> Result<Snapshot> {
        let latest = self.latest(table).await?;
        match version {
            None => Ok(latest.snapshot.clone()),
            Some(version) if version == latest.snapshot.version => Ok(latest.snapshot.clone()),
            Some(version) if (0..latest.snapshot.version).contains(&version) => self.older(table, version).await,
            Some(version) => Err(Error::NotFound(format!("version {version}"))),
        }
    }

    /// Forgets a table that was removed.
    pub(crate) fn forget(&self, table: &TableId) {
        self.latest.invalidate(table); // its older versions can't be asked for without the newest
    }

    /// The newest version.
    async fn latest(&self, table: &TableId) -> Result<Arc<Resolved>> {
        let log = self.log_store(table)?;
        let state = match self.latest.get(table) {
            None => DeltaTableState::try_new(log.as_ref(), None).await.map_err(|error| unreadable(table, error))?,
            Some(known) => {
                if !self.has_version(table, known.snapshot.version + 1).await? {
                    return Ok(known);
                }
                let mut state = known.state.as_ref().clone();
                state.update(log.as_ref(), None).await.map_err(storage)?;
                state
            }
        };
        let resolved = Arc::new(Resolved {
            snapshot: resolve(table, &state)?,
            protocol: state.protocol().clone(),
            metadata: state.metadata().clone(),
            publish: OnceCell::new(),
            state: Arc::new(state),
        });
        self.latest.insert(table.clone(), resolved.clone());
        Ok(resolved)
    }

    async fn older(&self, table: &TableId, version: i64) -> Result<Snapshot> {
        let key = (table.clone(), version);
        if let Some(known) = self.older.get(&key) {
            return Ok(known.as_ref().clone());
        }
        let log = self.log_store(table)?;
        let wanted = Version::try_from(version).map_err(storage)?;
        let state = DeltaTableState::try_new(log.as_ref(), Some(wanted)).await.map_err(storage)?;
        let snapshot = resolve(table, &state)?;
        self.older.insert(key, Arc::new(snapshot.clone()));
        Ok(snapshot)
    }

    async fn has_version(&self, table: &TableId, version: i64) -> Result<bool> {
        match self.store.head(&entry(table, version)?).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(storage(error)),
        }
    }

    /// Delta's door to the table. The URL is only a name for the table inside our store; nothing resolves it elsewhere.
    fn log_store(&self, table: &TableId) -> Result<LogStoreRef> {
        let folder = store::folder(table);
        let url = Url::parse(&format!("madang://lake/{folder}/")).map_err(storage)?;
        let prefixed = Arc::new(PrefixStore::new(self.store.clone(), folder));
        Ok(default_logstore(prefixed, self.store.clone(), &url, &StorageConfig::default()))
    }
}

/// The log file of a version.
fn entry(table: &TableId, version: i64) -> Result<Path> {
    let number = Version::try_from(version).map_err(storage)?;
    Ok(store::folder(table).parts().chain(commit_uri_from_version(Some(number)).parts()).collect())
}

/// Reads what a version holds out of Delta's state.
fn resolve(table: &TableId, state: &DeltaTableState) -> Result<Snapshot> {
    let columns = state.snapshot().arrow_schema();
    if columns.fields().first().is_none_or(|field| field.name() != ROW_ID) {
        return Err(storage(format!("table {table}: the first column is not {ROW_ID}")));
    }
    let log = state.snapshot().try_log_data().map_err(storage)?;
    let mut files = log.iter().map(|view| data_file(table, &view)).collect::<Result<Vec<_>>>()?;
    files.sort_unstable_by_key(|file| file.first_row_id);
    let version = i64::try_from(state.version()).map_err(storage)?;
    Ok(Snapshot::new(table.clone(), version, Schema::from_arrow(&columns)?, files))
}

fn data_file(table: &TableId, view: &LogicalFileView) -> Result<DataFile> {
    let path = view.path().into_owned();
    let broken = |what: &str| storage(format!("table {table}, file {path}: {what}"));
    if view.deletion_vector_descriptor().is_some() {
        return Err(broken("it has a deletion vector"));
    }
    let stats = view.stats().ok_or_else(|| broken("no statistics"))?;
    let stats: serde_json::Value = serde_json::from_str(&stats).map_err(storage)?;
    Ok(DataFile {
        bytes: u64::try_from(view.size()).map_err(storage)?,
        rows: stats["numRecords"].as_u64().ok_or_else(|| broken("no row count"))?,
        first_row_id: stats["minValues"][ROW_ID].as_i64().ok_or_else(|| broken("no smallest row id"))?,
        last_row_id: stats["maxValues"][ROW_ID].as_i64().ok_or_else(|| broken("no greatest row id"))?,
        path,
    })
}

fn unreadable(table: &TableId, error: DeltaTableError) -> Error {
    match error {
        DeltaTableError::NotATable(_) => Error::NotFound(format!("table {table}")),
        other => storage(other),
    }
}
