//! Schedules (dhub.md section 8): five cron fields in UTC. Each moment is taken by one process, in the transaction that adds the run.
//! What was missed is not made up for; a moment at which the run before is still active is skipped. Both are noted.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use croner::{Cron, parser::CronParser};
use futures::StreamExt;
use madang_kit::{
    Context, Drain, Error, Id, Principal, Result, Tx, check,
    error::chain,
    time,
    timer::{self, Due},
};
use madang_proto::pipeline::v1::{GetScheduleRequest, GetScheduleResponse, Options, Slot as WireSlot};

use crate::{
    Pipelines,
    job::firing,
    pipeline,
    run::{self, Added, Trigger, Wanted},
    store::{
        run as runs,
        schedule::{self as store, Schedule, Slot},
        thing::{self as things, Kind},
    },
    thing,
};

/// How late a moment may be taken; later it was missed. No schedule names two moments within it.
const GRACE: TimeDelta = TimeDelta::seconds(59);
/// The longest sleep: the clock may be moved, and other processes move timers.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks between two readings of the next moment from the database.
const READ_AFTER: u32 = 30;
/// Timers that are looked at in one go.
const AT_ONCE: i64 = 100;
/// Of these, so many at the same time: their commits share syncs.
const TOGETHER: usize = 8;
/// Characters of a cron pattern.
const MAX_PATTERN: usize = 200;
/// Moments that are shown.
const SLOTS: i64 = 100;

/// Reads a pattern of five fields: numbers, lists, ranges, steps. Sunday is 0 and, as in many a crontab, 7.
pub(crate) fn parse(field: &str, pattern: &str) -> Result<Cron> {
    let wrong = |why: &str| Error::invalid(field, "cron", format!("{field}: {why}"));
    let plain = pattern.bytes().all(|byte| byte.is_ascii_digit() || b" *,-/".contains(&byte));
    if pattern.len() > MAX_PATTERN || !plain || pattern.split_ascii_whitespace().count() != 5 {
        return Err(wrong(
            "must be five fields (minute, hour, day, month, weekday 0-7 from Sunday to Sunday) of numbers, *, lists, ranges and steps",
        ));
    }
    let cron = CronParser::new().parse(pattern).map_err(|error| wrong(&error.to_string()))?;
    cron.find_next_occurrence(&DateTime::UNIX_EPOCH, false).map_err(|_| wrong("names no moment that ever comes"))?;
    Ok(cron)
}

/// Writes a pipeline's schedule and its timer, or removes both. A timer that runs by the same pattern is left alone: its moment may have
/// come just now.
pub(crate) async fn keep(pipelines: &Pipelines, tx: &mut Tx, pipeline: Id, options: &Options, run_as: Principal) -> Result<()> {
    let Some(cron) = options.cron.clone().filter(|_| options.schedule_enabled) else { return remove(tx, pipeline).await };
    let before = store::cron_of(tx, pipeline).await?;
    if before.as_ref() != Some(&cron) {
        let next = parse("options.schedule.cron", &cron)?.find_next_occurrence(&pipelines.clock.now(), false);
        timer::set(tx, &pipeline.to_string(), next.map_err(Error::internal)?).await?;
    }
    store::put(tx, pipeline, &Schedule { cron, run_as }).await
}

/// Removes a pipeline's schedule.
pub(crate) async fn remove(tx: &mut Tx, pipeline: Id) -> Result<()> {
    timer::clear(tx, &pipeline.to_string()).await?;
    store::delete(tx, pipeline).await
}

/// When a pipeline runs by itself, and what became of its last moments.
pub(crate) async fn get(pipelines: &Pipelines, context: &Context, request: GetScheduleRequest) -> Result<GetScheduleResponse> {
    let id = check::id("pipeline_id", &request.pipeline_id)?;
    let found = thing::readable(pipelines, context, Kind::Pipeline, id).await?;
    let options = pipeline::definition(&found)?.options.unwrap_or_default();
    let slot = |slot: Slot| WireSlot { at: Some(time::wire(slot.at)), outcome: slot.outcome, run_id: slot.run_id, comment: slot.comment };
    Ok(GetScheduleResponse {
        cron: options.cron,
        enabled: options.schedule_enabled,
        next_at: timer::next_of(&pipelines.db, &found.id).await?.map(time::wire),
        slots: store::slots(&pipelines.db, id, SLOTS).await?.into_iter().map(slot).collect(),
    })
}

/// Starts the task that fires schedules.
pub(crate) fn start(pipelines: &Pipelines, drain: &Drain) {
    let (pipelines, stop) = (pipelines.clone(), drain.token());
    drain.spawn(async move {
        let mut scheduler = Scheduler { pipelines, next: None, looks: 0, order: RandomState::new() };
        stop.run_until_cancelled(scheduler.serve()).await;
    });
}

struct Scheduler {
    pipelines: Pipelines,
    /// The next moment of any timer, as far as is known here.
    next: Option<DateTime<Utc>>,
    /// Looks since it was read.
    looks: u32,
    /// Every process goes its own way through what is due, so that two rarely want the same.
    order: RandomState,
}

