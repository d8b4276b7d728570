//! Members of groups and organizations: users, packages, groups above (ckan.md 3.4, 4.6).

use madang_kit::{
    Id,
    ckan::{Outcome, Problems, Refusal},
};
use serde_json::{Value, json};

use super::{Act, group, group::change::cascades, user};
use crate::store::{
    ckan::{
        group::{self as groups, Group},
        member as store, package as packages,
    },
    organization::Capacity,
};

const ROLES: [(&str, &str); 3] = [("admin", "Admin"), ("editor", "Editor"), ("member", "Member")];

/// `member_list`
pub(super) async fn list(act: &mut Act) -> Outcome {
    let word = act.required("id")?;
    let found = groups::find(&mut act.source, &word).await?.ok_or_else(group::absent)?;
    let (kind, capacity) = (act.text("object_type").unwrap_or_default(), act.text("capacity").unwrap_or_default());
    let reads = act.has_role(&found.id, Capacity::Member).await?;
    if found.state != "active" && !reads {
        return Err(act.not_authorized(&format!("read group {}", found.id)));
    }
    if kind == "user" && !act.site.public_user_details && !reads {
        return Err(Refusal::denied());
    }
    let mut rows: Vec<(String, &str, String)> = Vec::new();
    if kind.is_empty() || kind == "user" {
        let members = store::of_groups(&mut act.source, vec![found.id.clone()]).await?;
        rows.extend(members.into_iter().map(|row| (row.user_id, "user", row.capacity)));
    }
    if kind.is_empty() || kind == "package" {
        let capacity = if found.is_organization { "organization" } else { "public" };
        let reader = act.reader.clone();
        let datasets = store::packages(&mut act.source, &reader, &found.id).await?;
        rows.extend(datasets.into_iter().map(|id| (id, "package", capacity.to_owned())));
    }
    if kind.is_empty() || kind == "group" {
        let parents = groups::parents(&mut act.source, vec![found.id]).await?;
        rows.extend(parents.into_iter().map(|(_, parent)| (parent.id, "group", "parent".to_owned())));
    }
    rows.retain(|row| capacity.is_empty() || row.2 == capacity);
    let shown = |capacity: &str| ROLES.iter().find(|role| role.0 == capacity).map_or_else(|| capacity.to_owned(), |role| role.1.to_owned());
    Ok(rows.into_iter().map(|(id, kind, capacity)| json!([id, kind, shown(&capacity)])).collect())
}

/// `member_roles_list`
pub(super) fn roles(act: &Act) -> Value {
    let of_groups = act.text("group_type").is_some_and(|kind| kind == "group");
    let roles = ROLES.iter().filter(|role| !(of_groups && role.0 == "editor"));
    roles.map(|(value, text)| json!({"text": text, "value": value})).collect()
}

/// `member_create`
pub(super) async fn create(act: &mut Act) -> Outcome {
    act.demand_login()?;
    demand_all(act, &["id", "object", "object_type", "capacity"])?;
    let (found, kind, object) = (locked(act).await?, act.required("object_type")?, act.required("object")?);
    demand_manage(act, &found, &kind).await?;
    let object = find_object(act, &kind, &object).await?;
    let capacity = act.required("capacity")?;
    match kind.as_str() {
        "user" => put_user(act, &found, &object, &capacity).await,
        "package" if found.is_organization => {
            Err(Refusal::bare("message", "A dataset belongs to an organization by its owner_org, not as a member"))
        }
        "package" => {
            store::add_package(&mut act.source, &found.id, &object).await?;
            Ok(dict(&found.id, "package", &object, &capacity))
        }
        _ => {
            if groups::lies_below(&mut act.source, &object, &found.id).await? {
                return Err(Refusal::bare("message", "This parent would create a loop in the hierarchy"));
            }
            set_parent(act, &found, &object, true).await?;
            Ok(dict(&found.id, "group", &object, "parent"))
        }
    }
}

/// `member_delete`
pub(super) async fn delete(act: &mut Act) -> Outcome {
    act.demand_login()?;
    demand_all(act, &["id", "object", "object_type"])?;
    let (found, kind, object) = (locked(act).await?, act.required("object_type")?, act.required("object")?);
    demand_manage(act, &found, &kind).await?;
    let object = find_object(act, &kind, &object).await?;
    match kind.as_str() {
        "user" => store::remove(&mut act.source, &found.id, &object).await?,
        "package" => store::remove_package(&mut act.source, &found.id, &object).await?,
        _ => set_parent(act, &found, &object, false).await?,
    }
    Ok(Value::Null)
}

