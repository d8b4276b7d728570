//! What a worker writes of a run: how its steps went, what it has to say, how it ended. A transition from one step to the next is one
//! transaction, so that it costs one sync.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Id, Result, Tx};
use madang_proto::pipeline::v1::RunState;

use super::{
    checkpoint::{self, Pin},
    claim::{Claim, LEASE},
    firing, job,
    run::{MAX_LOG_LINES, RunKind, state_name},
};

/// Characters of a message or a stack trace that are kept.
const MESSAGE_CHARS: usize = 2_000;
const STACKTRACE_CHARS: usize = 20_000;

/// How a step went.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepEnd {
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
    pub(crate) bad_values: u64,
    pub(crate) comment: Option<String>,
    pub(crate) stacktrace: Option<String>,
}

/// A line of a run's log.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Makes writing it twice the same as once.
    id: Id,
    level: &'static str,
    /// Empty = the run itself.
    step: String,
    message: String,
}

impl Line {
    /// A line about a step, by its name.
    pub(crate) fn of_step(step: &str, level: &'static str, message: impl Into<String>) -> Self {
        Self { id: Id::generate(), level, step: step.to_owned(), message: message.into() }
    }

    /// A line about the run.
    pub(crate) fn of_run(level: &'static str, message: &str) -> Self {
        Self::of_step("", level, message)
    }
}

/// Everything that is written when a worker comes from one step to the next. Writing it twice is the same as once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transition {
    /// When it happened; absent = when it is written.
    pub(crate) at: Option<DateTime<Utc>>,
    /// The step that ended: its place in the definition, its state, how it went.
    pub(crate) ended: Option<(usize, RunState, StepEnd)>,
    /// The step that begins.
    pub(crate) begins: Option<usize>,
    /// The run's state from now on; absent = it goes on.
    pub(crate) run: Option<RunState>,
    pub(crate) lines: Vec<Line>,
    /// What has been read and published now.
    pub(crate) advances: Vec<Pin>,
    /// The versions that the step that begins reads.
    pub(crate) pins: Vec<Pin>,
    /// Whether the run failed because something that its job links to is gone.
    pub(crate) unlinked: bool,
}

/// Writes a transition; false if the lease was lost, and then nothing.
pub(crate) async fn write(db: &Db, claim: &Claim, now: DateTime<Utc>, transition: Transition) -> Result<bool> {
    let at = transition.at.unwrap_or(now);
    let mut tx = db.begin().await?;
    if !hold(&mut tx, claim, now, transition.run).await? {
        return Ok(false);
    }
    if let Some((position, state, end)) = transition.ended {
        end_step(&mut tx, claim.run, position, state, at, end).await?;
    }
    if let Some(position) = transition.begins {
        begin_step(&mut tx, claim.run, position, at).await?;
    }
    for line in &transition.lines {
        log(&mut tx, claim.run, at, line).await?;
    }
    for pin in &transition.advances {
        checkpoint::advance(&mut tx, claim.subject, pin).await?;
    }
    for pin in &transition.pins {
        checkpoint::pin(&mut tx, claim.run, pin).await?;
    }
    match transition.run {
        Some(RunState::Succeeded) if claim.kind == RunKind::Job => firing::note_completed(&mut tx, claim.run).await?,
        Some(RunState::Failed) if claim.kind == RunKind::Job && transition.unlinked => {
            job::mark_editing(&mut tx, claim.subject, claim.run).await?;
        }
        _ => {}
    }
    tx.commit().await?;
    Ok(true)
}

/// Holds the run until the transaction ends, prolonging the lease, or ends it; false if the lease was lost.
pub(super) async fn hold(tx: &mut Tx, claim: &Claim, now: DateTime<Utc>, end: Option<RunState>) -> Result<bool> {
    let held = match end {
        None => tx
            .query("UPDATE run SET lease_until = $3 WHERE id = $1 AND fence = $2 AND state = 'running'")
            .bind(claim.run.to_string())
            .bind(claim.fence)
            .bind(now + LEASE),
        Some(state) => tx
            .query(
                "UPDATE run SET state = $4, finished_at = $3, lease_until = NULL, serial_slot = NULL
                 WHERE id = $1 AND fence = $2 AND state = 'running'",
            )
            .bind(claim.run.to_string())
            .bind(claim.fence)
            .bind(now)
            .bind(state_name(state)),
    };
    Ok(held.run().await? == 1)
}

/// Notes that a step runs.
pub(super) async fn begin_step(tx: &mut Tx, run: Id, position: usize, now: DateTime<Utc>) -> Result<()> {
    tx.query("UPDATE step_run SET state = 'running', started_at = $3, finished_at = NULL WHERE run_id = $1 AND position = $2")
        .bind(run.to_string())
        .bind(whole(position))
        .bind(now)
        .run()
        .await?;
    Ok(())
}

async fn end_step(tx: &mut Tx, run: Id, position: usize, state: RunState, now: DateTime<Utc>, end: StepEnd) -> Result<()> {
    tx.query(
        "UPDATE step_run SET state = $3, rows_in = $4, rows_out = $5, bad_values = $6, comment = $7, stacktrace = $8, finished_at = $9
         WHERE run_id = $1 AND position = $2",
    )
    .bind(run.to_string())
    .bind(whole(position))
    .bind(state_name(state))
    .bind(whole(end.rows_in))
    .bind(whole(end.rows_out))
    .bind(whole(end.bad_values))
    .bind(end.comment.map(|text| told(&text, MESSAGE_CHARS)))
    .bind(end.stacktrace.map(|text| told(&text, STACKTRACE_CHARS)))
    .bind(now)
    .run()
    .await?;
    Ok(())
}

/// Adds a log line, unless the run has its fill.
pub(crate) async fn log(tx: &mut Tx, run: Id, now: DateTime<Utc>, line: &Line) -> Result<()> {
    tx.query(
        "INSERT INTO run_log (id, run_id, time, level, step, message)
         SELECT $1, $2, $3, $4, $5, $6 WHERE (SELECT COUNT(*) FROM run_log WHERE run_id = $2) < $7
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(line.id.to_string())
    .bind(run.to_string())
    .bind(now)
    .bind(line.level.to_owned())
    .bind(line.step.clone())
    .bind(told(&line.message, MESSAGE_CHARS))
    .bind(MAX_LOG_LINES)
    .run()
    .await?;
    Ok(())
}

/// Which steps of a run have succeeded, by their places in the definition.
pub(crate) async fn succeeded(db: &Db, run: Id) -> Result<Vec<usize>> {
    let text = "SELECT position FROM step_run WHERE run_id = $1 AND state = 'succeeded'";
    let rows: Vec<(i64,)> = db.query(text).bind(run.to_string()).all().await?;
    Ok(rows.into_iter().filter_map(|(position,)| usize::try_from(position).ok()).collect())
}

/// A text as it is kept: of bounded length and without what PostgreSQL can't store.
fn told(text: &str, chars: usize) -> String {
    let cut: String = text.chars().filter(|c| *c != '\0').take(chars).collect();
    if cut.len() + text.matches('\0').count() < text.len() { cut + "…" } else { cut }
}

fn whole(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
