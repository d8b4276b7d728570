//! Panels, their keys and their profiles.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx, db::Query};

use super::{PAGE, placeholders, rows_of};

/// A panel; its personal values are sealed.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Panel {
    pub(crate) id: String,
    pub(crate) space_id: String,
    pub(crate) uid: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) country_code: Option<i64>,
    pub(crate) cellphone: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) is_sms_opt_out: bool,
    pub(crate) is_email_opt_out: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// Its key.
    pub(crate) wrapped: String,
}

const SELECT: &str = "SELECT p.id, p.space_id, p.uid, p.name, p.country_code, p.cellphone, p.email, p.is_sms_opt_out, p.is_email_opt_out,
    p.created_at, p.updated_at, s.wrapped FROM panel p JOIN subject s ON s.id = p.id";

/// Adds a panel and its key.
pub(crate) async fn insert(tx: &mut Tx, new: &Panel) -> sqlx::Result<()> {
    tx.query("INSERT INTO subject (id, space_id, wrapped) VALUES ($1, $2, $3)")
        .bind(new.id.clone())
        .bind(new.space_id.clone())
        .bind(new.wrapped.clone())
        .run()
        .await?;
    tx.query(
        "INSERT INTO panel (id, space_id, uid, name, country_code, cellphone, email, is_sms_opt_out, is_email_opt_out, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(new.id.clone())
    .bind(new.space_id.clone())
    .bind(new.uid.clone())
    .bind(new.name.clone())
    .bind(new.country_code)
    .bind(new.cellphone.clone())
    .bind(new.email.clone())
    .bind(new.is_sms_opt_out)
    .bind(new.is_email_opt_out)
    .bind(new.created_at)
    .bind(new.updated_at)
    .run()
    .await?;
    Ok(())
}

/// Writes everything of a panel that may change.
pub(crate) async fn update(tx: &mut Tx, panel: &Panel) -> sqlx::Result<()> {
    tx.query(
        "UPDATE panel SET uid = $2, name = $3, country_code = $4, cellphone = $5, email = $6, is_sms_opt_out = $7, is_email_opt_out = $8,
             updated_at = $9 WHERE id = $1",
    )
    .bind(panel.id.clone())
    .bind(panel.uid.clone())
    .bind(panel.name.clone())
    .bind(panel.country_code)
    .bind(panel.cellphone.clone())
    .bind(panel.email.clone())
    .bind(panel.is_sms_opt_out)
    .bind(panel.is_email_opt_out)
    .bind(panel.updated_at)
    .run()
    .await?;
    Ok(())
}

/// A panel, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut Tx, id: &str) -> Result<Option<Panel>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE p.id = $1{}", tx.pick("", " FOR UPDATE")));
    Ok(tx.query(text).bind(id.to_owned()).opt().await?)
}

/// The panel of a space that has this uid.
pub(crate) async fn by_uid(tx: &mut Tx, space: &str, uid: &str) -> Result<Option<Panel>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE p.space_id = $1 AND p.uid = $2"));
    Ok(tx.query(text).bind(space.to_owned()).bind(uid.to_owned()).opt().await?)
}

/// Panels of a space, newest first, from one on; one more than a page.
pub(crate) async fn list(tx: &mut Tx, space: &str, from: String) -> Result<Vec<Panel>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE p.space_id = $1 AND p.id <= $2 ORDER BY p.id DESC LIMIT {}", PAGE + 1));
    Ok(tx.query(text).bind(space.to_owned()).bind(from).all().await?)
}

/// Until the transaction ends nobody else adds panels to the space. On SQLite there is one writer anyway.
pub(crate) async fn lock_count(tx: &mut Tx, space: &str) -> Result<()> {
    if let Tx::Postgres(_) = tx {
        let text = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        tx.query(text).bind(format!("panels:{space}")).run().await?;
    }
    Ok(())
}

