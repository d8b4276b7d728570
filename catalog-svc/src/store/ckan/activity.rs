//! What happened, newest first.

use chrono::{DateTime, Utc};
use madang_kit::{Result, db::Source};
use serde_json::Value;
use sqlx::types::Json;

use crate::store::thing::{Reader, visible};

/// One thing that somebody did.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Activity {
    pub(crate) id: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) user_id: String,
    pub(crate) object_id: String,
    /// The organization of the dataset then.
    pub(crate) owner_id: Option<String>,
    pub(crate) r#type: String,
    pub(crate) data: Json<Value>,
    /// Whether it was about something that everybody may see.
    pub(crate) public: bool,
}

/// Adds one.
pub(crate) async fn insert(source: &mut Source, row: &Activity) -> Result<()> {
    let text = "INSERT INTO activity (id, at, user_id, object_id, owner_id, type, data, public) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let query = source.query(text).bind(row.id.clone()).bind(row.at).bind(row.user_id.clone()).bind(row.object_id.clone());
    query.bind(row.owner_id.clone()).bind(row.r#type.clone()).bind(row.data.clone()).bind(row.public).run().await?;
    Ok(())
}

/// One by its id.
pub(crate) async fn find(source: &mut Source, id: &str) -> Result<Option<Activity>> {
    let text = "SELECT id, at, user_id, object_id, owner_id, type, data, public FROM activity WHERE id = $1";
    Ok(source.query(text).bind(id.to_owned()).opt().await?)
}

/// What a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About<'a> {
    /// One thing.
    Object(&'a str),
    /// A group or an organization and its datasets.
    Group(&'a str),
    /// What a user did, and what was done to him.
    User(&'a str),
    /// Every dataset.
    Packages,
    /// What a user did or follows.
    Dashboard(&'a str),
}

impl<'a> About<'a> {
    fn condition(self) -> (&'static str, &'a str) {
        match self {
            Self::Object(id) => ("a.object_id = $3", id),
            Self::Group(id) => (
                "(a.object_id = $3 OR a.owner_id = $3 OR a.object_id IN (SELECT g.dataset_id FROM dataset_group g WHERE g.group_id = $3))",
                id,
            ),
            Self::User(id) => ("(a.user_id = $3 OR a.object_id = $3)", id),
            Self::Packages => ("a.type IN ('new package', 'changed package', 'deleted package') AND $3 = ''", ""),
            Self::Dashboard(id) => (
                "(a.user_id = $3 OR EXISTS (SELECT 1 FROM follow f WHERE f.follower_id = $3 AND (f.object_id = a.object_id
                  OR f.object_id = a.owner_id OR (f.kind = 'user' AND f.object_id = a.user_id)
                  OR (f.kind = 'group' AND EXISTS (SELECT 1 FROM dataset_group g WHERE g.group_id = f.object_id AND g.dataset_id = a.object_id)))))",
                id,
            ),
        }
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Narrowed {
    pub(crate) limit: i64,
    pub(crate) offset: i64,
    pub(crate) after: Option<DateTime<Utc>>,
    pub(crate) before: Option<DateTime<Utc>>,
    /// Only these types; empty = all.
    pub(crate) types: Vec<String>,
    /// None of these types.
    pub(crate) not_types: Vec<String>,
    /// What the site user did, too.
    pub(crate) hidden: bool,
}

/// Activities that the reader may see, newest first. Those about a dataset show themselves to whoever sees the dataset now.
pub(crate) async fn list(source: &mut Source, reader: &Reader, about: About<'_>, by: Narrowed) -> Result<Vec<Activity>> {
    let (condition, id) = about.condition();
    let (types, not_types) = (
        source.pick("SELECT value FROM json_each($8)", "SELECT jsonb_array_elements_text($8)"),
        source.pick("SELECT value FROM json_each($9)", "SELECT jsonb_array_elements_text($9)"),
    );
    let seen = visible!();
    let text = format!(
        "SELECT a.id, a.at, a.user_id, a.object_id, a.owner_id, a.type, a.data, a.public FROM activity a
         WHERE {condition} AND a.at > $6 AND a.at < $7 AND ($10 OR a.type IN ({types})) AND a.type NOT IN ({not_types})
           AND ($11 OR NOT EXISTS (SELECT 1 FROM user_account s WHERE s.id = a.user_id AND s.site_user))
           AND (NOT EXISTS (SELECT 1 FROM dataset d WHERE d.id = a.object_id)
                OR EXISTS (SELECT 1 FROM (SELECT d.*, d.organization_id AS owner FROM dataset d WHERE d.id = a.object_id) t WHERE {seen}))
         ORDER BY a.at DESC, a.id DESC LIMIT $4 OFFSET $5"
    );
    Ok(source
        .query(sqlx::AssertSqlSafe(text))
        .bind(reader.id.clone())
        .bind(reader.admin)
        .bind(id.to_owned())
        .bind(by.limit)
        .bind(by.offset)
        .bind(by.after.unwrap_or(DateTime::UNIX_EPOCH))
        .bind(by.before.unwrap_or_else(far_away))
        .bind(Json(by.types.clone()))
        .bind(Json(by.not_types))
        .bind(by.types.is_empty())
        .bind(by.hidden)
        .all()
        .await?)
}

/// A moment after every activity.
fn far_away() -> DateTime<Utc> {
    const YEAR_9999: i64 = 253_370_764_800;
    DateTime::from_timestamp(YEAR_9999, 0).unwrap_or(DateTime::UNIX_EPOCH)
}

/// When a user last looked at the dashboard.
pub(crate) async fn looked_at(source: &mut Source, user: &str) -> Result<DateTime<Utc>> {
    let row: Option<(DateTime<Utc>,)> =
        source.query("SELECT looked_at FROM dashboard WHERE user_id = $1").bind(user.to_owned()).opt().await?;
    Ok(row.map_or(DateTime::UNIX_EPOCH, |(at,)| at))
}

/// Notes that a user looked at the dashboard.
pub(crate) async fn look(source: &mut Source, user: &str, now: DateTime<Utc>) -> Result<()> {
    let text =
        "INSERT INTO dashboard (user_id, looked_at) VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET looked_at = excluded.looked_at";
    source.query(text).bind(user.to_owned()).bind(now).run().await?;
    Ok(())
}
