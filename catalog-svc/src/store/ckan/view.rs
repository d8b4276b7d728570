//! Views of resources.

use madang_kit::{Result, ckan::Dict, db::Source};
use sqlx::types::Json;

/// A view.
#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(clippy::struct_field_names, reason = "CKAN's names")]
pub(crate) struct View {
    pub(crate) id: String,
    pub(crate) resource_id: String,
    pub(crate) position: i64,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) view_type: String,
    pub(crate) settings: Json<Dict>,
}

const SELECT: &str = "SELECT id, resource_id, position, title, description, view_type, settings FROM resource_view";

/// A view.
pub(crate) async fn find(source: &mut Source, id: &str) -> Result<Option<View>> {
    let text = format!("{SELECT} WHERE id = $1");
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(id.to_owned()).opt().await?)
}

/// The views of a resource, in their order.
pub(crate) async fn of(source: &mut Source, resource: &str) -> Result<Vec<View>> {
    let text = format!("{SELECT} WHERE resource_id = $1 ORDER BY position, id");
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(resource.to_owned()).all().await?)
}

/// Adds a view, or writes a changed one.
pub(crate) async fn put(source: &mut Source, view: &View) -> Result<()> {
    let text = "INSERT INTO resource_view (id, resource_id, position, title, description, view_type, settings)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (id) DO UPDATE SET position = excluded.position, title = excluded.title, description = excluded.description,
            settings = excluded.settings";
    let query = source.query(text).bind(view.id.clone()).bind(view.resource_id.clone()).bind(view.position);
    let query = query.bind(view.title.clone()).bind(view.description.clone()).bind(view.view_type.clone());
    query.bind(view.settings.clone()).run().await?;
    Ok(())
}

/// Removes a view.
pub(crate) async fn delete(source: &mut Source, id: &str) -> Result<()> {
    source.query("DELETE FROM resource_view WHERE id = $1").bind(id.to_owned()).run().await?;
    Ok(())
}

/// Removes every view of some types; of all types if none is named.
pub(crate) async fn clear(source: &mut Source, types: Vec<String>) -> Result<()> {
    let list = super::listed(source);
    let all = types.is_empty();
    let text = format!("DELETE FROM resource_view WHERE $2 OR view_type IN ({list})");
    source.query(sqlx::AssertSqlSafe(text)).bind(Json(types)).bind(all).run().await?;
    Ok(())
}
