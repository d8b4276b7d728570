//! Small things of the site: task states, translated terms, options that were changed while it runs.

use madang_kit::{Id, Result, db::Source};
use serde_json::{Value, json};
use sqlx::types::Json;

use super::listed;

/// What a background task says of itself.
#[derive(Clone, Debug, sqlx::FromRow, serde::Serialize)]
#[expect(clippy::struct_field_names, reason = "CKAN's names")]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) entity_id: String,
    pub(crate) entity_type: String,
    pub(crate) task_type: String,
    pub(crate) key: String,
    pub(crate) value: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) last_updated: Option<String>,
}

const TASK: &str = "SELECT id, entity_id, entity_type, task_type, key, value, state, error, last_updated FROM task_status";

/// A task by id.
pub(crate) async fn task(source: &mut Source, id: &str) -> Result<Option<Task>> {
    let text = format!("{TASK} WHERE id = $1");
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(id.to_owned()).opt().await?)
}

/// A task by what it is for.
pub(crate) async fn task_of(source: &mut Source, entity: &str, kind: &str, key: &str) -> Result<Option<Task>> {
    let text = format!("{TASK} WHERE entity_id = $1 AND task_type = $2 AND key = $3");
    let query = source.query(sqlx::AssertSqlSafe(text)).bind(entity.to_owned());
    Ok(query.bind(kind.to_owned()).bind(key.to_owned()).opt().await?)
}

/// Adds a task, or writes what it says now.
pub(crate) async fn put_task(source: &mut Source, task: &Task) -> Result<()> {
    let text = "INSERT INTO task_status (id, entity_id, entity_type, task_type, key, value, state, error, last_updated)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (entity_id, task_type, key) DO UPDATE SET entity_type = excluded.entity_type, value = excluded.value,
            state = excluded.state, error = excluded.error, last_updated = excluded.last_updated";
    let query = source.query(text).bind(task.id.clone()).bind(task.entity_id.clone()).bind(task.entity_type.clone());
    let query = query.bind(task.task_type.clone()).bind(task.key.clone()).bind(task.value.clone());
    query.bind(task.state.clone()).bind(task.error.clone()).bind(task.last_updated.clone()).run().await?;
    Ok(())
}

/// The id of the task that tells of a resource's load.
pub(crate) fn loader_task(resource: &str, kind: &str) -> String {
    Id::named(&["task", resource, kind]).to_string()
}

/// Tells that resources wait to be loaded.
pub(crate) async fn put_pending(source: &mut Source, resources: &[String], kind: &str, date: &str) -> Result<()> {
    let from = super::elements(source);
    let text = format!(
        "INSERT INTO task_status (id, entity_id, entity_type, task_type, key, value, state, error, last_updated)
         SELECT e.value ->> 'id', e.value ->> 'entity', 'resource', $2, $2, '{{}}', 'pending', '{{}}', $3 FROM {from} WHERE true
         ON CONFLICT (entity_id, task_type, key) DO UPDATE SET value = excluded.value, state = excluded.state, error = excluded.error,
             last_updated = excluded.last_updated"
    );
    let rows: Vec<Value> = resources.iter().map(|entity| json!({"id": loader_task(entity, kind), "entity": entity})).collect();
    source.query(sqlx::AssertSqlSafe(text)).bind(Json(rows)).bind(kind.to_owned()).bind(date.to_owned()).run().await?;
    Ok(())
}

/// Removes a task.
pub(crate) async fn delete_task(source: &mut Source, id: &str) -> Result<()> {
    source.query("DELETE FROM task_status WHERE id = $1").bind(id.to_owned()).run().await?;
    Ok(())
}

/// A term in another language.
#[derive(Clone, Debug, sqlx::FromRow, serde::Serialize)]
#[expect(clippy::struct_field_names, reason = "CKAN's names")]
pub(crate) struct Translation {
    pub(crate) term: String,
    pub(crate) term_translation: String,
    pub(crate) lang_code: String,
}

/// Translations of terms into some languages; into all if none is named.
pub(crate) async fn translations(source: &mut Source, terms: Vec<String>, languages: Vec<String>) -> Result<Vec<Translation>> {
    let list = listed(source);
    let codes = source.pick("SELECT value FROM json_each($2)", "SELECT jsonb_array_elements_text($2)");
    let text = format!(
        "SELECT term, term_translation, lang_code FROM term_translation WHERE term IN ({list}) AND ($3 OR lang_code IN ({codes}))
         ORDER BY term, lang_code"
    );
    let all = languages.is_empty();
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(Json(terms)).bind(Json(languages)).bind(all).all().await?)
}

/// Writes translations.
pub(crate) async fn put_translations(source: &mut Source, rows: &[Translation]) -> Result<()> {
    let from = super::elements(source);
    let text = format!(
        "INSERT INTO term_translation (term, lang_code, term_translation)
         SELECT e.value ->> 'term', e.value ->> 'lang_code', e.value ->> 'term_translation' FROM {from} WHERE true
         ON CONFLICT (term, lang_code) DO UPDATE SET term_translation = excluded.term_translation"
    );
    source.query(sqlx::AssertSqlSafe(text)).bind(Json(rows.to_vec())).run().await?;
    Ok(())
}

/// Options that were changed.
pub(crate) async fn options(source: &mut Source) -> Result<Vec<(String, String)>> {
    Ok(source.query("SELECT name, value FROM site_option ORDER BY name").all().await?)
}

/// Changes an option.
pub(crate) async fn put_option(source: &mut Source, name: &str, value: &str) -> Result<()> {
    let text = "INSERT INTO site_option (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    source.query(text).bind(name.to_owned()).bind(value.to_owned()).run().await?;
    Ok(())
}
