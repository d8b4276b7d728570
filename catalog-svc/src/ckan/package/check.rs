//! What a package's dictionary must be (ckan.md 4.1): first who may do this, then every broken rule at once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use madang_kit::ckan::{Dict, Outcome, Problems, Refusal, check_email, check_name_length, check_name_letters, text, text_of, truthy};
use serde_json::{Value, json};
use sqlx::types::Json;

use super::{
    dict::TEXTS,
    nesting::{demand_lists, junk, list_of},
    save::Current,
};
use crate::{
    ckan::{Act, act::texts, resource, tag, upload},
    permission::Action,
    store::{
        ckan::{
            group as groups,
            package::{self as store, Package},
            resource::{self as resources, Resource},
            tag::Tag,
        },
        organization::{self, Capacity},
    },
};

/// Keys that hold lists of dictionaries.
const LISTS: [&str; 6] = ["resources", "tags", "extras", "groups", "relationships_as_subject", "relationships_as_object"];
/// Every key of the schema: an extra must not have such a name.
const SCHEMA: [&str; 24] = [
    "author",
    "author_email",
    "creator_user_id",
    "id",
    "isopen",
    "license_id",
    "license_title",
    "license_url",
    "maintainer",
    "maintainer_email",
    "metadata_created",
    "metadata_modified",
    "name",
    "notes",
    "owner_org",
    "plugin_data",
    "private",
    "state",
    "tag_string",
    "title",
    "type",
    "url",
    "version",
    "organization",
];
const VERSION_MAX: usize = 100;
/// Resources of one package.
const RESOURCES_MAX: usize = 20_000;
const STATES: [&str; 3] = ["active", "draft", "deleted"];

/// What a package is to be.
pub(super) struct Draft {
    pub(super) package: Package,
    pub(super) tags: Vec<Tag>,
    /// The groups it is to be in; none = as before.
    pub(super) groups: Option<Vec<String>>,
    /// The resources it is to have, in their order; none = as before.
    pub(super) resources: Option<Vec<Resource>>,
}

/// Refuses whoever may not make such a package.
pub(super) async fn demand_create(act: &mut Act, given: &Dict) -> Outcome<()> {
    let allowed = if act.is_sysadmin() {
        true
    } else if act.is_nobody() {
        act.site.anon_create_dataset && unowned_by_all(act)
    } else {
        unowned_by_all(act) || organization::highest_capacity(&mut act.source, &act.reader.id, true).await? >= Some(Capacity::Editor)
    };
    if !allowed {
        return Err(act.not_authorized("create packages"));
    }
    demand_groups(act, given, None).await?;
    let Some(word) = text(given, "owner_org").filter(|word| !word.is_empty()) else { return Ok(()) };
    if act.is_sysadmin() {
        return Ok(()); // what is wrong with it is told by the rules
    }
    let owner = groups::find(&mut act.source, &word).await?.filter(|owner| owner.is_organization);
    let allowed = match owner {
        Some(owner) => act.may(Action::CreateDataset { organization: Some(&owner.id) }).await?,
        None => false,
    };
    if allowed { Ok(()) } else { Err(act.not_authorized("add dataset to this organization")) }
}

fn unowned_by_all(act: &Act) -> bool {
    act.site.create_unowned_dataset && act.site.create_dataset_if_not_in_organization
}

/// Refuses groups that the caller may not put a package into; those it is in already count not.
pub(super) async fn demand_groups(act: &mut Act, given: &Dict, old: Option<&Package>) -> Outcome<()> {
    let Some(wanted) = list_of(given, "groups") else { return Ok(()) };
    let known = match old {
        Some(old) => groups::of_datasets(&mut act.source, vec![old.id.clone()]).await?.into_iter().map(|(_, group)| group.id).collect(),
        None => BTreeSet::new(),
    };
    for group in wanted {
        let found = find_group(act, group).await?;
        if !known.contains(&found) && !act.has_role(&found, Capacity::Member).await? {
            return Err(act.not_authorized("edit these groups"));
        }
    }
    Ok(())
}

