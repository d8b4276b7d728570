//! The DataStore (ckan.md section 6): a resource's rows, in PostgreSQL's words.
//!
//! A table is the lake's, the same that D.Hub and Data Flow see; what CKAN knows beside its columns stands in `store/datastore.rs`. Whatever reads goes through
//! `tail::view` and `Lake::search`; whatever changes rows looks at files first and then begins its transaction (`change.rs`).

mod change;
pub(super) mod create;
pub(super) mod delete;
mod field;
mod filter;
pub(super) mod info;
mod kind;
mod plan;
mod record;
mod rows;
pub(super) mod search;
mod sort;
pub(super) mod sql;
pub(super) mod upsert;
mod value;
mod word;

use madang_kit::{
    Code, Error,
    ckan::{Dict, Outcome, Refusal, text, text_of},
};
use madang_lake::Snapshot;
use serde_json::{Value, json};

use self::field::Field;
use super::{Act, package};
use crate::{
    error::in_query,
    store::{
        ckan::{
            package::{self as packages, Package},
            resource::{self as resources, Resource},
        },
        datastore::{self as store, About},
    },
    tail::{self, Base, View},
};

/// A table, as it is now.
struct Table {
    resource: Resource,
    about: About,
    /// Its rows; without those above the files for who writes.
    snapshot: Snapshot,
    /// The last publish that was decided when it was looked at.
    publishes: i64,
    fields: Vec<Field>,
}

/// `datastore_run_triggers`, `datastore_function_create`, `datastore_function_delete`
pub(super) fn no_functions(act: &Act) -> Outcome {
    act.demand_sysadmin()?;
    Err(Refusal::invalid("triggers", "Functions and triggers of a database are not run here"))
}

/// A change that lost to others too often.
fn too_busy() -> Refusal {
    Error::new(Code::Unavailable, "the table is being changed by others; try again").into()
}

/// Whether a change failed because another one wrote a row with the same key at that moment.
fn is_taken(refusal: &Refusal) -> bool {
    let Refusal::Fault(error) = refusal else { return false };
    let cause = error.cause.as_ref().and_then(|cause| cause.downcast_ref::<sqlx::Error>());
    cause.is_some_and(madang_kit::db::is_unique_violation)
}

/// The table that a call is about, by the id or another name of its resource.
fn word(act: &Act) -> Outcome<String> {
    let word = act.text("resource_id").or_else(|| act.text("id")).filter(|word| !word.is_empty());
    word.ok_or_else(|| Refusal::missing("resource_id"))
}

fn absent(word: &str) -> Refusal {
    Refusal::NotFound(format!("Resource \"{word}\" was not found."))
}

/// The resource behind a word.
async fn resource(act: &mut Act, word: &str) -> Outcome<Option<Resource>> {
    if let Some(found) = resources::find(&mut act.source, word).await? {
        return Ok(Some(found));
    }
    match store::of_alias(&mut act.source, word).await? {
        Some(id) => Ok(resources::find(&mut act.source, &id).await?),
        None => Ok(None),
    }
}

/// A resource that the caller may read.
async fn readable(act: &mut Act, word: &str) -> Outcome<Option<Resource>> {
    let Some(found) = resource(act, word).await? else { return Ok(None) };
    let seen = packages::find_for(&mut act.source, &act.reader, &found.dataset_id).await?.is_some_and(|package| package.seen);
    if seen { Ok(Some(found)) } else { Err(act.not_authorized(&format!("read resource {}", found.id))) }
}

/// A resource whose rows the caller may change, with its package.
async fn writable(act: &mut Act, word: &str) -> Outcome<Option<(Resource, Package)>> {
    act.demand_login()?;
    let Some(found) = resource(act, word).await? else { return Ok(None) };
    let Some(package) = packages::find(&mut act.source, &found.dataset_id).await? else { return Ok(None) };
    if !package::may_edit(act, &package).await? {
        return Err(act.not_authorized(&format!("update resource {}", found.id)));
    }
    Ok(Some((found, package)))
}

