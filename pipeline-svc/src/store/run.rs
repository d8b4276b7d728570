//! Runs: adding them, reading them with their steps and logs.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use madang_kit::{Db, Error, Id, Principal, Result, Tx, time};
use madang_proto::pipeline::v1::{Definition, JobDefinition, LogLine, Run, RunState, StepRun};
use prost::Message;
use serde_json::{Map, Value};
use sqlx::types::Json;

use super::thing::{Kind, Reader, visible};
use crate::{job, plan::Plan};

/// Log lines of one run that are kept and shown.
pub(super) const MAX_LOG_LINES: i64 = 1_000;

/// What a run's definition is a message of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunKind {
    Pipeline,
    Job,
}

impl RunKind {
    /// The name in the database.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Job => "job",
        }
    }

    /// The kind with a name.
    pub(crate) fn parse(name: &str) -> Self {
        if name == Self::Job.name() { Self::Job } else { Self::Pipeline }
    }

    /// What a run of this kind does.
    pub(crate) fn plan(self, definition: &[u8], parameters: &Map<String, Value>) -> Result<Plan> {
        match self {
            Self::Pipeline => Plan::compile(&Definition::decode(definition).map_err(Error::internal)?),
            Self::Job => job::graph::compile(&JobDefinition::decode(definition).map_err(Error::internal)?, parameters),
        }
    }
}

/// A run to be added.
pub(crate) struct NewRun {
    pub(crate) id: Id,
    pub(crate) kind: RunKind,
    /// The thing that is run.
    pub(crate) subject: Id,
    pub(crate) title: String,
    /// The kind's own message.
    pub(crate) definition: Vec<u8>,
    /// Names of the steps, in the order of the definition.
    pub(crate) steps: Vec<String>,
    pub(crate) parameters: Map<String, Value>,
    pub(crate) run_as: Principal,
    pub(crate) trigger: &'static str,
    pub(crate) serial: Serial,
    pub(crate) attempts_limit: i64,
    pub(crate) timeout_seconds: i64,
    pub(crate) queued_at: DateTime<Utc>,
}

/// Which runs wait for one another.
#[derive(Clone, Debug)]
pub(crate) struct Serial {
    pub(crate) key: String,
    /// So many at the same time.
    pub(crate) limit: i64,
}

/// What a run does first.
pub(crate) enum Begin {
    /// Waits for a worker.
    Queued,
    /// Is worked on at once; the place of its first step.
    Running { lease_until: DateTime<Utc>, first: i64 },
    /// Has nothing to do.
    Ended,
    /// Failed before it could wait.
    Refused,
}

/// The name of a state in the database.
const STATES: [(RunState, &str); 5] = [
    (RunState::Queued, "queued"),
    (RunState::Running, "running"),
    (RunState::Succeeded, "succeeded"),
    (RunState::Failed, "failed"),
    (RunState::Cancelled, "cancelled"),
];

/// The state with a name.
pub(crate) fn state(name: &str) -> RunState {
    STATES.iter().find(|row| row.1 == name).map_or(RunState::Unspecified, |row| row.0)
}

/// The name of a state.
pub(crate) fn state_name(state: RunState) -> String {
    STATES.iter().find(|row| row.0 == state).map_or("failed", |row| row.1).to_owned()
}

impl NewRun {
    /// The run as it reads right after it was added.
    pub(crate) fn wire(&self) -> Run {
        let step = |name: &String| StepRun { name: name.clone(), state: RunState::Queued.into(), ..StepRun::default() };
        Run {
            id: self.id.to_string(),
            pipeline_id: self.subject.to_string(),
            title: self.title.clone(),
            state: RunState::Queued.into(),
            trigger: self.trigger.to_owned(),
            queued_at: Some(time::wire(self.queued_at)),
            steps: self.steps.iter().map(step).collect(),
            ..Run::default()
        }
    }
}

