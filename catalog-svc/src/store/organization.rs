//! Organizations and memberships.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Id, Result, Tx, db::Source};
use sqlx::types::Json;

use super::thing::{self, Filter, Reader, visible};

/// An organization (D.Hub: collection).
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) alias: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) revision: i64,
    pub(crate) created_by: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) modified_at: DateTime<Utc>,
}

/// A role in an organization (ckan.md 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Capacity {
    /// Reads.
    Member,
    /// Makes, changes and deletes datasets.
    Editor,
    /// Everything in it.
    Admin,
}

impl Capacity {
    const ALL: [(Self, &'static str); 3] = [(Self::Member, "member"), (Self::Editor, "editor"), (Self::Admin, "admin")];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|row| row.0 == self).map_or("member", |row| row.1)
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|row| row.1 == name).map(|row| row.0)
    }
}

const SELECT: &str = "SELECT t.id, t.name, t.title, t.description, t.alias, t.kind, t.revision, t.created_by, t.created_at, t.modified_at
    FROM (SELECT o.*, o.id AS owner, 'signed-in' AS visibility FROM organization o WHERE o.state = 'active' AND o.is_organization) t WHERE ";

/// Adds an organization.
pub(crate) async fn insert(tx: &mut Tx, organization: &Organization) -> Result<()> {
    tx.query(
        "INSERT INTO organization (id, name, title, description, alias, kind, state, revision, created_by, created_at, modified_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'active', $7, $8, $9, $10)",
    )
    .bind(organization.id.clone())
    .bind(organization.name.clone())
    .bind(organization.title.clone())
    .bind(organization.description.clone())
    .bind(organization.alias.clone())
    .bind(organization.kind.clone())
    .bind(organization.revision)
    .bind(organization.created_by.clone())
    .bind(organization.created_at)
    .bind(organization.modified_at)
    .run()
    .await?;
    Ok(())
}

/// Writes a changed organization over its earlier revision; false if somebody else changed it meanwhile.
pub(crate) async fn update(tx: &mut Tx, organization: &Organization) -> Result<bool> {
    let changed = tx
        .query(
            "UPDATE organization SET title = $2, description = $3, alias = $4, kind = $5, revision = $6, modified_at = $7
             WHERE id = $1 AND state = 'active' AND revision = $6 - 1",
        )
        .bind(organization.id.clone())
        .bind(organization.title.clone())
        .bind(organization.description.clone())
        .bind(organization.alias.clone())
        .bind(organization.kind.clone())
        .bind(organization.revision)
        .bind(organization.modified_at)
        .run()
        .await?;
    Ok(changed == 1)
}

/// Marks an organization as deleted; its datasets too.
pub(crate) async fn delete(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> Result<()> {
    for text in [
        "UPDATE organization SET state = 'deleted', modified_at = $2 WHERE id = $1",
        "UPDATE dataset SET state = 'deleted', modified_at = $2 WHERE organization_id = $1 AND state = 'active'",
    ] {
        tx.query(text).bind(id.to_owned()).bind(now).run().await?;
    }
    Ok(())
}

/// Locks an organization until the transaction ends and tells whether it has datasets.
pub(crate) async fn lock_and_has_datasets(tx: &mut Tx, id: &str) -> Result<bool> {
    let lock = tx.pick("SELECT id FROM organization WHERE id = $1", "SELECT id FROM organization WHERE id = $1 FOR UPDATE");
    let _: Option<(String,)> = tx.query(lock).bind(id.to_owned()).opt().await?;
    let text = "SELECT id FROM dataset WHERE organization_id = $1 AND state = 'active' LIMIT 1";
    let dataset: Option<(String,)> = tx.query(text).bind(id.to_owned()).opt().await?;
    Ok(dataset.is_some())
}

/// Whether an active organization has this title.
pub(crate) async fn title_is_taken(tx: &mut Tx, title: &str) -> Result<bool> {
    thing::one_at_a_time(tx).await?;
    let text = "SELECT id FROM organization WHERE title = $1 AND state = 'active' LIMIT 1";
    let row: Option<(String,)> = tx.query(text).bind(title.to_owned()).opt().await?;
    Ok(row.is_some())
}

/// Up to two organizations that the reader sees, by id, name or title; an id or a name goes before titles.
pub(crate) async fn named(db: &Db, reader: &Reader, word: &str, id: &str) -> Result<Vec<Organization>> {
    let text = sqlx::AssertSqlSafe(format!(
        "{SELECT} (t.id = $4 OR t.name = $3 OR t.title = $3) AND {}
         ORDER BY CASE WHEN t.id = $4 OR t.name = $3 THEN 0 ELSE 1 END, t.id LIMIT 2",
        visible!()
    ));
    let found = db.query(text).bind(reader.id.clone()).bind(reader.admin).bind(word.to_owned()).bind(id.to_owned());
    let mut found: Vec<Organization> = found.all().await?;
    if found.first().is_some_and(|first| first.id == id || first.name == word) {
        found.truncate(1);
    }
    Ok(found)
}

/// An active organization, whoever asks.
pub(crate) async fn find(db: &Db, id: Id) -> Result<Option<Organization>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} t.id = $1"));
    Ok(db.query(text).bind(id.to_string()).opt().await?)
}

