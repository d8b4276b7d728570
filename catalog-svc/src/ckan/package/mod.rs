//! Packages: the datasets that D.Hub sees, with CKAN's dictionary.

pub(super) mod change;
mod check;
mod dict;
pub(super) mod list;
mod nesting;
pub(super) mod revise;
mod save;

use madang_kit::ckan::{Dict, Outcome, Refusal, text};
use serde_json::Value;

use self::{check::check, save::Current};
pub(super) use self::{
    check::python_list,
    dict::{dicts, one},
    nesting::{demand_lists, list_of},
};
use super::Act;
use crate::{
    permission::Action,
    store::ckan::package::{self as store, Found, Package},
};

/// `package_show`
pub(super) async fn show(act: &mut Act) -> Outcome {
    let word = act.text("id").or_else(|| act.text("name_or_id")).filter(|word| !word.is_empty());
    let word = word.ok_or_else(|| Refusal::missing("name_or_id"))?;
    let package = readable(act, &word).await?;
    let plugin_data = package.plugin_data.clone();
    let mut dict = one(act, package).await?;
    if act.flag("include_plugin_data", false)? && act.is_sysadmin() {
        dict.insert("plugin_data".to_owned(), plugin_data.map_or_else(|| Dict::new().into(), |data| data.0));
    }
    Ok(dict.into())
}

/// `package_create`
pub(super) async fn create(act: &mut Act) -> Outcome {
    let given = act.dict.clone();
    check::demand_create(act, &given).await?;
    let draft = check(act, &given, None).await?;
    Ok(save::create(act, draft).await?.into())
}

/// `package_update`: what is not given goes.
pub(super) async fn update(act: &mut Act) -> Outcome {
    let given = act.dict.clone();
    let word = text(&given, "id").or_else(|| text(&given, "name")).filter(|word| !word.is_empty());
    let word = word.ok_or_else(|| Refusal::missing("id"))?;
    let package = locked(act, &word, "Package was not found.").await?;
    demand_edit(act, &package).await?;
    let mut given = given;
    if !given.contains_key("resources") {
        given.insert("resources".to_owned(), Value::Array(Vec::new())); // the seed: what is absent is removed, resources too
    }
    replace(act, package, &given).await
}

/// `package_patch`: what is not given stays.
pub(super) async fn patch(act: &mut Act) -> Outcome {
    let Some(word) = act.text("id").filter(|word| !word.is_empty()) else {
        return Err(Refusal::bare("message", "Missing id, can not get Package object"));
    };
    let package = locked(act, &word, "").await?;
    demand_edit(act, &package).await?;
    let given = act.dict.clone();
    merge(act, package, given).await
}

/// A package with the top-level keys of a dictionary in place of its own. Resources that are not given are not looked at.
async fn merge(act: &mut Act, package: Package, given: Dict) -> Outcome {
    let mut merged = dict::to_edit(act, package.clone()).await?;
    merged.extend(given);
    if merged.contains_key("tag_string") && !act.dict.contains_key("tags") {
        merged.remove("tags");
    }
    replace(act, package, &merged).await
}

/// Writes a whole dictionary over a package; without `resources` these stay.
async fn replace(act: &mut Act, package: Package, given: &Dict) -> Outcome {
    check::demand_groups(act, given, Some(&package)).await?;
    let current = Current::load(act, package, given.contains_key("resources")).await?;
    let draft = check(act, given, Some(&current)).await?;
    Ok(save::update(act, current, draft).await?.into())
}

/// A package that the caller may read.
pub(super) async fn readable(act: &mut Act, word: &str) -> Outcome<Package> {
    let Found { package, seen } = store::find_for(&mut act.source, &act.reader, word).await?.ok_or_else(Refusal::not_found)?;
    if seen { Ok(package) } else { Err(act.not_authorized(&format!("read package {word}"))) }
}

/// A package that nobody else changes until the transaction ends; `absent` stands behind `Not found: `.
pub(super) async fn locked(act: &mut Act, word: &str, absent: &str) -> Outcome<Package> {
    store::lock(&mut act.source, word).await?.ok_or_else(|| Refusal::NotFound(absent.to_owned()))
}

/// Refuses whoever may not edit a package (ckan.md 2.4).
pub(super) async fn demand_edit(act: &mut Act, package: &Package) -> Outcome<()> {
    if may_edit(act, package).await? { Ok(()) } else { Err(act.not_authorized(&format!("edit package {}", package.id))) }
}

/// Whether the caller may edit a package.
pub(super) async fn may_edit(act: &mut Act, package: &Package) -> Outcome<bool> {
    act.may(Action::WriteDataset(package.into())).await
}
