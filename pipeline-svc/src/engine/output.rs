//! What a step makes: staged for datasets, kept in scratch for other steps, published together.

use std::time::Duration;

use madang_kit::{Code, Error, Result, error::chain};
use madang_lake::{Limits, ReadOptions, RowStream, Schema, Snapshot, Staged};
use madang_proto::{
    catalog::v1::{CommitTablesRequest, TableAccess, TableChange, TableFile, WriteMode as WireMode},
    pipeline::v1::WriteMode,
};

use super::{
    Engine,
    step::{Task, lake_error},
    walk::Walk,
};
use crate::{catalogue::OpenTable, plan::Step};

/// Waits between tries of a publish whose answer got lost: doubled each time, up to the last.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_secs(3);

/// An output with the files that were staged for it.
pub(super) struct Output {
    open: OpenTable,
    schema: Schema,
    staged: Staged,
}

/// Rows that a step made.
pub(super) enum Rows {
    /// As they come.
    Stream(RowStream),
    /// Kept already.
    Kept(Snapshot),
}

/// Brings the rows of some outputs to where they belong: all of the step's, or those of one name.
pub(super) async fn place(walk: &Walk<'_>, task: &mut Task<'_>, rows: Rows, only: Option<&str>) -> Result<()> {
    let is_one = |name: &str| only.is_none_or(|only| only == name);
    let is_fed = task.step.fed.iter().any(|name| is_one(name));
    let datasets: Vec<_> = task.step.outputs.iter().filter(|(name, _)| is_one(name)).map(|(_, id)| *id).collect();
    let publishes = task.step.publishes() && task.inputs.is_new;
    let mut rows = Some(rows);
    let kept = if is_fed || datasets.len() > 1 { Some(keep(walk, task, &mut rows, only).await?) } else { None };
    for dataset in datasets.into_iter().filter(|_| publishes) {
        let stream = match (&kept, rows.take()) {
            (None, Some(Rows::Stream(stream))) => stream,
            (None, Some(Rows::Kept(snapshot))) => read(walk, &snapshot).await?,
            (Some(snapshot), _) => read(walk, snapshot).await?,
            (None, None) => return Err(Error::internal("rows were placed twice")),
        };
        let open = walk.engine.0.catalog.open(&walk.context, dataset, None, TableAccess::Write).await?;
        stage(walk, task, open, stream).await?;
    }
    if let (Some(snapshot), true) = (&kept, task.written.is_empty()) {
        task.rows_out = snapshot.rows();
    }
    Ok(())
}

/// Keeps rows for several readers.
async fn keep(walk: &Walk<'_>, task: &mut Task<'_>, rows: &mut Option<Rows>, only: Option<&str>) -> Result<Snapshot> {
    let kept = match rows.take() {
        Some(Rows::Stream(stream)) => walk.engine.0.lake.scratch(stream).await.map_err(lake_error)?,
        Some(Rows::Kept(snapshot)) => snapshot,
        None => return Err(Error::internal("rows were placed twice")),
    };
    task.made.insert(only.unwrap_or_default().to_owned(), kept.clone());
    Ok(kept)
}

pub(super) async fn read(walk: &Walk<'_>, snapshot: &Snapshot) -> Result<RowStream> {
    walk.engine.0.lake.read(snapshot, &ReadOptions::default(), &Limits::STEP).await.map_err(lake_error)
}

async fn stage(walk: &Walk<'_>, task: &mut Task<'_>, open: OpenTable, rows: RowStream) -> Result<()> {
    let schema = match (&open.snapshot, task.step.write_mode) {
        (Some(snapshot), WriteMode::Append | WriteMode::Merge) => snapshot.schema.clone(),
        _ => Schema::from_arrow(&rows.schema).map_err(lake_error)?.relaxed(),
    };
    let ids = walk.engine.0.catalog.row_ids(&walk.context, &open.table);
    let staged = walk.engine.0.lake.stage_rows(&open.table, rows, &schema, &ids).await.map_err(lake_error)?;
    task.rows_out = staged.rows();
    task.written.push(Output { open, schema, staged });
    Ok(())
}

/// Publishes all outputs together. An answer that got lost is asked for again: the same step of a run publishes once.
pub(super) async fn publish(walk: &Walk<'_>, task: &Task<'_>) -> Result<()> {
    let request = CommitTablesRequest {
        run_id: walk.claim.run.to_string(),
        step: task.step.name.clone(),
        fence: walk.claim.fence,
        changes: task.written.iter().map(|output| change(walk, task.step, output)).collect::<Result<_>>()?,
    };
    let mut wait = FIRST_WAIT;
    loop {
        match walk.engine.0.catalog.commit(&walk.context, request.clone()).await {
            Err(error) if !error.is_refusal() && wait <= LAST_WAIT => tokio::time::sleep(wait).await,
            other => return other,
        }
        wait *= 2;
    }
}

fn change(walk: &Walk<'_>, step: &Step, output: &Output) -> Result<TableChange> {
    let table_id = output.open.table.to_string();
    let own = walk.pins.values().find(|pin| pin.step == step.name && pin.table_id == table_id);
    Ok(TableChange {
        mode: wire_mode(step)?.into(),
        base_version: own.map(|pin| pin.version),
        columns: (&output.schema).into(),
        files: output.staged.files.iter().cloned().map(TableFile::from).collect(),
        dataset_id: output.open.dataset.to_string(),
        made_for: output.open.snapshot.as_ref().map(|snapshot| (&snapshot.schema).into()).unwrap_or_default(),
        table_id,
    })
}

/// How the catalogue puts the files in. The one place that learns of merging once the lake can merge staged rows by
/// [`Step::merge_keys`].
fn wire_mode(step: &Step) -> Result<WireMode> {
    match step.write_mode {
        WriteMode::Append | WriteMode::Unspecified => Ok(WireMode::Append),
        WriteMode::Overwrite => Ok(WireMode::Overwrite),
        WriteMode::Merge => {
            let keys = step.merge_keys.join(", ");
            Err(Error::new(Code::NotImplemented, format!("write_mode merge: rows can't be merged by their keys ({keys}) here yet")))
        }
    }
}

/// Removes staged files that no version will name.
pub(super) async fn discard(engine: &Engine, written: &[Output]) {
    for output in written {
        if let Err(error) = engine.0.lake.discard(&output.open.table, &output.staged).await {
            tracing::warn!(table = %output.open.table, error = %chain(&error), "staged files were left behind");
        }
    }
}
