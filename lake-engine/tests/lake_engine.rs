//! The table store through its public API, on real temporary folders.

#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::format_push_string, clippy::format_collect, clippy::similar_names)]

#[path = "lake_engine/support.rs"]
mod support;

#[path = "lake_engine/changes.rs"]
mod changes;
#[path = "lake_engine/crash.rs"]
mod crash;
#[path = "lake_engine/inspect.rs"]
mod inspect;
#[path = "lake_engine/json.rs"]
mod json;
#[path = "lake_engine/load.rs"]
mod load;
#[path = "lake_engine/merge.rs"]
mod merge;
#[path = "lake_engine/paging.rs"]
mod paging;
#[path = "lake_engine/parquet.rs"]
mod parquet;
#[path = "lake_engine/query.rs"]
mod query;
#[path = "lake_engine/rewrite.rs"]
mod rewrite;
#[path = "lake_engine/select.rs"]
mod select;
#[path = "lake_engine/stage.rs"]
mod stage;
#[path = "lake_engine/vacuum.rs"]
mod vacuum;
#[path = "lake_engine/versions.rs"]
mod versions;
