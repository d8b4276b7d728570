//! What search asks the database: the log of changes, what a document holds beside its dictionary, and who somebody is to a dataset.

use madang_kit::{Db, Result, db::Source};
use sqlx::types::Json;

use super::ckan::listed;

/// Up to where the log is complete; a change: its dataset, its number, its place.
type Row = (i64, Option<String>, Option<i64>, Option<i64>);

/// A change of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) dataset: String,
    /// Grows with every change of the dataset.
    pub(crate) seq: i64,
    /// Where it stands in the log.
    pub(crate) place: i64,
}

/// A part of the log, and the place before which nothing is added any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) horizon: i64,
    pub(crate) changes: Vec<Change>,
}

/// The newest change of each dataset, from a place on. On PostgreSQL transactions end in any order, so what is before the horizon is
/// complete and what is behind it is read again.
pub(crate) async fn changes(db: &Db, from: i64) -> Result<Changes> {
    let text = db.pick(
        "SELECT h.horizon, c.dataset_id, c.seq, c.seq AS place
         FROM (SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'search_change'), 0) + 1 AS horizon) h
         LEFT JOIN search_change c ON c.seq >= $1 ORDER BY c.seq",
        "SELECT h.horizon, c.dataset_id, c.seq, c.place
         FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::TEXT::BIGINT AS horizon) h
         LEFT JOIN search_change c ON c.place >= $1 ORDER BY c.place, c.seq",
    );
    let rows: Vec<Row> = db.query(text).bind(from).all().await?;
    let horizon = rows.first().map_or(from, |(horizon, ..)| *horizon);
    let changes = rows.into_iter().filter_map(|(_, dataset, seq, place)| Some(Change { dataset: dataset?, seq: seq?, place: place? }));
    Ok(Changes { horizon, changes: changes.collect() })
}

/// Keeps only the newest change of each dataset; SQLite's log is like that anyway.
pub(crate) async fn prune(db: &Db) -> Result<()> {
    if let Db::Sqlite { .. } = db {
        return Ok(());
    }
    let mut tx = db.begin().await?;
    tx.query(
        "DELETE FROM search_change c USING search_change n
         WHERE n.dataset_id = c.dataset_id AND n.seq > c.seq AND n.place < pg_snapshot_xmin(pg_current_snapshot())::TEXT::BIGINT",
    )
    .run()
    .await?;
    Ok(tx.commit().await?)
}

/// The columns of some datasets' tables: dataset, JSON of a schema.
pub(crate) async fn columns(source: &mut Source, datasets: Vec<String>) -> Result<Vec<(String, String)>> {
    let list = listed(source);
    let text = format!(
        "SELECT d.id, d.columns FROM dataset d WHERE d.columns IS NOT NULL AND d.id IN ({list})
         UNION SELECT r.dataset_id, l.columns FROM resource r JOIN lake_table l ON l.id = r.id
         WHERE r.state = 'active' AND r.dataset_id IN ({list})"
    );
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(Json(datasets)).all().await?)
}

/// What somebody is to datasets beside their creator: rows of `member` with an organization, `collaborator` with a dataset, `reader`
/// with a group of users.
pub(crate) async fn standings(db: &Db, user: &str) -> Result<Vec<(String, String)>> {
    let text = "SELECT 'member', m.organization_id FROM membership m WHERE m.user_id = $1
        UNION SELECT 'member', a.organization_id FROM organization_ancestor a JOIN membership m ON m.organization_id = a.ancestor_id
              WHERE m.user_id = $1 AND m.capacity = 'admin'
        UNION SELECT 'collaborator', c.dataset_id FROM collaborator c WHERE c.user_id = $1
        UNION SELECT 'reader', g.name FROM user_group g WHERE g.user_id = $1";
    Ok(db.query(text).bind(user.to_owned()).all().await?)
}

/// Titles of groups and organizations by their names.
pub(crate) async fn titles(source: &mut Source, names: Vec<String>) -> Result<Vec<(String, String)>> {
    let text = format!("SELECT name, title FROM organization WHERE name IN ({})", listed(source));
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(Json(names)).all().await?)
}
