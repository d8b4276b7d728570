//! `datastore_search`: rows of one table (ckan.md 6.5).

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::Duration};

use madang_kit::ckan::{Dict, Outcome, Refusal, text_of};
use madang_lake::{Column, ColumnType, Limits, Order, OrderBy, Page, ROW_ID, Schema, Search, Snapshot, Tail, Words};
use serde_json::{Value, json};

use super::{
    absent,
    field::{self, Field},
    filter::{self, id_field},
    in_search, list,
    record::{self, Format},
    sort, table_to_read, word,
};
use crate::{ckan::Act, error::lake_error, store::datastore as store};

/// What one search may take.
pub(super) const LIMITS: Limits = Limits { time: Duration::from_mins(1), memory_bytes: 256 << 20, rows: u64::MAX, ..Limits::STEP };
/// The table of tables.
const METADATA: &str = "_table_metadata";
/// Rows in one answer, whatever the site says: they are in memory at once.
const ROWS: i64 = 100_000;

/// Bytes of the rows of one answer.
const ANSWER_BYTES: usize = 128 << 20;

/// `datastore_search`
pub(crate) async fn search(act: &mut Act) -> Outcome {
    let word = word(act)?;
    if word == METADATA {
        let (snapshot, fields) = metadata(act).await?;
        return answer(act, &word, &snapshot, &fields).await;
    }
    let table = table_to_read(act, absent).await?;
    answer(act, &word, &table.snapshot, &table.fields).await
}

/// What a call asks for.
struct Asked {
    search: Search,
    /// The output columns, ranks included.
    shown: Vec<Field>,
    format: Format,
    limit: i64,
    offset: i64,
}

async fn answer(act: &mut Act, word: &str, snapshot: &Snapshot, fields: &[Field]) -> Outcome {
    let asked = read(act, fields)?;
    let found = if asked.limit == 0 && !asked.search.counts {
        None
    } else {
        Some(act.catalog.lake.search(snapshot, &asked.search, &LIMITS).await.map_err(in_search)?)
    };
    let shown = asked.shown.clone();
    let (rows, total) = found.map_or((None, None), |found| (Some(found.rows), found.total));
    let records = match rows {
        Some(rows) if rows.get_array_memory_size() > ANSWER_BYTES => {
            return Err(Refusal::invalid("limit", format!("the rows are larger than {ANSWER_BYTES} bytes; ask for fewer")));
        }
        Some(rows) => {
            let format = asked.format;
            tokio::task::spawn_blocking(move || record::records(&shown, &rows, format)).await.map_err(madang_kit::Error::internal)?
        }
        None => json!([]),
    };
    let mut result = Dict::new();
    result.insert("include_total".to_owned(), asked.search.counts.into());
    result.insert("limit".to_owned(), asked.limit.into());
    if act.dict.contains_key("offset") {
        result.insert("offset".to_owned(), asked.offset.into());
    }
    result.insert("records_format".to_owned(), asked.format.name().into());
    result.insert("resource_id".to_owned(), word.into());
    for name in ["filters", "q", "full_text", "sort", "distinct", "plain", "language"] {
        if let Some(value) = act.dict.get(name).filter(|value| !value.is_null()) {
            result.insert(name.to_owned(), read_back(name, value));
        }
    }
    result.insert("total_estimation_threshold".to_owned(), act.dict.get("total_estimation_threshold").cloned().unwrap_or(Value::Null));
    let next = next_page(act, &asked, &records)?;
    result.insert("records".to_owned(), records);
    result.insert("fields".to_owned(), asked.shown.iter().map(field::shown).collect());
    result.insert("_links".to_owned(), links(&act.dict, asked.limit, asked.offset));
    if let Some(total) = total {
        result.insert("total".to_owned(), total.into());
        result.insert("total_was_estimated".to_owned(), false.into());
    }
    if let Some(next) = next {
        result.insert("next_page".to_owned(), next);
    }
    Ok(result.into())
}

/// Filters and questions in JSON texts are shown as what they are.
fn read_back(name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if matches!(name, "filters" | "q") && text.trim_start().starts_with(['{', '[']) => {
            serde_json::from_str(text).unwrap_or_else(|_| value.clone())
        }
        other => other.clone(),
    }
}

fn read(act: &Act, fields: &[Field]) -> Outcome<Asked> {
    let most = act.site.datastore_rows_max.clamp(1, ROWS);
    let limit = act.natural("limit", act.site.datastore_rows_default, i64::MAX)?.min(most);
    let offset = act.natural("offset", 0, i64::MAX)?;
    let format = Format::read(act)?;
    let distinct = act.flag("distinct", false)?;
    let counts = act.flag("include_total", true)?;
    let condition = filter::read(fields, act.dict.get("filters"))?;
    let words = super::word::read(act, fields)?;
    let ranks: Vec<String> = words.iter().map(|(rank, _)| rank.clone()).collect();
    let mut order = sort::read(fields, &ranks, act.dict.get("sort"))?;
    let wanted = wanted(act, fields)?;
    if order.is_empty() && !distinct {
        order.extend((0..ranks.len()).map(|rank| Order { by: OrderBy::Rank(rank), descending: true, nulls_first: false }));
    }
    if order.first().is_some_and(|order| order.by == OrderBy::Column(ROW_ID.to_owned()) && !order.descending) {
        order.clear(); // that is the order in which rows stand
    }
    let mut shown: Vec<Field> = wanted.clone();
    if !distinct && !act.dict.contains_key("fields") {
        shown.extend(ranks.iter().map(|rank| rank_field(rank)));
    }
    let search = Search {
        condition,
        words: words.into_iter().map(|(_, words)| words).collect::<Vec<Words>>(),
        columns: wanted.iter().map(|field| field.name.clone()).collect(),
        distinct,
        order,
        page: Page { offset: offset.unsigned_abs(), limit: limit.unsigned_abs() },
        counts,
    };
    Ok(Asked { search, shown, format, limit, offset })
}

