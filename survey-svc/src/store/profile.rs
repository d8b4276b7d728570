//! Profile variables and their options.

use madang_kit::{Db, Result, Tx};

use super::PAGE;

/// A variable: (id, space, name).
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Variable {
    pub(crate) id: String,
    pub(crate) space_id: String,
    pub(crate) name: String,
}

/// An option of a variable.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Choice {
    pub(crate) id: String,
    pub(crate) space_id: String,
    pub(crate) variable_id: String,
    pub(crate) name: String,
}

/// Adds a variable.
pub(crate) async fn insert_variable(tx: &mut Tx, new: &Variable) -> sqlx::Result<u64> {
    let query = tx.query("INSERT INTO profile_variable (id, space_id, name) VALUES ($1, $2, $3)");
    query.bind(new.id.clone()).bind(new.space_id.clone()).bind(new.name.clone()).run().await
}

/// A variable by id.
pub(crate) async fn variable(db: &Db, id: &str) -> Result<Option<Variable>> {
    Ok(db.query("SELECT id, space_id, name FROM profile_variable WHERE id = $1").bind(id.to_owned()).opt().await?)
}

/// Variables of a space, newest first, from one on; one more than a page.
pub(crate) async fn variables(db: &Db, space: &str, from: String) -> Result<Vec<Variable>> {
    let text =
        format!("SELECT id, space_id, name FROM profile_variable WHERE space_id = $1 AND id <= $2 ORDER BY id DESC LIMIT {}", PAGE + 1);
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(space.to_owned()).bind(from).all().await?)
}

/// Renames a variable; says how many there were.
pub(crate) async fn rename_variable(tx: &mut Tx, id: &str, name: &str) -> sqlx::Result<u64> {
    tx.query("UPDATE profile_variable SET name = $2 WHERE id = $1").bind(id.to_owned()).bind(name.to_owned()).run().await
}

/// Removes a variable with its options, from panels too.
pub(crate) async fn delete_variable(tx: &mut Tx, id: &str) -> Result<()> {
    for text in [
        "DELETE FROM panel_profile WHERE variable_id = $1",
        "DELETE FROM profile_option WHERE variable_id = $1",
        "DELETE FROM profile_variable WHERE id = $1",
    ] {
        tx.query(text).bind(id.to_owned()).run().await?;
    }
    Ok(())
}

/// Adds an option.
pub(crate) async fn insert_option(tx: &mut Tx, new: &Choice) -> sqlx::Result<u64> {
    let query = tx.query("INSERT INTO profile_option (id, space_id, variable_id, name) VALUES ($1, $2, $3, $4)");
    query.bind(new.id.clone()).bind(new.space_id.clone()).bind(new.variable_id.clone()).bind(new.name.clone()).run().await
}

/// An option by id.
pub(crate) async fn option(db: &Db, id: &str) -> Result<Option<Choice>> {
    Ok(db.query("SELECT id, space_id, variable_id, name FROM profile_option WHERE id = $1").bind(id.to_owned()).opt().await?)
}

/// Options of a variable, newest first, from one on; one more than a page.
pub(crate) async fn options(db: &Db, variable: &str, from: String) -> Result<Vec<Choice>> {
    let text = format!(
        "SELECT id, space_id, variable_id, name FROM profile_option WHERE variable_id = $1 AND id <= $2 ORDER BY id DESC LIMIT {}",
        PAGE + 1
    );
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(variable.to_owned()).bind(from).all().await?)
}

/// Renames an option.
pub(crate) async fn rename_option(tx: &mut Tx, id: &str, name: &str) -> sqlx::Result<u64> {
    tx.query("UPDATE profile_option SET name = $2 WHERE id = $1").bind(id.to_owned()).bind(name.to_owned()).run().await
}

/// Removes an option, from panels too.
pub(crate) async fn delete_option(tx: &mut Tx, id: &str) -> Result<()> {
    for text in ["DELETE FROM panel_profile WHERE option_id = $1", "DELETE FROM profile_option WHERE id = $1"] {
        tx.query(text).bind(id.to_owned()).run().await?;
    }
    Ok(())
}
