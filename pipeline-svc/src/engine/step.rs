//! Steps: resolve the inputs, run the query, stage the result for each output, publish all outputs together.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use madang_kit::{Code, Context, Error, Result, error::chain};
use madang_lake::{Limits, ReadOptions, Schema, Snapshot, Staged};
use madang_proto::{
    catalog::v1::{CommitTablesRequest, TableAccess, TableChange, TableFile, WriteMode as WireMode},
    pipeline::v1::RunState,
};

use crate::{
    Pipelines,
    catalogue::OpenTable,
    definition::{Step, StepWork, WriteMode},
    store::claim::{self, Claim, StepRecord},
    store::run,
};

/// Waits between tries of a publish whose answer got lost: doubled each time, up to the last.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_secs(3);

/// Characters of a message that are kept.
const MESSAGE_CHARS: usize = 2_000;
/// How often a step is staged again because an output was changed by somebody else meanwhile.
const ATTEMPTS: usize = 3;

/// Rows that went in and out of a step.
#[derive(Clone, Copy, Default)]
struct Moved {
    rows_in: u64,
    rows_out: u64,
}

/// Works through the steps in order; the first that fails ends the run. `None` if the lease was lost.
pub(crate) async fn work_through(pipelines: &Pipelines, claim: &Claim) -> Result<Option<RunState>> {
    let context = Context { request_id: claim.run.to_string(), ..Context::new(claim.run_as.clone()) };
    for (position, step) in (0_i64..).zip(&claim.steps) {
        let started_at = pipelines.clock.now();
        let running = record(position, RunState::Running, Moved::default(), None, started_at, None);
        if !write(pipelines, claim, running, None).await? {
            return Ok(None);
        }
        let result = work(pipelines, &context, claim, step).await;
        let ended = ended(pipelines, position, started_at, result, &step.name);
        let state = ended.0.state;
        if !write(pipelines, claim, ended.0, Some((&step.name, ended.1))).await? {
            return Ok(None);
        }
        if state == RunState::Failed {
            return Ok(Some(RunState::Failed));
        }
    }
    Ok(Some(RunState::Succeeded))
}

fn ended(pipelines: &Pipelines, position: i64, started_at: DateTime<Utc>, result: Result<Moved>, name: &str) -> (StepRecord, String) {
    let now = Some(pipelines.clock.now());
    match result {
        Ok(moved) => {
            let message = format!("{} rows in, {} rows out", moved.rows_in, moved.rows_out);
            (record(position, RunState::Succeeded, moved, None, started_at, now), message)
        }
        Err(error) => {
            if let Some(cause) = &error.cause {
                tracing::error!(step = name, error = %chain(cause.as_ref()), "step failed");
            }
            let message = told(&error.message);
            (record(position, RunState::Failed, Moved::default(), Some(message.clone()), started_at, now), message)
        }
    }
}

/// A message as it is kept: of bounded length and without what PostgreSQL can't store.
fn told(message: &str) -> String {
    let cut: String = message.chars().filter(|c| *c != '\0').take(MESSAGE_CHARS).collect();
    if cut.len() + message.matches('\0').count() < message.len() { cut + "…" } else { cut }
}

fn record(
    position: i64,
    state: RunState,
    moved: Moved,
    comment: Option<String>,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
) -> StepRecord {
    StepRecord { position, state, rows_in: moved.rows_in, rows_out: moved.rows_out, comment, started_at, finished_at }
}

