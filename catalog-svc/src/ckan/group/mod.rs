//! Groups and organizations (ckan.md 4.4): one table, one code, two flavours. D.Hub's collections are organizations.

pub(super) mod change;
mod check;
pub(super) mod list;

use std::collections::HashMap;

use madang_kit::ckan::{Dict, Outcome, Refusal, date, text};
use serde_json::{Value, json};

use self::check::check;
use super::{Act, activity, package, user};
use crate::{
    organization,
    store::{
        ckan::{
            follow,
            group::{self as store, Group},
            member,
            package::Narrowed,
            user as users,
        },
        organization::Capacity,
    },
};

/// What is shown of a group beside its own row.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter of the contract")]
pub(super) struct With {
    pub(super) count: bool,
    pub(super) extras: bool,
    pub(super) users: bool,
    pub(super) groups: bool,
    pub(super) followers: bool,
    pub(super) members: bool,
}

/// Whether an action is about organizations.
pub(super) fn is_about_organizations(act: &Act) -> bool {
    act.action.starts_with("organization")
}

/// `group_show`, `organization_show`
pub(super) async fn show(act: &mut Act) -> Outcome {
    let word = act.required("id")?;
    let group = find(act, &word).await?;
    let reads = act.has_role(&group.id, Capacity::Member).await?;
    if group.state != "active" && !reads {
        return Err(act.not_authorized(&format!("read group {}", group.id)));
    }
    if !store::is_seen(&mut act.source, &act.reader.clone(), &group.id).await? {
        return Err(act.not_authorized(&format!("read group {}", group.id)));
    }
    let with = With {
        count: act.flag("include_dataset_count", true)?,
        extras: act.flag("include_extras", true)?,
        users: act.flag("include_users", true)? && (act.site.public_user_details || reads),
        groups: act.flag("include_groups", true)?,
        followers: act.flag("include_followers", true)?,
        members: act.flag("include_member_count", false)?,
    };
    let mut dict = one(act, group.clone(), with).await?;
    dict.insert("tags".to_owned(), Value::Array(Vec::new()));
    if act.flag("include_datasets", false)? {
        let mut by = Narrowed { private: true, limit: package::list::ROWS, ..Narrowed::default() };
        if group.is_organization {
            by.owner = Some(group.id);
        } else {
            by.group = Some(group.id);
        }
        dict.insert("packages".to_owned(), package::list::shown(act, by).await?);
    }
    Ok(dict.into())
}

/// `group_create`, `organization_create`
pub(super) async fn create(act: &mut Act) -> Outcome {
    act.demand_login()?;
    let organizations = is_about_organizations(act);
    let allowed = if organizations { act.site.user_create_organizations } else { act.site.user_create_groups };
    if !allowed && !act.is_sysadmin() {
        return Err(act.not_authorized(if organizations { "create organizations" } else { "create groups" }));
    }
    let given = act.dict.clone();
    let draft = check(act, &given, None).await?;
    store::insert(&mut act.source, &draft.group).await.map_err(check::taken)?;
    let group = draft.group.clone();
    let mut members = draft.members.clone().unwrap_or_default();
    members.retain(|(user, _)| *user != act.reader.id);
    members.push((act.reader.id.clone(), "admin".to_owned()));
    check::write_around(act, &check::Draft { members: Some(members), ..draft }).await?;
    organization::keep_changed(&mut act.source, &act.catalog.clock, &group.id).await?;
    let dict = shown(act, group.clone()).await?;
    activity::of_group_change(act, "new", &group, &dict).await?;
    Ok(dict.into())
}

/// `group_update`, `organization_update`
pub(super) async fn update(act: &mut Act) -> Outcome {
    let word = act.required("id")?;
    let group = editable(act, &word).await?;
    let given = act.dict.clone();
    replace(act, group, &given).await
}

/// `group_patch`, `organization_patch`
pub(super) async fn patch(act: &mut Act) -> Outcome {
    let Some(word) = act.text("id").filter(|word| !word.is_empty()) else {
        return Err(Refusal::bare("message", "Missing id, can not get Group object"));
    };
    let group = editable(act, &word).await?;
    let mut given = Dict::from_iter([("extras".to_owned(), extras(&group))]);
    given.extend(act.dict.clone());
    replace(act, group, &given).await
}

async fn replace(act: &mut Act, old: Group, given: &Dict) -> Outcome {
    let draft = check(act, given, Some(&old)).await?;
    let group = draft.group.clone();
    let around = draft.members.is_some() || draft.packages.is_some() || draft.parents.is_some();
    if !check::differ(&old, &group) && !around {
        return Ok(shown(act, old).await?.into());
    }
    store::update(&mut act.source, &group).await.map_err(check::taken)?;
    check::write_around(act, &draft).await?;
    organization::keep_changed(&mut act.source, &act.catalog.clock, &group.id).await?;
    let dict = shown(act, group.clone()).await?;
    let kind = if group.state == "deleted" && old.state != "deleted" { "deleted" } else { "changed" };
    activity::of_group_change(act, kind, &group, &dict).await?;
    Ok(dict.into())
}

/// A group of the flavour that the action is about.
pub(super) async fn find(act: &mut Act, word: &str) -> Outcome<Group> {
    let organizations = is_about_organizations(act);
    let found = store::find(&mut act.source, word).await?.filter(|group| group.is_organization == organizations);
    found.ok_or_else(absent)
}

/// The refusal of an unknown group.
pub(super) fn absent() -> Refusal {
    Refusal::NotFound("Group was not found.".to_owned())
}

