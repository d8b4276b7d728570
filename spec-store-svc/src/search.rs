//! Finding datasets and how flows ended, and what they take in bytes (spec-store.md 1.6: the metastore and the storage totals).

use madang_kit::{Context, Error, Result, time};
use madang_proto::spec_store::v1::{
    FlowEnd, FoundDataset, SearchDatasetsResponse, SearchEventsResponse, SearchRequest, SumBytesRequest, SumBytesResponse,
};
use serde_json::Value;

use crate::{
    SpecStore, spec,
    state::State,
    store::{
        listing::{self, Entry, Of, Wanted},
        revision::Revision,
    },
};

const DEFAULT_SIZE: u32 = 50;
const MAX_SIZE: u32 = 100;
const MAX_FROM: u32 = 10_000;
/// Words of a query, and the characters of all.
const MAX_WORDS: usize = 10;
const MAX_QUERY: usize = 1_000;
/// Characters that are kept of a title and of a description.
const TITLE: usize = 500;
const DESCRIPTION: usize = 5_000;

/// Datasets by words.
pub(crate) async fn datasets(store: &SpecStore, _: &Context, request: SearchRequest) -> Result<SearchDatasetsResponse> {
    let wanted = wanted(request)?;
    let found = listing::datasets(&store.db, &wanted).await?;
    let (total, total_bytes) = listing::datasets_total(&store.db, &wanted).await?;
    let datasets = found.into_iter().map(|found| FoundDataset {
        id: found.id,
        owner_id: found.owner_id,
        name: found.name,
        owner: found.owner,
        title: found.title,
        description: found.description,
        findability: found.findability,
        certified: found.certified,
        flow_id: found.flow_id,
        bytes: found.bytes.unsigned_abs(),
        rows: found.row_count.unsigned_abs(),
        finished_at: found.finished_at.map(time::wire),
    });
    Ok(SearchDatasetsResponse { datasets: datasets.collect(), total: total.unsigned_abs(), total_bytes: total_bytes.unsigned_abs() })
}

/// How flows ended, by words of their ids.
pub(crate) async fn events(store: &SpecStore, _: &Context, request: SearchRequest) -> Result<SearchEventsResponse> {
    let wanted = wanted(request)?;
    let (total, total_bytes) = listing::ends_total(&store.db, &wanted).await?;
    let told = |end: listing::End| {
        let is_own = end.owner_id == wanted.caller;
        Ok(FlowEnd {
            flow_id: end.id,
            owner_id: end.owner_id,
            dataset: end.name,
            owner: end.owner,
            findability: end.findability,
            success: State::parse(&end.state) == State::Success,
            errors: if is_own { serde_json::from_str(&end.errors).map_err(Error::internal)? } else { Vec::new() },
            finished_at: end.finished_at.map(time::wire),
        })
    };
    let events = listing::ends(&store.db, &wanted).await?.into_iter().map(told).collect::<Result<_>>()?;
    Ok(SearchEventsResponse { events, total: total.unsigned_abs(), total_bytes: total_bytes.unsigned_abs() })
}

/// What revisions made, in bytes.
pub(crate) async fn sum_bytes(store: &SpecStore, _: &Context, request: SumBytesRequest) -> Result<SumBytesResponse> {
    if !request.findability.is_empty() && spec::named(&request.findability).is_none() {
        return Err(Error::invalid("findability", "one_of", "findability must be published, unlisted or private"));
    }
    let of = match request.id.matches('/').count() {
        0 => Of::Owner(&request.id),
        1 => Of::Dataset(&request.id),
        _ => Of::Flow(&request.id),
    };
    let bytes = listing::sum_bytes(&store.db, request.caller_owner_id.as_deref().unwrap_or_default(), of, &request.findability).await?;
    Ok(SumBytesResponse { total_bytes: bytes.unsigned_abs() })
}

fn wanted(request: SearchRequest) -> Result<Wanted> {
    let range = |field, most| Error::invalid(field, "range", format!("{field} must be a whole number up to {most}"));
    if request.size > MAX_SIZE {
        return Err(range("size", MAX_SIZE));
    }
    if request.from > MAX_FROM {
        return Err(range("from", MAX_FROM));
    }
    if request.query.chars().count() > MAX_QUERY {
        return Err(Error::invalid("q", "too_long", format!("q has at most {MAX_QUERY} characters")));
    }
    let words: Vec<_> = request.query.to_lowercase().split_whitespace().map(str::to_owned).collect();
    if words.len() > MAX_WORDS {
        return Err(Error::invalid("q", "too_long", format!("q has at most {MAX_WORDS} words")));
    }
    let size = if request.size == 0 { DEFAULT_SIZE } else { request.size };
    let caller = request.caller_owner_id.unwrap_or_default();
    Ok(Wanted { caller, owner_id: request.owner_id, words, size: size.into(), from: request.from.into() })
}

/// What a revision that succeeded says of its dataset.
pub(crate) fn entry(revision: &Revision) -> Result<Entry> {
    let spec: Value = serde_json::from_str(&revision.spec).map_err(Error::internal)?;
    let stats: Value = revision.stats.as_deref().map_or(Ok(Value::Null), serde_json::from_str).map_err(Error::internal)?;
    let descriptor = spec.pointer("/inputs/0/parameters/descriptor");
    let text = |of: Option<&Value>, key: &str, most| {
        let text = of.and_then(|of| of.get(key)).and_then(Value::as_str).unwrap_or_default();
        text.chars().filter(|c| *c != '\0').take(most).collect::<String>()
    };
    let number = |key: &str| stats.get(key).and_then(Value::as_i64).filter(|number| *number >= 0).unwrap_or(0);
    let (title, description) = (text(descriptor, "title", TITLE), text(descriptor, "description", DESCRIPTION));
    let owner = text(spec.get("meta"), "owner", TITLE);
    let words = format!("{} {owner} {title} {description}", revision.dataset_id).to_lowercase();
    Ok(Entry { owner, title, description, words, bytes: number("bytes"), row_count: number("count_of_rows") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_small_and_few() {
        let ask = |query: &str, size, from| wanted(SearchRequest { query: query.to_owned(), size, from, ..SearchRequest::default() });
        let asked = ask(" 강  Rivers_of%KOREA ", 0, 0).expect("good");
        assert_eq!((asked.words, asked.size), (vec!["강".to_owned(), "rivers_of%korea".to_owned()], 50));
        assert!(ask("a b c d e f g h i j", 100, 10_000).is_ok());
        for (query, size, from) in [("", 101, 0), ("", 0, 10_001), ("a b c d e f g h i j k", 0, 0), (&"a".repeat(1_001), 0, 0)] {
            assert!(ask(query, size, from).is_err(), "{query} {size} {from}");
        }
    }
}