/// Adds a run with its steps, in two statements whatever their number.
pub(crate) async fn insert(tx: &mut Tx, run: &NewRun, begin: &Begin) -> Result<()> {
    let (state, lease, attempts, slot, first) = match begin {
        Begin::Queued => (RunState::Queued, None, 0_i64, None, None),
        Begin::Running { lease_until, first } => (RunState::Running, Some(*lease_until), 1, Some(0_i64), Some(*first)),
        Begin::Ended => (RunState::Succeeded, None, 0, None, None),
        Begin::Refused => (RunState::Failed, None, 0, None, None),
    };
    let started_at = matches!(state, RunState::Running | RunState::Succeeded).then_some(run.queued_at);
    let finished_at = matches!(state, RunState::Succeeded | RunState::Failed).then_some(run.queued_at);
    tx.query(
        "INSERT INTO run (id, kind, subject_id, title, definition, parameters, run_as, owner_id, space_id, trigger_kind, state, serial_key,
             serial_limit, serial_slot, fence, attempts, attempts_limit, timeout_seconds, lease_until, queued_at, started_at, finished_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $16, $17, $18, $19, $20, $21)",
    )
    .bind(run.id.to_string())
    .bind(run.kind.name().to_owned())
    .bind(run.subject.to_string())
    .bind(run.title.clone())
    .bind(run.definition.clone())
    .bind(serde_json::to_string(&run.parameters).map_err(Error::internal)?)
    .bind(serde_json::to_string(&run.run_as).map_err(Error::internal)?)
    .bind(run.run_as.user.to_string())
    .bind(run.run_as.space.map(|space| space.to_string()))
    .bind(run.trigger.to_owned())
    .bind(state_name(state))
    .bind(run.serial.key.clone())
    .bind(run.serial.limit)
    .bind(slot)
    .bind(attempts)
    .bind(run.attempts_limit)
    .bind(run.timeout_seconds)
    .bind(lease)
    .bind(run.queued_at)
    .bind(started_at)
    .bind(finished_at)
    .run()
    .await?;
    insert_steps(tx, run, first).await
}

async fn insert_steps(tx: &mut Tx, run: &NewRun, running: Option<i64>) -> Result<()> {
    if run.steps.is_empty() {
        return Ok(());
    }
    let text = tx.pick(
        "INSERT INTO step_run (run_id, position, name, state, rows_in, rows_out, bad_values, started_at)
         SELECT $1, key, value, CASE WHEN key = $3 THEN 'running' ELSE 'queued' END, 0, 0, 0, CASE WHEN key = $3 THEN $4 END
         FROM json_each($2)",
        "INSERT INTO step_run (run_id, position, name, state, rows_in, rows_out, bad_values, started_at)
         SELECT $1, number - 1, name, CASE WHEN number - 1 = $3 THEN 'running' ELSE 'queued' END, 0, 0, 0,
             CASE WHEN number - 1 = $3 THEN CAST($4 AS TIMESTAMPTZ) END
         FROM jsonb_array_elements_text($2) WITH ORDINALITY AS step(name, number)",
    );
    tx.query(text).bind(run.id.to_string()).bind(Json(run.steps.clone())).bind(running).bind(run.queued_at).run().await?;
    Ok(())
}

/// Whether a run could be worked on at once: nobody waits or works under its key, and its owner and space have room.
pub(crate) async fn has_room(tx: &mut Tx, run: &NewRun, per_user: i64, per_space: i64) -> Result<bool> {
    let (open, of_owner, of_space): (i64, i64, i64) = tx
        .query(
            "SELECT CAST((SELECT COUNT(*) FROM run WHERE serial_key = $1 AND state IN ('queued', 'running')) AS BIGINT),
                    CAST((SELECT COUNT(*) FROM run WHERE owner_id = $2 AND state = 'running') AS BIGINT),
                    CAST((SELECT COUNT(*) FROM run WHERE space_id = $3 AND state = 'running') AS BIGINT)",
        )
        .bind(run.serial.key.clone())
        .bind(run.run_as.user.to_string())
        .bind(run.run_as.space.map(|space| space.to_string()))
        .one()
        .await?;
    Ok(open == 0 && of_owner < per_user && of_space < per_space)
}

/// Runs of a key that wait.
pub(crate) async fn waiting(tx: &mut Tx, key: &str) -> Result<i64> {
    let text = "SELECT COUNT(*) FROM run WHERE serial_key = $1 AND state = 'queued'";
    let (waiting,): (i64,) = tx.query(text).bind(key.to_owned()).one().await?;
    Ok(waiting)
}

/// Whether a thing has runs that wait or are worked on.
pub(crate) async fn is_active(tx: &mut Tx, subject: &str) -> Result<bool> {
    let text = "SELECT id FROM run WHERE subject_id = $1 AND state IN ('queued', 'running') LIMIT 1";
    let found: Option<(String,)> = tx.query(text).bind(subject.to_owned()).opt().await?;
    Ok(found.is_some())
}

/// Which runs are wanted.
#[derive(Default)]
pub(crate) struct Filter {
    pub(crate) run: Option<Id>,
    pub(crate) subject: Option<Id>,
    pub(crate) before: Option<Id>,
    /// So many of the newest are passed over.
    pub(crate) offset: i64,
    pub(crate) limit: i64,
    pub(crate) logs: bool,
}

