//! Brings live tables up to date: takes those that have something to write, under a lease that one process holds, and writes batches
//! until nothing waits or its time is over.
//!
//! A call that was given up could still be at work in the catalogue when the lease has run out, and write a row as it was. A call
//! therefore has a third of the lease's time.

use std::time::Duration;

use chrono::TimeDelta;
use futures::future::join_all;
use madang_kit::{Code, Drain, Error, Result, error::chain, housekeeping};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{ON, catalogue::by_itself, columns::Shape};
use crate::{
    Surveys,
    export::spelled,
    store::{
        live::{self as rows, Live},
        sheet::{self, Part, Sheet, Window},
        survey as survey_rows,
    },
};

const LOOK_EVERY: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_mins(10);
/// How long a table is held; prolonged before each batch and each further call of one.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// Tables that are worked on at once.
const TABLES: i64 = 4;
/// Batches of one table until others have their turn.
const BATCHES: usize = 20;
/// Sheets of one batch.
const SHEETS: usize = 500;
/// Bytes of rows in one call; the catalogue takes 16 MiB.
const CALL_BYTES: usize = 4 << 20;
/// After a failure: doubled each time, up to the last.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(2);
const LAST_WAIT: TimeDelta = TimeDelta::minutes(5);

/// Starts the worker.
pub(crate) fn start(surveys: &Surveys, drain: &Drain) {
    let (working, stop) = (surveys.clone(), drain.token());
    housekeeping::every(LOOK_EVERY, drain, "live tables not looked at yet", move || {
        let (surveys, stop) = (working.clone(), stop.clone());
        async move { look(&surveys, &stop).await }
    });
    let sweeping = surveys.clone();
    housekeeping::every(SWEEP_EVERY, drain, "marks of sheets not swept yet", move || {
        let surveys = sweeping.clone();
        async move { rows::sweep(&surveys.db).await }
    });
}

async fn look(surveys: &Surveys, stop: &CancellationToken) -> Result<()> {
    loop {
        let now = surveys.clock.now();
        let taken = rows::take(&surveys.db, now, now + LEASE, TABLES).await?;
        if taken.is_empty() || stop.is_cancelled() {
            return Ok(());
        }
        join_all(taken.into_iter().map(|live| work(surveys, live, stop))).await;
    }
}

/// Works on one table and lets go of it.
async fn work(surveys: &Surveys, mut live: Live, stop: &CancellationToken) {
    let outcome = batches(surveys, &live, stop).await;
    let now = surveys.clock.now();
    let mut next = now;
    live.tries = 0;
    if let Err(error) = outcome {
        // Texts of refusals may repeat what a respondent wrote, so they are not told.
        let cause = error.cause.as_deref().map(|cause| chain(cause));
        tracing::warn!(survey = %live.survey_id, code = error.code.name(), cause, "a live table is not up to date yet");
        live.tries += 1;
        next += wait(live.tries);
    }
    if let Err(error) = rows::release(&surveys.db, &live, now, next).await {
        tracing::warn!(error = %chain(&error), "a live table is not let go of; its lease runs out");
    }
}

fn wait(tries: i64) -> TimeDelta {
    let doubled = FIRST_WAIT * 2_i32.saturating_pow(u32::try_from(tries.clamp(1, 16) - 1).unwrap_or(0));
    doubled.min(LAST_WAIT)
}

