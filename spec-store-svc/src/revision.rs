//! Reading revisions and lists of them (spec-store.md 1.3 and 7).

use std::time::Duration;

use madang_kit::{Context, Error, Result, time};
use madang_proto::{
    pipeline::v1::Findability,
    spec_store::v1::{
        Dataset as WireDataset, GetRevisionRequest, ListDatasetsRequest, ListDatasetsResponse, ListRevisionsRequest, ListRevisionsResponse,
        Revision as WireRevision, RevisionLine,
    },
};
use serde_json::{Map, Value, json};

use crate::{
    SpecStore, spec,
    state::State,
    store::{
        dataset::{self, Dataset},
        pipeline::{self, Shown},
        revision::{self, Revision, Which},
    },
};

const DEFAULT_LIST: u32 = 100;
const MAX_LIST: u32 = 1_000;
/// The longest that a call waits for the end of a revision.
const MAX_WAIT: u32 = 60;
/// How often it looks what another process may have changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One revision.
pub(crate) async fn get(store: &SpecStore, _: &Context, request: GetRevisionRequest) -> Result<WireRevision> {
    let id = format!("{}/{}", request.owner_id, request.dataset);
    let is_owner = request.caller_owner_id.as_ref() == Some(&request.owner_id);
    let which = which(&request.revision).ok_or_else(|| Error::not_found("revision", &request.revision))?;
    let (dataset, mut found) = find(store, &id, which, is_owner).await?;
    if request.wait_seconds > 0 && !found.state().is_final() {
        wait(store, &found.id, Duration::from_secs(request.wait_seconds.min(MAX_WAIT).into())).await?;
        (_, found) = find(store, &id, which, is_owner).await?;
    }
    let pipelines = pipeline::heard(&store.db, &found.id).await?;
    let may_see_all = is_owner || store.config.open_info;
    let contents = if may_see_all { found.spec.clone() } else { without_queries(&found.spec)? };
    let state = found.state().shown().to_owned();
    Ok(WireRevision {
        id: found.id,
        spec: contents,
        modified_at: Some(time::wire(dataset.updated_at)),
        state,
        logs: found.logs.unwrap_or_else(|| "null".to_owned()),
        error_log: found.errors,
        stats: found.stats.unwrap_or_else(|| "null".to_owned()),
        pipelines: shown(pipelines)?,
        certified: dataset.certified,
    })
}

/// A positive number, `latest` or `successful`.
fn which(text: &str) -> Option<Which> {
    match text {
        "latest" => Some(Which::Latest),
        "successful" => Some(Which::Successful),
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => number.parse().ok().filter(|number| *number > 0).map(Which::Number),
        _ => None,
    }
}

async fn find(store: &SpecStore, id: &str, which: Which, is_owner: bool) -> Result<(Dataset, Revision)> {
    let may_see = |findability: &str| is_owner || store.config.open_info || !is_private(findability);
    let dataset = dataset::find(&store.db, id).await?.filter(|dataset| may_see(&dataset.findability));
    let dataset = dataset.ok_or_else(|| Error::not_found("dataset", id))?;
    let found = revision::find(&store.db, id, which).await?.filter(|found| may_see(&found.findability));
    Ok((dataset, found.ok_or_else(|| Error::not_found("revision", id))?))
}

fn is_private(findability: &str) -> bool {
    spec::named(findability) == Some(Findability::Private)
}

