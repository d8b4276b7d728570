//! Answers that are kept for a reload.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result};

/// Keeps a draft, in place of an earlier one.
pub(crate) async fn put(db: &Db, sheet: &str, survey: &str, answers: String, expires_at: DateTime<Utc>) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.query(
        "INSERT INTO draft (sheet_id, survey_id, answers, expires_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (sheet_id) DO UPDATE SET answers = excluded.answers, expires_at = excluded.expires_at",
    )
    .bind(sheet.to_owned())
    .bind(survey.to_owned())
    .bind(answers)
    .bind(expires_at)
    .run()
    .await?;
    Ok(tx.commit().await?)
}

/// A draft.
pub(crate) async fn find(db: &Db, sheet: &str) -> Result<Option<String>> {
    let row: Option<(String,)> = db.query("SELECT answers FROM draft WHERE sheet_id = $1").bind(sheet.to_owned()).opt().await?;
    Ok(row.map(|(answers,)| answers))
}

/// Removes drafts whose time is over.
pub(crate) async fn sweep(db: &Db, now: DateTime<Utc>) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.query("DELETE FROM draft WHERE expires_at < $1").bind(now).run().await?;
    Ok(tx.commit().await?)
}
