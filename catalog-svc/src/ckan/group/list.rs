//! Lists of groups and organizations.

use std::collections::BTreeMap;

use madang_kit::ckan::{Dict, Outcome, Refusal, truthy};
use serde_json::Value;

use super::{With, dicts, find, is_about_organizations};
use crate::{
    ckan::{Act, act::texts, package, user},
    store::{
        ckan::{
            group::{self as store, Narrowed, Sort},
            member,
            package::Narrowed as Packages,
        },
        organization::Capacity,
        thing::anywhere,
    },
};

/// Groups that one list of a user's own may have.
const OWN_MAX: i64 = 10_000;

/// `group_list`, `organization_list`
pub(crate) async fn list(act: &mut Act) -> Outcome {
    let organizations = is_about_organizations(act);
    let all_fields = act.flag("all_fields", false)?;
    let with = With {
        count: act.flag("include_dataset_count", true)?,
        extras: act.flag("include_extras", false)?,
        users: act.flag("include_users", false)?,
        groups: act.flag("include_groups", false)?,
        followers: act.flag("include_followers", false)?,
        members: act.flag("include_member_count", false)?,
    };
    if with.users {
        user::demand_details(act)?;
    }
    let most = if all_fields { act.site.group_and_organization_list_all_fields_max } else { act.site.group_and_organization_list_max };
    let (sort, descending) = read_sort(act)?;
    let default = if organizations { "organization" } else { "group" };
    let names = act.dict.get(if organizations { "organizations" } else { "groups" });
    let by = Narrowed {
        is_organization: organizations,
        r#type: act.text("type").filter(|kind| !kind.is_empty()).unwrap_or_else(|| default.to_owned()),
        names: names.map(|names| texts(Some(names))).filter(|names| !names.is_empty()),
        like: anywhere(act.text("q").filter(|q| !q.is_empty()).as_deref()),
        sort,
        descending,
        limit: act.natural("limit", most, most)?,
        offset: act.natural("offset", 0, i64::MAX)?,
    };
    let reader = act.reader.clone();
    let groups = store::list(&mut act.source, &reader, by).await?;
    if !all_fields {
        return Ok(groups.into_iter().map(|group| Value::from(group.name)).collect());
    }
    Ok(dicts(act, groups, with).await?.into_iter().map(Value::Object).collect())
}

fn read_sort(act: &Act) -> Outcome<(Sort, bool)> {
    let wrong = |text: String| Refusal::bare("message", text);
    let asked = act.text("sort").or_else(|| act.text("order_by")).filter(|sort| !sort.trim().is_empty());
    let asked = asked.unwrap_or_else(|| format!("{} asc", act.site.default_group_sort.split(' ').next().unwrap_or("title")));
    if asked.contains(',') {
        return Err(wrong("Too many sort criteria provided only 1 allowed".to_owned()));
    }
    let mut words = asked.split_whitespace();
    let (field, direction) = (words.next().unwrap_or_default(), words.next().map(str::to_lowercase));
    let sort = match field {
        "name" => Sort::Name,
        "title" => Sort::Title,
        "packages" | "package_count" => Sort::PackageCount,
        other => return Err(wrong(format!("Cannot sort by field `{other}`"))),
    };
    match direction.as_deref() {
        None => Ok((sort, sort == Sort::PackageCount)),
        Some("asc") => Ok((sort, false)),
        Some("desc") => Ok((sort, true)),
        Some(other) => Err(wrong(format!("Invalid sort direction `{other}`"))),
    }
}

/// `group_list_authz`: groups that the caller may put datasets into.
pub(crate) async fn authz(act: &mut Act) -> Outcome {
    if act.is_nobody() {
        return Ok(Value::Array(Vec::new()));
    }
    let only_own = act.dict.get("am_member").is_some_and(truthy);
    let groups = own(act, false, Capacity::Member, only_own).await?;
    let with =
        With { count: act.flag("include_dataset_count", true)?, members: act.flag("include_member_count", false)?, ..With::default() };
    let groups = groups.into_iter().map(|(group, _)| group).collect();
    Ok(dicts(act, groups, with).await?.into_iter().map(Value::Object).collect())
}

