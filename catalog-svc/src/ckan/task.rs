//! What background tasks say of themselves (ckan.md 3.10).

use madang_kit::{
    Id,
    ckan::{Dict, Outcome, Problems, Refusal, text},
};
use serde_json::{Value, json};

use super::{Act, resource::date_text};
use crate::store::ckan::site::{self as store, Task};

/// The largest list of one call.
const MANY: usize = 1_000;

/// `task_status_show`
pub(super) async fn show(act: &mut Act) -> Outcome {
    let found = if let Some(id) = act.text("id") {
        store::task(&mut act.source, &id).await?
    } else {
        let mut problems = Problems::default();
        for name in ["entity_id", "task_type", "key"] {
            if act.text(name).is_none() {
                problems.add(name, "Missing value");
            }
        }
        problems.finish()?;
        let (entity, kind, key) = (act.required("entity_id")?, act.required("task_type")?, act.required("key")?);
        store::task_of(&mut act.source, &entity, &kind, &key).await?
    };
    Ok(serde_json::to_value(found.ok_or_else(Refusal::not_found)?)?)
}

/// `task_status_update`
pub(super) async fn update(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let dict = act.dict.clone();
    put(act, &dict).await
}

/// `task_status_update_many`
pub(super) async fn update_many(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let Some(Value::Array(list)) = act.dict.get("data").cloned() else { return Err(Refusal::missing("data")) };
    if list.len() > MANY {
        return Err(Refusal::invalid("data", format!("Must have at most {MANY} items")));
    }
    let mut results = Vec::with_capacity(list.len());
    for task in list {
        let Value::Object(dict) = task else { return Err(Refusal::Integrity("Values in lists need to be dicts".to_owned())) };
        results.push(put(act, &dict).await?);
    }
    Ok(json!({"results": results}))
}

async fn put(act: &mut Act, dict: &Dict) -> Outcome<Value> {
    let mut problems = Problems::default();
    for name in ["entity_id", "entity_type", "task_type", "key"] {
        if text(dict, name).is_none_or(|value| value.is_empty()) {
            problems.add(name, "Missing value");
        }
    }
    let last_updated = match text(dict, "last_updated").filter(|date| !date.is_empty()).map(|date| date_text(&date)) {
        Some(None) => {
            problems.add("last_updated", "Date format incorrect");
            None
        }
        Some(date) => date,
        None => None,
    };
    problems.finish()?;
    let given = |name: &str| text(dict, name).unwrap_or_default();
    let known = store::task_of(&mut act.source, &given("entity_id"), &given("task_type"), &given("key")).await?;
    if let (Some(id), None) = (text(dict, "id"), &known)
        && store::task(&mut act.source, &id).await?.is_none()
    {
        return Err(Refusal::not_found());
    }
    let task = Task {
        id: known.map_or_else(|| Id::generate().to_string(), |task| task.id),
        entity_id: given("entity_id"),
        entity_type: given("entity_type"),
        task_type: given("task_type"),
        key: given("key"),
        value: text(dict, "value"),
        state: text(dict, "state"),
        error: text(dict, "error"),
        last_updated,
    };
    store::put_task(&mut act.source, &task).await?;
    Ok(serde_json::to_value(task)?)
}

/// `task_status_delete`
pub(super) async fn delete(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let id = act.required("id")?;
    store::task(&mut act.source, &id).await?.ok_or_else(Refusal::not_found)?;
    store::delete_task(&mut act.source, &id).await?;
    Ok(Value::Null)
}
