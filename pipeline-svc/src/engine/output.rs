//! What a step makes: staged for datasets, kept in scratch for other steps, published together.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use madang_kit::{Error, Id, Result, error::chain};
use madang_lake::{Limits, Merge, Positions, ReadOptions, Rewrite, RowIds, RowStream, Schema, Snapshot, Staged};
use madang_proto::{
    catalog::v1::{CommitTablesRequest, TableAccess, TableChange, TableFile, WriteMode as WireMode},
    pipeline::v1::WriteMode,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Engine,
    again::answered,
    step::{Task, lake_error},
    walk::Walk,
};
use crate::{catalogue::OpenTable, plan::Step};

/// How long an open table is taken for the newest.
const FRESH: Duration = Duration::from_secs(1);

/// Datasets that a step will write, opened while it works.
#[derive(Default)]
pub(super) struct Ahead {
    opening: HashMap<Id, AbortOnDropHandle<Result<OpenTable>>>,
    since: Option<Instant>,
}

impl Ahead {
    /// Begins to open what a step writes. A merge needs the version that it finds in the end.
    pub(super) fn open(walk: &Walk<'_>, step: &Step) -> Self {
        let wanted = step.publishes() && step.write_mode != WriteMode::Merge && !walk.done.contains(&step.position);
        let datasets = step.outputs.values().filter(|_| wanted);
        let opening = datasets.map(|dataset| (*dataset, AbortOnDropHandle::new(tokio::spawn(open(walk, *dataset)))));
        Self { opening: opening.collect(), since: Some(Instant::now()) }
    }

    /// A dataset as it is now, or was a moment ago.
    async fn take(&mut self, walk: &Walk<'_>, dataset: Id) -> Result<OpenTable> {
        match self.opening.remove(&dataset) {
            Some(opening) if self.since.is_some_and(|since| since.elapsed() < FRESH) => opening.await.map_err(Error::internal)?,
            _ => open(walk, dataset).await,
        }
    }
}

fn open(walk: &Walk<'_>, dataset: Id) -> impl Future<Output = Result<OpenTable>> + Send + use<> {
    let (catalog, context) = (walk.engine.0.catalog.clone(), walk.context.clone());
    async move { catalog.open(&context, dataset, None, TableAccess::Write).await }
}

/// An output with the files that were staged for it.
pub(super) struct Output {
    open: OpenTable,
    schema: Schema,
    staged: Staged,
    /// Paths of the files that the staged ones replace.
    leaving: Vec<String>,
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
    let publishes = task.step.publishes() && task.inputs.is_new && !walk.done.contains(&task.step.position);
    let mut rows = Some(rows);
    let kept = if is_fed || datasets.len() > 1 { Some(keep(walk, task, &mut rows, only).await?) } else { None };
    for dataset in datasets.into_iter().filter(|_| publishes) {
        let stream = match (&kept, rows.take()) {
            (None, Some(Rows::Stream(stream))) => stream,
            (None, Some(Rows::Kept(snapshot))) => read(walk, &snapshot).await?,
            (Some(snapshot), _) => read(walk, snapshot).await?,
            (None, None) => return Err(Error::internal("rows were placed twice")),
        };
        let open = task.ahead.take(walk, dataset).await?;
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
    let own = Schema::from_arrow(&rows.schema).map_err(lake_error)?.relaxed();
    let schema = match (&open.snapshot, task.step.write_mode) {
        (Some(snapshot), WriteMode::Append | WriteMode::Merge) => snapshot.schema.clone(),
        _ => own.clone(),
    };
    let ids = walk.engine.0.catalog.row_ids(&walk.context, &open.table);
    let (staged, leaving) = if task.step.write_mode == WriteMode::Merge {
        let base = open.snapshot.clone();
        let base = base.unwrap_or_else(|| Snapshot::new(open.table.clone(), 0, own, Vec::new()));
        let (rewrite, rows) = merge(walk, &base, &task.step.merge_keys, rows, &ids).await?;
        task.rows_out = rows;
        (rewrite.staged, rewrite.leaving)
    } else {
        let staged = walk.engine.0.lake.stage_rows(&open.table, rows, &schema, &ids).await.map_err(lake_error)?;
        task.rows_out = staged.rows();
        (staged, Vec::new())
    };
    task.written.push(Output { open, schema, staged, leaving });
    Ok(())
}

/// Stages rows by themselves, then what they make of the table; gives their number too.
async fn merge(walk: &Walk<'_>, base: &Snapshot, keys: &[String], rows: RowStream, ids: &dyn RowIds) -> Result<(Rewrite, u64)> {
    let lake = &walk.engine.0.lake;
    let named: Vec<String> = rows.schema.fields().iter().map(|field| field.name().clone()).collect();
    let columns = base.schema.for_merge(&named, keys).map_err(lake_error)?;
    let staged = lake.stage_rows(&base.table, rows, &columns, &Positions::default()).await.map_err(lake_error)?;
    let merge = Merge { staged, schema: columns, keys: keys.to_vec() };
    let merged = lake.merge(base, &merge, &Limits::STEP, ids).await;
    if let Err(error) = lake.discard(&base.table, &merge.staged).await {
        tracing::warn!(table = %base.table, error = %chain(&error), "staged files were left behind");
    }
    Ok((merged.map_err(lake_error)?, merge.staged.rows()))
}

/// Publishes all outputs together. An answer that got lost is asked for again: the same step of a run publishes once.
pub(super) async fn publish(walk: &Walk<'_>, task: &Task<'_>) -> Result<()> {
    let request = CommitTablesRequest {
        run_id: walk.claim.run.to_string(),
        step: task.step.name.clone(),
        fence: walk.claim.fence,
        changes: task.written.iter().map(|output| change(walk, task.step, output)).collect(),
    };
    answered(|| walk.engine.0.catalog.commit(&walk.context, request.clone())).await
}

fn change(walk: &Walk<'_>, step: &Step, output: &Output) -> TableChange {
    let table_id = output.open.table.to_string();
    let own = walk.pins.values().find(|pin| pin.step == step.name && pin.table_id == table_id);
    let (mode, made_from) = match step.write_mode {
        WriteMode::Append | WriteMode::Unspecified => (WireMode::Append, None),
        WriteMode::Overwrite => (WireMode::Overwrite, None),
        WriteMode::Merge => (WireMode::Merge, output.open.snapshot.as_ref().map(|snapshot| snapshot.version)),
    };
    TableChange {
        mode: mode.into(),
        base_version: own.map(|pin| pin.version).or(made_from),
        columns: (&output.schema).into(),
        files: output.staged.files.iter().cloned().map(TableFile::from).collect(),
        dataset_id: output.open.dataset.to_string(),
        made_for: output.open.snapshot.as_ref().map(|snapshot| (&snapshot.schema).into()).unwrap_or_default(),
        leaving: output.leaving.clone(),
        keys: if mode == WireMode::Merge { step.merge_keys.clone() } else { Vec::new() },
        table_id,
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