impl Scheduler {
    async fn serve(&mut self) {
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(error = %chain(&error), "schedules were not looked at");
            }
            let now = self.pipelines.clock.now();
            let until = self.next.and_then(|next| (next - now).to_std().ok()).unwrap_or(LOOK_EVERY).min(LOOK_EVERY);
            tokio::select! {
                () = self.pipelines.scheduled.heard() => self.looks = 0,
                () = tokio::time::sleep(until) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<()> {
        let now = self.pipelines.clock.now();
        if self.next.is_some_and(|next| next <= now) {
            let mut due = timer::due(&self.pipelines.db, now, AT_ONCE).await?;
            due.sort_by_cached_key(|due| self.order.hash_one(&due.owner));
            let pipelines = &self.pipelines;
            futures::stream::iter(due).for_each_concurrent(TOGETHER, |due| async move { fire_one(pipelines, &due, now).await }).await;
            self.looks = 0;
        }
        if self.looks == 0 {
            self.next = timer::next(&self.pipelines.db).await?;
        }
        self.looks = (self.looks + 1) % READ_AFTER;
        Ok(())
    }
}

/// Takes a due moment, of a pipeline or of a workflow.
async fn fire_one(pipelines: &Pipelines, due: &Due, now: DateTime<Utc>) {
    let fired =
        if due.owner.starts_with(firing::TIMER) { firing::fire(pipelines, due, now).await } else { fire(pipelines, due, now).await };
    if let Err(error) = fired {
        tracing::warn!(owner = due.owner, error = %chain(&error), "schedule not fired yet");
    }
}

/// Takes a due moment, and all that came after it until now.
async fn fire(pipelines: &Pipelines, due: &Due, now: DateTime<Utc>) -> Result<()> {
    let pipeline: Id = due.owner.parse().map_err(Error::internal)?;
    let Some(schedule) = store::find(&pipelines.db, &due.owner).await? else {
        let mut tx = pipelines.db.begin().await?;
        timer::take(&mut tx, due, None).await?;
        return Ok(tx.commit().await?);
    };
    let cron = parse("cron", &schedule.cron)?;
    let last = cron.find_previous_occurrence(&now, true).map_or(due.due_at, |last| last.max(due.due_at));
    let in_time = now - last <= GRACE;
    let context = Context::new(schedule.run_as);
    let prepared = if in_time { Some(prepare(pipelines, &context, pipeline).await) } else { None };
    let mut tx = pipelines.db.begin().await?;
    if !timer::take(&mut tx, due, cron.find_next_occurrence(&now, false).ok()).await? {
        return Ok(()); // another process was quicker
    }
    if !in_time || last > due.due_at {
        store::add_slot(&mut tx, pipeline, &slot(due.due_at, "missed", None, None)).await?;
    }
    let mut added = None;
    if let Some(prepared) = prepared {
        let outcome = match prepared {
            Ok(wanted) if !runs::is_active(&mut tx, &due.owner).await? => {
                let one = run::add(pipelines, &context, &mut tx, &wanted, pipelines.engine.seat()).await?;
                let fired = slot(last, "fired", Some(one.run.id.clone()), None);
                added = Some(one);
                fired
            }
            Ok(_) => slot(last, "skipped", None, Some("the run before is still active".to_owned())),
            Err(error) if error.is_refusal() => slot(last, "refused", None, Some(error.message)),
            Err(error) => return Err(error),
        };
        store::add_slot(&mut tx, pipeline, &outcome).await?;
    }
    tx.commit().await?;
    if let Some(added) = added {
        begin(pipelines, added);
    }
    Ok(())
}

fn begin(pipelines: &Pipelines, added: Added) {
    let run = run::begin(pipelines, added);
    tracing::debug!(run = run.id, "schedule fired");
}

/// The run of this moment. Its principal may have lost the right to start it.
async fn prepare(pipelines: &Pipelines, context: &Context, pipeline: Id) -> Result<Wanted> {
    let found = things::find(&pipelines.db, Kind::Pipeline, pipeline).await?;
    let found = found.ok_or_else(|| Error::not_found("pipeline", pipeline.prefixed("pl")))?;
    let definition = pipeline::definition(&found)?;
    run::prepare(pipelines, context, &found, definition, Trigger::Schedule).await
}

fn slot(at: DateTime<Utc>, outcome: &str, run_id: Option<String>, comment: Option<String>) -> Slot {
    Slot { at, outcome: outcome.to_owned(), run_id, comment }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn patterns_name_moments_in_utc() {
        for (pattern, after, next) in [
            ("* * * * *", "2026-03-12T09:00:30Z", "2026-03-12T09:01:00Z"),
            ("0 * * * *", "2026-03-12T09:00:00Z", "2026-03-12T10:00:00Z"),
            ("0 0 * * *", "2026-03-12T09:00:00Z", "2026-03-13T00:00:00Z"),
            ("0 0 * * 1", "2026-03-12T09:00:00Z", "2026-03-16T00:00:00Z"),
            ("0 0 1 * *", "2026-03-12T09:00:00Z", "2026-04-01T00:00:00Z"),
            ("0 9 * * 1-5", "2026-03-13T09:00:00Z", "2026-03-16T09:00:00Z"),
            ("*/15 8-9 * * 0,6", "2026-03-13T09:00:00Z", "2026-03-14T08:00:00Z"),
            ("0 0 * * 7", "2026-03-12T09:00:00Z", "2026-03-15T00:00:00Z"),
            ("0 0 * * 6-7", "2026-03-14T09:00:00Z", "2026-03-15T00:00:00Z"),
            ("0 0 * * 6-7", "2026-03-15T09:00:00Z", "2026-03-21T00:00:00Z"),
            ("0 0 29 2 *", "2026-03-12T09:00:00Z", "2028-02-29T00:00:00Z"),
        ] {
            let found = parse("cron", pattern).expect(pattern).find_next_occurrence(&at(after), false);
            assert_eq!(found.expect(pattern), at(next), "{pattern}");
        }
    }

    #[test]
    fn other_patterns_are_refused() {
        for pattern in
            ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "0 0 30 2 *", "0 0 * * 8", "@daily", "0 0 * * MON", "0 0 L * *", "x"]
        {
            assert!(parse("cron", pattern).is_err(), "{pattern}");
        }
    }
}
