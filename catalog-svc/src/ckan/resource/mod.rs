//! Resources, one by one: none of these reads or writes the dataset's other resources.

mod format;
mod read;
pub(super) mod search;

use madang_kit::ckan::{Dict, Outcome, Refusal};
use serde_json::Value;

pub(super) use self::format::{canonical, media_type};
pub(crate) use self::read::linked_url;
pub(crate) use self::read::{Reading, date_text, dict, differ, order_answer, ordered, parse_date, read};
use super::{Act, act::texts, activity, package, upload, view};
use crate::store::ckan::{
    package::{self as packages, Package},
    resource::{self as store, Resource},
};

/// `resource_show`
pub(super) async fn show(act: &mut Act) -> Outcome {
    let id = act.required("id")?;
    let resource = find(act, &id).await?;
    let found = packages::find_for(&mut act.source, &act.reader, &resource.dataset_id).await?.ok_or_else(not_found)?;
    if !found.seen {
        return Err(act.not_authorized(&format!("read resource {id}")));
    }
    answer(act, &resource).await
}

/// `resource_create`
pub(super) async fn create(act: &mut Act) -> Outcome {
    let package = act.required("package_id")?;
    let package = package::locked(act, &package, "").await?;
    package::demand_edit(act, &package).await?;
    let mut given = act.dict.clone();
    let file = upload::place(act, &mut given, None);
    let (resource, mut problems) = read(&given, None, reading(act));
    if !problems.has("id") && store::owners(&mut act.source, vec![resource.id.clone()]).await?.iter().any(|(_, owner)| *owner != package.id)
    {
        problems.add("id", "Resource id already exists.");
    }
    if !problems.has("id") && store::find(&mut act.source, &resource.id).await?.is_some() {
        problems.add("id", "Resource id already exists.");
    }
    problems.finish()?;
    let position = store::next_position(&mut act.source, &package.id).await?;
    let resource = Resource { dataset_id: package.id.clone(), position, ..resource };
    if !store::insert(&mut act.source, &package.id, std::slice::from_ref(&resource)).await? {
        return Err(Refusal::invalid("id", "Resource id already exists."));
    }
    upload::belongs(act, file, &resource);
    upload::written(act, &[(None, &resource)]).await?;
    view::add_defaults(act, &resource).await?;
    written(act, &package, &resource).await
}

/// `resource_update`
pub(super) async fn update(act: &mut Act) -> Outcome {
    let id = act.required("id")?;
    let (package, old) = editable(act, &id).await?;
    let given = act.dict.clone();
    replace(act, &package, &old, &given).await
}

/// `resource_patch`
pub(super) async fn patch(act: &mut Act) -> Outcome {
    let Some(id) = act.text("id").filter(|id| !id.is_empty()) else {
        return Err(Refusal::bare("message", "Missing id, can not get Resource object"));
    };
    let (package, old) = editable(act, &id).await?;
    let mut given = dict(act, &old, 0, true);
    given.extend(act.dict.clone());
    replace(act, &package, &old, &given).await
}

/// `resource_delete`
pub(super) async fn delete(act: &mut Act) -> Outcome {
    let id = act.required("id")?;
    let (package, old) = editable(act, &id).await?;
    store::delete(&mut act.source, vec![old.id.clone()], act.now).await?;
    packages::touch(&mut act.source, &package.id, act.now).await?;
    activity::of_resource(act, &package, None).await?;
    Ok(Value::Null)
}

/// `package_resource_reorder`
pub(super) async fn reorder(act: &mut Act) -> Outcome {
    let id = act.required("id")?;
    if !act.dict.contains_key("order") {
        return Err(Refusal::missing("order"));
    }
    let order = texts(act.dict.get("order"));
    let package = package::locked(act, &id, "Package was not found.").await?;
    package::demand_edit(act, &package).await?;
    let resources = store::of(&mut act.source, vec![package.id.clone()]).await?;
    if let Some(unknown) = order.iter().find(|id| resources.iter().all(|resource| resource.id != **id)) {
        return Err(Refusal::invalid("order", format!("resource_ids in order do not exist in package: {unknown}")));
    }
    let mut resources = ordered(resources, &order);
    let first = store::next_position(&mut act.source, &package.id).await?;
    for (position, resource) in (first..).zip(&mut resources) {
        resource.position = position;
    }
    store::update(&mut act.source, &resources).await?;
    packages::touch(&mut act.source, &package.id, act.now).await?;
    activity::of_resource(act, &package, None).await?;
    Ok(order_answer(&package.id, &resources))
}

/// A resource that is not deleted.
pub(super) async fn find(act: &mut Act, id: &str) -> Outcome<Resource> {
    store::find(&mut act.source, id).await?.ok_or_else(not_found)
}

/// A resource with its dataset, which the caller may edit and nobody else changes until the transaction ends.
pub(super) async fn editable(act: &mut Act, id: &str) -> Outcome<(Package, Resource)> {
    let dataset = find(act, id).await?.dataset_id;
    let package = package::locked(act, &dataset, "Resource was not found.").await?;
    let resource = find(act, id).await?; // as it is now that nobody else changes it
    package::demand_edit(act, &package).await?;
    Ok((package, resource))
}

/// A resource that is not deleted, with its dataset, which the caller may edit now.
pub(super) async fn editable_now(act: &mut Act, id: &str) -> Outcome<(Package, Resource)> {
    let resource = find(act, id).await?;
    let package = packages::find(&mut act.source, &resource.dataset_id).await?.ok_or_else(not_found)?;
    package::demand_edit(act, &package).await?;
    Ok((package, resource))
}

async fn replace(act: &mut Act, package: &Package, old: &Resource, given: &Dict) -> Outcome {
    let mut given = given.clone();
    let file = upload::place(act, &mut given, Some(old));
    let (mut resource, problems) = read(&given, Some(old), reading(act));
    problems.finish()?;
    upload::belongs(act, file, &resource);
    if !differ(old, &resource) {
        return answer(act, old).await;
    }
    resource.modified_at = Some(act.now);
    store::update(&mut act.source, std::slice::from_ref(&resource)).await?;
    upload::written(act, &[(Some(old), &resource)]).await?;
    if old.format != resource.format {
        view::add_defaults(act, &resource).await?;
    }
    written(act, package, &resource).await
}

async fn written(act: &mut Act, package: &Package, resource: &Resource) -> Outcome {
    packages::touch(&mut act.source, &package.id, act.now).await?;
    activity::of_resource(act, package, Some(resource)).await?;
    answer(act, resource).await
}

async fn answer(act: &mut Act, resource: &Resource) -> Outcome {
    let number = store::number(&mut act.source, resource).await?;
    Ok(dict(act, resource, number, false).into())
}

fn reading(act: &Act) -> Reading {
    Reading { now: act.now, guess: act.site.mimetype_guess == "file_ext" }
}

fn not_found() -> Refusal {
    Refusal::NotFound("Resource was not found.".to_owned())
}
