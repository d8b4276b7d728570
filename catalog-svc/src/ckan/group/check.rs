//! What a group's dictionary must be (ckan.md 4.4), and what lies around its row.

use std::collections::{BTreeMap, BTreeSet};

use madang_kit::{
    Error,
    ckan::{Dict, Outcome, Problems, Refusal, check_name_letters, text},
    db::is_unique_violation,
};
use sqlx::types::Json;

use super::{change::cascades, is_about_organizations};
use crate::{
    ckan::{
        Act,
        package::{demand_lists, list_of},
        upload,
    },
    store::{
        ckan::{
            group::{self as store, Group},
            member, package as packages, user as users,
        },
        organization::Capacity,
    },
};

/// Keys that hold lists of dictionaries.
const LISTS: [&str; 5] = ["extras", "users", "groups", "packages", "tags"];
/// Members and packages of one call.
const AROUND_MAX: usize = 100_000;

/// What a group is to be; what is around it is none if it stays as it was.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) group: Group,
    /// Users with their capacities.
    pub(super) members: Option<Vec<(String, String)>>,
    pub(super) packages: Option<Vec<String>>,
    pub(super) parents: Option<Vec<String>>,
}

/// Reads a group that replaces the old one, or is new.
pub(super) async fn check(act: &mut Act, given: &Dict, old: Option<&Group>) -> Outcome<Draft> {
    demand_lists(given, &LISTS)?;
    let organizations = is_about_organizations(act);
    let mut problems = Problems::default();
    let id = match old {
        Some(old) => old.id.clone(),
        None => read_id(act, given, &mut problems).await?,
    };
    let name = read_name(act, given, old, &id, &mut problems).await?;
    let kind = read_type(given, old, organizations)?;
    let members = read_members(act, given, &mut problems).await?;
    let packages = if organizations { None } else { read_packages(act, given, &mut problems).await? };
    let parents = read_parents(act, given, &id, &mut problems).await?;
    let extras = read_extras(given, &mut problems);
    problems.finish()?;
    let image = upload::image(act, given, &id).await?;
    let kept = |name: &str, before: Option<&String>| text(given, name).unwrap_or_else(|| before.cloned().unwrap_or_default());
    let state = text(given, "state").filter(|state| ["active", "deleted"].contains(&state.as_str()));
    let group = Group {
        id,
        name,
        title: kept("title", old.map(|old| &old.title)),
        description: text(given, "description").or_else(|| old.and_then(|old| old.description.clone())),
        state: state.unwrap_or_else(|| old.map_or("active", |old| old.state.as_str()).to_owned()),
        revision: old.map_or(1, |old| old.revision + 1),
        created_by: old.map_or_else(|| act.reader.id.clone(), |old| old.created_by.clone()),
        created_at: old.map_or(act.now, |old| old.created_at),
        modified_at: act.now,
        is_organization: organizations,
        r#type: kind,
        image_url: image.unwrap_or_else(|| kept("image_url", old.map(|old| &old.image_url))),
        extras: Json(extras),
    };
    Ok(Draft { group, members, packages, parents })
}

/// Writes members, packages and parents.
pub(super) async fn write_around(act: &mut Act, draft: &Draft) -> Outcome<()> {
    let id = &draft.group.id;
    if let Some(members) = &draft.members {
        member::replace(&mut act.source, id, members).await?;
    }
    if let Some(datasets) = &draft.packages {
        member::set_packages(&mut act.source, id, datasets).await?;
    }
    if let Some(parents) = &draft.parents {
        let cascades = cascades(act);
        store::set_parents(&mut act.source, id, parents, cascades).await?;
    }
    Ok(())
}

/// Whether two states of a group differ in what a caller wrote.
pub(super) fn differ(old: &Group, new: &Group) -> bool {
    let same = old.name == new.name
        && old.title == new.title
        && old.description == new.description
        && old.state == new.state
        && old.image_url == new.image_url
        && old.extras == new.extras;
    !same
}

async fn read_id(act: &mut Act, given: &Dict, problems: &mut Problems) -> Outcome<String> {
    match act.new_id(given) {
        Ok(id) => {
            if given.contains_key("id") && store::find(&mut act.source, &id).await?.is_some() {
                problems.add("id", "Id already exists");
            }
            Ok(id)
        }
        Err(message) => {
            problems.add("id", message);
            Ok(String::new())
        }
    }
}

/// The letters of a name that is changed are not looked at.
async fn read_name(act: &mut Act, given: &Dict, old: Option<&Group>, id: &str, problems: &mut Problems) -> Outcome<String> {
    let name = match (text(given, "name"), old) {
        (None, Some(old)) => return Ok(old.name.clone()),
        (name, _) => name.unwrap_or_default(),
    };
    if name.is_empty() {
        problems.add("name", "Missing value");
        return Ok(name);
    }
    if old.is_none() {
        problems.extend("name", check_name_letters(&name));
    }
    if !store::name_is_free(&mut act.source, &name, id).await? {
        problems.add("name", "Group name already exists in database");
    }
    Ok(name)
}

