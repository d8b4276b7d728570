//! The next version: one log file, written only if no other has its number.

use std::{collections::HashSet, sync::Arc};

use deltalake::{
    kernel::{Action, CommitInfo as DeltaInfo, MetadataExt, Transaction, Version, transaction::PROTOCOL},
    logstore::LogStoreRef,
    protocol::{DeltaOperation, SaveMode},
};
use madang_lake::{Change, CommitInfo, DataFile, Error, Result, Schema, Snapshot, Staged, TableId, WriteMode};
use object_store::PutMode;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{Resolved, Tables, actions, entry, evolve};
use crate::{storage, write::Target};

/// A checkpoint of the log is written after so many versions; it only shortens later reads.
const CHECKPOINT_EVERY: i64 = 50;

/// Under this name the log keeps the number of the last publish.
const APPLICATION: &str = "madang";

impl Tables {
    /// Makes an empty table, or returns the one that is there.
    pub(crate) async fn create(&self, table: &TableId, schema: &Schema, info: &CommitInfo) -> Result<Snapshot> {
        match self.snapshot(table, None).await {
            Err(Error::NotFound(_)) => {}
            other => return other,
        }
        let metadata = actions::metadata(&actions::delta_schema(schema)?, info)?;
        let history = history("CREATE TABLE", json!({}), None, info);
        let actions = vec![Action::CommitInfo(history), Action::Protocol(actions::protocol(schema)?), Action::Metadata(metadata)];
        match self.write_entry(table, 0, &actions).await {
            Ok(()) => Ok(Snapshot::new(table.clone(), 0, schema.clone(), Vec::new())),
            Err(Unpublished::Taken) => self.snapshot(table, None).await, // somebody else made it meanwhile
            Err(Unpublished::Failed(error)) => Err(error),
        }
    }

    /// Commits one version on top of `change.base`, unless the table has this publish already.
    pub(crate) async fn commit(&self, table: &TableId, change: Change) -> Result<Snapshot> {
        let before = self.latest(table).await?;
        let last = self.last_publish(&before).await?;
        if is_done(change.info.publish, last) {
            return Ok(before.snapshot.clone());
        }
        if before.snapshot.version != change.base {
            return Err(Error::Conflict { expected: change.base, actual: before.snapshot.version });
        }
        let after = next(&before.snapshot, &change)?;
        let target = Target { store: self.store.clone(), table: table.clone() };
        target.check(&change.staged).await?;
        let actions = changes(&before, &change)?;
        let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
        PROTOCOL.can_commit(before.state.as_ref(), &actions, &operation).map_err(storage)?; // others may have set what we can't keep
        if let Err(unpublished) = self.write_entry(table, after.version, &actions).await {
            return self.settle(table, &change, unpublished).await;
        }
        self.latest.insert(table.clone(), Arc::new(follow(&before, after.clone(), &actions, change.info.publish.max(last))));
        if after.version % CHECKPOINT_EVERY == 0 {
            checkpoint(&self.log_store(table)?, after.version).await;
        }
        Ok(after)
    }

    /// Writes the log file of a version, or nothing if there is one.
    async fn write_entry(&self, table: &TableId, version: i64, actions: &[Action]) -> std::result::Result<(), Unpublished> {
        let lines: std::result::Result<Vec<String>, _> = actions.iter().map(serde_json::to_string).collect();
        let text = lines.map_err(|error| Unpublished::Failed(storage(error)))?.join("\n");
        let path = entry(table, version).map_err(Unpublished::Failed)?;
        match self.store.put_opts(&path, text.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Err(Unpublished::Taken),
            Err(error) => Err(Unpublished::Failed(storage(error))),
        }
    }

    /// After a failed write: the entry may be there all the same, written by a store that retried or by another process
    /// that applied the same publish.
    async fn settle(&self, table: &TableId, change: &Change, unpublished: Unpublished) -> Result<Snapshot> {
        let latest = match (self.latest(table).await, unpublished) {
            (Ok(latest), Unpublished::Taken) => latest,
            (Ok(latest), Unpublished::Failed(error)) => match self.last_publish(&latest).await {
                Ok(last) if is_done(change.info.publish, last) => latest,
                _ => return Err(error),
            },
            (Err(_), Unpublished::Failed(error)) | (Err(error), Unpublished::Taken) => return Err(error),
        };
        if is_done(change.info.publish, self.last_publish(&latest).await?) {
            return Ok(latest.snapshot.clone());
        }
        Err(Error::Conflict { expected: change.base, actual: latest.snapshot.version })
    }

