//! `read_csv`: rows of a CSV text, or those that were uploaded already.

use madang_kit::{Code, Error, Result};
use madang_lake::{Format, Input, Limits, OwnRowIds, Snapshot, TableId};
use madang_proto::catalog::v1::TableAccess;

use super::super::{
    output::{self, Rows},
    step::{Task, lake_error},
    walk::Walk,
};

/// Stages a CSV text like an upload: types are inferred over the whole text, columns of an existing table matched by name.
pub(super) async fn read(walk: &Walk<'_>, task: &mut Task<'_>, text: &str, delimiter: Option<u8>) -> Result<()> {
    let folder = walk.engine.0.python.folder()?;
    let path = folder.path().join("rows.csv");
    tokio::fs::write(&path, text).await.map_err(Error::internal)?;
    let input = Input { path, format: Format::Csv, delimiter };
    let lake = &walk.engine.0.lake;
    let found = lake.inspect(&input, &Limits::STEP).await.map_err(lake_error)?;
    let (table, schema) = (TableId::new_scratch(), found.schema.relaxed());
    let staged = lake.stage(&table, &input, &schema, &Limits::STEP, &OwnRowIds::default()).await.map_err(lake_error)?;
    let rows = Snapshot::new(table, 0, schema, staged.files);
    task.inputs.scratch.push(rows.clone());
    output::place(walk, task, Rows::Kept(rows), None).await
}

/// Demands that the output holds rows, and tells how many.
pub(super) async fn look_at_uploaded(walk: &Walk<'_>, task: &mut Task<'_>) -> Result<()> {
    let datasets: Vec<_> = task.step.outputs.values().copied().collect();
    for dataset in datasets {
        let open = walk.engine.0.catalog.open(&walk.context, dataset, None, TableAccess::Read).await?;
        let empty = || Error::new(Code::Invalid, format!("nothing was uploaded into dataset '{}' yet", dataset.prefixed("ds")));
        task.rows_out += open.snapshot.ok_or_else(empty)?.rows();
    }
    Ok(())
}