async fn find_group(act: &mut Act, group: &Dict) -> Outcome<String> {
    let word = text(group, "id").or_else(|| text(group, "name")).unwrap_or_default();
    let found = groups::find(&mut act.source, &word).await?.filter(|group| !group.is_organization && group.state == "active");
    Ok(found.ok_or_else(|| Refusal::NotFound("Group was not found.".to_owned()))?.id)
}

/// Reads a package that replaces the current one, or is new.
pub(super) async fn check(act: &mut Act, given: &Dict, current: Option<&Current>) -> Outcome<Draft> {
    demand_lists(given, &LISTS)?;
    let old = current.map(|current| &current.package);
    let mut problems = Problems::default();
    let id = match old {
        Some(old) => old.id.clone(),
        None => read_id(act, given, &mut problems).await?,
    };
    let name = read_name(act, given, old, &id, &mut problems).await?;
    let owner = read_owner(act, given, old, &mut problems).await?;
    let visibility = read_visibility(given, old, owner.is_some(), &mut problems);
    let tags = read_tags(act, given, current.map_or(&[], |current| &current.tags), &mut problems).await?;
    let resources = read_resources(act, given, &id, current, &mut problems).await?;
    let (title, extras, fields) =
        (read_title(given, old, &name), read_extras(given, &mut problems), read_fields(given, old, &mut problems));
    if let Some(message) = junk(given, |key| SCHEMA.contains(&key) || LISTS.contains(&key)) {
        problems.add("__junk", message);
    }
    let (state, modified_at) = (read_state(act, given, old, &mut problems), read_modified(act, given, &mut problems));
    problems.finish()?;
    let plugin_data = given.get("plugin_data").filter(|data| data.is_object() && act.is_sysadmin()).cloned().map(Json);
    let package = Package {
        id,
        name,
        title,
        description: text(given, "notes"),
        organization_id: owner,
        visibility,
        state,
        revision: old.map_or(1, |old| old.revision + 1),
        created_by: old.map_or_else(|| act.reader.id.clone(), |old| old.created_by.clone()),
        created_at: old.map_or(act.now, |old| old.created_at),
        modified_at: modified_at.unwrap_or(act.now),
        fields: Json(fields),
        extras: Json(extras),
        plugin_data: plugin_data.or_else(|| old.and_then(|old| old.plugin_data.clone())),
    };
    let mut groups = None;
    if let Some(wanted) = list_of(given, "groups") {
        let mut ids = Vec::with_capacity(wanted.len());
        for group in wanted {
            ids.push(find_group(act, group).await?);
        }
        groups = Some(ids);
    }
    Ok(Draft { package, tags, groups, resources })
}

async fn read_id(act: &mut Act, given: &Dict, problems: &mut Problems) -> Outcome<String> {
    match act.new_id(given) {
        Ok(id) => {
            if given.contains_key("id") && store::find(&mut act.source, &id).await?.is_some() {
                problems.add("id", "Dataset id already exists");
            }
            Ok(id)
        }
        Err(message) => {
            problems.add("id", message);
            Ok(String::new())
        }
    }
}

async fn read_name(act: &mut Act, given: &Dict, old: Option<&Package>, id: &str, problems: &mut Problems) -> Outcome<String> {
    let name = match (given.get("name"), old) {
        (None | Some(Value::Null), Some(old)) => return Ok(old.name.clone()),
        (None | Some(Value::Null), None) => String::new(),
        (Some(Value::String(name)), _) => name.replace('\0', ""),
        (Some(_), Some(old)) => {
            problems.add("name", "Names must be strings");
            return Ok(old.name.clone());
        }
        (Some(other), None) => text_of(other).unwrap_or_default(),
    };
    if name.is_empty() && old.is_none() {
        problems.add("name", "Missing value");
        return Ok(name);
    }
    if old.is_some_and(|old| old.name == name) {
        return Ok(name);
    }
    problems.extend("name", check_name_letters(&name));
    if !store::claim_name(&mut act.source, &name, id).await? {
        problems.add("name", "That URL is already in use.");
    }
    problems.extend("name", check_name_length(&name));
    Ok(name)
}

/// A new package without a title is called by its name.
fn read_title(given: &Dict, old: Option<&Package>, name: &str) -> String {
    let title = text(given, "title").unwrap_or_default();
    if title.is_empty() && old.is_none() { name.to_owned() } else { title }
}

