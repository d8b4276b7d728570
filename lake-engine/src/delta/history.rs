//! What the log says about the versions of a table.

use futures::{StreamExt, TryStreamExt, stream};
use madang_lake::{Error, Result, TableId, VersionInfo};
use object_store::ObjectStoreExt;
use serde_json::Value;

use super::Tables;
use crate::storage;

/// Log entries that are read at a time.
const AT_A_TIME: usize = 8;

impl Tables {
    /// The versions of a table, newest first, from the one below `before` on.
    pub(crate) async fn history(&self, table: &TableId, before: Option<i64>, limit: usize) -> Result<Vec<VersionInfo>> {
        let newest = self.latest(table).await?.snapshot.version;
        let from = before.map_or(newest, |before| newest.min(before.saturating_sub(1)));
        let versions = (0..=from).rev().take(limit).map(|version| self.version_info(table, version));
        stream::iter(versions).buffered(AT_A_TIME).try_collect().await
    }

    async fn version_info(&self, table: &TableId, version: i64) -> Result<VersionInfo> {
        let entry = match self.store.get(&super::entry(table, version)?).await {
            Ok(entry) => entry.bytes().await.map_err(storage)?,
            Err(object_store::Error::NotFound { .. }) => return Err(Error::NotFound(format!("version {version}"))),
            Err(error) => return Err(storage(error)),
        };
        let mut actions = entry.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        let info = actions.find_map(|mut action| action.get_mut("commitInfo").map(Value::take));
        Ok(read(version, &info.unwrap_or_default()))
    }
}

fn read(version: i64, info: &Value) -> VersionInfo {
    VersionInfo {
        version,
        timestamp_ms: info["timestamp"].as_i64().unwrap_or_default(),
        operation: info["operation"].as_str().unwrap_or("WRITE").to_owned(),
        parameters: info["operationParameters"].as_object().cloned().unwrap_or_default(),
        read_version: info["readVersion"].as_i64().or_else(|| (version > 0).then(|| version - 1)),
    }
}
