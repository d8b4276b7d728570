//! Writing submitted sheets, many at once.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx, db::Query};

use super::{padded, placeholders, portions, rows_of};

/// A sheet to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewSheet {
    pub(crate) id: String,
    pub(crate) survey_id: String,
    pub(crate) space_id: String,
    pub(crate) collect_group_id: String,
    pub(crate) panel_id: Option<String>,
    pub(crate) uid: Option<String>,
    pub(crate) parameters: String,
    pub(crate) answers: String,
    pub(crate) masked: Option<String>,
    pub(crate) personal: Option<String>,
    /// The key of `personal`, wrapped.
    pub(crate) subject: Option<String>,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) submitted_at: DateTime<Utc>,
}

const COLUMNS: usize = 12;

/// Adds sheets and the keys of their personal answers; drafts of them go.
pub(crate) async fn insert(tx: &mut Tx, sheets: &[&NewSheet]) -> Result<()> {
    for portion in portions(sheets) {
        insert_portion(tx, portion).await?;
    }
    let sealed: Vec<_> = sheets.iter().filter_map(|sheet| Some((*sheet, sheet.subject.as_deref()?))).collect();
    for portion in portions(&sealed) {
        subjects(tx, portion).await?;
    }
    Ok(())
}

async fn insert_portion(tx: &mut Tx, sheets: &[&NewSheet]) -> Result<()> {
    let text = format!(
        "INSERT INTO answer_sheet (id, survey_id, space_id, collect_group_id, panel_id, uid, parameters, answers, masked, personal,
             started_at, submitted_at) VALUES {}",
        rows_of(sheets.len(), COLUMNS)
    );
    let mut query = tx.query(sqlx::AssertSqlSafe(text));
    for sheet in sheets {
        query = query
            .bind(sheet.id.clone())
            .bind(sheet.survey_id.clone())
            .bind(sheet.space_id.clone())
            .bind(sheet.collect_group_id.clone())
            .bind(sheet.panel_id.clone())
            .bind(sheet.uid.clone())
            .bind(sheet.parameters.clone())
            .bind(sheet.answers.clone())
            .bind(sheet.masked.clone())
            .bind(sheet.personal.clone())
            .bind(sheet.started_at)
            .bind(sheet.submitted_at);
    }
    query.run().await?;
    Ok(())
}

/// Keeps the keys of sheets' personal answers.
async fn subjects(tx: &mut Tx, keys: &[(&NewSheet, &str)]) -> Result<()> {
    let text = format!("INSERT INTO subject (id, space_id, wrapped) VALUES {}", rows_of(keys.len(), 3));
    let mut query = tx.query(sqlx::AssertSqlSafe(text));
    for (sheet, wrapped) in keys {
        query = query.bind(sheet.id.clone()).bind(sheet.space_id.clone()).bind((*wrapped).to_owned());
    }
    query.run().await?;
    Ok(())
}

/// Removes the drafts of sheets.
pub(crate) async fn drop_drafts(tx: &mut Tx, ids: Vec<String>) -> Result<()> {
    let ids = padded(ids);
    let text = format!("DELETE FROM draft WHERE sheet_id IN ({})", placeholders(1, ids.len()));
    let query = tx.query(sqlx::AssertSqlSafe(text));
    ids.into_iter().fold(query, Query::bind).run().await?;
    Ok(())
}

/// Which of these sheets are there already, and since when.
pub(crate) async fn submitted(tx: &mut Tx, ids: Vec<String>) -> Result<HashMap<String, DateTime<Utc>>> {
    let ids = padded(ids);
    let text = format!("SELECT id, submitted_at FROM answer_sheet WHERE id IN ({})", placeholders(1, ids.len()));
    let query = tx.query(sqlx::AssertSqlSafe(text));
    let rows: Vec<(String, DateTime<Utc>)> = ids.into_iter().fold(query, Query::bind).all().await?;
    Ok(rows.into_iter().collect())
}

/// Which survey these sheets belong to, of those that are there.
pub(crate) async fn surveys_of(tx: &mut Tx, ids: Vec<String>) -> Result<HashMap<String, String>> {
    let text = format!("SELECT id, survey_id FROM answer_sheet WHERE id IN ({})", placeholders(1, ids.len()));
    let query = tx.query(sqlx::AssertSqlSafe(text));
    let rows: Vec<(String, String)> = ids.into_iter().fold(query, Query::bind).all().await?;
    Ok(rows.into_iter().collect())
}

/// When a sheet was submitted, if it was.
pub(crate) async fn submitted_at(db: &Db, id: &str) -> Result<Option<DateTime<Utc>>> {
    let query = db.query("SELECT submitted_at FROM answer_sheet WHERE id = $1").bind(id.to_owned());
    let row: Option<(DateTime<Utc>,)> = query.opt().await?;
    Ok(row.map(|(at,)| at))
}

/// Which of these uids have answered a survey.
pub(crate) async fn answered(tx: &mut Tx, space: &str, survey: &str, uids: Vec<String>) -> Result<Vec<String>> {
    let uids = padded(uids);
    let text = format!(
        "SELECT DISTINCT uid FROM answer_sheet WHERE space_id = $1 AND survey_id = $2 AND uid IN ({})",
        placeholders(3, uids.len())
    );
    let query = tx.query(sqlx::AssertSqlSafe(text)).bind(space.to_owned()).bind(survey.to_owned());
    let rows: Vec<(String,)> = uids.into_iter().fold(query, Query::bind).all().await?;
    Ok(rows.into_iter().map(|(uid,)| uid).collect())
}

/// Whether a uid has answered a survey.
pub(crate) async fn has_answered(db: &Db, space: &str, survey: &str, uid: &str) -> Result<bool> {
    let text = "SELECT id FROM answer_sheet WHERE space_id = $1 AND survey_id = $2 AND uid = $3 LIMIT 1";
    let query = db.query(text).bind(space.to_owned()).bind(survey.to_owned()).bind(uid.to_owned());
    let row: Option<(String,)> = query.opt().await?;
    Ok(row.is_some())
}

/// The panels of a space that have these uids.
pub(crate) async fn panels(tx: &mut Tx, space: &str, uids: Vec<String>) -> Result<HashMap<String, String>> {
    let uids = padded(uids);
    let text = format!("SELECT uid, id FROM panel WHERE space_id = $1 AND uid IN ({})", placeholders(2, uids.len()));
    let query = tx.query(sqlx::AssertSqlSafe(text)).bind(space.to_owned());
    let rows: Vec<(String, String)> = uids.into_iter().fold(query, Query::bind).all().await?;
    Ok(rows.into_iter().collect())
}

/// Counts responses of a survey that is locked.
pub(crate) async fn count(tx: &mut Tx, survey: &str, more: i64) -> Result<()> {
    tx.query("UPDATE survey SET responses = responses + $2 WHERE id = $1").bind(survey.to_owned()).bind(more).run().await?;
    Ok(())
}
