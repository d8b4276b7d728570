//! Lists of packages.

use madang_kit::ckan::{Outcome, natural};
use serde_json::Value;

use super::dicts;
use crate::{
    ckan::Act,
    store::ckan::package::{self as store, Narrowed},
};

/// Names in one answer.
const NAMES_MAX: i64 = 1_000_000;
/// Packages in one answer if it does not say how many, as in a search.
pub(crate) const ROWS: i64 = 10;

/// `package_list`
pub(crate) async fn names(act: &mut Act) -> Outcome {
    let limit = act.natural("limit", NAMES_MAX, NAMES_MAX)?;
    let offset = act.natural("offset", 0, i64::MAX)?;
    Ok(store::names(&mut act.source, limit, offset).await?.into())
}

/// `current_package_list_with_resources`
pub(crate) async fn current(act: &mut Act) -> Outcome {
    let limit = act.natural("limit", ROWS, act.site.rows_max)?;
    let offset = match natural(&act.dict, "page")? {
        Some(page) => (page - 1).max(0).saturating_mul(limit),
        None => act.natural("offset", 0, i64::MAX)?,
    };
    let by = Narrowed { private: act.is_sysadmin(), limit, offset, ..Narrowed::default() };
    shown(act, by).await
}

/// The dictionaries of a list.
pub(crate) async fn shown(act: &mut Act, by: Narrowed) -> Outcome {
    let reader = act.reader.clone();
    let packages = store::list(&mut act.source, &reader, by).await?;
    Ok(dicts(act, packages).await?.into_iter().map(Value::Object).collect())
}
