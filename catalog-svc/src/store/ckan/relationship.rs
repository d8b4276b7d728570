//! Relationships between packages, stored as the first of each pair of types (ckan.md 4.7).

use madang_kit::{Result, db::Source};
use sqlx::types::Json;

use super::listed;

/// A relationship.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Relationship {
    pub(crate) id: String,
    pub(crate) subject_id: String,
    pub(crate) object_id: String,
    pub(crate) r#type: String,
    pub(crate) comment: String,
}

const SELECT: &str = "SELECT id, subject_id, object_id, type, comment FROM relationship";

/// Those that some packages have part in.
pub(crate) async fn of(source: &mut Source, packages: Vec<String>) -> Result<Vec<Relationship>> {
    let list = listed(source);
    let text = format!("{SELECT} WHERE subject_id IN ({list}) OR object_id IN ({list}) ORDER BY id");
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(Json(packages)).all().await?)
}

/// One by its ends and type.
pub(crate) async fn find(source: &mut Source, subject: &str, object: &str, kind: &str) -> Result<Option<Relationship>> {
    let text = format!("{SELECT} WHERE subject_id = $1 AND object_id = $2 AND type = $3");
    let query = source.query(sqlx::AssertSqlSafe(text)).bind(subject.to_owned()).bind(object.to_owned());
    Ok(query.bind(kind.to_owned()).opt().await?)
}

/// Adds one, or changes its comment.
pub(crate) async fn put(source: &mut Source, row: &Relationship) -> Result<()> {
    let text = "INSERT INTO relationship (id, subject_id, object_id, type, comment) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (subject_id, object_id, type) DO UPDATE SET comment = excluded.comment";
    let query = source.query(text).bind(row.id.clone()).bind(row.subject_id.clone()).bind(row.object_id.clone());
    query.bind(row.r#type.clone()).bind(row.comment.clone()).run().await?;
    Ok(())
}

/// Removes one.
pub(crate) async fn delete(source: &mut Source, id: &str) -> Result<()> {
    source.query("DELETE FROM relationship WHERE id = $1").bind(id.to_owned()).run().await?;
    Ok(())
}
