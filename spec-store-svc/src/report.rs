//! Events of pipelines (spec-store.md 1.2 and 2.3), from runners elsewhere or from pipeline-svc.

use chrono::{DateTime, Utc};
use madang_kit::{Context, Error, Result, Tx};
use madang_proto::spec_store::v1::{ReportRequest, ReportResponse};
use serde_json::Value;

use crate::{
    SpecStore, search,
    state::{self, State},
    store::{
        listing,
        pipeline::{self, Heard},
        revision::{self, Revision},
    },
};

/// Lines of a log that are kept; of errors the first, of other lines the last.
const LINES: usize = 1_000;
/// Characters of a line.
const LINE_CHARS: usize = 4_000;
/// Bytes of the stats of one pipeline.
const STATS_BYTES: usize = 64 * 1024;

/// What happened to a pipeline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    pub(crate) pipeline_id: &'a str,
    /// `queue`, `start`, `progress`, `finish`.
    pub(crate) kind: &'a str,
    pub(crate) success: bool,
    pub(crate) errors: &'a [String],
    /// A JSON object; empty = none.
    pub(crate) stats: &'a str,
    pub(crate) log: &'a [String],
    /// Whether it comes from a runner elsewhere.
    pub(crate) external: bool,
}

/// What a runner says of a pipeline.
pub(crate) async fn report(store: &SpecStore, _: &Context, request: ReportRequest) -> Result<ReportResponse> {
    if request.stats.len() > STATS_BYTES {
        return Err(Error::invalid("stats", "too_long", format!("stats may have at most {STATS_BYTES} bytes")));
    }
    let event = Event {
        pipeline_id: request.pipeline_id.strip_prefix("./").unwrap_or(&request.pipeline_id),
        kind: &request.event,
        success: request.success,
        errors: &request.errors,
        stats: &request.stats,
        log: &request.log,
        external: true,
    };
    let mut tx = store.db.begin().await?;
    let Some(revision) = hear(&mut tx, event, store.clock.now()).await? else { return Ok(ReportResponse::default()) };
    tx.commit().await?;
    store.changed.notify_waiters();
    Ok(ReportResponse { state: Some(revision.state), flow_id: Some(revision.id) })
}

/// Keeps what an event says; none if there is no such open pipeline.
pub(crate) async fn hear(tx: &mut Tx, event: Event<'_>, now: DateTime<Utc>) -> Result<Option<Revision>> {
    let Some(flow_id) = flow_of(event.pipeline_id) else { return Ok(None) };
    let Some(mut revision) = revision::lock_open(tx, flow_id, event.external, now).await? else { return Ok(None) };
    let Some(before) = pipeline::state(tx, event.pipeline_id).await? else { return Ok(None) };
    let next = state::of_event(event.kind, event.success);
    if !before.takes(next) {
        return Ok(Some(revision)); // late or repeated
    }
    let errors = lines(event.errors.iter().take(LINES))?;
    let stats = Some(event.stats).filter(|stats| is_filled(stats));
    let heard = Heard { id: event.pipeline_id, state: next, errors: &errors, stats: stats.unwrap_or("{}") };
    pipeline::update(tx, &heard, now).await?;
    if next == State::Failed {
        fell(tx, &mut revision, event.pipeline_id, now).await?;
    }
    if !event.errors.is_empty() {
        revision.errors = errors;
    }
    if let Some(stats) = stats {
        revision.stats = Some(stats.to_owned());
    }
    if !event.log.is_empty() {
        revision.logs = Some(lines(event.log.iter().skip(event.log.len().saturating_sub(LINES)))?);
    }
    close(tx, &mut revision, now).await?;
    Ok(Some(revision))
}

/// Fails what waited for a pipeline that failed.
async fn fell(tx: &mut Tx, revision: &mut Revision, failed: &str, now: DateTime<Utc>) -> Result<()> {
    let waiting = pipeline::waiting(tx, &revision.id).await?;
    for (id, dependency) in state::cascade(failed, &waiting) {
        let errors = lines([state::unsuccessful(&dependency)].iter())?;
        pipeline::update(tx, &Heard { id: &id, state: State::Failed, errors: &errors, stats: "{}" }, now).await?;
        revision.errors = errors;
    }
    Ok(())
}

/// Fails what is open of a revision, for one reason. False if it is not open.
pub(crate) async fn fail(tx: &mut Tx, flow_id: &str, external: bool, reason: &[String], now: DateTime<Utc>) -> Result<bool> {
    let Some(mut revision) = revision::lock_open(tx, flow_id, external, now).await? else { return Ok(false) };
    let errors = lines(reason.iter())?;
    pipeline::fail_open(tx, flow_id, &errors, now).await?;
    revision.errors = errors;
    close(tx, &mut revision, now).await?;
    Ok(true)
}

/// Writes the revision in the state that its pipelines add up to.
async fn close(tx: &mut Tx, revision: &mut Revision, now: DateTime<Utc>) -> Result<()> {
    let state = state::of_flow(&pipeline::counts(tx, &revision.id).await?);
    state.name().clone_into(&mut revision.state);
    revision.updated_at = now;
    revision.finished_at = state.is_final().then_some(now);
    revision::update(tx, revision).await?;
    if state == State::Success { listing::put(tx, &revision.id, revision.number, search::entry(revision)?).await } else { Ok(()) }
}

/// `ownerid/dataset/N` of `ownerid/dataset/N/artifact`.
fn flow_of(pipeline_id: &str) -> Option<&str> {
    let slashes = pipeline_id.match_indices('/').map(|(at, _)| at);
    match slashes.clone().count() {
        2 => Some(pipeline_id),
        3.. => pipeline_id.get(..slashes.clone().nth(2)?),
        _ => None,
    }
}

/// Whether stats say anything.
fn is_filled(stats: &str) -> bool {
    matches!(serde_json::from_str(stats), Ok(Value::Object(object)) if !object.is_empty())
}

fn lines<'l>(lines: impl Iterator<Item = &'l String>) -> Result<String> {
    let cut = |line: &String| line.chars().take(LINE_CHARS).collect::<String>();
    serde_json::to_string(&lines.map(cut).collect::<Vec<_>>()).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_tells_its_flow() {
        assert_eq!(flow_of("o/d/1"), Some("o/d/1"));
        assert_eq!(flow_of("o/d/1/a_csv"), Some("o/d/1"));
        assert_eq!(flow_of("o/d/1/a/b"), Some("o/d/1"));
        for none in ["", "o", "o/d"] {
            assert_eq!(flow_of(none), None, "{none}");
        }
    }
}
