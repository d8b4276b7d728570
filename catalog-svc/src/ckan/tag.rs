//! Tags (ckan.md 3.6, 4.3).

use std::collections::BTreeSet;

use madang_kit::ckan::{Outcome, Problems, Refusal};
use serde_json::{Value, json};

use super::{Act, act::texts, package, vocabulary};
use crate::store::{
    ckan::{
        package::Narrowed as Packages,
        tag::{self as store, Narrowed, Tag},
    },
    thing::anywhere,
};

const LENGTH_MIN: usize = 2;
const LENGTH_MAX: usize = 100;
/// Tags in one answer.
const LIST_MAX: i64 = 100_000;
/// Words of one search.
const WORDS_MAX: usize = 100;
/// Packages shown with a tag.
const PACKAGES_MAX: i64 = 1_000;

/// What a tag's name breaks, in the order of the rules.
pub(super) fn broken_rules(name: &str) -> Vec<String> {
    if name.is_empty() {
        return vec!["Missing value".to_owned()];
    }
    let mut messages = Vec::new();
    let length = name.chars().count();
    if length < LENGTH_MIN {
        messages.push(format!("Tag \"{name}\" length is less than minimum {LENGTH_MIN}"));
    }
    if length > LENGTH_MAX {
        messages.push(format!("Tag \"{name}\" length is more than maximum {LENGTH_MAX}"));
    }
    if !name.chars().all(|c| c.is_alphanumeric() || " -_.".contains(c)) {
        let rule = "can only contain alphanumeric characters, spaces (\" \"), hyphens (\"-\"), underscores (\"_\") or dots (\".\")";
        messages.push(format!("Tag \"{name}\" {rule}"));
    }
    messages
}

/// The vocabularies of some tags that are none.
pub(super) async fn unknown_vocabularies(act: &mut Act, tags: &[Tag]) -> Outcome<Vec<String>> {
    let wanted: BTreeSet<String> = tags.iter().map(|tag| tag.vocabulary_id.clone()).filter(|id| !id.is_empty()).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let known = store::known_vocabularies(&mut act.source, wanted.iter().cloned().collect()).await?;
    Ok(wanted.into_iter().filter(|id| !known.contains(id)).collect())
}

/// A tag as it is shown outside of packages.
pub(super) fn dict(tag: &Tag) -> Value {
    let vocabulary = Some(&tag.vocabulary_id).filter(|id| !id.is_empty());
    json!({"id": tag.id(), "name": tag.name, "display_name": tag.name, "vocabulary_id": vocabulary})
}

/// `tag_list`
pub(super) async fn list(act: &mut Act) -> Outcome {
    let word = act.text("query").or_else(|| act.text("q"));
    let by = Narrowed {
        vocabulary: wanted_vocabulary(act).await?,
        like: word.iter().map(|word| anywhere(Some(word))).collect(),
        limit: LIST_MAX,
        offset: 0,
        unused: false,
    };
    let tags = store::list(&mut act.source, &by).await?;
    let all_fields = act.flag("all_fields", false)?;
    Ok(tags.iter().map(|tag| if all_fields { dict(tag) } else { tag.name.clone().into() }).collect())
}

/// `tag_show`
pub(super) async fn show(act: &mut Act) -> Outcome {
    let word = act.required("id")?;
    let vocabulary = wanted_vocabulary(act).await?;
    let tag = store::find(&mut act.source, &word, &vocabulary).await?.ok_or_else(Refusal::not_found)?;
    let mut shown = dict(&tag);
    if act.flag("include_datasets", false)? {
        let by = Packages { tag: Some((tag.name, tag.vocabulary_id)), limit: PACKAGES_MAX, ..Packages::default() };
        shown["packages"] = package::list::shown(act, by).await?;
    }
    Ok(shown)
}

/// `tag_search`
pub(super) async fn search(act: &mut Act) -> Outcome {
    let (tags, limit, offset) = found(act).await?;
    let results: Vec<Value> = page(&tags, limit, offset).map(short).collect();
    Ok(json!({"count": tags.len(), "results": results}))
}

fn short(tag: &Tag) -> Value {
    let vocabulary = Some(&tag.vocabulary_id).filter(|id| !id.is_empty());
    json!({"id": tag.id(), "name": tag.name, "vocabulary_id": vocabulary})
}

/// `tag_autocomplete`
pub(super) async fn autocomplete(act: &mut Act) -> Outcome {
    let (tags, limit, offset) = found(act).await?;
    Ok(page(&tags, limit, offset).map(|tag| Value::from(tag.name.clone())).collect())
}

fn page(tags: &[Tag], limit: Option<usize>, offset: usize) -> impl Iterator<Item = &Tag> {
    tags.iter().skip(offset).take(limit.unwrap_or(usize::MAX))
}

/// Tags in which every word stands, and which part of them is wanted; without words none.
async fn found(act: &mut Act) -> Outcome<(Vec<Tag>, Option<usize>, usize)> {
    let words = texts(act.dict.get("query").or_else(|| act.dict.get("q")));
    let words: Vec<&String> = words.iter().filter(|word| !word.is_empty()).take(WORDS_MAX).collect();
    let vocabulary = wanted_vocabulary(act).await?;
    let limit = madang_kit::ckan::natural(&act.dict, "limit")?.and_then(|limit| usize::try_from(limit).ok());
    let offset = usize::try_from(act.natural("offset", 0, LIST_MAX)?).unwrap_or_default();
    if words.is_empty() {
        return Ok((Vec::new(), limit, offset));
    }
    let like = words.into_iter().map(|word| anywhere(Some(word))).collect();
    let by = Narrowed { vocabulary, like, limit: LIST_MAX, offset: 0, unused: true };
    Ok((store::list(&mut act.source, &by).await?, limit, offset))
}

/// The vocabulary that is asked for; empty = free tags.
async fn wanted_vocabulary(act: &mut Act) -> Outcome<String> {
    match act.text("vocabulary_id").filter(|word| !word.is_empty()) {
        None => Ok(String::new()),
        Some(word) => Ok(vocabulary::find(act, &word).await?.id),
    }
}

/// `tag_create`
pub(super) async fn create(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let (name, vocabulary) = (act.text("name").unwrap_or_default(), act.text("vocabulary_id").unwrap_or_default());
    let mut problems = Problems::default();
    problems.extend("name", broken_rules(&name));
    if vocabulary.is_empty() {
        problems.add("vocabulary_id", "Missing value");
    } else if store::known_vocabularies(&mut act.source, vec![vocabulary.clone()]).await?.is_empty() {
        problems.add("vocabulary_id", "Tag vocabulary was not found.");
    } else if store::find(&mut act.source, &name, &vocabulary).await?.is_some() {
        problems.add("vocabulary_id", format!("Tag {name} already belongs to vocabulary {vocabulary}"));
    }
    if act.dict.contains_key("id") {
        problems.add("id", "The input field id was not expected.");
    }
    problems.finish()?;
    let tag = Tag { name, vocabulary_id: vocabulary };
    store::ensure(&mut act.source, std::slice::from_ref(&tag)).await?;
    Ok(dict(&tag))
}

/// `tag_delete`
pub(super) async fn delete(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let Some(word) = act.text("id").filter(|word| !word.is_empty()) else { return Err(Refusal::bare("id", "id not in data")) };
    let vocabulary = wanted_vocabulary(act).await?;
    let tag = store::find(&mut act.source, &word, &vocabulary).await?;
    let tag = tag.ok_or_else(|| Refusal::NotFound(format!("Could not find tag \"{word}\"")))?;
    store::delete(&mut act.source, &tag).await?;
    Ok(Value::Null)
}
