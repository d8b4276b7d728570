//! A package as it is shown (ckan.md 4.1): some statements for any number of packages.

use std::collections::{BTreeMap, HashMap};

use madang_kit::{
    Error,
    ckan::{Dict, Outcome, date},
};
use serde_json::{Value, json};

use crate::{
    ckan::{Act, group, license, resource},
    store::ckan::{
        group::{self as groups, Group},
        package::Package,
        relationship::{self as relationships, Relationship},
        resource::{self as resources, Resource},
        tag::{self as tags, Tag},
    },
};

/// Keys of `fields` that are texts of the dictionary.
pub(super) const TEXTS: [&str; 7] = ["author", "author_email", "license_id", "maintainer", "maintainer_email", "url", "version"];

/// What is shown with packages, by package.
struct Around {
    organizations: HashMap<String, Group>,
    tags: HashMap<String, Vec<Tag>>,
    groups: HashMap<String, Vec<Group>>,
    resources: HashMap<String, Vec<Resource>>,
    relationships: Vec<Relationship>,
}

/// One package.
pub(crate) async fn one(act: &mut Act, package: Package) -> Outcome<Dict> {
    let dict = dicts(act, vec![package]).await?.pop();
    dict.ok_or_else(|| Error::internal("a package without a dictionary").into())
}

/// Packages in the given order.
pub(crate) async fn dicts(act: &mut Act, packages: Vec<Package>) -> Outcome<Vec<Dict>> {
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    let mut around = Around::load(act, &packages).await?;
    Ok(packages.iter().map(|package| around.dict(act, package, false)).collect())
}

/// A package with everything in it, as a deep change starts from it.
pub(super) async fn whole_to_edit(act: &mut Act, package: Package) -> Outcome<Dict> {
    let packages = [package];
    let mut around = Around::load(act, &packages).await?;
    Ok(packages.iter().map(|package| around.dict(act, package, true)).next_back().unwrap_or_default())
}

impl Around {
    async fn load(act: &mut Act, packages: &[Package]) -> Outcome<Self> {
        let ids: Vec<String> = packages.iter().map(|package| package.id.clone()).collect();
        let mut owners: Vec<String> = packages.iter().filter_map(|package| package.organization_id.clone()).collect();
        owners.sort();
        owners.dedup();
        let organizations = groups::with_ids(&mut act.source, owners).await?;
        let resources = resources::of(&mut act.source, ids.clone()).await?;
        Ok(Self {
            organizations: organizations.into_iter().map(|group| (group.id.clone(), group)).collect(),
            tags: grouped(tags::of(&mut act.source, ids.clone()).await?),
            groups: grouped(groups::of_datasets(&mut act.source, ids.clone()).await?),
            resources: grouped(resources.into_iter().map(|resource| (resource.dataset_id.clone(), resource)).collect()),
            relationships: relationships::of(&mut act.source, ids).await?,
        })
    }

    fn dict(&mut self, act: &Act, package: &Package, for_edit: bool) -> Dict {
        let owner = package.organization_id.as_ref().and_then(|id| self.organizations.get(id));
        let mut dict = scalars(package);
        license::describe(&mut dict, package.fields.get("license_id").and_then(Value::as_str));
        let tags = self.tags.remove(&package.id).unwrap_or_default();
        let resources = self.resources.remove(&package.id).unwrap_or_default();
        let resources: Vec<Value> =
            (0..).zip(&resources).map(|(number, resource)| resource::dict(act, resource, number, for_edit).into()).collect();
        dict.insert("num_resources".to_owned(), resources.len().into());
        dict.insert("num_tags".to_owned(), tags.len().into());
        dict.insert("organization".to_owned(), owner.map_or(Value::Null, |owner| group::of_package(act, owner)));
        dict.insert("extras".to_owned(), extras(&package.extras));
        dict.insert("groups".to_owned(), groups_value(act, self.groups.remove(&package.id).unwrap_or_default()));
        dict.insert("resources".to_owned(), resources.into());
        dict.insert("tags".to_owned(), tags_value(tags));
        let (subject, object): (Vec<_>, Vec<_>) = self
            .relationships
            .iter()
            .filter(|row| row.subject_id == package.id || row.object_id == package.id)
            .partition(|row| row.subject_id == package.id);
        dict.insert("relationships_as_subject".to_owned(), subject.into_iter().map(relationship).collect());
        dict.insert("relationships_as_object".to_owned(), object.into_iter().map(relationship).collect());
        dict
    }
}

fn grouped<T>(rows: Vec<(String, T)>) -> HashMap<String, Vec<T>> {
    let mut map: HashMap<String, Vec<T>> = HashMap::new();
    for (key, row) in rows {
        map.entry(key).or_default().push(row);
    }
    map
}

/// What the package's own row tells.
fn scalars(package: &Package) -> Dict {
    let title = package.title.trim();
    let kind = package.fields.get("type").cloned().unwrap_or_else(|| "dataset".into());
    let shown = [
        ("creator_user_id", package.created_by.clone().into()),
        ("id", package.id.clone().into()),
        ("metadata_created", date(package.created_at).into()),
        ("metadata_modified", date(package.modified_at).into()),
        ("name", package.name.clone().into()),
        ("notes", package.description.clone().into()),
        ("owner_org", package.organization_id.clone().into()),
        ("private", (package.visibility != "public").into()),
        ("state", package.state.clone().into()),
        ("title", if title.is_empty() { Value::Null } else { title.into() }),
        ("type", kind),
    ];
    let mut dict: Dict = shown.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    for name in TEXTS {
        dict.insert(name.to_owned(), package.fields.get(name).cloned().unwrap_or(Value::Null));
    }
    dict
}

/// A package as a change starts from it: what a caller could have written, without what is left alone unless it is given.
pub(super) async fn to_edit(act: &mut Act, package: Package) -> Outcome<Dict> {
    let tags = tags::of(&mut act.source, vec![package.id.clone()]).await?;
    let mut dict = scalars(&package);
    for ours in ["creator_user_id", "metadata_created", "metadata_modified", "owner_org", "private", "state", "type", "name"] {
        dict.remove(ours);
    }
    dict.insert("extras".to_owned(), extras(&package.extras));
    dict.insert("tags".to_owned(), tags_value(tags.into_iter().map(|(_, tag)| tag).collect()));
    Ok(dict)
}

fn extras(extras: &BTreeMap<String, String>) -> Value {
    extras.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// By name.
fn tags_value(mut tags: Vec<Tag>) -> Value {
    tags.sort();
    let shown = |tag: &Tag| {
        let vocabulary = Some(&tag.vocabulary_id).filter(|id| !id.is_empty());
        json!({"display_name": tag.name, "id": tag.id(), "name": tag.name, "state": "active", "vocabulary_id": vocabulary})
    };
    tags.iter().map(shown).collect()
}

/// By display name.
fn groups_value(act: &Act, mut groups: Vec<Group>) -> Value {
    groups.sort_by(|a, b| group::display_name(a).cmp(group::display_name(b)));
    let shown = |found: &Group| {
        json!({
            "description": found.description.clone().unwrap_or_default(), "display_name": group::display_name(found), "id": found.id,
            "image_display_url": group::image_url(act, found), "name": found.name, "title": found.title,
        })
    };
    groups.iter().map(shown).collect()
}

fn relationship(row: &Relationship) -> Value {
    json!({
        "id": row.id, "type": row.r#type, "comment": row.comment,
        "__extras": {"subject_package_id": row.subject_id, "object_package_id": row.object_id},
    })
}
