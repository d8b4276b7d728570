//! Loads of resources as CKAN's clients ask for them and about them (ckan.md 3.10, 6.9): xloader's actions and datapusher's.

use std::collections::BTreeMap;

use madang_kit::{
    Id,
    ckan::{Dict, Outcome, Problems, Refusal, date, text},
    principal::{Principal, Scheme},
};
use serde_json::{Value, json};

use super::{Act, resource};
use crate::{
    loader,
    store::{
        ckan::{
            resource::Resource,
            site::{self as tasks, Task},
        },
        load::{self as store, Load, Wish},
    },
};

/// Columns whose types one call says.
const TYPES_MAX: usize = 4_096;

/// Has the resources loaded that can be, if the site wants that.
pub(super) async fn wish(act: &mut Act, resources: &[&Resource]) -> Outcome<()> {
    if !act.site.loader_enabled {
        return Ok(());
    }
    let ids: Vec<String> = resources.iter().filter(|resource| loader::is_loadable(resource)).map(|resource| resource.id.clone()).collect();
    put(act, ids, "xloader", false, None).await
}

async fn put(act: &mut Act, ids: Vec<String>, kind: &'static str, forced: bool, types: Option<String>) -> Outcome<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let principal = Principal { scheme: Scheme::RunAs, ..act.context.principal.clone() };
    let wish = Wish { resource_ids: ids, kind, forced, principal: serde_json::to_string(&principal)?, types };
    store::wish(&mut act.source, &wish, act.now).await?;
    tasks::put_pending(&mut act.source, &wish.resource_ids, kind, &date(act.now)).await?;
    act.wishes = true;
    Ok(())
}

/// `xloader_submit`, `datapusher_submit`: true if the resource will be loaded.
pub(super) async fn submit(act: &mut Act) -> Outcome {
    let id = act.required("resource_id")?;
    let (_, found) = resource::editable(act, &id).await?;
    let (forced, types) = (act.flag("ignore_hash", false)?, read_types(act)?);
    if !loader::is_loadable(&found) {
        return Ok(false.into());
    }
    let kind = if act.action.starts_with("datapusher") { "datapusher" } else { "xloader" };
    put(act, vec![found.id], kind, forced || types.is_some(), types).await?;
    Ok(true.into())
}

/// `types`: a type for each column that is named; `{}` takes all back.
fn read_types(act: &Act) -> Outcome<Option<String>> {
    let given = match act.dict.get("types") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => serde_json::from_str(text).ok(),
        Some(other) => Some(other.clone()),
    };
    let types: Option<BTreeMap<String, String>> = given.and_then(|given| serde_json::from_value(given).ok());
    let types = types.ok_or_else(|| Refusal::invalid("types", "Must be a dict of types by names of columns"))?;
    if types.len() > TYPES_MAX {
        return Err(Refusal::invalid("types", format!("Must have at most {TYPES_MAX} items")));
    }
    let mut problems = Problems::default();
    for (name, kind) in &types {
        if loader::column_type(kind).is_none() {
            problems.add("types", format!("\"{kind}\" is not a valid field type of \"{name}\""));
        }
    }
    problems.finish()?;
    Ok(Some(serde_json::to_string(&types)?))
}

/// `xloader_status`, `datapusher_status`
pub(super) async fn status(act: &mut Act) -> Outcome {
    let id = act.required("resource_id")?;
    let (package, found) = resource::editable_now(act, &id).await?;
    let load = store::find(&mut act.source, &found.id).await?.ok_or_else(Refusal::not_found)?;
    let job = Id::named(&["load", &load.resource_id, &load.number.to_string()]).to_string();
    let error = if load.error.is_empty() { Value::Null } else { json!({"message": load.error}) };
    let bad_rows = format!("{}/dataset/{}/resource/{}/bad-rows.csv", act.site_url, package.id, found.id);
    let logs: Value = serde_json::from_str(&load.log)?;
    let info = json!({
        "job_id": job,
        "status": load.state,
        "requested_timestamp": date(load.requested_at),
        "logs": logs,
        "rows": load.loaded_rows,
        "bad_rows": load.bad_rows,
        "bad_rows_url": if load.bad_rows > 0 { bad_rows.into() } else { Value::Null },
        "error": error,
    });
    Ok(json!({
        "status": load.state,
        "job_id": job,
        "job_url": format!("{}/api/3/action/{}?resource_id={}", act.site_url, act.action, found.id),
        "last_updated": date(load.changed_at),
        "job_key": job,
        "task_info": info,
        "error": error,
    }))
}

/// `xloader_hook`, `datapusher_hook`: a loader elsewhere tells what became of its work. The state of a load of ours is not changed by it.
pub(super) async fn hook(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let metadata = match act.dict.get("metadata") {
        Some(Value::Object(metadata)) => metadata.clone(),
        _ => return Err(Refusal::missing("metadata")),
    };
    let status = act.required("status")?;
    let id = text(&metadata, "resource_id").filter(|id| !id.is_empty()).ok_or_else(|| Refusal::missing("resource_id"))?;
    let kind = if act.action.starts_with("datapusher") { "datapusher" } else { "xloader" };
    let found = resource::find(act, &id).await?;
    let task = tasks::task_of(&mut act.source, &found.id, kind, kind).await?.ok_or_else(Refusal::not_found)?;
    let error = act.dict.get("error").filter(|error| !error.is_null()).map(Value::to_string);
    let task = Task { state: Some(status), error, last_updated: Some(date(act.now)), ..task };
    tasks::put_task(&mut act.source, &task).await?;
    Ok(Value::Null)
}

/// What a load says of itself as a task.
pub(crate) fn task(load: &Load, now: chrono::DateTime<chrono::Utc>) -> Task {
    let value = Dict::from_iter([
        ("job_id".to_owned(), Id::named(&["load", &load.resource_id, &load.number.to_string()]).to_string().into()),
        ("rows".to_owned(), load.loaded_rows.into()),
        ("bad_rows".to_owned(), load.bad_rows.into()),
    ]);
    Task {
        id: tasks::loader_task(&load.resource_id, &load.kind),
        entity_id: load.resource_id.clone(),
        entity_type: "resource".to_owned(),
        task_type: load.kind.clone(),
        key: load.kind.clone(),
        value: Some(Value::Object(value).to_string()),
        state: Some(load.state.clone()),
        error: Some(if load.error.is_empty() { "{}".to_owned() } else { json!({"message": load.error}).to_string() }),
        last_updated: Some(date(now)),
    }
}
