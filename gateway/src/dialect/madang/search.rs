//! `GET /madang/v1/search`: one search over whatever the caller may see, and for administrators building its index anew.

use axum::{Json, extract::State};
use madang_kit::{Context, Error, rpc};
use madang_proto::{
    catalog::v1::{RebuildSearchRequest, SearchHit, SearchKind, SearchRequest},
    pipeline::v1::{ListJobsRequest, Page},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Refusal,
    call::{AdminCall, Call, Query},
};
use crate::Gateway;

/// What is searched, in the order of the answer. There are no surveys yet.
const KINDS: [&str; 4] = ["datasets", "tables", "jobs", "surveys"];
/// Hits of one kind, if the search does not say how many, and at most.
const LIMIT: u32 = 10;
const LIMIT_MAX: u32 = 100;
/// The last hit that can be asked for.
const START_MAX: u64 = 1_000_000;

/// Query of a search; texts, so that a wrong value is told by its name.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    q: Option<String>,
    kind: Option<String>,
    limit: Option<String>,
    start: Option<String>,
}

/// `GET /madang/v1/search?q=…&kind=datasets,jobs&limit=10&start=0`
pub(super) async fn search(State(gateway): State<Gateway>, Query(asked): Query<Asked>, call: Call) -> Result<Json<Value>, Refusal> {
    let kinds = kinds(asked.kind.as_deref()).map_err(Refusal::in_query)?;
    let limit = number("limit", asked.limit.as_deref(), u64::from(LIMIT), u64::from(LIMIT_MAX)).map_err(Refusal::in_query)?;
    let start = number("start", asked.start.as_deref(), 0, START_MAX).map_err(Refusal::in_query)?;
    let (q, limit) = (asked.q.unwrap_or_default(), u32::try_from(limit).unwrap_or(LIMIT_MAX));
    let mut found = Map::new();
    for kind in kinds {
        let of_kind = match kind {
            "datasets" => datasets(&gateway, &call.context, &q, SearchKind::Unspecified, start, limit).await?,
            "tables" => datasets(&gateway, &call.context, &q, SearchKind::Table, start, limit).await?,
            "jobs" => jobs(&gateway, &call.context, &q, start, limit).await?,
            _ => json!({"count": 0, "items": []}),
        };
        found.insert(kind.to_owned(), of_kind);
    }
    Ok(Json(json!({"q": q, "results": found})))
}

/// `POST /madang/v1/admin/search/rebuild`
pub(super) async fn rebuild(State(gateway): State<Gateway>, call: AdminCall) -> Result<Json<Value>, Refusal> {
    let built = gateway.catalog.clone().rebuild_search(rpc::request(&call.context, RebuildSearchRequest {})).await?.into_inner();
    Ok(Json(json!({"datasets": built.datasets})))
}

fn kinds(given: Option<&str>) -> Result<Vec<&'static str>, Error> {
    let Some(given) = given.filter(|given| !given.is_empty()) else { return Ok(KINDS.to_vec()) };
    let wrong = || Error::invalid("kind", "choice", format!("kind must be some of {}", KINDS.join(",")));
    let named =
        given.split(',').map(|word| KINDS.into_iter().find(|kind| *kind == word).ok_or_else(wrong)).collect::<Result<Vec<_>, _>>()?;
    Ok(KINDS.into_iter().filter(|kind| named.contains(kind)).collect())
}

fn number(name: &str, text: Option<&str>, default: u64, max: u64) -> Result<u64, Error> {
    let Some(text) = text else { return Ok(default) };
    let number = text.parse().ok().filter(|number| *number <= max);
    number.ok_or_else(|| Error::invalid(name, "range", format!("{name} must be a whole number from 0 to {max}")))
}

async fn datasets(gateway: &Gateway, context: &Context, q: &str, kind: SearchKind, start: u64, limit: u32) -> Result<Value, Refusal> {
    let request = SearchRequest { q: q.to_owned(), kind: kind.into(), start, limit };
    let found = gateway.catalog.clone().search(rpc::request(context, request)).await.map_err(|status| Refusal::in_query(status.into()))?;
    let found = found.into_inner();
    let items: Vec<Value> = found.hits.iter().map(|hit| shown(hit, kind)).collect();
    Ok(json!({"count": found.count, "items": items}))
}

fn shown(hit: &SearchHit, kind: SearchKind) -> Value {
    let mut item = json!({
        "id": hit.id, "name": hit.name, "title": hit.title, "description": hit.description, "organization_id": hit.organization_id,
    });
    if kind == SearchKind::Table {
        item["columns"] = hit.columns.clone().into();
    }
    item
}

async fn jobs(gateway: &Gateway, context: &Context, q: &str, start: u64, limit: u32) -> Result<Value, Refusal> {
    if limit == 0 {
        let request = ListJobsRequest { name: named(q), page: Some(Page { number: 0, limit: 1 }), ..ListJobsRequest::default() };
        let found = gateway.jobs.clone().list_jobs(rpc::request(context, request)).await?.into_inner();
        return Ok(json!({"count": found.count, "items": []}));
    }
    // Jobs come in pages of whole numbers: a start within one takes two of them.
    let (first, within) = (start / u64::from(limit), usize::try_from(start % u64::from(limit)).unwrap_or_default());
    let (mut items, mut count) = (Vec::new(), 0);
    for number in first..=first + u64::from(within > 0) {
        let request = ListJobsRequest { name: named(q), page: Some(Page { number, limit }), ..ListJobsRequest::default() };
        let found = gateway.jobs.clone().list_jobs(rpc::request(context, request)).await?.into_inner();
        count = found.count;
        items.extend(found.jobs);
    }
    let most = usize::try_from(limit).unwrap_or_default();
    let items = items.iter().skip(within).take(most).map(|job| json!({"id": job.id, "name": job.name, "description": job.description}));
    Ok(json!({"count": count, "items": items.collect::<Vec<_>>()}))
}

fn named(q: &str) -> Option<String> {
    Some(q.trim().to_owned()).filter(|name| !name.is_empty())
}