/// How many panels a space has.
pub(crate) async fn count(tx: &mut Tx, space: &str) -> Result<i64> {
    let (count,): (i64,) = tx.query("SELECT COUNT(*) FROM panel WHERE space_id = $1").bind(space.to_owned()).one().await?;
    Ok(count)
}

/// Removes a panel with its key and profile.
pub(crate) async fn delete(tx: &mut Tx, id: &str) -> Result<()> {
    for text in ["DELETE FROM panel_profile WHERE panel_id = $1", "DELETE FROM panel WHERE id = $1", "DELETE FROM subject WHERE id = $1"] {
        tx.query(text).bind(id.to_owned()).run().await?;
    }
    Ok(())
}

/// Replaces a panel's profile by (variable, option) ids.
pub(crate) async fn put_profile(tx: &mut Tx, panel: &str, entries: &[(String, String)]) -> Result<()> {
    tx.query("DELETE FROM panel_profile WHERE panel_id = $1").bind(panel.to_owned()).run().await?;
    if entries.is_empty() {
        return Ok(());
    }
    let text = format!("INSERT INTO panel_profile (panel_id, variable_id, option_id) VALUES {}", rows_of(entries.len(), 3));
    let mut query = tx.query(sqlx::AssertSqlSafe(text));
    for (variable, option) in entries {
        query = query.bind(panel.to_owned()).bind(variable.clone()).bind(option.clone());
    }
    query.run().await?;
    Ok(())
}

/// Profiles by panel: (variable, option) names.
pub(crate) async fn profiles(tx: &mut Tx, panels: Vec<String>) -> Result<HashMap<String, Vec<(String, String)>>> {
    let mut found: HashMap<String, Vec<(String, String)>> = HashMap::new();
    if panels.is_empty() {
        return Ok(found);
    }
    let text = format!(
        "SELECT p.panel_id, v.name, o.name FROM panel_profile p JOIN profile_variable v ON v.id = p.variable_id
         JOIN profile_option o ON o.id = p.option_id WHERE p.panel_id IN ({}) ORDER BY v.id",
        placeholders(1, panels.len())
    );
    let query = tx.query(sqlx::AssertSqlSafe(text));
    let rows: Vec<(String, String, String)> = panels.into_iter().fold(query, Query::bind).all().await?;
    for (panel, variable, option) in rows {
        found.entry(panel).or_default().push((variable, option));
    }
    Ok(found)
}

/// Every variable and option of a space that has one of these names: (variable id, variable, option id, option).
pub(crate) async fn named(tx: &mut Tx, space: &str, variables: Vec<String>) -> Result<Vec<(String, String, String, String)>> {
    if variables.is_empty() {
        return Ok(Vec::new());
    }
    let text = format!(
        "SELECT v.id, v.name, o.id, o.name FROM profile_variable v JOIN profile_option o ON o.variable_id = v.id
         WHERE v.space_id = $1 AND v.name IN ({})",
        placeholders(2, variables.len())
    );
    let query = tx.query(sqlx::AssertSqlSafe(text)).bind(space.to_owned());
    Ok(variables.into_iter().fold(query, Query::bind).all().await?)
}

/// Keys that are not sealed under the current master key.
pub(crate) async fn old_keys(db: &Db, current: &str, limit: i64) -> Result<Vec<(String, String)>> {
    let text = "SELECT id, wrapped FROM subject WHERE substr(wrapped, 1, $1) <> $2 ORDER BY id LIMIT $3";
    let length = i32::try_from(current.chars().count()).unwrap_or(i32::MAX);
    Ok(db.query(text).bind(length).bind(current.to_owned()).bind(limit).all().await?)
}

/// Replaces a key's sealed form, unless somebody was quicker or the key was destroyed.
pub(crate) async fn rewrap(tx: &mut Tx, id: &str, old: &str, new: String) -> Result<()> {
    let text = "UPDATE subject SET wrapped = $3 WHERE id = $1 AND wrapped = $2";
    tx.query(text).bind(id.to_owned()).bind(old.to_owned()).bind(new).run().await?;
    Ok(())
}
