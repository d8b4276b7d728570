//! Changes of a whole package, or of many: deleting, purging, moving, bulk updates.

use madang_kit::ckan::{Outcome, Refusal};
use serde_json::Value;

use super::{demand_edit, locked};
use crate::{
    ckan::{Act, act::texts, activity},
    dataset,
    store::{
        ckan::{
            group as groups,
            package::{self as store, Bulk, Package},
        },
        organization::Capacity,
    },
};

/// Datasets of one bulk update.
const BULK_MAX: usize = 1_000;

/// `package_delete`
pub(crate) async fn delete(act: &mut Act) -> Outcome {
    let id = act.required("id")?;
    let package = locked(act, &id, "").await?;
    demand_edit(act, &package).await?;
    if package.state != "deleted" {
        let package = Package { state: "deleted".to_owned(), revision: package.revision + 1, modified_at: act.now, ..package };
        store::update(&mut act.source, &package).await?;
        activity::of_package_change(act, "deleted", &package).await?;
        store::leave(&mut act.source, &package.id).await?;
    }
    Ok(Value::Null)
}

/// `dataset_purge`
pub(crate) async fn purge(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let id = act.required("id")?;
    let package = locked(act, &id, "Dataset was not found").await?;
    store::purge(&mut act.source, &package.id).await?;
    Ok(Value::Null)
}

/// `package_owner_org_update`
pub(crate) async fn move_to(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let id = act.required("id")?;
    if !act.dict.contains_key("organization_id") {
        return Err(Refusal::missing("organization_id"));
    }
    let package = locked(act, &id, "").await?;
    let owner = match act.text("organization_id").filter(|word| !word.is_empty()) {
        None => None,
        Some(word) => {
            let found = groups::find(&mut act.source, &word).await?.filter(|owner| owner.is_organization);
            Some(found.ok_or_else(Refusal::not_found)?.id)
        }
    };
    if package.organization_id != owner {
        let package = Package { organization_id: owner, revision: package.revision + 1, modified_at: act.now, ..package };
        store::update(&mut act.source, &package).await?;
        dataset::keep_changed(&mut act.source, &act.catalog.clock, &package.id).await?;
        activity::of_package_change(act, "changed", &package).await?;
    }
    Ok(Value::Null)
}

/// `bulk_update_private`, `bulk_update_public`, `bulk_update_delete`
pub(crate) async fn bulk(act: &mut Act) -> Outcome {
    act.demand_login()?;
    let organization = act.required("org_id")?;
    if !act.dict.contains_key("datasets") {
        return Err(Refusal::missing("datasets"));
    }
    let ids = texts(act.dict.get("datasets"));
    if ids.len() > BULK_MAX {
        return Err(Refusal::invalid("datasets", format!("Must have at most {BULK_MAX} items")));
    }
    let owner = groups::find(&mut act.source, &organization).await?.filter(|owner| owner.is_organization);
    let owner = owner.ok_or_else(|| Refusal::NotFound("Group was not found.".to_owned()))?;
    if !act.has_role(&owner.id, Capacity::Admin).await? {
        return Err(Refusal::denied());
    }
    let what = match act.action.as_str() {
        "bulk_update_private" => Bulk::Private,
        "bulk_update_public" => Bulk::Public,
        _ => Bulk::Delete,
    };
    let packages = store::owned(&mut act.source, ids, &owner.id).await?;
    let ids: Vec<String> = packages.iter().map(|package| package.id.clone()).collect();
    store::set_all(&mut act.source, ids.clone(), what, act.now).await?;
    for package in store::with_ids(&mut act.source, ids).await? {
        dataset::keep_changed(&mut act.source, &act.catalog.clock, &package.id).await?;
        let kind = if what == Bulk::Delete { "deleted" } else { "changed" };
        activity::of_package_change(act, kind, &package).await?;
    }
    Ok(Value::Null)
}
