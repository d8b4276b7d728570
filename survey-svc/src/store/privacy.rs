//! Erasure and retention.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx};

use super::placeholders;

/// Ids of one statement.
const AT_ONCE: usize = 1_000;

/// A sheet's answers, without personal information.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct OfPerson {
    pub(crate) id: String,
    pub(crate) survey_id: String,
    pub(crate) answers: String,
}

/// What was erased.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) id: String,
    pub(crate) space_id: String,
    pub(crate) actor: String,
    pub(crate) erased_at: DateTime<Utc>,
    /// JSON.
    pub(crate) places: String,
}

/// One sheet of a space.
pub(crate) async fn sheet(tx: &mut Tx, space: &str, id: &str) -> Result<Vec<OfPerson>> {
    let text = "SELECT id, survey_id, answers FROM answer_sheet WHERE space_id = $1 AND id = $2";
    Ok(tx.query(text).bind(space.to_owned()).bind(id.to_owned()).all().await?)
}

/// The sheets of a person, by panel and by uid; an empty text is nobody's.
pub(crate) async fn sheets(tx: &mut Tx, space: &str, panel: &str, uid: &str, limit: i64) -> Result<Vec<OfPerson>> {
    let text = "SELECT id, survey_id, answers FROM answer_sheet
        WHERE space_id = $1 AND ((panel_id = $2 AND $2 <> '') OR (uid = $3 AND $3 <> '')) ORDER BY id LIMIT $4";
    Ok(tx.query(text).bind(space.to_owned()).bind(panel.to_owned()).bind(uid.to_owned()).bind(limit).all().await?)
}

/// Removes from a sheet who filled it in.
pub(crate) async fn strip(tx: &mut Tx, id: &str, answers: String) -> Result<()> {
    tx.query(
        "UPDATE answer_sheet SET answers = $2, masked = NULL, personal = NULL, uid = NULL, panel_id = NULL, parameters = '[]' WHERE id = $1",
    )
    .bind(id.to_owned())
    .bind(answers)
    .run()
    .await?;
    Ok(())
}

/// Destroys keys; says how many there were.
pub(crate) async fn destroy_keys(tx: &mut Tx, ids: &[String]) -> Result<i64> {
    delete(tx, "DELETE FROM subject WHERE id", ids).await
}

/// Removes drafts; says how many there were.
pub(crate) async fn drop_drafts(tx: &mut Tx, ids: &[String]) -> Result<i64> {
    delete(tx, "DELETE FROM draft WHERE sheet_id", ids).await
}

async fn delete(tx: &mut Tx, what: &'static str, ids: &[String]) -> Result<i64> {
    let mut gone = 0;
    for some in ids.chunks(AT_ONCE) {
        let query = tx.query(sqlx::AssertSqlSafe(format!("{what} IN ({})", placeholders(1, some.len()))));
        gone += some.iter().fold(query, |query, id| query.bind(id.clone())).run().await?;
    }
    Ok(i64::try_from(gone).unwrap_or(i64::MAX))
}

/// How many profile entries a panel has.
pub(crate) async fn count_profile(tx: &mut Tx, panel: &str) -> Result<i64> {
    let (count,): (i64,) = tx.query("SELECT COUNT(*) FROM panel_profile WHERE panel_id = $1").bind(panel.to_owned()).one().await?;
    Ok(count)
}

/// Keeps a certificate.
pub(crate) async fn keep(tx: &mut Tx, certificate: &Certificate) -> Result<()> {
    tx.query("INSERT INTO erasure (id, space_id, actor, erased_at, places) VALUES ($1, $2, $3, $4, $5)")
        .bind(certificate.id.clone())
        .bind(certificate.space_id.clone())
        .bind(certificate.actor.clone())
        .bind(certificate.erased_at)
        .bind(certificate.places.clone())
        .run()
        .await?;
    Ok(())
}

/// How long a space keeps personal-info answers, if it has said.
pub(crate) async fn retention(db: &Db, space: &str) -> Result<Option<i64>> {
    let row: Option<(i64,)> = db.query("SELECT personal_info_days FROM retention WHERE space_id = $1").bind(space.to_owned()).opt().await?;
    Ok(row.map(|(days,)| days))
}

/// Says how long a space keeps personal-info answers.
pub(crate) async fn put_retention(tx: &mut Tx, space: &str, days: i64) -> Result<()> {
    tx.query(
        "INSERT INTO retention (space_id, personal_info_days) VALUES ($1, $2)
         ON CONFLICT (space_id) DO UPDATE SET personal_info_days = excluded.personal_info_days",
    )
    .bind(space.to_owned())
    .bind(days)
    .run()
    .await?;
    Ok(())
}

/// Surveys made before a time that have personal-info answers, or drafts that may have some: (survey, space, made).
pub(crate) async fn aging(db: &Db, before: DateTime<Utc>) -> Result<Vec<(String, String, DateTime<Utc>)>> {
    let text = "SELECT s.id, s.space_id, s.created_at FROM survey s WHERE s.created_at < $1
        AND (EXISTS (SELECT 1 FROM answer_sheet a WHERE a.survey_id = s.id AND a.masked IS NOT NULL)
            OR (s.definition LIKE '%\"type\":\"PersonalInfo\"%' AND EXISTS (SELECT 1 FROM draft d WHERE d.survey_id = s.id)))";
    Ok(db.query(text).bind(before).all().await?)
}

/// Destroys the personal-info answers of a survey.
pub(crate) async fn forget_personal(tx: &mut Tx, survey: &str) -> Result<()> {
    for text in [
        "DELETE FROM subject WHERE id IN (SELECT id FROM answer_sheet WHERE survey_id = $1 AND personal IS NOT NULL)",
        "UPDATE answer_sheet SET personal = NULL, masked = NULL WHERE survey_id = $1 AND masked IS NOT NULL",
        "DELETE FROM draft WHERE survey_id = $1",
    ] {
        tx.query(text).bind(survey.to_owned()).run().await?;
    }
    Ok(())
}