async fn read_owner(act: &mut Act, given: &Dict, old: Option<&Package>, problems: &mut Problems) -> Outcome<Option<String>> {
    let before = old.and_then(|old| old.organization_id.clone());
    let word = match given.get("owner_org") {
        None | Some(Value::Null) if old.is_some() => return Ok(before),
        value => value.and_then(text_of).unwrap_or_default(),
    };
    if word.is_empty() {
        if !act.site.create_unowned_dataset {
            problems.add("owner_org", "An organization must be provided");
        }
        return Ok(None);
    }
    let Some(owner) = groups::find(&mut act.source, &word).await?.filter(|owner| owner.is_organization) else {
        problems.add("owner_org", "Organization does not exist");
        return Ok(before);
    };
    if before.as_ref() == Some(&owner.id) {
        return Ok(before);
    }
    if let Some(message) = moves_wrongly(act, before.as_deref(), &owner.id).await? {
        problems.add("owner_org", message);
    }
    Ok(Some(owner.id))
}

async fn moves_wrongly(act: &mut Act, before: Option<&str>, after: &str) -> Outcome<Option<&'static str>> {
    if let Some(before) = before
        && !act.site.allow_collaborators_to_change_owner_org
        && !act.has_role(before, Capacity::Editor).await?
    {
        return Ok(Some("You cannot move this dataset to another organization"));
    }
    let allowed = act.may(Action::CreateDataset { organization: Some(after) }).await?;
    Ok((!allowed).then_some("You cannot add a dataset to this organization"))
}

/// A dataset that D.Hub shows to every signed-in user stays so while it is private.
fn read_visibility(given: &Dict, old: Option<&Package>, owned: bool, problems: &mut Problems) -> String {
    let before = old.map_or("public", |old| old.visibility.as_str());
    let private = match given.get("private") {
        None | Some(Value::Null) => return before.to_owned(),
        Some(value) => truthy(value),
    };
    if private && before == "signed-in" {
        return before.to_owned();
    }
    if private && !owned && before == "public" {
        problems.add("private", "Datasets with no organization can't be private.");
    }
    if private { "private".to_owned() } else { "public".to_owned() }
}

/// The tags that a package has stay as they are: D.Hub's have other rules.
async fn read_tags(act: &mut Act, given: &Dict, before: &[Tag], problems: &mut Problems) -> Outcome<Vec<Tag>> {
    let mut tags = Vec::new();
    let mut wrong: Vec<Value> = Vec::new();
    for dict in list_of(given, "tags").unwrap_or_default() {
        let read = Tag { name: text(dict, "name").unwrap_or_default(), vocabulary_id: text(dict, "vocabulary_id").unwrap_or_default() };
        let messages = if before.contains(&read) { Vec::new() } else { tag::broken_rules(&read.name) };
        if messages.is_empty() {
            tags.push(read);
        } else {
            wrong.push(messages.join(", ").into());
        }
    }
    for unknown in tag::unknown_vocabularies(act, &tags).await? {
        tags.retain(|tag| tag.vocabulary_id != unknown);
        wrong.push(json!({"vocabulary_id": ["Tag vocabulary was not found."]}));
    }
    if !wrong.is_empty() {
        problems.nested_values("tags", wrong);
    }
    for word in text(given, "tag_string").unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty()) {
        problems.extend("tag_string", tag::broken_rules(word));
        tags.push(Tag { name: word.to_owned(), vocabulary_id: String::new() });
    }
    tags.sort();
    tags.dedup();
    Ok(tags)
}

fn read_extras(given: &Dict, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut extras = BTreeMap::new();
    let (mut wrong, mut twice) = (Vec::new(), Vec::new());
    for dict in list_of(given, "extras").unwrap_or_default() {
        let mut here = Problems::default();
        let key = text(dict, "key").unwrap_or_default();
        if key.is_empty() {
            here.add("key", "Missing value");
        } else if SCHEMA.contains(&key.as_str()) || LISTS.contains(&key.as_str()) {
            here.add("key", "There is a schema field with the same name");
        }
        match text(dict, "value") {
            None => here.add("value", "Missing value"),
            Some(value) => {
                if extras.insert(key.clone(), value).is_some() && !key.is_empty() {
                    twice.push(key);
                }
            }
        }
        wrong.push(here);
    }
    problems.nested("extras", wrong);
    problems.extend("extras_validation", twice.into_iter().map(|key| format!("Duplicate key \"{key}\"")));
    extras
}