#[derive(sqlx::FromRow)]
struct RunRow {
    id: String,
    subject_id: String,
    title: String,
    trigger_kind: String,
    state: String,
    attempts: i64,
    queued_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct StepRow {
    run_id: String,
    name: String,
    state: String,
    rows_in: i64,
    rows_out: i64,
    bad_values: i64,
    comment: Option<String>,
    stacktrace: Option<String>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct LogRow {
    run_id: String,
    time: DateTime<Utc>,
    level: String,
    step: String,
    message: String,
}

/// Runs of pipelines that the reader sees, newest first, with steps and logs, in three statements whatever their number.
pub(crate) async fn list(db: &Db, reader: &Reader, filter: &Filter) -> Result<Vec<Run>> {
    // Only what is wanted stands in the text, so that each kind of question has its index.
    let narrowed = [
        ("r.id = ", filter.run.map(|id| id.to_string())),
        ("r.subject_id = ", filter.subject.map(|id| id.to_string())),
        ("r.id < ", filter.before.map(|id| id.to_string())),
    ];
    let narrowed: Vec<(&str, String)> = narrowed.into_iter().filter_map(|(condition, value)| Some((condition, value?))).collect();
    let conditions: Vec<String> = narrowed.iter().zip(9..).map(|((condition, _), number)| format!(" AND {condition}${number}")).collect();
    let conditions = conditions.concat();
    let text = format!(
        "SELECT r.id, r.subject_id, r.title, r.trigger_kind, r.state, r.attempts, r.queued_at, r.started_at, r.finished_at
         FROM run r JOIN thing t ON t.id = r.subject_id
         WHERE {} AND r.kind = $6{conditions} ORDER BY r.id DESC LIMIT $7 OFFSET $8",
        visible(db)
    );
    let query = reader.query(db, text).bind(Kind::Pipeline.name().to_owned()).bind(filter.limit).bind(filter.offset);
    let rows: Vec<RunRow> = narrowed.into_iter().fold(query, |query, (_, value)| query.bind(value)).all().await?;
    let mut runs: Vec<Run> = rows.into_iter().map(Run::from).collect();
    fill(db, &mut runs, filter.logs).await?;
    Ok(runs)
}

/// Adds steps and log lines.
pub(crate) async fn fill(db: &Db, runs: &mut [Run], logs: bool) -> Result<()> {
    if runs.is_empty() {
        return Ok(());
    }
    let ids = Json(runs.iter().map(|run| run.id.clone()).collect::<Vec<_>>());
    let place: HashMap<String, usize> = runs.iter().enumerate().map(|(at, run)| (run.id.clone(), at)).collect();
    let listed = db.pick("SELECT value FROM json_each($1)", "SELECT jsonb_array_elements_text($1)");
    let steps = format!(
        "SELECT run_id, name, state, rows_in, rows_out, bad_values, comment, stacktrace, started_at, finished_at
         FROM step_run WHERE run_id IN ({listed}) ORDER BY run_id, position"
    );
    let steps: Vec<StepRow> = db.query(sqlx::AssertSqlSafe(steps)).bind(ids.clone()).all().await?;
    for step in steps {
        if let Some(run) = place.get(&step.run_id).and_then(|at| runs.get_mut(*at)) {
            run.steps.push(step.into());
        }
    }
    if !logs {
        return Ok(());
    }
    let lines = format!("SELECT run_id, time, level, step, message FROM run_log WHERE run_id IN ({listed}) ORDER BY run_id, id");
    let lines: Vec<LogRow> = db.query(sqlx::AssertSqlSafe(lines)).bind(ids).all().await?;
    for line in lines {
        if let Some(run) = place.get(&line.run_id).and_then(|at| runs.get_mut(*at)) {
            run.logs.push(line.into());
        }
    }
    Ok(())
}

impl From<RunRow> for Run {
    fn from(row: RunRow) -> Self {
        Self {
            id: row.id,
            pipeline_id: row.subject_id,
            title: row.title,
            state: state(&row.state).into(),
            trigger: row.trigger_kind,
            queued_at: Some(time::wire(row.queued_at)),
            started_at: row.started_at.map(time::wire),
            finished_at: row.finished_at.map(time::wire),
            steps: Vec::new(),
            logs: Vec::new(),
            attempts: row.attempts.try_into().unwrap_or_default(),
        }
    }
}

impl From<StepRow> for StepRun {
    fn from(row: StepRow) -> Self {
        Self {
            name: row.name,
            state: state(&row.state).into(),
            rows_in: row.rows_in.try_into().unwrap_or_default(),
            rows_out: row.rows_out.try_into().unwrap_or_default(),
            comment: row.comment,
            started_at: row.started_at.map(time::wire),
            finished_at: row.finished_at.map(time::wire),
            bad_values: row.bad_values.try_into().unwrap_or_default(),
            stacktrace: row.stacktrace,
        }
    }
}

impl From<LogRow> for LogLine {
    fn from(row: LogRow) -> Self {
        Self { time: Some(time::wire(row.time)), level: row.level, step: row.step, message: row.message }
    }
}