fn rank_field(name: &str) -> Field {
    Field { name: name.to_owned(), kind: "float".to_owned(), lake: ColumnType::Float, nullable: true, info: None }
}

/// The columns that are wanted, in their order.
fn wanted(act: &Act, fields: &[Field]) -> Outcome<Vec<Field>> {
    let Some(names) = list(&act.dict, "fields")?.filter(|names| !names.is_empty()) else {
        return Ok(std::iter::once(id_field()).chain(fields.iter().cloned()).collect());
    };
    let mut wanted: Vec<Field> = Vec::with_capacity(names.len());
    for name in names.iter().filter_map(text_of) {
        let known = if name == ROW_ID { Some(id_field()) } else { fields.iter().find(|field| field.name == name).cloned() };
        let known = known.ok_or_else(|| Refusal::invalid("fields", format!("invalid value \"{name}\"")))?;
        if !wanted.contains(&known) {
            wanted.push(known);
        }
    }
    Ok(wanted)
}

/// Where the next page begins, for who asks for it and pages by `_id`.
fn next_page(act: &Act, asked: &Asked, records: &Value) -> Outcome<Option<Value>> {
    let by_id = asked.search.order.is_empty() && asked.search.words.is_empty() && !asked.search.distinct;
    let is_full = records.as_array().is_some_and(|records| !records.is_empty() && i64::try_from(records.len()) == Ok(asked.limit));
    if !act.flag("include_next_page", false)? || !by_id || !is_full {
        return Ok(None);
    }
    let last = records.as_array().and_then(|records| records.last());
    let at = asked.shown.iter().position(|field| field.name == ROW_ID);
    let id = last.and_then(|last| last.get(ROW_ID).or_else(|| at.and_then(|at| last.get(at))));
    Ok(id.map(|id| json!({ROW_ID: {"gt": id}})))
}

/// The addresses of this call's other pages.
fn links(dict: &Dict, limit: i64, offset: i64) -> Value {
    let given: Vec<(&String, String)> =
        dict.iter().filter(|(name, _)| name.as_str() != "offset").filter_map(|(name, value)| Some((name, text_of(value)?))).collect();
    let link = |offset: Option<i64>| {
        let mut query = Vec::new();
        for (name, value) in &given {
            query.push(format!("{}={}", escaped(name), escaped(value)));
        }
        query.extend(offset.map(|offset| format!("offset={offset}")));
        format!("/api/3/action/datastore_search?{}", query.join("&"))
    };
    let mut links = json!({"start": link(None), "next": link(Some(offset.saturating_add(limit)))});
    if offset > 0 {
        links["prev"] = link(Some(offset.saturating_sub(limit)).filter(|offset| *offset > 0)).into();
    }
    links
}

/// A text in a query string.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            b' ' => escaped.push('+'),
            byte => {
                let _ = write!(escaped, "%{byte:02X}"); // into a String this can't fail
            }
        }
    }
    escaped
}

/// The table of tables, which everybody may read.
async fn metadata(act: &mut Act) -> Outcome<(Snapshot, Vec<Field>)> {
    let field = |name: &str, kind: &str, lake| Field { name: name.to_owned(), kind: kind.to_owned(), lake, nullable: true, info: None };
    let fields = vec![
        field("name", "name", ColumnType::String),
        field("oid", "oid", ColumnType::Int64),
        field("alias_of", "name", ColumnType::String),
    ];
    let schema =
        Schema { columns: fields.iter().map(|field| Column { name: field.name.clone(), kind: field.lake, nullable: true }).collect() };
    let names = store::names(&mut act.source, ROWS).await?;
    let row = |(number, (name, alias_of)): (i64, (String, Option<String>))| {
        let cells = json!({"name": name, "oid": number, "alias_of": alias_of});
        (number, false, cells.as_object().cloned())
    };
    let tail = Tail::new(&schema, (1..).zip(names).map(row).collect()).map_err(lake_error)?;
    let table = madang_kit::Id::NIL.to_string().parse().map_err(lake_error)?;
    Ok((Snapshot { tail: Some(Arc::new(tail)), ..Snapshot::new(table, 0, schema, Vec::new()) }, fields))
}

/// Fields by their names.
pub(super) fn by_name(fields: &[Field]) -> BTreeMap<&str, &Field> {
    fields.iter().map(|field| (field.name.as_str(), field)).collect()
}
