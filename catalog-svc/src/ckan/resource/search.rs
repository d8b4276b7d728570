//! `resource_search` (ckan.md 5.7): on the rows, because it knows parts of texts and nothing else.

use madang_kit::ckan::{Outcome, Refusal};
use serde_json::{Value, json};

use super::dict;
use crate::{
    ckan::{Act, act::texts},
    store::{
        ckan::resource::{self as store, Asked},
        thing::anywhere,
    },
};

/// Resources of one answer.
const ROWS_MAX: i64 = 1_000;
/// Terms of one search.
const TERMS_MAX: usize = 20;
/// What can be asked for.
const FIELDS: [&str; 17] = [
    "id",
    "package_id",
    "url",
    "name",
    "description",
    "format",
    "hash",
    "resource_type",
    "mimetype",
    "mimetype_inner",
    "size",
    "cache_url",
    "url_type",
    "created",
    "last_modified",
    "metadata_modified",
    "state",
];

/// `resource_search`
pub(in crate::ckan) async fn search(act: &mut Act) -> Outcome {
    let given = texts(act.dict.get("query"));
    if given.is_empty() {
        return Err(Refusal::missing("query"));
    }
    let mut terms: Vec<(&'static str, String)> = Vec::new();
    for term in &given {
        let (name, value) = term.split_once(':').ok_or_else(|| Refusal::invalid("query", "Must be <field>:<value> pair(s)"))?;
        let field = known(name).ok_or_else(|| Refusal::invalid("query", format!("Field \"{name}\" not recognised in resource_search.")))?;
        terms.retain(|(other, _)| *other != field); // the last of a field counts
        terms.push((field, value.to_owned()));
    }
    if terms.len() > TERMS_MAX {
        return Err(Refusal::invalid("query", format!("At most {TERMS_MAX} terms")));
    }
    let order = match act.text("order_by").filter(|name| !name.is_empty()) {
        None => None,
        Some(name) => {
            Some(known(&name).ok_or_else(|| Refusal::invalid("order_by", format!("Field \"{name}\" not recognised in resource_search.")))?)
        }
    };
    let pattern = |(field, value): &(&'static str, String)| {
        let like = anywhere(Some(value));
        Asked { field, like: if *field == "hash" { like.trim_start_matches('%').to_owned() } else { like } }
    };
    let asked: Vec<Asked> = terms.iter().map(pattern).collect();
    let (limit, offset) = (act.natural("limit", ROWS_MAX, ROWS_MAX)?, act.natural("offset", 0, i64::MAX)?);
    let (count, found) = store::search(&mut act.source, &asked, order, limit, offset).await?;
    let results: Vec<Value> = found.iter().map(|(resource, number)| dict(act, resource, *number, false).into()).collect();
    Ok(json!({"count": count, "results": results}))
}

fn known(name: &str) -> Option<&'static str> {
    FIELDS.into_iter().find(|field| *field == name)
}
