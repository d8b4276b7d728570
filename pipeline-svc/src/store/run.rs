//! Runs, their steps and their logs.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use madang_kit::{Db, Error, Id, Principal, Result, Tx, time};
use madang_proto::pipeline::v1::{LogLine, Run, RunState, StepRun};

use crate::definition::Step;

/// Log lines of one run that are kept and shown.
const MAX_LOG_LINES: i64 = 1_000;

/// A run to be queued.
pub(crate) struct NewRun {
    pub(crate) id: Id,
    pub(crate) pipeline: Id,
    pub(crate) title: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) run_as: Principal,
    pub(crate) trigger: &'static str,
    pub(crate) queued_at: DateTime<Utc>,
}

impl NewRun {
    /// The run as it reads right after it was queued.
    pub(crate) fn queued(&self) -> Run {
        let step = |step: &Step| StepRun { name: step.name.clone(), state: RunState::Queued.into(), ..StepRun::default() };
        Run {
            id: self.id.to_string(),
            pipeline_id: self.pipeline.to_string(),
            title: self.title.clone(),
            state: RunState::Queued.into(),
            trigger: self.trigger.to_owned(),
            queued_at: Some(time::wire(self.queued_at)),
            steps: self.steps.iter().map(step).collect(),
            ..Run::default()
        }
    }
}

/// The name of a state in the database.
pub(crate) const STATES: [(RunState, &str); 5] = [
    (RunState::Queued, "queued"),
    (RunState::Running, "running"),
    (RunState::Succeeded, "succeeded"),
    (RunState::Failed, "failed"),
    (RunState::Cancelled, "cancelled"),
];

fn state(name: &str) -> i32 {
    STATES.iter().find(|row| row.1 == name).map_or(RunState::Unspecified, |row| row.0).into()
}

/// Adds a queued run with its steps.
pub(crate) async fn insert(tx: &mut Tx, run: &NewRun) -> Result<()> {
    tx.query(
        "INSERT INTO run (id, pipeline_id, title, definition, run_as, trigger_kind, state, attempts, queued_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'queued', 0, $7)",
    )
    .bind(run.id.to_string())
    .bind(run.pipeline.to_string())
    .bind(run.title.clone())
    .bind(serde_json::to_string(&run.steps).map_err(Error::internal)?)
    .bind(serde_json::to_string(&run.run_as).map_err(Error::internal)?)
    .bind(run.trigger.to_owned())
    .bind(run.queued_at)
    .run()
    .await?;
    for (position, step) in (0_i64..).zip(&run.steps) {
        tx.query("INSERT INTO step_run (run_id, position, name, state, rows_in, rows_out) VALUES ($1, $2, $3, 'queued', 0, 0)")
            .bind(run.id.to_string())
            .bind(position)
            .bind(step.name.clone())
            .run()
            .await?;
    }
    Ok(())
}

/// Which runs are wanted.
pub(crate) struct Filter {
    pub(crate) run: Option<Id>,
    pub(crate) pipeline: Option<Id>,
    pub(crate) limit: i64,
}

/// A run with the organization that its pipeline belongs to.
pub(crate) struct Found {
    pub(crate) run: Run,
    pub(crate) organization: Option<Id>,
}