/// Waits until a revision has ended, at most so long.
async fn wait(store: &SpecStore, id: &str, longest: Duration) -> Result<()> {
    let until = tokio::time::Instant::now() + longest;
    loop {
        let changed = store.changed.notified();
        if revision::state(&store.db, id).await?.is_none_or(State::is_final) || tokio::time::Instant::now() >= until {
            return Ok(());
        }
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep_until(until) => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Addresses of sources may be signed; only their owner gets to see how.
fn without_queries(contents: &str) -> Result<String> {
    let mut spec: Value = serde_json::from_str(contents).map_err(Error::internal)?;
    let inputs = spec.get_mut("inputs").and_then(Value::as_array_mut);
    for input in inputs.into_iter().flatten() {
        if let Some(url) = input.get_mut("url") {
            cut(url);
        }
        let mapping = input.get_mut("parameters").and_then(|parameters| parameters.get_mut("resource-mapping"));
        if let Some(Value::Object(mapping)) = mapping {
            mapping.values_mut().for_each(cut);
        }
    }
    Ok(spec.to_string())
}

fn cut(url: &mut Value) {
    if let Value::String(text) = url
        && let Some((address, _)) = text.split_once('?')
    {
        *url = address.into();
    }
}

fn shown(pipelines: Vec<Shown>) -> Result<String> {
    let read = |text: &str| serde_json::from_str::<Value>(text).map_err(Error::internal);
    let one = |pipeline: Shown| {
        let status = State::parse(&pipeline.state).shown();
        let (told, errors) = (read(&pipeline.stats)?, read(&pipeline.errors)?);
        Ok((pipeline.id, json!({"title": pipeline.title, "status": status, "stats": told, "error_log": errors})))
    };
    Ok(Value::Object(pipelines.into_iter().map(one).collect::<Result<Map<_, _>>>()?).to_string())
}

/// An owner's datasets.
pub(crate) async fn list_datasets(store: &SpecStore, _: &Context, request: ListDatasetsRequest) -> Result<ListDatasetsResponse> {
    let limit = limit(request.limit)?;
    let all = request.caller_owner_id.as_ref() == Some(&request.owner_id);
    let mut lines = dataset::list(&store.db, &request.owner_id, &request.after, all, i64::from(limit) + 1).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = lines.len() > wanted;
    lines.truncate(wanted);
    let next = lines.last().filter(|_| more).map(|line| line.name.clone());
    Ok(ListDatasetsResponse { datasets: lines.into_iter().map(line).collect(), next })
}

/// A dataset's revisions.
pub(crate) async fn list_revisions(store: &SpecStore, _: &Context, request: ListRevisionsRequest) -> Result<ListRevisionsResponse> {
    let limit = limit(request.limit)?;
    let id = format!("{}/{}", request.owner_id, request.dataset);
    let found = dataset::line(&store.db, &id).await?.ok_or_else(|| Error::not_found("dataset", &id))?;
    let is_owner = request.caller_owner_id.as_ref() == Some(&request.owner_id);
    if !is_owner && !store.config.open_info && is_private(&found.findability) {
        return Err(Error::not_found("dataset", &id)); // as if it were not there
    }
    let before = if request.before == 0 { i64::MAX } else { request.before.into() };
    let mut lines = revision::list(&store.db, &id, before, i64::from(limit) + 1).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = lines.len() > wanted;
    lines.truncate(wanted);
    let next = lines.last().filter(|_| more).and_then(|line| u32::try_from(line.number).ok());
    Ok(ListRevisionsResponse { dataset: Some(line(found)), revisions: lines.into_iter().map(revision_line).collect(), next })
}

fn limit(wanted: u32) -> Result<u32> {
    match wanted {
        0 => Ok(DEFAULT_LIST),
        1..=MAX_LIST => Ok(wanted),
        _ => Err(Error::invalid("limit", "range", format!("limit must be a whole number from 1 to {MAX_LIST}"))),
    }
}

fn line(line: dataset::Line) -> WireDataset {
    let latest = revision::Line {
        id: line.revision_id,
        number: line.number,
        state: line.state,
        trigger_kind: line.trigger_kind,
        created_at: line.begun_at,
        finished_at: line.finished_at,
    };
    WireDataset {
        id: line.id,
        findability: line.findability,
        certified: line.certified,
        created_at: Some(time::wire(line.created_at)),
        modified_at: Some(time::wire(line.updated_at)),
        latest: Some(revision_line(latest)),
        next_run_at: line.due_at.map(time::wire),
    }
}

fn revision_line(line: revision::Line) -> RevisionLine {
    RevisionLine {
        id: line.id,
        revision: u32::try_from(line.number).unwrap_or(u32::MAX),
        state: State::parse(&line.state).shown().to_owned(),
        trigger: line.trigger_kind,
        created_at: Some(time::wire(line.created_at)),
        finished_at: line.finished_at.map(time::wire),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_named_by_number_or_word() {
        assert_eq!(which("12"), Some(Which::Number(12)));
        assert_eq!((which("latest"), which("successful")), (Some(Which::Latest), Some(Which::Successful)));
        for none in ["0", "-1", "+1", "1.0", "", "status", "info", "99999999999999999999", "١"] {
            assert_eq!(which(none), None, "{none}");
        }
    }

    #[test]
    fn signatures_of_addresses_are_cut_off() {
        let spec = r#"{"inputs":[{"url":"https://x/d?sig=1","parameters":{"resource-mapping":{"a":"https://x/a?sig=2","b":"https://x/b"}}}],"x":"?"}"#;
        let cut = r#"{"inputs":[{"url":"https://x/d","parameters":{"resource-mapping":{"a":"https://x/a","b":"https://x/b"}}}],"x":"?"}"#;
        assert_eq!(without_queries(spec).expect("JSON"), cut);
    }
}