/// Writes what is known of a step and, if there is one, its log line. False if the lease was lost.
async fn write(pipelines: &Pipelines, claim: &Claim, record: StepRecord, log: Option<(&str, String)>) -> Result<bool> {
    let level = if record.state == RunState::Failed { "ERROR" } else { "INFO" };
    let mut tx = pipelines.db.begin().await?;
    if !claim::record_step(&mut tx, claim, record).await? {
        return Ok(false);
    }
    if let Some((step, message)) = log {
        run::log(&mut tx, claim.run, pipelines.clock.now(), level, step, &message).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Works a step through. If an output that it did not read was changed meanwhile, it is staged again for what is there now.
async fn work(pipelines: &Pipelines, context: &Context, claim: &Claim, step: &Step) -> Result<Moved> {
    let reads_output = step.outputs.values().any(|output| step.inputs.values().any(|input| input == output));
    for _ in 1..ATTEMPTS {
        match work_once(pipelines, context, claim, step).await {
            Err(error) if error.code == Code::Conflict && !reads_output => {}
            other => return other,
        }
    }
    work_once(pipelines, context, claim, step).await
}

async fn work_once(pipelines: &Pipelines, context: &Context, claim: &Claim, step: &Step) -> Result<Moved> {
    let inputs = open_inputs(pipelines, context, step).await?;
    let outputs = open_outputs(pipelines, context, step).await?;
    let rows_in = inputs.values().map(Snapshot::rows).sum();
    let mut written: Vec<Output> = Vec::new();
    let published = match stage_all(pipelines, context, step, &inputs, outputs, &mut written).await {
        Ok(()) => publish(pipelines, context, claim, step, &inputs, &written).await,
        Err(error) => Err(error),
    };
    if let Err(error) = published {
        if error.is_refusal() {
            discard(pipelines, &written).await; // else the commit record may stand, and it names these files
        }
        return Err(error);
    }
    Ok(Moved { rows_in, rows_out: written.first().map_or(0, |output| output.staged.rows()) })
}

async fn open_inputs(pipelines: &Pipelines, context: &Context, step: &Step) -> Result<HashMap<String, Snapshot>> {
    let mut inputs = HashMap::new();
    for (name, dataset) in &step.inputs {
        let open = pipelines.catalog.open(context, *dataset, TableAccess::Read).await?;
        let empty = || Error::new(Code::Invalid, format!("input '{name}': dataset '{}' has no data yet", dataset.prefixed("ds")));
        inputs.insert(name.clone(), open.snapshot.ok_or_else(empty)?);
    }
    Ok(inputs)
}

async fn open_outputs(pipelines: &Pipelines, context: &Context, step: &Step) -> Result<Vec<OpenTable>> {
    let mut outputs = Vec::with_capacity(step.outputs.len());
    for dataset in step.outputs.values() {
        outputs.push(pipelines.catalog.open(context, *dataset, TableAccess::Write).await?);
    }
    Ok(outputs)
}

/// An output with the files that were staged for it.
struct Output {
    open: OpenTable,
    schema: Schema,
    staged: Staged,
}

/// Runs the query into the first output; further outputs copy the first one's files, so that all hold the same rows.
async fn stage_all(
    pipelines: &Pipelines,
    context: &Context,
    step: &Step,
    inputs: &HashMap<String, Snapshot>,
    outputs: Vec<OpenTable>,
    written: &mut Vec<Output>,
) -> Result<()> {
    let StepWork::Sql { query } = &step.work;
    for open in outputs {
        let rows = match written.first() {
            None => pipelines.lake.query(query, inputs, &Limits::default()).await,
            Some(first) => pipelines.lake.read(&first.as_snapshot(), &ReadOptions::default(), &Limits::default()).await,
        };
        let rows = rows.map_err(step_error)?;
        let schema = match (&open.snapshot, step.write_mode) {
            (Some(snapshot), WriteMode::Append) => snapshot.schema.clone(),
            _ => Schema::from_arrow(&rows.schema).map_err(step_error)?.relaxed(),
        };
        let ids = pipelines.catalog.row_ids(context, &open.table);
        let staged = pipelines.lake.stage_rows(&open.table, rows, &schema, &ids).await.map_err(step_error)?;
        written.push(Output { open, schema, staged });
    }
    Ok(())
}

impl Output {
    fn as_snapshot(&self) -> Snapshot {
        Snapshot { table: self.open.table.clone(), version: 0, schema: self.schema.clone(), files: self.staged.files.clone() }
    }
}

/// Publishes all outputs together. An answer that got lost is asked for again: the same step of a run publishes once.
async fn publish(
    pipelines: &Pipelines,
    context: &Context,
    claim: &Claim,
    step: &Step,
    inputs: &HashMap<String, Snapshot>,
    written: &[Output],
) -> Result<()> {
    let mode = match step.write_mode {
        WriteMode::Append => WireMode::Append,
        WriteMode::Overwrite => WireMode::Overwrite,
    };
    let read = |output: &Output| inputs.values().find(|input| input.table == output.open.table).map(|input| input.version);
    let change = |output: &Output| TableChange {
        table_id: output.open.table.to_string(),
        mode: mode.into(),
        base_version: read(output),
        columns: (&output.schema).into(),
        files: output.staged.files.iter().cloned().map(TableFile::from).collect(),
        dataset_id: output.open.dataset.to_string(),
        made_for: output.open.snapshot.as_ref().map(|snapshot| (&snapshot.schema).into()).unwrap_or_default(),
        ..TableChange::default()
    };
    let request = CommitTablesRequest {
        run_id: claim.run.to_string(),
        step: step.name.clone(),
        fence: claim.fence,
        changes: written.iter().map(change).collect(),
    };
    let mut wait = FIRST_WAIT;
    loop {
        match pipelines.catalog.commit(context, request.clone()).await {
            Err(error) if !error.is_refusal() && wait <= LAST_WAIT => tokio::time::sleep(wait).await,
            other => return other,
        }
        wait *= 2;
    }
}

async fn discard(pipelines: &Pipelines, written: &[Output]) {
    for output in written {
        if let Err(error) = pipelines.lake.discard(&output.open.table, &output.staged).await {
            tracing::warn!(table = %output.open.table, error = %chain(&error), "staged files were left behind");
        }
    }
}

/// What a lake error means to the pipeline's owner.
fn step_error(error: madang_lake::Error) -> Error {
    match error {
        madang_lake::Error::Storage(cause) => Error::internal(cause),
        other => Error::new(Code::Invalid, other.to_string()),
    }
}