fn read_type(given: &Dict, old: Option<&Group>, organizations: bool) -> Outcome<String> {
    let wanted = text(given, "type").filter(|kind| !kind.is_empty());
    match (wanted, old) {
        (Some(kind), Some(old)) if kind != old.r#type => Err(Refusal::bare("type", "Type cannot be updated")),
        (_, Some(old)) => Ok(old.r#type.clone()),
        (Some(kind), None) if !organizations && kind == "organization" => Err(Refusal::invalid("type", "Invalid group type")),
        (Some(kind), None) => Ok(kind),
        (None, None) => Ok(if organizations { "organization" } else { "group" }.to_owned()),
    }
}

async fn read_members(act: &mut Act, given: &Dict, problems: &mut Problems) -> Outcome<Option<Vec<(String, String)>>> {
    let Some(list) = list_of(given, "users") else { return Ok(None) };
    too_many(list.len(), "users", problems);
    let words: Vec<String> = list.iter().map(|dict| text(dict, "id").or_else(|| text(dict, "name")).unwrap_or_default()).collect();
    let people = users::with_words(&mut act.source, words.clone()).await?;
    let by_word: BTreeMap<&str, &str> =
        people.iter().flat_map(|user| [(user.id.as_str(), user.id.as_str()), (user.name.as_str(), user.id.as_str())]).collect();
    let (mut members, mut wrong) = (Vec::new(), Vec::new());
    for (dict, word) in list.iter().zip(&words) {
        let mut here = Problems::default();
        let capacity = text(dict, "capacity").filter(|capacity| !capacity.is_empty()).unwrap_or_else(|| "member".to_owned());
        if Capacity::parse(&capacity).is_none() {
            here.add("capacity", "role does not exist.");
        }
        match by_word.get(word.as_str()) {
            None if word.is_empty() => here.add("name", "Missing value"),
            None => here.add("name", "Not found: User"),
            Some(id) => members.push(((*id).to_owned(), capacity)),
        }
        wrong.push(here);
    }
    problems.nested("users", wrong);
    Ok(Some(members))
}

async fn read_packages(act: &mut Act, given: &Dict, problems: &mut Problems) -> Outcome<Option<Vec<String>>> {
    let Some(list) = list_of(given, "packages") else { return Ok(None) };
    too_many(list.len(), "packages", problems);
    let words: Vec<String> = list.iter().map(|dict| text(dict, "id").or_else(|| text(dict, "name")).unwrap_or_default()).collect();
    let known: BTreeSet<String> = packages::with_ids(&mut act.source, words.clone()).await?.into_iter().map(|package| package.id).collect();
    let (mut ids, mut wrong) = (Vec::new(), Vec::new());
    for word in words {
        let mut here = Problems::default();
        let found =
            if known.contains(&word) { Some(word) } else { packages::find(&mut act.source, &word).await?.map(|package| package.id) };
        match found {
            Some(id) => ids.push(id),
            None => here.add("id", "Not found: Dataset"),
        }
        wrong.push(here);
    }
    problems.nested("packages", wrong);
    Ok(Some(ids))
}

async fn read_parents(act: &mut Act, given: &Dict, id: &str, problems: &mut Problems) -> Outcome<Option<Vec<String>>> {
    let Some(list) = list_of(given, "groups") else { return Ok(None) };
    let (mut parents, mut wrong) = (Vec::new(), Vec::new());
    for dict in list {
        let mut here = Problems::default();
        let word = text(dict, "name").or_else(|| text(dict, "id")).unwrap_or_default();
        match store::find(&mut act.source, &word).await?.filter(|group| group.state == "active") {
            None => here.add("name", "Not found: Group"),
            Some(parent) if store::lies_below(&mut act.source, &parent.id, id).await? => {
                here.add("name", "This parent would create a loop in the hierarchy");
            }
            Some(parent) => parents.push(parent.id),
        }
        wrong.push(here);
    }
    problems.nested("groups", wrong);
    Ok(Some(parents))
}

fn read_extras(given: &Dict, problems: &mut Problems) -> BTreeMap<String, String> {
    let (mut extras, mut wrong) = (BTreeMap::new(), Vec::new());
    for dict in list_of(given, "extras").unwrap_or_default() {
        let mut here = Problems::default();
        let key = text(dict, "key").unwrap_or_default();
        if key.is_empty() {
            here.add("key", "Missing value");
        }
        match text(dict, "value") {
            None => here.add("value", "Missing value"),
            Some(value) => drop(extras.insert(key, value)),
        }
        wrong.push(here);
    }
    problems.nested("extras", wrong);
    extras
}

fn too_many(count: usize, field: &str, problems: &mut Problems) {
    if count > AROUND_MAX {
        problems.add(field, format!("Must have at most {AROUND_MAX} items"));
    }
}

/// Two that take the same name at the same moment.
pub(super) fn taken(error: sqlx::Error) -> Refusal {
    if is_unique_violation(&error) {
        return Refusal::invalid("name", "Group name already exists in database");
    }
    Error::from(error).into()
}