/// An active organization, as a transaction sees it.
pub(crate) async fn find_in(source: &mut Source, id: &str) -> Result<Option<Organization>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} t.id = $1"));
    Ok(source.query(text).bind(id.to_owned()).opt().await?)
}

/// An active organization, if the reader sees it.
pub(crate) async fn find_visible(db: &Db, reader: &Reader, id: Id) -> Result<Option<Organization>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} t.id = $3 AND {}", visible!()));
    Ok(db.query(text).bind(reader.id.clone()).bind(reader.admin).bind(id.to_string()).opt().await?)
}

/// The organizations that the reader sees, by id.
pub(crate) async fn list(db: &Db, reader: &Reader, filter: &Filter) -> Result<Vec<Organization>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} {} AND {} ORDER BY t.id LIMIT $8 OFFSET $9", visible!(), thing::narrowed(db)));
    Ok(db
        .query(text)
        .bind(reader.id.clone())
        .bind(reader.admin)
        .bind(filter.after.clone())
        .bind(filter.like.clone())
        .bind(filter.tag.clone())
        .bind(Json(filter.groups.clone()))
        .bind(filter.organization.clone())
        .bind(filter.limit)
        .bind(filter.offset)
        .all()
        .await?)
}

/// Gives a user a role in an organization.
pub(crate) async fn insert_member(tx: &mut Tx, organization: &str, user: Id, capacity: Capacity) -> Result<()> {
    tx.query("INSERT INTO membership (organization_id, user_id, capacity) VALUES ($1, $2, $3)")
        .bind(organization.to_owned())
        .bind(user.to_string())
        .bind(capacity.name().to_owned())
        .run()
        .await?;
    Ok(())
}

/// The role of a user in an organization: his own, or that of an admin of one above it (ckan.md 2.3).
pub(crate) async fn capacity(source: &mut Source, organization: &str, user: &str) -> Result<Option<Capacity>> {
    let text = "SELECT m.capacity FROM membership m WHERE m.user_id = $2 AND (m.organization_id = $1
        OR (m.capacity = 'admin' AND EXISTS (SELECT 1 FROM organization_ancestor a
                                             WHERE a.organization_id = $1 AND a.ancestor_id = m.organization_id)))";
    let rows: Vec<(String,)> = source.query(text).bind(organization.to_owned()).bind(user.to_owned()).all().await?;
    Ok(rows.iter().filter_map(|(name,)| Capacity::parse(name)).max())
}

/// The highest role that a user has in any organization or group of one kind.
pub(crate) async fn highest_capacity(source: &mut Source, user: &str, organizations: bool) -> Result<Option<Capacity>> {
    let text = "SELECT DISTINCT m.capacity FROM membership m JOIN organization o ON o.id = m.organization_id
        WHERE m.user_id = $1 AND o.state = 'active' AND o.is_organization = $2";
    let rows: Vec<(String,)> = source.query(text).bind(user.to_owned()).bind(organizations).all().await?;
    Ok(rows.iter().filter_map(|(name,)| Capacity::parse(name)).max())
}

/// An organization that a reader sees.
#[derive(sqlx::FromRow)]
pub(crate) struct Standing {
    pub(crate) id: String,
    /// Whether he has any capacity in it.
    pub(crate) member: bool,
}

/// Those of some organizations that a reader sees.
pub(crate) async fn standings(db: &Db, reader: &Reader, ids: Vec<String>) -> Result<Vec<Standing>> {
    let listed = db.pick("SELECT value FROM json_each($3)", "SELECT jsonb_array_elements_text($3)");
    let text = format!(
        "SELECT t.id, EXISTS (SELECT 1 FROM membership m WHERE m.organization_id = t.id AND m.user_id = $1) AS member
         FROM (SELECT o.*, o.id AS owner, 'signed-in' AS visibility FROM organization o WHERE o.state = 'active' AND o.is_organization) t
         WHERE {} AND t.id IN ({listed})",
        visible!()
    );
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(reader.id.clone()).bind(reader.admin).bind(Json(ids)).all().await?)
}
