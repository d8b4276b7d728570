//! Vocabularies (ckan.md 3.6, 4.3).

use madang_kit::{
    Error, Id,
    ckan::{Dict, Outcome, Problems, Refusal, text},
    db::is_unique_violation,
};
use serde_json::{Value, json};

use super::{
    Act,
    package::{demand_lists, list_of},
    tag,
};
use crate::store::ckan::tag::{self as store, Narrowed, Tag, Vocabulary};

const NAME_MIN: usize = 2;
const NAME_MAX: usize = 100;
/// Tags of one vocabulary.
const TAGS_MAX: i64 = 100_000;

/// `vocabulary_list`
pub(super) async fn list(act: &mut Act) -> Outcome {
    let mut shown = Vec::new();
    for vocabulary in store::vocabularies(&mut act.source).await? {
        shown.push(dict(act, &vocabulary).await?); // few: an administrator makes each by hand
    }
    Ok(shown.into())
}

/// `vocabulary_show`
pub(super) async fn show(act: &mut Act) -> Outcome {
    let Some(word) = act.text("id").filter(|word| !word.is_empty()) else { return Err(Refusal::bare("id", "id not in data")) };
    let found = find(act, &word).await?;
    dict(act, &found).await
}

/// `vocabulary_create`
pub(super) async fn create(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let given = act.dict.clone();
    let mut problems = Problems::default();
    if given.contains_key("id") {
        problems.add("id", "The input field id was not expected.");
    }
    let vocabulary = Vocabulary { id: Id::generate().to_string(), name: text(&given, "name").unwrap_or_default() };
    write(act, vocabulary, &given, problems).await
}

/// `vocabulary_update`
pub(super) async fn update(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let given = act.dict.clone();
    let Some(word) = text(&given, "id").filter(|word| !word.is_empty()) else { return Err(Refusal::bare("id", "id not in data")) };
    let old = find(act, &word).await?;
    let name = text(&given, "name").filter(|_| given.contains_key("name")).unwrap_or_else(|| old.name.clone());
    write(act, Vocabulary { id: old.id, name }, &given, Problems::default()).await
}

/// `vocabulary_delete`
pub(super) async fn delete(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let Some(word) = act.text("id").filter(|word| !word.is_empty()) else { return Err(Refusal::bare("id", "id not in data")) };
    let found = find(act, &word).await?;
    store::keep_only(&mut act.source, &found.id, Vec::new()).await?;
    store::delete_vocabulary(&mut act.source, &found.id).await?;
    Ok(Value::Null)
}

/// A vocabulary by id or name.
pub(super) async fn find(act: &mut Act, word: &str) -> Outcome<Vocabulary> {
    let found = store::vocabulary(&mut act.source, word).await?;
    found.ok_or_else(|| Refusal::NotFound(format!("Could not find vocabulary \"{word}\"")))
}

async fn write(act: &mut Act, vocabulary: Vocabulary, given: &Dict, mut problems: Problems) -> Outcome {
    demand_lists(given, &["tags"])?;
    let length = vocabulary.name.chars().count();
    if length == 0 {
        problems.add("name", "Missing value");
    } else if length < NAME_MIN {
        problems.add("name", format!("Name must be at least {NAME_MIN} characters long"));
    } else if length > NAME_MAX {
        problems.add("name", format!("Name must be a maximum of {NAME_MAX} characters long"));
    }
    let other = store::vocabulary(&mut act.source, &vocabulary.name).await?;
    if other.is_some_and(|other| other.id != vocabulary.id && other.name == vocabulary.name) {
        problems.add("name", "That vocabulary name is already in use.");
    }
    let names: Option<Vec<String>> =
        list_of(given, "tags").map(|list| list.iter().map(|dict| text(dict, "name").unwrap_or_default()).collect());
    let wrong: Vec<Value> =
        names.iter().flatten().map(|name| tag::broken_rules(name).join(", ")).filter(|text| !text.is_empty()).map(Value::from).collect();
    if !wrong.is_empty() {
        problems.nested_values("tags", wrong);
    }
    problems.finish()?;
    store::put_vocabulary(&mut act.source, &vocabulary).await.map_err(taken)?;
    if let Some(names) = names {
        let tags: Vec<Tag> = names.iter().map(|name| Tag { name: name.clone(), vocabulary_id: vocabulary.id.clone() }).collect();
        store::keep_only(&mut act.source, &vocabulary.id, names).await?;
        store::ensure(&mut act.source, &tags).await?;
    }
    dict(act, &vocabulary).await
}

fn taken(error: sqlx::Error) -> Refusal {
    if is_unique_violation(&error) {
        return Refusal::invalid("name", "That vocabulary name is already in use.");
    }
    Error::from(error).into()
}

async fn dict(act: &mut Act, vocabulary: &Vocabulary) -> Outcome {
    let by = Narrowed { vocabulary: vocabulary.id.clone(), like: Vec::new(), limit: TAGS_MAX, offset: 0, unused: true };
    let tags = store::list(&mut act.source, &by).await?;
    Ok(json!({"id": vocabulary.id, "name": vocabulary.name, "tags": tags.iter().map(tag::dict).collect::<Vec<_>>()}))
}