    /// The number of the last publish that a version holds, 0 for none. Only the first look at a version that was read from the log
    /// looks there.
    async fn last_publish(&self, resolved: &Resolved) -> Result<i64> {
        let read = async {
            let log = self.log_store(&resolved.snapshot.table)?;
            let last = resolved.state.transaction_version(log.as_ref(), APPLICATION).await.map_err(storage)?;
            Ok(last.unwrap_or(0))
        };
        resolved.publish.get_or_try_init(|| read).await.copied()
    }
}

/// What is known of a version by who made it.
fn follow(before: &Resolved, snapshot: Snapshot, actions: &[Action], publish: i64) -> Resolved {
    let (mut protocol, mut metadata) = (&before.protocol, &before.metadata);
    for action in actions {
        match action {
            Action::Protocol(newer) => protocol = newer,
            Action::Metadata(newer) => metadata = newer,
            _ => {}
        }
    }
    Resolved {
        snapshot,
        protocol: protocol.clone(),
        metadata: metadata.clone(),
        publish: OnceCell::new_with(Some(publish)),
        state: before.state.clone(),
    }
}

/// Whether a publish is among those up to `last`. Publishes count from 1; 0 is a commit that nobody counts.
fn is_done(publish: i64, last: i64) -> bool {
    publish > 0 && publish <= last
}

/// What the table holds once the change is committed.
fn next(before: &Snapshot, change: &Change) -> Result<Snapshot> {
    check_columns(before, change)?;
    let (leaving, staying) = part(before, change)?;
    check_rows(change, &leaving, &staying)?;
    let mut files = change.staged.files.clone();
    files.extend(staying.into_iter().cloned());
    files.sort_unstable_by_key(|file| file.first_row_id);
    check_ranges(&files)?;
    Ok(Snapshot::new(before.table.clone(), before.version + 1, change.schema.clone(), files))
}

fn check_columns(before: &Snapshot, change: &Change) -> Result<()> {
    match change.mode {
        WriteMode::Overwrite => Ok(()),
        WriteMode::Widen => before.schema.check_widening(&change.schema),
        WriteMode::Append | WriteMode::Merge | WriteMode::Delete | WriteMode::Compact => before.schema.check_growth(&change.schema),
    }
}

/// The files that leave with the change, and those that stay.
fn part<'a>(before: &'a Snapshot, change: &Change) -> Result<(Vec<&'a DataFile>, Vec<&'a DataFile>)> {
    if change.mode == WriteMode::Overwrite {
        return Ok((before.files.iter().collect(), Vec::new()));
    }
    let named: HashSet<&str> = change.leaving.iter().map(String::as_str).collect();
    let (leaving, staying): (Vec<_>, Vec<_>) = before.files.iter().partition(|file| named.contains(file.path.as_str()));
    if leaving.len() == change.leaving.len() { Ok((leaving, staying)) } else { Err(Error::invalid("a file that is to leave is not there")) }
}

/// A change that keeps all rows brings as many as it takes, and a table of wider columns has no file of narrower ones.
fn check_rows(change: &Change, leaving: &[&DataFile], staying: &[&DataFile]) -> Result<()> {
    let keeps_all = matches!(change.mode, WriteMode::Widen | WriteMode::Compact);
    if keeps_all && change.staged.rows() != leaving.iter().map(|file| file.rows).sum::<u64>() {
        return Err(Error::invalid("the new files have another number of rows than those that leave"));
    }
    if change.mode == WriteMode::Append && !leaving.is_empty() {
        return Err(Error::invalid("an append takes no file out"));
    }
    if change.mode == WriteMode::Widen && !staying.is_empty() {
        return Err(Error::invalid("a file of narrower columns would stay"));
    }
    Ok(())
}

