//! Our schema and files in Delta's words.

use std::collections::HashMap;

use deltalake::kernel::{Add, Metadata, Protocol, Remove, StructType, engine::arrow_conversion::TryIntoKernel, new_metadata};
use madang_lake::{ColumnType, CommitInfo, DataFile, Error, ROW_ID, Result, Schema};
use serde_json::json;

use crate::storage;

/// The stored schema: `_id`, then the visible columns.
pub(super) fn delta_schema(schema: &Schema) -> Result<StructType> {
    let stored = schema.stored();
    let delta: std::result::Result<StructType, _> = stored.as_ref().try_into_kernel();
    delta.map_err(|error| Error::invalid(format!("the columns don't make a table: {error}")))
}

/// The description of a new table.
pub(super) fn metadata(schema: &StructType, info: &CommitInfo) -> Result<Metadata> {
    let made = new_metadata(schema, Vec::<String>::new(), Vec::<(String, String)>::new()).map_err(storage)?;
    let mut value = serde_json::to_value(made).map_err(storage)?;
    value["createdTime"] = json!(info.timestamp_ms);
    serde_json::from_value(value).map_err(storage)
}

/// The oldest protocol that has the column types of the schema: only local timestamps need table features.
///
/// The newer form lists the features that version 2 of writing had by itself; going from one to the other requires it.
pub(super) fn protocol(schema: &Schema) -> Result<Protocol> {
    let local = schema.columns.iter().any(|column| column.kind == ColumnType::LocalTimestamp);
    let value = if local {
        json!({
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": ["timestampNtz"],
            "writerFeatures": ["appendOnly", "invariants", "timestampNtz"],
        })
    } else {
        json!({ "minReaderVersion": 1, "minWriterVersion": 2 })
    };
    serde_json::from_value(value).map_err(storage)
}

/// A staged file joins the table. `data_change` says whether its rows are new to it; readers of changes rely on that.
pub(super) fn add(file: &DataFile, info: &CommitInfo, data_change: bool) -> Add {
    let stats = json!({
        "numRecords": file.rows,
        "minValues": { ROW_ID: file.first_row_id },
        "maxValues": { ROW_ID: file.last_row_id },
        "nullCount": { ROW_ID: 0 },
    });
    Add {
        path: file.path.clone(),
        partition_values: HashMap::new(),
        size: size(file),
        modification_time: info.timestamp_ms,
        data_change,
        stats: Some(stats.to_string()),
        ..Add::default()
    }
}

/// A file leaves the newest version; it stays on the store for older ones.
pub(super) fn remove(file: &DataFile, info: &CommitInfo, data_change: bool) -> Remove {
    Remove {
        path: file.path.clone(),
        data_change,
        deletion_timestamp: Some(info.timestamp_ms),
        extended_file_metadata: Some(true),
        partition_values: Some(HashMap::new()),
        size: Some(size(file)),
        ..Remove::default()
    }
}

fn size(file: &DataFile) -> i64 {
    i64::try_from(file.bytes).unwrap_or(i64::MAX)
}
