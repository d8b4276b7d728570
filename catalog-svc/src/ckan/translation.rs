//! Terms in other languages (ckan.md 3.10).

use std::collections::BTreeMap;

use madang_kit::ckan::{Dict, Outcome, Problems, Refusal, text};
use serde_json::{Value, json};

use super::{Act, act::texts};
use crate::store::ckan::site::{self as store, Translation};

/// The largest list of one call.
const MANY: usize = 10_000;

/// `term_translation_show`
pub(super) async fn show(act: &mut Act) -> Outcome {
    if !act.dict.contains_key("terms") {
        return Err(Refusal::missing("terms"));
    }
    let (terms, languages) = (texts(act.dict.get("terms")), texts(act.dict.get("lang_codes")));
    Ok(serde_json::to_value(store::translations(&mut act.source, terms, languages).await?)?)
}

/// `term_translation_update`
pub(super) async fn update(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let row = read(&act.dict)?;
    store::put_translations(&mut act.source, std::slice::from_ref(&row)).await?;
    Ok(serde_json::to_value(row)?)
}

/// `term_translation_update_many`
pub(super) async fn update_many(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let list = match act.dict.get("data") {
        Some(Value::Array(list)) if !list.is_empty() && list.iter().all(Value::is_object) && list.len() <= MANY => list.clone(),
        _ => return Err(Refusal::bare("error", "Must be a list of dicts")),
    };
    // A term that comes twice has the last translation.
    let mut rows = BTreeMap::new();
    for dict in list.iter().filter_map(Value::as_object) {
        let row = read(dict)?;
        rows.insert((row.term.clone(), row.lang_code.clone()), row);
    }
    let rows: Vec<Translation> = rows.into_values().collect();
    store::put_translations(&mut act.source, &rows).await?;
    Ok(json!({"success": format!("{} rows updated", list.len())}))
}

fn read(dict: &Dict) -> Outcome<Translation> {
    let mut problems = Problems::default();
    let mut given = |name: &str| {
        let value = text(dict, name).unwrap_or_default();
        if value.is_empty() {
            problems.add(name, "Missing value");
        }
        value
    };
    let row = Translation { term: given("term"), term_translation: given("term_translation"), lang_code: given("lang_code") };
    problems.finish()?;
    Ok(row)
}