fn read_fields(given: &Dict, old: Option<&Package>, problems: &mut Problems) -> Dict {
    let mut fields = Dict::new();
    for name in TEXTS {
        let Some(value) = text(given, name) else { continue };
        let is_email = name.ends_with("_email");
        let value = if is_email { value.trim().to_owned() } else { value };
        if is_email {
            problems.extend(name, Some(value.as_str()).filter(|value| !value.is_empty()).and_then(check_email));
        }
        if name == "version" && value.chars().count() > VERSION_MAX {
            problems.add(name, format!("Version must be a maximum of {VERSION_MAX} characters long"));
        }
        fields.insert(name.to_owned(), value.into());
    }
    let kind = match old {
        Some(old) => old.fields.get("type").cloned(),
        None => text(given, "type").filter(|kind| !kind.is_empty()).map(Value::from),
    };
    fields.insert("type".to_owned(), kind.unwrap_or_else(|| "dataset".into()));
    fields
}

/// On a new package only an administrator's word counts.
fn read_state(act: &Act, given: &Dict, old: Option<&Package>, problems: &mut Problems) -> String {
    let wanted = text(given, "state").filter(|state| !state.is_empty());
    match (wanted, old) {
        (None, old) => old.map_or("active", |old| old.state.as_str()).to_owned(),
        (Some(_), None) if !act.is_sysadmin() => "active".to_owned(),
        (Some(state), _) => {
            if !STATES.contains(&state.as_str()) {
                problems.add("state", format!("Value must be one of {}", python_list(&STATES)));
            }
            state
        }
    }
}

/// A list as Python prints it.
pub(crate) fn python_list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    format!("[{}]", quoted.join(", "))
}

fn read_modified(act: &Act, given: &Dict, problems: &mut Problems) -> Option<DateTime<Utc>> {
    let wanted = text(given, "metadata_modified").filter(|date| !date.is_empty() && act.is_sysadmin() && act.action != "package_patch")?;
    let read = resource::parse_date(&wanted);
    if read.is_none() {
        problems.add("metadata_modified", "Date format incorrect");
    }
    read.map(|date| date.and_utc())
}

/// The resources that a package is to have: with a known id that resource changed, else a new one.
async fn read_resources(
    act: &mut Act,
    given: &Dict,
    package: &str,
    current: Option<&Current>,
    problems: &mut Problems,
) -> Outcome<Option<Vec<Resource>>> {
    let Some(list) = list_of(given, "resources") else { return Ok(None) };
    if list.len() > RESOURCES_MAX {
        problems.add("resources", format!("A dataset has at most {RESOURCES_MAX} resources"));
        return Ok(None);
    }
    let before = current.map_or(&[][..], |current| current.resources.as_deref().unwrap_or_default());
    let ids = texts(Some(&list.iter().filter_map(|dict| text(dict, "id").map(Value::from)).collect::<Value>()));
    let foreign: BTreeSet<String> =
        resources::owners(&mut act.source, ids).await?.into_iter().filter(|(_, owner)| owner != package).map(|(id, _)| id).collect();
    let (mut read, mut wrong, mut seen) = (Vec::with_capacity(list.len()), Vec::with_capacity(list.len()), BTreeSet::new());
    for dict in list {
        let old = text(dict, "id").and_then(|id| before.iter().find(|resource| resource.id == id));
        let reading = resource::Reading { now: act.now, guess: old.is_none() && act.site.mimetype_guess == "file_ext" };
        let mut dict = dict.clone();
        let file = upload::place(act, &mut dict, old);
        let (mut resource, mut here) = resource::read(&dict, old, reading);
        upload::belongs(act, file, &resource);
        if foreign.contains(&resource.id) || !seen.insert(resource.id.clone()) {
            here.add("id", "Resource id already exists.");
        }
        package.clone_into(&mut resource.dataset_id);
        read.push(resource);
        wrong.push(here);
    }
    problems.nested("resources", wrong);
    Ok(Some(read))
}
