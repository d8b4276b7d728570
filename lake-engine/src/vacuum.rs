//! Files that nobody needs any more. What may go is decided by the caller; here it is found and removed.

use std::{
    collections::HashSet,
    ops::{Range, RangeInclusive},
    sync::Arc,
};

use deltalake::logstore::commit_uri_from_version;
use futures::{StreamExt, TryStreamExt, future::ready, stream};
use madang_lake::{Error, Result, TableId};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};
use serde_json::Value;

use crate::{storage, store};

/// Files that are removed, and log entries that are read, at a time.
const AT_A_TIME: usize = 8;

/// Every table that has a folder.
pub(crate) async fn tables(store: &Arc<dyn ObjectStore>) -> Result<Vec<TableId>> {
    let listed = store.list_with_delimiter(Some(&store::root())).await.map_err(storage)?;
    Ok(listed.common_prefixes.iter().filter_map(|folder| folder.parts().next_back()?.as_ref().parse().ok()).collect())
}

/// Removes data files written in a span of time that neither a version nor `keep` names. A version that names a file was
/// written after it, so only log entries from the span's begin on are looked at.
pub(crate) async fn sweep(store: &Arc<dyn ObjectStore>, table: &TableId, span: Range<i64>, keep: &HashSet<String>) -> Result<u64> {
    let written = |object: &ObjectMeta| object.last_modified.timestamp_millis();
    let (mut loose, mut entries) = (HashSet::new(), Vec::new());
    let mut listed = store.list(Some(&store::folder(table)));
    while let Some(object) = listed.try_next().await.map_err(storage)? {
        let name = object.location.filename().unwrap_or_default();
        if is_entry(&object.location) && written(&object) >= span.start {
            entries.push(object.location);
        } else if store::is_data_file(table, &object.location) && span.contains(&written(&object)) && !keep.contains(name) {
            loose.insert(name.to_owned());
        }
    }
    entries.sort_unstable();
    let mut read = stream::iter(entries.into_iter().rev().map(|path| entry(store, path))).buffered(AT_A_TIME);
    while let (false, Some(actions)) = (loose.is_empty(), read.next().await) {
        for path in paths(&actions?, "add") {
            loose.remove(&path);
        }
    }
    delete(store, table, loose).await
}

/// Removes the data files that some versions took out of the table.
pub(crate) async fn expire(store: &Arc<dyn ObjectStore>, table: &TableId, versions: RangeInclusive<i64>) -> Result<u64> {
    let path = |version: i64| {
        let version = u64::try_from(version).map_err(storage)?;
        Ok(store::folder(table).parts().chain(commit_uri_from_version(Some(version)).parts()).collect::<Path>())
    };
    let mut read = stream::iter(versions.map(|version| async move { entry(store, path(version)?).await })).buffered(AT_A_TIME);
    let mut gone = 0;
    while let Some(actions) = read.try_next().await? {
        gone += delete(store, table, paths(&actions, "remove")).await?;
    }
    Ok(gone)
}

/// Removes everything in a table's folder, the log last: what is left of a removal that broke off is still a table.
pub(crate) async fn remove(store: &Arc<dyn ObjectStore>, table: &TableId) -> Result<u64> {
    let listed: Vec<Path> =
        store.list(Some(&store::folder(table))).map_ok(|object| object.location).try_collect().await.map_err(storage)?;
    let (data, mut log): (Vec<_>, Vec<_>) = listed.into_iter().partition(|path| store::is_data_file(table, path));
    log.sort_unstable_by(|a, b| b.cmp(a)); // from the newest version down
    let mut gone = 0;
    for path in data.into_iter().chain(log) {
        gone += u64::from(delete_one(store, &path).await?);
    }
    Ok(gone)
}

async fn delete(store: &Arc<dyn ObjectStore>, table: &TableId, names: impl IntoIterator<Item = String>) -> Result<u64> {
    let removals = names.into_iter().map(|name| async move { delete_one(store, &store::data_file(table, &name)?).await });
    let removals: Vec<_> = removals.collect();
    stream::iter(removals).buffer_unordered(AT_A_TIME).try_fold(0, |gone, was_there| ready(Ok(gone + u64::from(was_there)))).await
}

/// Says whether it was there.
async fn delete_one(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<bool> {
    match store.delete(path).await {
        Ok(()) => Ok(true),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(storage(error)),
    }
}

/// Whether a path is one version's entry in a log.
fn is_entry(path: &Path) -> bool {
    path.filename()
        .is_some_and(|name| name.strip_suffix(".json").is_some_and(|stem| stem.len() == 20 && stem.bytes().all(|b| b.is_ascii_digit())))
}

async fn entry(store: &Arc<dyn ObjectStore>, path: Path) -> Result<Vec<Value>> {
    let bytes = store.get(&path).await.map_err(storage)?.bytes().await.map_err(storage)?;
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(|error| Error::storage(format!("{path}: {error}")))).collect()
}

/// The paths of all actions of a kind: `add`, `remove`.
fn paths(actions: &[Value], kind: &str) -> Vec<String> {
    actions.iter().filter_map(|action| action[kind]["path"].as_str().map(str::to_owned)).collect()
}
