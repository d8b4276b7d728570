//! Resources as CKAN sees them: rows of their own, so that a change of one costs the same in a large dataset.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use madang_kit::{Result, ckan::Dict, db::Source};
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;

use super::{elements, listed};

/// A resource.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Resource {
    pub(crate) id: String,
    pub(crate) dataset_id: String,
    /// Orders the resources of a dataset; not their number.
    pub(crate) position: i64,
    /// Empty = none.
    pub(crate) name: String,
    /// Empty = none.
    pub(crate) format: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) modified_at: Option<DateTime<Utc>>,
    pub(crate) fields: Json<Dict>,
    /// Whether it has a table in the lake.
    pub(crate) has_table: bool,
}

const SELECT: &str = "SELECT r.id, r.dataset_id, r.position, r.name, r.format, r.created_at, r.modified_at, r.fields,
    EXISTS (SELECT 1 FROM lake_table l WHERE l.id = r.id AND NOT l.dropped) AS has_table FROM resource r";

/// An active resource.
pub(crate) async fn find(source: &mut Source, id: &str) -> Result<Option<Resource>> {
    let text = format!("{SELECT} WHERE r.id = $1 AND r.state = 'active'");
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(id.to_owned()).opt().await?)
}

/// The active resources of some datasets, in their order.
pub(crate) async fn of(source: &mut Source, datasets: Vec<String>) -> Result<Vec<Resource>> {
    let list = listed(source);
    let text = format!("{SELECT} WHERE r.dataset_id IN ({list}) AND r.state = 'active' ORDER BY r.dataset_id, r.position");
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(Json(datasets)).all().await?)
}

/// How many active resources of the same dataset stand before one.
pub(crate) async fn number(source: &mut Source, resource: &Resource) -> Result<i64> {
    let text = "SELECT COUNT(*) FROM resource WHERE dataset_id = $1 AND state = 'active' AND position < $2";
    let (number,): (i64,) = source.query(text).bind(resource.dataset_id.clone()).bind(resource.position).one().await?;
    Ok(number)
}

/// The position after the last one of a dataset, those of deleted resources included.
pub(crate) async fn next_position(source: &mut Source, dataset: &str) -> Result<i64> {
    let text = "SELECT CAST(COALESCE(MAX(position) + 1, 0) AS BIGINT) FROM resource WHERE dataset_id = $1";
    let (position,): (i64,) = source.query(text).bind(dataset.to_owned()).one().await?;
    Ok(position)
}

/// The datasets that have resources with some ids, deleted ones included.
pub(crate) async fn owners(source: &mut Source, ids: Vec<String>) -> Result<Vec<(String, String)>> {
    let list = listed(source);
    let text = format!("SELECT id, dataset_id FROM resource WHERE id IN ({list})");
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(Json(ids)).all().await?)
}

/// A resource on its way into the table.
#[derive(Clone, Debug, Serialize)]
struct Written {
    id: String,
    position: i64,
    name: String,
    format: String,
    created_at: String,
    modified_at: Option<String>,
    fields: Value,
}

impl From<&Resource> for Written {
    fn from(resource: &Resource) -> Self {
        // The text that the database library writes for a time, so that all of a column are alike.
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false);
        Self {
            id: resource.id.clone(),
            position: resource.position,
            name: resource.name.clone(),
            format: resource.format.clone(),
            created_at: time(resource.created_at),
            modified_at: resource.modified_at.map(time),
            fields: Value::Object(resource.fields.0.clone()),
        }
    }
}

fn written(resources: &[Resource]) -> Json<Vec<Written>> {
    Json(resources.iter().map(Written::from).collect())
}

/// Adds resources of one dataset. A deleted one with the same id in the same dataset comes back; false if another has the id of one.
pub(crate) async fn insert(source: &mut Source, dataset: &str, resources: &[Resource]) -> Result<bool> {
    let from = elements(source);
    let (number, time, fields) = (
        source.pick("e.value ->> 'position'", "CAST(e.value ->> 'position' AS BIGINT)"),
        source.pick("", "::TIMESTAMPTZ"),
        "e.value -> 'fields'",
    );
    let text = format!(
        "INSERT INTO resource (id, dataset_id, position, name, format, state, created_at, modified_at, fields)
         SELECT e.value ->> 'id', $2, {number}, e.value ->> 'name', e.value ->> 'format', 'active', (e.value ->> 'created_at'){time},
             (e.value ->> 'modified_at'){time}, {fields} FROM {from} WHERE true
         ON CONFLICT (id) DO UPDATE SET position = excluded.position, name = excluded.name, format = excluded.format, state = 'active',
             created_at = excluded.created_at, modified_at = excluded.modified_at, fields = excluded.fields
             WHERE resource.dataset_id = excluded.dataset_id AND resource.state = 'deleted'"
    );
    let written = source.query(sqlx::AssertSqlSafe(text)).bind(written(resources)).bind(dataset.to_owned()).run().await?;
    Ok(usize::try_from(written).is_ok_and(|written| written == resources.len()))
}

