//! Who worked with personal data: append-only.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx};

use super::PAGE;

/// One record.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Access {
    pub(crate) id: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) actor: String,
    pub(crate) operator_email: String,
    pub(crate) remark: String,
    pub(crate) action: String,
    /// JSON array.
    pub(crate) panel_ids: String,
    /// JSON object.
    pub(crate) detail: String,
    pub(crate) source: String,
}

/// Adds a record to a transaction.
pub(crate) async fn insert(tx: &mut Tx, space: &str, record: &Access) -> Result<()> {
    tx.query(
        "INSERT INTO personal_access (id, at, space_id, actor, operator_email, remark, action, panel_ids, detail, source)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(record.id.clone())
    .bind(record.at)
    .bind(space.to_owned())
    .bind(record.actor.clone())
    .bind(record.operator_email.clone())
    .bind(record.remark.clone())
    .bind(record.action.clone())
    .bind(record.panel_ids.clone())
    .bind(record.detail.clone())
    .bind(record.source.clone())
    .run()
    .await?;
    Ok(())
}

/// What is looked for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    pub(crate) panel: Option<String>,
    /// Only records before this one.
    pub(crate) before: String,
}

/// Records of a space, newest first; one more than a page.
pub(crate) async fn list(db: &Db, space: &str, wanted: Wanted) -> Result<Vec<Access>> {
    let text = format!(
        "SELECT id, at, actor, operator_email, remark, action, panel_ids, detail, source FROM personal_access
         WHERE space_id = $1 AND at >= $2 AND at <= $3 AND id < $4 AND panel_ids LIKE $5 ORDER BY id DESC LIMIT {}",
        PAGE + 1
    );
    let like = wanted.panel.map_or_else(|| "%".to_owned(), |id| format!("%{id}%")); // an id has no wildcard
    let query = db.query(sqlx::AssertSqlSafe(text)).bind(space.to_owned()).bind(wanted.from).bind(wanted.to);
    Ok(query.bind(wanted.before).bind(like).all().await?)
}