/// Files of one version have disjoint ranges of row ids: paging depends on it.
fn check_ranges(files: &[DataFile]) -> Result<()> {
    let whole = files.iter().all(|file| file.rows > 0 && file.first_row_id <= file.last_row_id);
    let disjoint = files.windows(2).all(|pair| pair[0].last_row_id < pair[1].first_row_id);
    if whole && disjoint { Ok(()) } else { Err(Error::invalid("the staged files have overlapping ranges of row ids")) }
}

/// The log entries of a change.
fn changes(before: &Resolved, change: &Change) -> Result<Vec<Action>> {
    let (operation, mode) = told(change.mode);
    let mut parameters = change.info.parameters.clone();
    parameters.extend(mode.map(|mode| ("mode".to_owned(), mode.to_owned())));
    let mut history = history(operation, json!(parameters), Some(metrics(&change.staged)), &change.info);
    history.read_version = Version::try_from(change.base).ok();
    history.is_blind_append = Some(change.mode == WriteMode::Append);
    let mut entries = vec![Action::CommitInfo(history)];
    if change.info.publish > 0 {
        entries.push(Action::Txn(Transaction::new_with_last_update(APPLICATION, change.info.publish, Some(change.info.timestamp_ms))));
    }
    if before.snapshot.schema != change.schema {
        let protocol = actions::protocol(&change.schema)?;
        if evolve::needs_newer(&before.protocol, &protocol) {
            entries.push(Action::Protocol(protocol));
        }
        let schema = actions::delta_schema(&change.schema)?;
        entries.push(Action::Metadata(before.metadata.clone().with_schema(&schema).map_err(storage)?));
    }
    let (leaving, _) = part(&before.snapshot, change)?;
    let data_change = change.mode != WriteMode::Compact;
    entries.extend(leaving.into_iter().map(|file| Action::Remove(actions::remove(file, &change.info, data_change))));
    entries.extend(change.staged.files.iter().map(|file| Action::Add(actions::add(file, &change.info, data_change))));
    Ok(entries)
}

/// What the history calls a change: the operation, and the mode of a `WRITE` (dhub.md section 7).
fn told(mode: WriteMode) -> (&'static str, Option<&'static str>) {
    match mode {
        WriteMode::Append => ("WRITE", Some("Append")),
        WriteMode::Overwrite | WriteMode::Widen => ("WRITE", Some("Overwrite")),
        WriteMode::Merge => ("MERGE", None),
        WriteMode::Delete => ("DELETE", None),
        WriteMode::Compact => ("OPTIMIZE", None),
    }
}

/// The line of the history: what was done, when, and by which run.
fn history(operation: &str, parameters: Value, metrics: Option<Value>, info: &CommitInfo) -> DeltaInfo {
    let metrics = metrics.map(|metrics| ("operationMetrics".to_owned(), metrics));
    let run = info.run.as_ref().map(|run| ("run".to_owned(), json!(run)));
    DeltaInfo {
        timestamp: Some(info.timestamp_ms),
        operation: Some(operation.to_owned()),
        operation_parameters: serde_json::from_value(parameters).ok(),
        engine_info: Some(concat!("madang/", env!("CARGO_PKG_VERSION")).to_owned()),
        info: metrics.into_iter().chain(run).collect(),
        ..DeltaInfo::default()
    }
}

fn metrics(staged: &Staged) -> Value {
    let bytes: u64 = staged.files.iter().map(|file| file.bytes).sum();
    // Text, as Spark writes them.
    json!({
        "numFiles": staged.files.len().to_string(),
        "numOutputRows": staged.rows().to_string(),
        "numOutputBytes": bytes.to_string(),
    })
}

/// Why a version was not published.
enum Unpublished {
    /// Another commit has its number.
    Taken,
    Failed(Error),
}

/// Shortens later reads of the log. The commit stands already, so a failure is only logged.
async fn checkpoint(log: &LogStoreRef, version: i64) {
    let mut table = deltalake::DeltaTable::new(log.clone());
    let written = async {
        table.load_version(version.unsigned_abs()).await?;
        deltalake::checkpoints::create_checkpoint(&table, None).await
    };
    if let Err(error) = written.await {
        tracing::warn!(table = %log.root_url(), version, error = %error, "could not write a checkpoint of the table's log");
    }
}