/// `organization_list_for_user`
pub(crate) async fn for_user(act: &mut Act) -> Outcome {
    let needed = match act.text("permission").as_deref() {
        None | Some("" | "read" | "manage_group") => Capacity::Member,
        Some("create_dataset" | "update_dataset" | "delete_dataset") => Capacity::Editor,
        Some(_) => Capacity::Admin,
    };
    let with =
        With { count: act.flag("include_dataset_count", false)?, members: act.flag("include_member_count", false)?, ..With::default() };
    let groups = match act.text("id").filter(|word| !word.is_empty()) {
        None if act.is_nobody() => return Ok(Value::Array(Vec::new())),
        None => own(act, true, needed, false).await?,
        Some(word) => {
            let Some(other) = user::find(act, &word).await? else { return Ok(Value::Array(Vec::new())) };
            if other.sysadmin { everything(act, true).await? } else { held(act, &other.id, true, needed).await? }
        }
    };
    let (groups, capacities): (Vec<_>, Vec<_>) = groups.into_iter().unzip();
    let shown = dicts(act, groups, with).await?.into_iter().zip(capacities);
    let with_capacity = |(mut dict, capacity): (Dict, Capacity)| {
        dict.insert("capacity".to_owned(), capacity.name().into());
        Value::Object(dict)
    };
    Ok(shown.map(with_capacity).collect())
}

async fn own(act: &mut Act, organizations: bool, needed: Capacity, only_own: bool) -> Outcome<Vec<(store::Group, Capacity)>> {
    if act.is_sysadmin() && !only_own {
        return everything(act, organizations).await;
    }
    let user = act.reader.id.clone();
    held(act, &user, organizations, needed).await
}

/// Every group, as an administrator has it.
async fn everything(act: &mut Act, organizations: bool) -> Outcome<Vec<(store::Group, Capacity)>> {
    let by = Narrowed {
        is_organization: organizations,
        r#type: if organizations { "organization" } else { "group" }.to_owned(),
        names: None,
        like: anywhere(None),
        sort: Sort::Title,
        descending: false,
        limit: OWN_MAX,
        offset: 0,
    };
    let reader = act.reader.clone();
    let groups = store::list(&mut act.source, &reader, by).await?;
    Ok(groups.into_iter().map(|group| (group, Capacity::Admin)).collect())
}

/// The groups in which a user has a role, by title.
async fn held(act: &mut Act, user: &str, organizations: bool, needed: Capacity) -> Outcome<Vec<(store::Group, Capacity)>> {
    let mut highest: BTreeMap<String, Capacity> = BTreeMap::new();
    for row in member::of_user(&mut act.source, user, organizations).await? {
        let Some(capacity) = Capacity::parse(&row.capacity).filter(|capacity| *capacity >= needed) else { continue };
        let known = highest.entry(row.organization_id).or_insert(capacity);
        *known = capacity.max(*known);
    }
    let mut groups = store::with_ids(&mut act.source, highest.keys().cloned().collect()).await?;
    groups.sort_by(|a, b| (&a.title, &a.name).cmp(&(&b.title, &b.name)));
    Ok(groups.into_iter().filter_map(|group| highest.get(&group.id).copied().map(|capacity| (group, capacity))).collect())
}

/// `group_package_show`
pub(crate) async fn packages(act: &mut Act) -> Outcome {
    let word = act.required("id")?;
    let limit = act.natural("limit", package::list::ROWS, act.site.rows_max)?;
    let group = find(act, &word).await?;
    package::list::shown(act, Packages { group: Some(group.id), private: true, limit, ..Packages::default() }).await
}