async fn batches(surveys: &Surveys, held: &Live, stop: &CancellationToken) -> Result<()> {
    let mut shape = None;
    for _ in 0..BATCHES {
        if stop.is_cancelled() {
            return Ok(());
        }
        let Some(live) = rows::renew(&surveys.db, held, surveys.clock.now() + LEASE).await? else { return Ok(()) };
        let outcome = batch(surveys, live.clone(), &mut shape).await;
        match outcome {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) if matches!(error.code, Code::NotFound | Code::Invalid) => return mend(surveys, live, error).await,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The catalogue refused: the dataset or the table may be gone, or somebody has changed its columns.
async fn mend(surveys: &Surveys, live: Live, error: Error) -> Result<()> {
    if !surveys.catalogue.is_there(&by_itself(), &live).await? {
        tracing::info!(survey = %live.survey_id, "a live table was removed from the catalogue");
        return rows::lose(&surveys.db, &live).await;
    }
    // With no column known they are all set, and every row is written, at the next try.
    rows::note(&surveys.db, &Live { columns: "[]".to_owned(), walking: live.state == ON, walk_at: None, walk_id: None, ..live }).await?;
    Err(error)
}

/// Writes one batch. False if there is nothing to write.
async fn batch(surveys: &Surveys, mut live: Live, shape: &mut Option<(i64, Shape)>) -> Result<bool> {
    if shape.as_ref().is_none_or(|(epoch, _)| *epoch != live.epoch) {
        let Some(survey) = survey_rows::find(&surveys.db, &live.survey_id).await? else { return Ok(false) };
        *shape = Some((live.epoch, super::shape(surveys, &survey).await?));
    }
    let Some((_, shape)) = shape else { return Ok(false) };
    let columns = serde_json::to_string(&shape.described()).map_err(Error::internal)?;
    if columns != live.columns {
        surveys.catalogue.set_columns(&by_itself(), &live, &shape.described()).await?;
        live = Live { columns, walking: live.state == ON, walk_at: None, walk_id: None, ..live };
        rows::note(&surveys.db, &live).await?;
    }
    if marked(surveys, &live, shape).await? {
        return Ok(true);
    }
    if !live.walking {
        return Ok(false);
    }
    walk(surveys, live, shape).await?;
    Ok(true)
}

/// Writes the rows of sheets that changed. False if there are none.
async fn marked(surveys: &Surveys, live: &Live, shape: &Shape) -> Result<bool> {
    let marks = rows::marks(&surveys.db, &live.survey_id, i64::try_from(SHEETS).unwrap_or(i64::MAX)).await?;
    if marks.is_empty() {
        return Ok(false);
    }
    let sheets = rows::sheets(&surveys.db, marks.iter().map(|mark| mark.sheet_id.clone()).collect()).await?;
    let gone = marks.iter().filter(|mark| sheets.iter().all(|sheet| sheet.id != mark.sheet_id));
    let gone: Vec<String> = gone.map(|mark| spelled(&mark.sheet_id)).collect();
    write(surveys, live, shape, &sheets).await?;
    if !gone.is_empty() {
        surveys.catalogue.take_out(live, &gone).await?;
    }
    rows::clear(&surveys.db, &marks).await?;
    Ok(true)
}

/// Writes the next rows of all, newest first.
async fn walk(surveys: &Surveys, live: Live, shape: &Shape) -> Result<()> {
    let behind = live.walk_at.zip(live.walk_id.clone());
    let window = Window { after: None, up_to: None, behind };
    let sheets = sheet::list(&surveys.db, &live.survey_id, &window, Part::File, SHEETS).await?;
    write(surveys, &live, shape, &sheets).await?;
    let (walk_at, walk_id) = sheets.last().map(|sheet| (sheet.submitted_at, sheet.id.clone())).unzip();
    rows::note(&surveys.db, &Live { walking: sheets.len() == SHEETS, walk_at, walk_id, ..live }).await
}

async fn write(surveys: &Surveys, live: &Live, shape: &Shape, sheets: &[Sheet]) -> Result<()> {
    let mut records: Vec<Value> = Vec::new();
    let mut bytes = 0;
    for sheet in sheets {
        let row = shape.row(sheet)?;
        let size = row.to_string().len();
        if bytes + size > CALL_BYTES && !records.is_empty() {
            surveys.catalogue.upsert(live, &std::mem::take(&mut records)).await?;
            if rows::renew(&surveys.db, live, surveys.clock.now() + LEASE).await?.is_none() {
                return Err(Error::new(Code::Unavailable, "the table is another worker's by now"));
            }
            bytes = 0;
        }
        bytes += size;
        records.push(row);
    }
    if records.is_empty() { Ok(()) } else { surveys.catalogue.upsert(live, &records).await }
}
