//! Rows on their way between the steps of a run: Parquet files in one folder, which no version names.

use std::time::Duration;

use chrono::Utc;
use futures::TryStreamExt;
use madang_lake::{OwnRowIds, Result, RowStream, Schema, Snapshot, TableId};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};

use crate::{
    Engine, rows, storage,
    store::SCRATCH,
    write::{self, Target},
};

/// Writes all rows in the order in which they come.
pub(crate) async fn keep(engine: &Engine, rows: RowStream) -> Result<Snapshot> {
    let table = TableId::new_scratch();
    let schema = Schema::from_arrow(&rows.schema)?.relaxed();
    let target = Target { store: engine.store.clone(), table: table.clone() };
    let files = write::write(target, &schema, rows::fit(rows, &schema)?, &OwnRowIds::default()).await?;
    Ok(Snapshot::new(table, 0, schema, files))
}

/// Removes the files of a scratch table.
pub(crate) async fn remove(engine: &Engine, snapshot: &Snapshot) -> Result<()> {
    if !snapshot.table.is_scratch() {
        return Ok(());
    }
    let target = Target { store: engine.store.clone(), table: snapshot.table.clone() };
    for file in &snapshot.files {
        target.remove(file).await?;
    }
    Ok(())
}

/// Removes what runs of long ago left behind.
pub(crate) async fn sweep(engine: &Engine, older_than: Duration) -> Result<()> {
    let before = Utc::now() - older_than;
    let mut files = engine.store.list(Some(&Path::from(SCRATCH)));
    while let Some(file) = files.try_next().await.map_err(storage)? {
        if file.last_modified < before {
            engine.store.delete(&file.location).await.map_err(storage)?;
        }
    }
    Ok(())
}
