//! `datastore_create`: a table, more columns for one that is there, rows for it (ckan.md 6.2).

use madang_kit::{
    Error, Id,
    ckan::{Dict, Outcome, Refusal, text},
};
use serde_json::Value;

use super::{
    base,
    change::{ATTEMPTS, shown},
    demand_own_rows, field, list, names,
    plan::{Made, Plan, Wanted},
    records, resource as resource_of, too_busy,
    upsert::OURS,
    writable,
};
use crate::{
    ckan::{Act, package, resource},
    store::ckan::{package as packages, resource as resources},
};

/// Other names of one table.
const ALIASES: usize = 100;
/// Bytes of another name.
const ALIAS_BYTES: usize = 63;

/// `datastore_create`
pub(crate) async fn create(act: &mut Act) -> Outcome {
    act.demand_login()?;
    let wanted = wanted(act)?;
    let given = act.dict.get("resource").filter(|resource| !resource.is_null()).cloned();
    let word = act.text("resource_id").or_else(|| act.text("id")).filter(|word| !word.is_empty());
    match (word, given) {
        (Some(_), Some(_)) => Err(Refusal::invalid("resource", "resource cannot be used with resource_id")),
        (None, None) => Err(Refusal::invalid("resource_id", "resource_id or resource required")),
        (None, Some(resource)) => with_resource(act, &wanted, &resource).await,
        (Some(word), None) => of_resource(act, &wanted, &word).await,
    }
}

fn wanted(act: &Act) -> Outcome<Wanted> {
    if list(&act.dict, "triggers")?.is_some_and(|triggers| !triggers.is_empty()) {
        return Err(Refusal::invalid("triggers", "Functions and triggers of a database are not run here"));
    }
    let wanted = Wanted {
        fields: list(&act.dict, "fields")?,
        records: records(&act.dict)?,
        unique_key: names(&act.dict, "primary_key")?,
        indexes: indexes(act)?,
        aliases: names(&act.dict, "aliases")?,
        deletes_fields: act.flag("delete_fields", false)?,
        includes_records: act.flag("include_records", false)?,
    };
    if wanted.records.first().is_some_and(|first| !first.is_object()) {
        return Err(Refusal::invalid("records", "The first row is not a json object"));
    }
    if let Some(aliases) = &wanted.aliases {
        let is_alias = |alias: &&String| {
            !alias.is_empty()
                && alias.len() <= ALIAS_BYTES
                && !alias.starts_with('_')
                && !alias.contains('"')
                && !alias.chars().any(char::is_control)
        };
        if let Some(wrong) = aliases.iter().find(|alias| !is_alias(alias)) {
            return Err(Refusal::invalid("alias", format!("\"{wrong}\" is not a valid alias name")));
        }
        if aliases.len() > ALIASES {
            return Err(Refusal::invalid("aliases", format!("a table has at most {ALIASES} aliases")));
        }
    }
    Ok(wanted)
}

/// Indexes: each a column, or several with commas between them.
fn indexes(act: &Act) -> Outcome<Option<Vec<String>>> {
    let Some(list) = list(&act.dict, "indexes")? else { return Ok(None) };
    let index = |index: &Value| match index {
        Value::Array(names) => Ok(names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
        Value::String(name) => Ok(name.replace('"', "")),
        _ => Err(Refusal::invalid("indexes", "Not a list of column names")),
    };
    list.iter().map(index).collect::<Outcome<Vec<_>>>().map(Some)
}

/// A table for a new resource.
async fn with_resource(act: &mut Act, wanted: &Wanted, given: &Value) -> Outcome {
    let given: Dict = match given {
        Value::Object(dict) => dict.clone(),
        Value::String(text) => serde_json::from_str(text).map_err(|_| Refusal::invalid("resource", "Not a dict"))?,
        _ => return Err(Refusal::invalid("resource", "Not a dict")),
    };
    let mut own = given.clone();
    own.insert("url_type".to_owned(), "datastore".into());
    let id = text(&own, "id").filter(|id| !id.is_empty()).unwrap_or_else(|| Id::generate().to_string());
    own.insert("id".to_owned(), id.clone().into());
    let plan = Plan::new(wanted, None)?;
    let package = packages::find(&mut act.source, &text(&own, "package_id").unwrap_or_default()).await?;
    let may = match &package {
        Some(package) => package::may_edit(act, package).await?,
        None => false,
    };
    if may && id.parse::<Id>().is_ok() {
        plan.change.reserve(&act.catalog, &id, &[]).await?; // before the transaction: it takes one of its own
    }
    act.begin().await?;
    let whole = std::mem::replace(&mut act.dict, own);
    let made = resource::create(act).await;
    act.dict = whole;
    let made = made?;
    let found = resources::find(&mut act.source, &id).await?.ok_or_else(|| Refusal::from(Error::internal("a resource vanished")))?;
    let Some(rows) = plan.apply(act, &found, None).await? else { return Err(too_busy()) };
    Ok(answer(act, wanted, &id, Some(made), rows))
}

/// A table, or a change of it, for a resource that is there.
async fn of_resource(act: &mut Act, wanted: &Wanted, word: &str) -> Outcome {
    for _ in 0..ATTEMPTS {
        if resource_of(act, word).await?.is_none() {
            return Err(Refusal::invalid("resource_id", "Not found: Resource"));
        }
        let Some((resource, _)) = writable(act, word).await? else { return Err(Refusal::invalid("resource_id", "Not found: Resource")) };
        demand_own_rows(act, &resource)?;
        let table = base(act, resource.clone()).await?;
        let mut plan = Plan::new(wanted, table.as_ref())?;
        plan.prepare(act, table.as_ref(), &resource).await?;
        act.begin().await?;
        match plan.apply(act, &resource, table.as_ref()).await {
            Ok(Some(rows)) => return Ok(answer(act, wanted, &resource.id, None, rows)),
            Ok(None) => {}
            Err(error) if super::is_taken(&error) => {}
            Err(error) => {
                plan.discard(act).await;
                return Err(error);
            }
        }
        act.give_up();
        plan.discard(act).await;
    }
    Err(too_busy())
}

fn answer(act: &Act, wanted: &Wanted, id: &str, resource: Option<Value>, made: Made) -> Value {
    let mut answer = act.dict.clone();
    for name in OURS {
        answer.remove(name);
    }
    answer.insert("resource_id".to_owned(), id.into());
    answer.insert("method".to_owned(), "insert".into());
    if let Some(resource) = resource {
        answer.insert("resource".to_owned(), resource);
    }
    answer.insert("fields".to_owned(), made.fields.iter().map(field::shown).collect());
    if wanted.includes_records {
        answer.insert("records".to_owned(), shown(&made.fields, made.rows));
    }
    Value::Object(answer)
}