/// Writes changed resources.
pub(crate) async fn update(source: &mut Source, resources: &[Resource]) -> Result<()> {
    let from = elements(source);
    let (number, time) =
        (source.pick("e.value ->> 'position'", "CAST(e.value ->> 'position' AS BIGINT)"), source.pick("", "::TIMESTAMPTZ"));
    let text = format!(
        "UPDATE resource SET position = {number}, name = e.value ->> 'name', format = e.value ->> 'format', fields = e.value -> 'fields',
             created_at = (e.value ->> 'created_at'){time}, modified_at = (e.value ->> 'modified_at'){time}
         FROM {from} WHERE resource.id = e.value ->> 'id'"
    );
    source.query(sqlx::AssertSqlSafe(text)).bind(written(resources)).run().await?;
    Ok(())
}

/// Marks resources as deleted; their views go.
pub(crate) async fn delete(source: &mut Source, ids: Vec<String>, now: DateTime<Utc>) -> Result<()> {
    let list = listed(source);
    let views = format!("DELETE FROM resource_view WHERE resource_id IN ({list})");
    source.query(sqlx::AssertSqlSafe(views)).bind(Json(ids.clone())).run().await?;
    let text = format!("UPDATE resource SET state = 'deleted', modified_at = $2 WHERE id IN ({list})");
    source.query(sqlx::AssertSqlSafe(text)).bind(Json(ids)).bind(now).run().await?;
    Ok(())
}

/// Formats in lower case that contain a text, the most frequent first.
pub(crate) async fn formats(source: &mut Source, like: &str, limit: i64) -> Result<Vec<String>> {
    let text = "SELECT lower(r.format) AS format, COUNT(*) AS times FROM resource r JOIN dataset d ON d.id = r.dataset_id
        WHERE r.state = 'active' AND r.format <> '' AND lower(r.format) LIKE $1 ESCAPE '\\'
          AND d.state = 'active' AND d.visibility = 'public'
        GROUP BY lower(r.format) ORDER BY times DESC, format LIMIT $2";
    let rows: Vec<(String, i64)> = source.query(text).bind(like.to_owned()).bind(limit).all().await?;
    Ok(rows.into_iter().map(|(format, _)| format).collect())
}

/// A part of a text that a field must have.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// One of the names of the resource's dictionary.
    pub(crate) field: &'static str,
    /// A LIKE pattern in lower case.
    pub(crate) like: String,
}

/// Where a field of the dictionary stands.
fn column(field: &str) -> String {
    match field {
        "id" | "name" | "format" | "state" => format!("r.{field}"),
        "package_id" => "r.dataset_id".to_owned(),
        "created" => "CAST(r.created_at AS TEXT)".to_owned(),
        "metadata_modified" => "CAST(COALESCE(r.modified_at, r.created_at) AS TEXT)".to_owned(),
        field => format!("CAST(r.fields ->> '{field}' AS TEXT)"),
    }
}

/// Active resources of public datasets that have all of this, each with its number in its dataset; and how many there are.
pub(crate) async fn search(
    source: &mut Source,
    asked: &[Asked],
    order: Option<&str>,
    limit: i64,
    offset: i64,
) -> Result<(i64, Vec<(Resource, i64)>)> {
    let mut conditions = String::new();
    for (number, Asked { field, .. }) in asked.iter().enumerate() {
        let column = column(field);
        let _ = write!(conditions, " AND lower({column}) LIKE ${} ESCAPE '\\'", number + 1); // a String takes everything
    }
    let from = format!(
        "FROM resource r JOIN dataset d ON d.id = r.dataset_id
         WHERE r.state = 'active' AND d.state = 'active' AND d.visibility = 'public'
           AND NOT EXISTS (SELECT 1 FROM thing_group g WHERE g.thing_id IN (d.id, d.organization_id)){conditions}"
    );
    let mut counted = source.query(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) {from}")));
    for Asked { like, .. } in asked {
        counted = counted.bind(like.clone());
    }
    let (count,): (i64,) = counted.one().await?;
    let order = order.map_or_else(String::new, |field| format!("{}, ", column(field)));
    let (rows, skipped) = (asked.len() + 1, asked.len() + 2);
    let text = format!(
        "SELECT r.id, r.dataset_id, r.position, r.name, r.format, r.created_at, r.modified_at, r.fields,
             EXISTS (SELECT 1 FROM lake_table l WHERE l.id = r.id) AS has_table,
             (SELECT COUNT(*) FROM resource b WHERE b.dataset_id = r.dataset_id AND b.state = 'active' AND b.position < r.position) AS number
         {from} ORDER BY {order}r.dataset_id, r.position LIMIT ${rows} OFFSET ${skipped}"
    );
    let mut listed = source.query(sqlx::AssertSqlSafe(text));
    for Asked { like, .. } in asked {
        listed = listed.bind(like.clone());
    }
    let found: Vec<Numbered> = listed.bind(limit).bind(offset).all().await?;
    Ok((count, found.into_iter().map(|row| (row.resource, row.number)).collect()))
}

#[derive(sqlx::FromRow)]
struct Numbered {
    #[sqlx(flatten)]
    resource: Resource,
    number: i64,
}
