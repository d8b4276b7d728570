//! Versions of scripts.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Id, Result, Tx};
use sqlx::types::Json;

/// One version of a script.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Script {
    pub(crate) version: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) text: String,
}

/// Adds a version and returns its number. Two that add at once get one after the other.
pub(crate) async fn add(tx: &mut Tx, code: &str, at: DateTime<Utc>, text: &str) -> Result<i64> {
    let (version,): (i64,) = tx
        .query(
            "INSERT INTO script (code_id, version, at, text)
             SELECT $1, COALESCE((SELECT MAX(version) FROM script WHERE code_id = $1), 0) + 1, $2, $3 RETURNING version",
        )
        .bind(code.to_owned())
        .bind(at)
        .bind(text.to_owned())
        .one()
        .await?;
    Ok(version)
}

/// A version of a script, by default the newest.
pub(crate) async fn find(db: &Db, code: &str, version: Option<i64>) -> Result<Option<Script>> {
    let text = "SELECT version, at, text FROM script WHERE code_id = $1 AND version = COALESCE($2, (SELECT MAX(version) FROM script WHERE code_id = $1))";
    Ok(db.query(text).bind(code.to_owned()).bind(version).opt().await?)
}

/// Every version of a script without its text, oldest first.
pub(crate) async fn list(db: &Db, code: &str) -> Result<Vec<Script>> {
    let text = "SELECT version, at, '' AS text FROM script WHERE code_id = $1 ORDER BY version";
    Ok(db.query(text).bind(code.to_owned()).all().await?)
}

/// A script of some code, with the message that holds the code's kind.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Found {
    pub(crate) code_id: String,
    pub(crate) version: i64,
    pub(crate) text: String,
    pub(crate) body: Vec<u8>,
}

/// The newest scripts of some codes that were not deleted.
pub(crate) async fn newest(db: &Db, codes: &[Id]) -> Result<Vec<Found>> {
    let listed = db.pick("SELECT value FROM json_each($1)", "SELECT jsonb_array_elements_text($1)");
    let text = format!(
        "SELECT s.code_id, s.version, s.text, t.body FROM script s JOIN thing t ON t.id = s.code_id
         WHERE s.code_id IN ({listed}) AND t.state = 'active' AND s.version = (SELECT MAX(version) FROM script m WHERE m.code_id = s.code_id)"
    );
    let codes: Vec<String> = codes.iter().map(Id::to_string).collect();
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(Json(codes)).all().await?)
}

/// Every version of the scripts of some codes that one of the numbers names, deleted codes included: runs keep their scripts.
pub(crate) async fn of_versions(db: &Db, codes: &[Id], versions: &[i64]) -> Result<Vec<Found>> {
    let listed = db.pick("SELECT value FROM json_each($1)", "SELECT jsonb_array_elements_text($1)");
    let numbered = db.pick("SELECT CAST(value AS INTEGER) FROM json_each($2)", "SELECT CAST(jsonb_array_elements_text($2) AS BIGINT)");
    let text = format!(
        "SELECT s.code_id, s.version, s.text, t.body FROM script s JOIN thing t ON t.id = s.code_id
         WHERE s.code_id IN ({listed}) AND s.version IN ({numbered})"
    );
    let codes: Vec<String> = codes.iter().map(Id::to_string).collect();
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(Json(codes)).bind(Json(versions.to_vec())).all().await?)
}
