//! The hub's own search, and building its index anew.

use std::collections::HashMap;

use madang_kit::{
    Code, Context, Error, Result,
    audit::{self, Record},
    ckan::{Dict, text},
    db::Source,
};
use madang_lake::Schema;
use madang_proto::catalog::v1::{RebuildSearchResponse, SearchHit, SearchKind, SearchRequest, SearchResponse};
use serde_json::json;

use crate::{
    Catalog,
    permission::reader,
    search::{self, Answer, Question, Refused, Standing, Text, parse_sort},
    store::search as store,
};

/// Hits of one answer.
const LIMIT_MAX: u32 = 100;
/// The longest text that is searched for, in bytes.
const TEXT_BYTES: usize = 4_096;
/// Columns that are shown of one dataset.
const COLUMNS_MAX: usize = 100;

/// Searches among the datasets that the caller sees.
pub(crate) async fn search(catalog: &Catalog, context: &Context, request: SearchRequest) -> Result<SearchResponse> {
    if request.limit > LIMIT_MAX {
        return Err(Error::invalid("limit", "range", format!("limit must be a whole number from 0 to {LIMIT_MAX}")));
    }
    if request.q.len() > TEXT_BYTES {
        return Err(Error::invalid("q", "too_long", format!("q has at most {TEXT_BYTES} bytes")));
    }
    let reader = reader(&catalog.db, &context.principal).await?;
    let (fields, kind) = match request.kind() {
        SearchKind::Unspecified => ("", None),
        SearchKind::Table => ("column", Some("column:*".to_owned())),
    };
    let words = request.q.trim();
    let question = Question {
        text: if words.is_empty() {
            Text::All
        } else {
            Text::Words { text: words.to_owned(), fields: fields.to_owned(), tie: None, minimum: String::new() }
        },
        filters: std::iter::once("state:active".to_owned()).chain(kind).collect(),
        sort: parse_sort("score desc, metadata_modified desc").unwrap_or_default(),
        start: usize::try_from(request.start).unwrap_or(usize::MAX),
        rows: usize::try_from(request.limit).unwrap_or_default(),
        facets: Vec::new(),
        standing: Standing::of(&catalog.db, &reader).await?,
        now: catalog.clock.now(),
        site_url: String::new(),
    };
    let Answer { count, dicts, .. } = search::ask(&catalog.search, question).await.map_err(|refused| match refused {
        Refused::Query(rule) => Error::invalid("q", "query", rule),
        Refused::Fault(error) => error,
    })?;
    let dicts = dicts.iter().map(|dict| serde_json::from_str(dict).map_err(Error::internal)).collect::<Result<Vec<Dict>>>()?;
    let mut hits: Vec<SearchHit> = dicts.iter().map(hit).collect();
    let mut columns = columns(catalog, hits.iter().map(|hit| hit.id.clone()).collect()).await?;
    for hit in &mut hits {
        hit.columns = columns.remove(&hit.id).unwrap_or_default();
    }
    Ok(SearchResponse { count: u64::try_from(count).unwrap_or_default(), hits })
}

fn hit(dict: &Dict) -> SearchHit {
    let word = |name: &str| text(dict, name).filter(|word| !word.is_empty());
    SearchHit {
        id: word("id").unwrap_or_default(),
        name: word("name").unwrap_or_default(),
        title: word("title").unwrap_or_default(),
        description: word("notes"),
        organization_id: word("owner_org"),
        columns: Vec::new(),
    }
}

async fn columns(catalog: &Catalog, datasets: Vec<String>) -> Result<HashMap<String, Vec<String>>> {
    let mut columns: HashMap<String, Vec<String>> = HashMap::new();
    for (dataset, schema) in store::columns(&mut Source::from(&catalog.db), datasets).await? {
        let schema: Schema = serde_json::from_str(&schema).map_err(Error::internal)?;
        let names = columns.entry(dataset).or_default();
        for column in schema.columns {
            if names.len() < COLUMNS_MAX && !names.contains(&column.name) {
                names.push(column.name);
            }
        }
    }
    Ok(columns)
}

/// Builds the index anew, for administrators.
pub(crate) async fn rebuild(catalog: &Catalog, context: &Context) -> Result<RebuildSearchResponse> {
    if !reader(&catalog.db, &context.principal).await?.admin {
        return Err(Error::new(Code::Denied, "only an administrator may do this"));
    }
    let datasets = search::rebuild(catalog).await?;
    let mut tx = catalog.db.begin().await?;
    let record = Record { action: "search.rebuild", thing: String::new(), detail: json!({"datasets": datasets}) };
    audit::write(&mut tx, &catalog.clock, context, record).await?;
    tx.commit().await?;
    Ok(RebuildSearchResponse { datasets })
}