#[derive(sqlx::FromRow)]
struct RunRow {
    organization_id: Option<String>,
    id: String,
    pipeline_id: String,
    title: String,
    trigger_kind: String,
    state: String,
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
    comment: Option<String>,
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

/// The runs that both filters let through; an absent filter lets all through.
const SELECTED: &str = "SELECT id FROM run WHERE id = COALESCE($1, id) AND pipeline_id = COALESCE($2, pipeline_id)
    ORDER BY id DESC LIMIT $3";

/// Runs with their steps and logs, newest first, in three statements whatever their number.
pub(crate) async fn list(db: &Db, filter: &Filter) -> Result<Vec<Found>> {
    let select = |columns: &str, from: &str, order: &str| {
        sqlx::AssertSqlSafe(format!("SELECT {columns} FROM {from} IN ({SELECTED}) ORDER BY {order}"))
    };
    let filled = |text| {
        let (run, pipeline) = (filter.run.map(|id| id.to_string()), filter.pipeline.map(|id| id.to_string()));
        db.query(text).bind(run).bind(pipeline).bind(filter.limit)
    };
    let columns = "p.organization_id, r.id, r.pipeline_id, r.title, r.trigger_kind, r.state, r.queued_at, r.started_at, r.finished_at";
    let runs = select(columns, "run r JOIN pipeline p ON p.id = r.pipeline_id WHERE r.id", "r.id DESC");
    let runs: Vec<RunRow> = filled(runs).all().await?;
    let steps =
        select("run_id, name, state, rows_in, rows_out, comment, started_at, finished_at", "step_run WHERE run_id", "run_id, position");
    let steps: Vec<StepRow> = filled(steps).all().await?;
    let logs: Vec<LogRow> = filled(select("run_id, time, level, step, message", "run_log WHERE run_id", "run_id, id")).all().await?;
    let mut runs: Vec<Found> = runs.into_iter().map(Found::try_from).collect::<Result<_>>()?;
    let place: HashMap<String, usize> = runs.iter().enumerate().map(|(at, found)| (found.run.id.clone(), at)).collect();
    for step in steps {
        if let Some(found) = place.get(&step.run_id).and_then(|at| runs.get_mut(*at)) {
            found.run.steps.push(step.into());
        }
    }
    for log in logs {
        if let Some(found) = place.get(&log.run_id).and_then(|at| runs.get_mut(*at)) {
            found.run.logs.push(log.into());
        }
    }
    Ok(runs)
}

/// Adds a log line, unless the run has its fill.
pub(crate) async fn log(tx: &mut Tx, run: Id, now: DateTime<Utc>, level: &str, step: &str, message: &str) -> Result<()> {
    tx.query(
        "INSERT INTO run_log (id, run_id, time, level, step, message)
         SELECT $1, $2, $3, $4, $5, $6 WHERE (SELECT COUNT(*) FROM run_log WHERE run_id = $2) < $7",
    )
    .bind(Id::generate().to_string())
    .bind(run.to_string())
    .bind(now)
    .bind(level.to_owned())
    .bind(step.to_owned())
    .bind(message.to_owned())
    .bind(MAX_LOG_LINES)
    .run()
    .await?;
    Ok(())
}

impl TryFrom<RunRow> for Found {
    type Error = Error;

    fn try_from(row: RunRow) -> Result<Self> {
        let organization = row.organization_id.as_ref().map(|id| id.parse()).transpose().map_err(Error::internal)?;
        Ok(Self { organization, run: row.into() })
    }
}

impl From<RunRow> for Run {
    fn from(row: RunRow) -> Self {
        Self {
            id: row.id,
            pipeline_id: row.pipeline_id,
            title: row.title,
            state: state(&row.state),
            trigger: row.trigger_kind,
            queued_at: Some(time::wire(row.queued_at)),
            started_at: row.started_at.map(time::wire),
            finished_at: row.finished_at.map(time::wire),
            steps: Vec::new(),
            logs: Vec::new(),
        }
    }
}

impl From<StepRow> for StepRun {
    fn from(row: StepRow) -> Self {
        Self {
            name: row.name,
            state: state(&row.state),
            rows_in: row.rows_in.try_into().unwrap_or_default(),
            rows_out: row.rows_out.try_into().unwrap_or_default(),
            comment: row.comment,
            started_at: row.started_at.map(time::wire),
            finished_at: row.finished_at.map(time::wire),
        }
    }
}

impl From<LogRow> for LogLine {
    fn from(row: LogRow) -> Self {
        Self { time: Some(time::wire(row.time)), level: row.level, step: row.step, message: row.message }
    }
}
