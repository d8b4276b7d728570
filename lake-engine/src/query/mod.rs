//! placeholder
use std::{collections::HashMap, path::Path, sync::Arc};
use madang_lake::{Error, Limits, Result, RowStream, Snapshot};
use object_store::ObjectStore;
pub(crate) async fn run(_store: &Arc<dyn ObjectStore>, _scratch: &Path, _sql: &str, _tables: &HashMap<String, Snapshot>, _limits: Limits) -> Result<RowStream> {
    std::future::ready(Err(Error::invalid("queries come next"))).await
}