/// `group_member_create`, `organization_member_create`
pub(super) async fn create_user(act: &mut Act) -> Outcome {
    let found = demand_membership(act).await?;
    let mut problems = Problems::default();
    if found.is_none() {
        let message =
            if act.text("id").is_some_and(|id| !id.is_empty()) { "That group name or ID does not exist." } else { "Missing value" };
        problems.add("id", message);
    }
    let username = act.text("username").unwrap_or_default();
    let person = user::find(act, &username).await?.filter(|person| person.state != "deleted");
    if person.is_none() {
        problems.add("username", if username.is_empty() { "Missing value" } else { "Not found: User" });
    }
    let role = act.text("role").unwrap_or_default();
    if role.is_empty() {
        problems.add("role", "Missing value");
    } else if Capacity::parse(&role).is_none() {
        problems.add("role", "role does not exist.");
    }
    problems.finish()?;
    let (Some(found), Some(person)) = (found, person) else { return Err(group::absent()) };
    put_user(act, &found, &person.id, &role).await
}

/// `group_member_delete`, `organization_member_delete`
pub(super) async fn delete_user(act: &mut Act) -> Outcome {
    act.required("id")?;
    let found = demand_membership(act).await?.ok_or_else(group::absent)?;
    let word = act.text("username").or_else(|| act.text("user_id")).filter(|word| !word.is_empty());
    let word = word.ok_or_else(|| Refusal::missing("username"))?;
    let person = user::find(act, &word).await?.ok_or_else(|| Refusal::NotFound("User was not found.".to_owned()))?;
    store::remove(&mut act.source, &found.id, &person.id).await?;
    Ok(Value::Null)
}

/// The group of the action's flavour, whose members the caller may change. An unknown one is a broken rule only for whoever may
/// change every group.
async fn demand_membership(act: &mut Act) -> Outcome<Option<Group>> {
    act.demand_login()?;
    let word = act.text("id").unwrap_or_default();
    let organizations = group::is_about_organizations(act);
    let found = groups::lock(&mut act.source, &word).await?.filter(|found| found.is_organization == organizations);
    let Some(found) = found else { return if act.is_sysadmin() { Ok(None) } else { Err(group::absent()) } };
    if act.has_role(&found.id, Capacity::Admin).await? {
        return Ok(Some(found));
    }
    let what = if act.action.ends_with("_create") { "add members" } else { "delete members" };
    Err(act.not_authorized(&format!("{what} of group {}", found.id)))
}

fn demand_all(act: &Act, names: &[&str]) -> Outcome<()> {
    let mut problems = Problems::default();
    for name in names {
        if act.text(name).is_none_or(|value| value.is_empty()) {
            problems.add(name, "Missing value");
        }
    }
    problems.finish()
}

async fn locked(act: &mut Act) -> Outcome<Group> {
    let word = act.required("id")?;
    groups::lock(&mut act.source, &word).await?.ok_or_else(group::absent)
}

/// Datasets are put into a group by any of its members, everything else is for its admins.
async fn demand_manage(act: &mut Act, found: &Group, kind: &str) -> Outcome<()> {
    let needed = if kind == "package" && !found.is_organization { Capacity::Member } else { Capacity::Admin };
    if act.has_role(&found.id, needed).await? {
        return Ok(());
    }
    let flavour = if found.is_organization { "organization" } else { "group" };
    Err(act.not_authorized(&format!("edit {flavour} {}", found.id)))
}

async fn find_object(act: &mut Act, kind: &str, word: &str) -> Outcome<String> {
    let found = match kind {
        "user" => user::find(act, word).await?.map(|user| user.id),
        "package" => packages::find(&mut act.source, word).await?.map(|package| package.id),
        "group" => groups::find(&mut act.source, word).await?.map(|group| group.id),
        other => return Err(Refusal::bare("message", format!("{} isn't a valid model", capitalized(other)))),
    };
    found.ok_or_else(|| Refusal::NotFound(format!("{} was not found.", capitalized(kind))))
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

async fn put_user(act: &mut Act, found: &Group, person: &str, capacity: &str) -> Outcome {
    if Capacity::parse(capacity).is_none() {
        return Err(Refusal::invalid("capacity", "role does not exist."));
    }
    if person == act.reader.id && capacity != Capacity::Admin.name() {
        let rows = store::of_groups(&mut act.source, vec![found.id.clone()]).await?;
        if rows.iter().any(|row| row.user_id == person && row.capacity == Capacity::Admin.name()) {
            return Err(Refusal::Denied("Administrators cannot revoke their own admin status".to_owned()));
        }
    }
    store::put(&mut act.source, &found.id, person, capacity).await?;
    Ok(dict(&found.id, "user", person, capacity))
}

async fn set_parent(act: &mut Act, found: &Group, parent: &str, wanted: bool) -> Outcome<()> {
    let mut parents: Vec<String> =
        groups::parents(&mut act.source, vec![found.id.clone()]).await?.into_iter().map(|(_, group)| group.id).collect();
    parents.retain(|id| id != parent);
    if wanted {
        parents.push(parent.to_owned());
    }
    let cascades = cascades(act);
    Ok(groups::set_parents(&mut act.source, &found.id, &parents, cascades).await?)
}

/// A membership has no row of its own, so its id comes from its parts.
fn dict(group: &str, kind: &str, object: &str, capacity: &str) -> Value {
    let id = Id::named(&["member", group, kind, object]).to_string();
    json!({"id": id, "group_id": group, "table_id": object, "table_name": kind, "capacity": capacity, "state": "active"})
}
