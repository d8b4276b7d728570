//! What the DataStore knows of tables beside their columns, and their other names.

use std::collections::BTreeMap;

use madang_kit::{Error, Result, Tx, db::Source};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;

/// What is known of a column beside its lake type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FieldInfo {
    /// PostgreSQL's name of its type.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// What callers wrote beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) info: Option<Value>,
}

/// What is known of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct About {
    pub(crate) fields: BTreeMap<String, FieldInfo>,
    /// Columns of which no two rows have the same cells; none = no such.
    pub(crate) unique_key: Vec<String>,
    pub(crate) indexes: Vec<String>,
    /// Counts its changes; 0 = nothing is known.
    pub(crate) revision: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    fields: String,
    unique_key: String,
    indexes: String,
    revision: i64,
}

impl TryFrom<Row> for About {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            fields: serde_json::from_str(&row.fields).map_err(Error::internal)?,
            unique_key: serde_json::from_str(&row.unique_key).map_err(Error::internal)?,
            indexes: serde_json::from_str(&row.indexes).map_err(Error::internal)?,
            revision: row.revision,
        })
    }
}

/// What is known of a table; nothing of one that another face made.
pub(crate) async fn find(source: &mut Source, table: &str) -> Result<About> {
    let text = "SELECT fields, unique_key, indexes, revision FROM datastore WHERE table_id = $1";
    let row: Option<Row> = source.query(text).bind(table.to_owned()).opt().await?;
    row.map_or_else(|| Ok(About::default()), About::try_from)
}

/// Writes what is known of a table, one revision further.
pub(crate) async fn put(tx: &mut Tx, table: &str, about: &About) -> Result<()> {
    let text = "INSERT INTO datastore (table_id, fields, unique_key, indexes, revision) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (table_id) DO UPDATE SET fields = excluded.fields, unique_key = excluded.unique_key, indexes = excluded.indexes,
            revision = excluded.revision";
    tx.query(text)
        .bind(table.to_owned())
        .bind(serde_json::to_string(&about.fields).map_err(Error::internal)?)
        .bind(serde_json::to_string(&about.unique_key).map_err(Error::internal)?)
        .bind(serde_json::to_string(&about.indexes).map_err(Error::internal)?)
        .bind(about.revision + 1)
        .run()
        .await?;
    Ok(())
}

/// Forgets a table's unique key: other rows took the place of those that it held for.
pub(crate) async fn forget_key(tx: &mut Tx, table: &str) -> Result<()> {
    let text = "UPDATE datastore SET unique_key = '[]', revision = revision + 1 WHERE table_id = $1 AND unique_key <> '[]'";
    tx.query(text).bind(table.to_owned()).run().await?;
    Ok(())
}

/// The table that has another name.
pub(crate) async fn of_alias(source: &mut Source, name: &str) -> Result<Option<String>> {
    let row: Option<(String,)> = source.query("SELECT table_id FROM datastore_alias WHERE name = $1").bind(name.to_owned()).opt().await?;
    Ok(row.map(|(id,)| id))
}

/// The other names of a table, in their order.
pub(crate) async fn aliases(source: &mut Source, table: &str) -> Result<Vec<String>> {
    let text = "SELECT name FROM datastore_alias WHERE table_id = $1 ORDER BY name";
    let rows: Vec<(String,)> = source.query(text).bind(table.to_owned()).all().await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// Gives a table other names in place of those it had; gives the first one that is taken.
pub(crate) async fn set_aliases(tx: &mut Tx, table: &str, names: &[String]) -> Result<Option<String>> {
    tx.query("DELETE FROM datastore_alias WHERE table_id = $1").bind(table.to_owned()).run().await?;
    let list = tx.pick("SELECT value FROM json_each($1)", "SELECT jsonb_array_elements_text($1)");
    let text = format!(
        "SELECT name FROM datastore_alias WHERE name IN ({list}) UNION SELECT id FROM resource WHERE id IN ({list}) ORDER BY name LIMIT 1"
    );
    let taken: Option<(String,)> = tx.query(sqlx::AssertSqlSafe(text)).bind(Json(names.to_vec())).opt().await?;
    if taken.is_some() {
        return Ok(taken.map(|(name,)| name));
    }
    let from = tx.pick("json_each($1) AS e", "jsonb_array_elements_text($1) AS e(value)");
    let text = format!("INSERT INTO datastore_alias (name, table_id) SELECT e.value, $2 FROM {from} WHERE true");
    tx.query(sqlx::AssertSqlSafe(text)).bind(Json(names.to_vec())).bind(table.to_owned()).run().await?;
    Ok(None)
}

/// Takes a table away; its versions are kept.
pub(crate) async fn drop_table(tx: &mut Tx, table: &str) -> Result<()> {
    tx.query("DELETE FROM datastore_alias WHERE table_id = $1").bind(table.to_owned()).run().await?;
    tx.query("DELETE FROM datastore WHERE table_id = $1").bind(table.to_owned()).run().await?;
    tx.query("UPDATE lake_table SET dropped = TRUE, unfolded = FALSE WHERE id = $1").bind(table.to_owned()).run().await?;
    Ok(())
}

/// Whether a table was taken away.
pub(crate) async fn is_dropped(source: &mut Source, table: &str) -> Result<bool> {
    let row: Option<(bool,)> = source.query("SELECT dropped FROM lake_table WHERE id = $1").bind(table.to_owned()).opt().await?;
    Ok(row.is_some_and(|(dropped,)| dropped))
}

/// Brings a table back that was taken away.
pub(crate) async fn bring_back(tx: &mut Tx, table: &str) -> Result<()> {
    tx.query("UPDATE lake_table SET dropped = FALSE WHERE id = $1").bind(table.to_owned()).run().await?;
    Ok(())
}

/// Every table and every other name of one: the name, and the table that it is another name of.
pub(crate) async fn names(source: &mut Source, limit: i64) -> Result<Vec<(String, Option<String>)>> {
    let text = "SELECT t.id AS name, CAST(NULL AS TEXT) AS alias_of FROM lake_table t JOIN resource r ON r.id = t.id JOIN dataset d ON d.id = r.dataset_id
            WHERE NOT t.dropped AND r.state = 'active' AND d.state = 'active'
        UNION ALL SELECT a.name, a.table_id FROM datastore_alias a JOIN resource r ON r.id = a.table_id JOIN dataset d ON d.id = r.dataset_id
            WHERE r.state = 'active' AND d.state = 'active'
        ORDER BY name LIMIT $1";
    Ok(source.query(text).bind(limit).all().await?)
}
