//! Submitted sheets, read.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, db::Query};

/// A sheet; what was not asked for is empty.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Sheet {
    pub(crate) id: String,
    pub(crate) collect_group_id: String,
    pub(crate) panel_id: Option<String>,
    pub(crate) uid: Option<String>,
    pub(crate) parameters: String,
    pub(crate) answers: String,
    pub(crate) masked: Option<String>,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) submitted_at: DateTime<Utc>,
}

/// What is wanted of sheets, beside who they are and when they were submitted. The rest stays unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Who answered, with what the link carried.
    Metadata,
    /// The answers.
    Answers,
    /// The answers and what the link carried.
    File,
}

impl Part {
    fn columns(self) -> &'static str {
        match self {
            Self::Metadata => "panel_id, uid, parameters, '' AS answers, CAST(NULL AS TEXT) AS masked",
            Self::Answers => "CAST(NULL AS TEXT) AS panel_id, CAST(NULL AS TEXT) AS uid, '[]' AS parameters, answers, masked",
            Self::File => "CAST(NULL AS TEXT) AS panel_id, CAST(NULL AS TEXT) AS uid, parameters, answers, masked",
        }
    }
}

/// Which sheets.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// Submitted strictly after it.
    pub(crate) after: Option<DateTime<Utc>>,
    /// Submitted up to and including it.
    pub(crate) up_to: Option<DateTime<Utc>>,
    /// Behind this sheet of the window in the order of the list.
    pub(crate) behind: Option<(DateTime<Utc>, String)>,
}

/// Sheets of a survey, newest submission first.
pub(crate) async fn list(db: &Db, survey: &str, window: &Window, part: Part, limit: usize) -> Result<Vec<Sheet>> {
    let columns = part.columns();
    // An absent bound is left out, so that the index serves what remains; behind a sheet the newest bound says nothing more, and
    // SQLite would go through the index from there.
    let newest = window.up_to.filter(|_| window.behind.is_none());
    let mut number = 1;
    let mut next = |there: bool, before: &str| {
        number += i32::from(there);
        if there { format!("{before} ${number}") } else { String::new() }
    };
    let after = next(window.after.is_some(), " AND submitted_at >");
    let up_to = next(newest.is_some(), " AND submitted_at <=");
    let behind = next(window.behind.is_some(), " AND (submitted_at, id) < (");
    let behind_id = next(window.behind.is_some(), ",");
    let end = if window.behind.is_some() { ")" } else { "" };
    let text = format!(
        "SELECT id, collect_group_id, {columns}, started_at, submitted_at FROM answer_sheet
         WHERE survey_id = $1{after}{up_to}{behind}{behind_id}{end} ORDER BY submitted_at DESC, id DESC LIMIT {limit}"
    );
    let mut query = db.query(sqlx::AssertSqlSafe(text)).bind(survey.to_owned());
    for bound in [window.after, newest].into_iter().flatten() {
        query = query.bind(bound);
    }
    if let Some((at, id)) = &window.behind {
        query = query.bind(*at).bind(id.clone());
    }
    Ok(query.all().await?)
}

/// Sealed personal answers of sheets with their keys: (sheet, sealed, key).
pub(crate) async fn originals(db: &Db, ids: Vec<String>) -> Result<Vec<(String, String, String)>> {
    let ids = super::padded(ids);
    let text = format!(
        "SELECT a.id, a.personal, s.wrapped FROM answer_sheet a JOIN subject s ON s.id = a.id
         WHERE a.personal IS NOT NULL AND a.id IN ({})",
        super::placeholders(1, ids.len())
    );
    let query = db.query(sqlx::AssertSqlSafe(text));
    Ok(ids.into_iter().fold(query, Query::bind).all().await?)
}
