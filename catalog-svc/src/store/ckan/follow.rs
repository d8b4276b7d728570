//! Who follows whom and what.

use chrono::{DateTime, Utc};
use madang_kit::{Result, db::Source};

/// A follower of something.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Follow {
    pub(crate) follower_id: String,
    pub(crate) object_id: String,
    pub(crate) at: DateTime<Utc>,
}

/// One follower.
pub(crate) async fn find(source: &mut Source, kind: &str, follower: &str, object: &str) -> Result<Option<Follow>> {
    let text = "SELECT follower_id, object_id, at FROM follow WHERE kind = $1 AND follower_id = $2 AND object_id = $3";
    Ok(source.query(text).bind(kind.to_owned()).bind(follower.to_owned()).bind(object.to_owned()).opt().await?)
}

/// Adds a follower; who is one already stays as he was.
pub(crate) async fn insert(source: &mut Source, kind: &str, row: &Follow) -> Result<()> {
    let text = "INSERT INTO follow (kind, follower_id, object_id, at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (kind, follower_id, object_id) DO NOTHING";
    let query = source.query(text).bind(kind.to_owned()).bind(row.follower_id.clone());
    query.bind(row.object_id.clone()).bind(row.at).run().await?;
    Ok(())
}

/// Removes a follower.
pub(crate) async fn delete(source: &mut Source, kind: &str, follower: &str, object: &str) -> Result<()> {
    let text = "DELETE FROM follow WHERE kind = $1 AND follower_id = $2 AND object_id = $3";
    source.query(text).bind(kind.to_owned()).bind(follower.to_owned()).bind(object.to_owned()).run().await?;
    Ok(())
}

/// The followers of something.
pub(crate) async fn followers(source: &mut Source, kind: &str, object: &str) -> Result<Vec<String>> {
    let text = "SELECT f.follower_id FROM follow f JOIN user_account u ON u.id = f.follower_id
        WHERE f.kind = $1 AND f.object_id = $2 AND u.state <> 'deleted' ORDER BY f.at";
    let rows: Vec<(String,)> = source.query(text).bind(kind.to_owned()).bind(object.to_owned()).all().await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// What a user follows, of one kind.
pub(crate) async fn followees(source: &mut Source, kind: &str, follower: &str) -> Result<Vec<String>> {
    let text = "SELECT object_id FROM follow WHERE kind = $1 AND follower_id = $2 ORDER BY at";
    let rows: Vec<(String,)> = source.query(text).bind(kind.to_owned()).bind(follower.to_owned()).all().await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// How many follow each of some things.
pub(crate) async fn counts(source: &mut Source, kind: &str, objects: Vec<String>) -> Result<std::collections::BTreeMap<String, i64>> {
    let text = format!(
        "SELECT f.object_id, COUNT(*) FROM follow f JOIN user_account u ON u.id = f.follower_id
         WHERE f.kind = $2 AND f.object_id IN ({}) AND u.state <> 'deleted' GROUP BY f.object_id",
        super::listed(source)
    );
    let query = source.query(sqlx::AssertSqlSafe(text)).bind(sqlx::types::Json(objects)).bind(kind.to_owned());
    let rows: Vec<(String, i64)> = query.all().await?;
    Ok(rows.into_iter().collect())
}
