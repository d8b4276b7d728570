//! Answers that are kept for a reload.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx};

/// A draft to be kept.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) sheet_id: String,
    pub(crate) survey_id: String,
    pub(crate) space_id: String,
    /// Of the link.
    pub(crate) uid: Option<String>,
    /// Sealed.
    pub(crate) answers: String,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Keeps a draft in place of an earlier one, unless its sheet was submitted. The panel is the one that has the uid now.
pub(crate) async fn put(db: &Db, draft: Draft) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.query(
        "INSERT INTO draft (sheet_id, survey_id, space_id, uid, panel_id, answers, expires_at)
         SELECT $1, $2, $3, $4, (SELECT id FROM panel WHERE space_id = $3 AND uid = $4), $5, $6
         WHERE NOT EXISTS (SELECT 1 FROM answer_sheet WHERE id = $1)
         ON CONFLICT (sheet_id) DO UPDATE SET panel_id = excluded.panel_id, answers = excluded.answers, expires_at = excluded.expires_at",
    )
    .bind(draft.sheet_id)
    .bind(draft.survey_id)
    .bind(draft.space_id)
    .bind(draft.uid)
    .bind(draft.answers)
    .bind(draft.expires_at)
    .run()
    .await?;
    Ok(tx.commit().await?)
}

/// A draft.
pub(crate) async fn find(db: &Db, sheet: &str) -> Result<Option<String>> {
    let row: Option<(String,)> = db.query("SELECT answers FROM draft WHERE sheet_id = $1").bind(sheet.to_owned()).opt().await?;
    Ok(row.map(|(answers,)| answers))
}

/// Drafts of a person, by panel and by uid; an empty text is nobody's.
pub(crate) async fn of_person(tx: &mut Tx, space: &str, panel: &str, uid: &str, limit: i64) -> Result<Vec<String>> {
    let text = "SELECT sheet_id FROM draft
        WHERE space_id = $1 AND ((panel_id = $2 AND $2 <> '') OR (uid = $3 AND $3 <> '')) ORDER BY sheet_id LIMIT $4";
    let query = tx.query(text).bind(space.to_owned()).bind(panel.to_owned()).bind(uid.to_owned()).bind(limit);
    let rows: Vec<(String,)> = query.all().await?;
    Ok(rows.into_iter().map(|(sheet,)| sheet).collect())
}

/// Removes drafts whose time is over, and those that came while their sheet was being submitted.
pub(crate) async fn sweep(db: &Db, now: DateTime<Utc>) -> Result<()> {
    let mut tx = db.begin().await?;
    let text = "DELETE FROM draft WHERE expires_at < $1 OR EXISTS (SELECT 1 FROM answer_sheet a WHERE a.id = draft.sheet_id)";
    tx.query(text).bind(now).run().await?;
    Ok(tx.commit().await?)
}