/// A group that the caller may change, and nobody else changes until the transaction ends.
async fn editable(act: &mut Act, word: &str) -> Outcome<Group> {
    act.demand_login()?;
    let organizations = is_about_organizations(act);
    let found = store::lock(&mut act.source, word).await?.filter(|group| group.is_organization == organizations);
    let group = found.ok_or_else(absent)?;
    if act.has_role(&group.id, Capacity::Admin).await? {
        return Ok(group);
    }
    let kind = if organizations { "organization" } else { "group" };
    Err(act.not_authorized(&format!("edit {kind} {}", group.id)))
}

/// A group with everything around it, as a change answers.
async fn shown(act: &mut Act, group: Group) -> Outcome<Dict> {
    let with = With { count: true, extras: true, users: true, groups: true, followers: true, members: false };
    let mut dict = one(act, group, with).await?;
    dict.insert("tags".to_owned(), Value::Array(Vec::new()));
    Ok(dict)
}

async fn one(act: &mut Act, group: Group, with: With) -> Outcome<Dict> {
    Ok(dicts(act, vec![group], with).await?.pop().unwrap_or_default())
}

/// Groups in the given order.
pub(super) async fn dicts(act: &mut Act, groups: Vec<Group>, with: With) -> Outcome<Vec<Dict>> {
    let ids: Vec<String> = groups.iter().map(|group| group.id.clone()).collect();
    let mut shown: Vec<Dict> = groups.iter().map(|group| row(act, group)).collect();
    if with.count {
        let reader = act.reader.clone();
        let counts = store::package_counts(&mut act.source, &reader, ids.clone()).await?;
        put(&mut shown, &ids, "package_count", |id| counts.get(id).copied().unwrap_or_default().into());
    }
    if with.followers {
        let counts = follow::counts(&mut act.source, "group", ids.clone()).await?;
        put(&mut shown, &ids, "num_followers", |id| counts.get(id).copied().unwrap_or_default().into());
    }
    if with.extras {
        for (dict, group) in shown.iter_mut().zip(&groups) {
            dict.insert("extras".to_owned(), extras(group));
        }
    }
    if with.users || with.members {
        add_users(act, &mut shown, &ids, with).await?;
    }
    if with.groups {
        let mut parents: HashMap<String, Vec<Value>> = HashMap::new();
        for (child, parent) in store::parents(&mut act.source, ids.clone()).await? {
            parents.entry(child).or_default().push(row(act, &parent).into());
        }
        put(&mut shown, &ids, "groups", |id| parents.remove(id).unwrap_or_default().into());
    }
    Ok(shown)
}

fn put(shown: &mut [Dict], ids: &[String], name: &str, mut value: impl FnMut(&str) -> Value) {
    for (dict, id) in shown.iter_mut().zip(ids) {
        dict.insert(name.to_owned(), value(id));
    }
}

/// The members of groups that are users, by name.
async fn add_users(act: &mut Act, shown: &mut [Dict], ids: &[String], with: With) -> Outcome<()> {
    let memberships = member::of_groups(&mut act.source, ids.to_vec()).await?;
    let people = users::with_words(&mut act.source, memberships.iter().map(|row| row.user_id.clone()).collect()).await?;
    let people = user::dicts(act, people).await?;
    let by_id: HashMap<&str, &Dict> = people.iter().filter_map(|dict| Some((dict.get("id")?.as_str()?, dict))).collect();
    let mut members: HashMap<&str, Vec<Dict>> = HashMap::new();
    for row in &memberships {
        let Some(person) = by_id.get(row.user_id.as_str()) else { continue };
        let mut person = (*person).clone();
        person.insert("capacity".to_owned(), row.capacity.clone().into());
        members.entry(&row.organization_id).or_default().push(person);
    }
    for list in members.values_mut() {
        list.sort_by_key(|person| text(person, "name"));
    }
    if with.members {
        put(shown, ids, "member_count", |id| members.get(id).map_or(0, Vec::len).into());
    }
    if with.users {
        put(shown, ids, "users", |id| members.remove(id).unwrap_or_default().into());
    }
    Ok(())
}

/// What the group's own row tells.
fn row(act: &Act, group: &Group) -> Dict {
    let shown = [
        ("approval_status", "approved".into()),
        ("created", date(group.created_at).into()),
        ("description", group.description.clone().unwrap_or_default().into()),
        ("display_name", display_name(group).into()),
        ("id", group.id.clone().into()),
        ("image_display_url", image_url(act, group).into()),
        ("image_url", group.image_url.clone().into()),
        ("is_organization", group.is_organization.into()),
        ("name", group.name.clone().into()),
        ("state", group.state.clone().into()),
        ("title", group.title.clone().into()),
        ("type", group.r#type.clone().into()),
    ];
    shown.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn extras(group: &Group) -> Value {
    group.extras.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// Title, or name.
pub(super) fn display_name(group: &Group) -> &str {
    if group.title.is_empty() { &group.name } else { &group.title }
}

/// The absolute address of a group's picture.
pub(super) fn image_url(act: &Act, group: &Group) -> String {
    user::image_display_url(act, "group", Some(&group.image_url))
}

/// An organization as its packages show it.
pub(super) fn of_package(_: &Act, group: &Group) -> Value {
    json!({
        "id": group.id, "name": group.name, "title": group.title, "type": group.r#type,
        "description": group.description.clone().unwrap_or_default(), "image_url": group.image_url, "created": date(group.created_at),
        "is_organization": true, "approval_status": "approved", "state": group.state,
    })
}