/// Refuses to change rows that come from a file, unless the caller insists (ckan.md 6).
fn demand_own_rows(act: &Act, resource: &Resource) -> Outcome<()> {
    let kind = resource.fields.get("url_type").and_then(Value::as_str).unwrap_or_default();
    let has_url = text(&resource.fields, "url").is_some_and(|url| !url.is_empty());
    let own = matches!(kind, "datastore" | "tabledesigner") || (kind.is_empty() && !has_url && resource.has_table);
    if own || act.flag("force", false)? {
        return Ok(());
    }
    Err(Refusal::invalid(
        "read-only",
        "Cannot edit read-only resource because changes made may be lost. Use a resource created for editing e.g. with datastore_create or use \
         \"force=True\" to ignore this warning.",
    ))
}

/// The table of a resource; `None` if it has none.
async fn table(act: &mut Act, resource: Resource) -> Outcome<Option<Table>> {
    let Some(View { snapshot, state, .. }) = tail::view(&act.catalog, &resource.id).await? else { return Ok(None) };
    let about = store::find(&mut act.source, &resource.id).await?;
    let fields = field::fields(&snapshot.schema, &about);
    Ok(Some(Table { resource, about, snapshot, publishes: state.publishes, fields }))
}

/// The same for who writes, who looks at what lies above the files in his transaction.
async fn base(act: &mut Act, resource: Resource) -> Outcome<Option<Table>> {
    let Some(Base { snapshot, publishes }) = tail::base(&act.catalog, &resource.id).await? else { return Ok(None) };
    let about = store::find(&mut act.source, &resource.id).await?;
    let fields = field::fields(&snapshot.schema, &about);
    Ok(Some(Table { resource, about, snapshot, publishes, fields }))
}

/// The table of a call that changes its rows.
async fn table_to_change(act: &mut Act) -> Outcome<Table> {
    let word = word(act)?;
    let (resource, _) = writable(act, &word).await?.ok_or_else(|| absent(&word))?;
    demand_own_rows(act, &resource)?;
    base(act, resource).await?.ok_or_else(|| absent(&word))
}

/// The table of a call that reads it.
async fn table_to_read(act: &mut Act, absent: impl Fn(&str) -> Refusal) -> Outcome<Table> {
    let word = word(act)?;
    let resource = readable(act, &word).await?.ok_or_else(|| absent(&word))?;
    table(act, resource).await?.ok_or_else(|| absent(&word))
}

/// A list, also as a text: JSON, or words with commas between them.
fn list(dict: &Dict, name: &str) -> Outcome<Option<Vec<Value>>> {
    match dict.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) => Ok(Some(list.clone())),
        Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
            Ok(Value::Array(list)) => Ok(Some(list)),
            _ => Ok(Some(text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(Value::from).collect())),
        },
        Some(_) => Err(Refusal::invalid(name, "Not a list")),
    }
}

/// The same of texts.
fn names(dict: &Dict, name: &str) -> Outcome<Option<Vec<String>>> {
    Ok(list(dict, name)?.map(|list| list.iter().filter_map(text_of).map(|name| name.trim().trim_matches('"').to_owned()).collect()))
}

/// The records of a call.
fn records(dict: &Dict) -> Outcome<Vec<Value>> {
    match dict.get("records") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => Ok(list.clone()),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(Vec::new()),
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(Value::Array(list)) => Ok(list),
            _ => Err(Refusal::invalid("records", "Not a list")),
        },
        Some(_) => Err(Refusal::invalid("records", "Not a list")),
    }
}

/// `{"query": ["…"], "info": {…}}`
fn bad_query(message: &str, why: &str) -> Refusal {
    Refusal::Validation(Dict::from_iter([("query".to_owned(), json!([message])), ("info".to_owned(), json!({"orig": [why]}))]))
}

/// What a failed read means to a caller.
fn in_search(error: madang_lake::Error) -> Refusal {
    match in_query(error) {
        Error { code: Code::TimedOut, .. } => Refusal::invalid("query", "Search took too long"),
        Error { code: Code::Invalid, message, .. } => bad_query("Invalid query", &message),
        other => other.into(),
    }
}
