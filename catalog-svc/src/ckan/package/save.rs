//! Writes what was checked: only rows that differ.

use std::collections::BTreeSet;

use madang_kit::{
    Error,
    ckan::{Dict, Outcome, Refusal},
    db::is_unique_violation,
};

use super::{check::Draft, dict::one};
use crate::{
    ckan::{Act, activity, resource, upload, view},
    dataset,
    store::ckan::{
        group as groups,
        package::{self as store, Package},
        resource::{self as resources, Resource},
        tag::{self as tags, Tag},
    },
};

/// A package before a change, locked.
pub(super) struct Current {
    pub(super) package: Package,
    pub(super) tags: Vec<Tag>,
    pub(super) groups: Vec<String>,
    /// None if the change is not about them.
    pub(super) resources: Option<Vec<Resource>>,
}

impl Current {
    pub(super) async fn load(act: &mut Act, package: Package, with_resources: bool) -> Outcome<Self> {
        let id = vec![package.id.clone()];
        let mut tags: Vec<Tag> = tags::of(&mut act.source, id.clone()).await?.into_iter().map(|(_, tag)| tag).collect();
        tags.sort();
        let groups = groups::of_datasets(&mut act.source, id.clone()).await?.into_iter().map(|(_, group)| group.id).collect();
        let resources = if with_resources { Some(resources::of(&mut act.source, id).await?) } else { None };
        Ok(Self { package, tags, groups, resources })
    }
}

/// Adds a package.
pub(super) async fn create(act: &mut Act, draft: Draft) -> Outcome<Dict> {
    let Draft { package, tags, groups, resources } = draft;
    store::insert(&mut act.source, &package).await.map_err(taken)?;
    tags::set(&mut act.source, &package.id, &tags).await?;
    if let Some(groups) = groups.filter(|groups| !groups.is_empty()) {
        groups::set_of_dataset(&mut act.source, &package.id, &groups).await?;
    }
    let resources = numbered(0, resources.unwrap_or_default());
    if !resources.is_empty() {
        add(act, &package.id, &resources).await?;
        upload::written(act, &resources.iter().map(|resource| (None, resource)).collect::<Vec<_>>()).await?;
        for resource in &resources {
            view::add_defaults(act, resource).await?;
        }
    }
    dataset::keep_changed(&mut act.source, &act.catalog.clock, &package.id).await?;
    activity::of_package_change(act, "new", &package).await
}

/// Writes a changed package; if nothing differs, nothing is written.
pub(super) async fn update(act: &mut Act, current: Current, draft: Draft) -> Outcome<Dict> {
    let (old, new) = (current.package, draft.package);
    let changed_resources = match (draft.resources, current.resources) {
        (Some(wanted), Some(before)) => save_resources(act, &new.id, wanted, before).await?,
        _ => false,
    };
    let changed_groups = match draft.groups {
        Some(groups) if groups.iter().collect::<BTreeSet<_>>() != current.groups.iter().collect() => {
            groups::set_of_dataset(&mut act.source, &new.id, &groups).await?;
            true
        }
        _ => false,
    };
    let changed_tags = current.tags != draft.tags;
    if changed_tags {
        tags::set(&mut act.source, &new.id, &draft.tags).await?;
    }
    if !(changed_resources || changed_groups || changed_tags || differ(&old, &new)) {
        return one(act, old).await;
    }
    store::update(&mut act.source, &new).await.map_err(taken)?;
    dataset::keep_changed(&mut act.source, &act.catalog.clock, &new.id).await?;
    let kind = if new.state == "deleted" && old.state != "deleted" { "deleted" } else { "changed" };
    activity::of_package_change(act, kind, &new).await
}

fn differ(old: &Package, new: &Package) -> bool {
    let same = old.name == new.name
        && old.title == new.title
        && old.description == new.description
        && old.organization_id == new.organization_id
        && old.visibility == new.visibility
        && old.state == new.state
        && without_type(old) == without_type(new)
        && old.extras == new.extras
        && old.plugin_data == new.plugin_data;
    !same
}

/// A dataset of D.Hub has no type written.
fn without_type(package: &Package) -> Dict {
    let mut fields = package.fields.0.clone();
    fields.remove("type");
    fields
}

/// Brings the resources to what is wanted; tells whether anything changed.
async fn save_resources(act: &mut Act, package: &str, wanted: Vec<Resource>, before: Vec<Resource>) -> Outcome<bool> {
    let old = |id: &str| before.iter().find(|resource| resource.id == id);
    let kept: Vec<&str> = wanted.iter().map(|resource| resource.id.as_str()).collect();
    let gone: Vec<String> = before.iter().map(|resource| resource.id.clone()).filter(|id| !kept.contains(&id.as_str())).collect();
    // New ones behind all others, and what is left in its order: then every place stays as it is.
    let in_place = wanted.iter().filter_map(|resource| old(&resource.id)).map(|resource| resource.position).is_sorted()
        && wanted.iter().skip_while(|resource| old(&resource.id).is_some()).all(|resource| old(&resource.id).is_none());
    let next = resources::next_position(&mut act.source, package).await?;
    let mut wanted = wanted;
    if in_place {
        let fresh = wanted.iter_mut().filter(|resource| before.iter().all(|old| old.id != resource.id));
        for (position, resource) in (next..).zip(fresh) {
            resource.position = position;
        }
    } else {
        wanted = numbered(next, wanted);
    }
    let (mut fresh, mut changed) = (Vec::new(), Vec::new());
    for mut resource in wanted {
        match old(&resource.id) {
            None => fresh.push(resource),
            Some(old) if resource::differ(old, &resource) => {
                resource.modified_at = Some(act.now);
                changed.push(resource);
            }
            Some(old) if old.position != resource.position => changed.push(resource),
            Some(_) => {}
        }
    }
    let any = !(gone.is_empty() && fresh.is_empty() && changed.is_empty());
    if !gone.is_empty() {
        resources::delete(&mut act.source, gone, act.now).await?;
    }
    if !changed.is_empty() {
        resources::update(&mut act.source, &changed).await?;
    }
    if !fresh.is_empty() {
        add(act, package, &fresh).await?;
    }
    let written: Vec<_> = fresh.iter().map(|resource| (None, resource)).chain(changed.iter().map(|new| (old(&new.id), new))).collect();
    upload::written(act, &written).await?;
    Ok(any)
}

async fn add(act: &mut Act, package: &str, resources: &[Resource]) -> Outcome<()> {
    if resources::insert(&mut act.source, package, resources).await? {
        return Ok(());
    }
    Err(Refusal::invalid("resources", "Resource id already exists."))
}

fn numbered(first: i64, mut resources: Vec<Resource>) -> Vec<Resource> {
    for (position, resource) in (first..).zip(&mut resources) {
        resource.position = position;
    }
    resources
}

/// Two that take the same name at the same moment: the second learns what it would have learned a moment later.
fn taken(error: sqlx::Error) -> Refusal {
    if is_unique_violation(&error) { Refusal::invalid("name", "That URL is already in use.") } else { Error::from(error).into() }
}
