//! Datasets as CKAN sees them: in every state, with what only CKAN's callers write.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use madang_kit::{Result, ckan::Dict, db::Source};
use serde_json::Value;
use sqlx::types::Json;

use super::{by_bytes, listed};
use crate::{
    permission::Owned,
    store::thing::{Reader, visible},
};

/// A package.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Empty = none.
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) organization_id: Option<String>,
    /// `public`, `signed-in` or `private`.
    pub(crate) visibility: String,
    /// `active`, `draft` or `deleted`.
    pub(crate) state: String,
    pub(crate) revision: i64,
    pub(crate) created_by: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) modified_at: DateTime<Utc>,
    /// `url`, `author`, … `type`, as the migration lists them.
    pub(crate) fields: Json<Dict>,
    pub(crate) extras: Json<BTreeMap<String, String>>,
    pub(crate) plugin_data: Option<Json<Value>>,
}

impl Package {
    /// Whether it belongs to everybody's readings.
    pub(crate) fn is_public(&self) -> bool {
        self.state == "active" && self.visibility == "public"
    }
}

impl<'a> From<&'a Package> for Owned<'a> {
    fn from(package: &'a Package) -> Self {
        Self {
            id: &package.id,
            organization: package.organization_id.as_deref(),
            creator: &package.created_by,
            public: package.visibility == "public",
        }
    }
}

/// A package, and whether the reader sees it.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Found {
    #[sqlx(flatten)]
    pub(crate) package: Package,
    pub(crate) seen: bool,
}

const COLUMNS: &str = "t.id, t.name, t.title, t.description, t.organization_id, t.visibility, t.state, t.revision, t.created_by,
    t.created_at, t.modified_at, t.fields, t.extras, t.plugin_data";

/// A package by id or name, whoever asks.
pub(crate) async fn find(source: &mut Source, word: &str) -> Result<Option<Package>> {
    let text = format!(
        "SELECT {COLUMNS} FROM dataset t WHERE (t.id = $1 OR t.name = $1) AND t.state <> 'purged'
         ORDER BY CASE WHEN t.id = $1 THEN 0 ELSE 1 END LIMIT 1"
    );
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(word.to_owned()).opt().await?)
}

/// A package by id or name, and whether the reader sees it.
pub(crate) async fn find_for(source: &mut Source, reader: &Reader, word: &str) -> Result<Option<Found>> {
    let text = format!(
        "SELECT {COLUMNS}, {} AS seen
         FROM (SELECT d.*, d.organization_id AS owner FROM dataset d WHERE (d.id = $3 OR d.name = $3) AND d.state <> 'purged') t
         ORDER BY CASE WHEN t.id = $3 THEN 0 ELSE 1 END LIMIT 1",
        visible!()
    );
    let query = source.query(sqlx::AssertSqlSafe(text)).bind(reader.id.clone()).bind(reader.admin);
    Ok(query.bind(word.to_owned()).opt().await?)
}

/// A package by id or name, locked until the transaction ends.
pub(crate) async fn lock(source: &mut Source, word: &str) -> Result<Option<Package>> {
    let text = source.pick(
        "SELECT id FROM dataset WHERE id = $1 OR name = $1 ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1",
        "SELECT id FROM dataset WHERE id = $1 OR name = $1 ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1 FOR UPDATE",
    );
    let row: Option<(String,)> = source.query(text).bind(word.to_owned()).opt().await?;
    match row {
        Some((id,)) => find(source, &id).await,
        None => Ok(None),
    }
}

/// Names of public packages, in their order.
pub(crate) async fn names(source: &mut Source, limit: i64, offset: i64) -> Result<Vec<String>> {
    let text = format!(
        "SELECT name FROM dataset WHERE state = 'active' AND visibility = 'public' ORDER BY name {} LIMIT $1 OFFSET $2",
        by_bytes(source)
    );
    let rows: Vec<(String,)> = source.query(sqlx::AssertSqlSafe(text)).bind(limit).bind(offset).all().await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// What a list of packages is narrowed to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Narrowed {
    /// Of this organization.
    pub(crate) owner: Option<String>,
    /// In this group.
    pub(crate) group: Option<String>,
    /// Made by this user.
    pub(crate) creator: Option<String>,
    /// With this tag: name and vocabulary.
    pub(crate) tag: Option<(String, String)>,
    /// Private ones too, as far as the reader sees them.
    pub(crate) private: bool,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
}

/// Active packages that the reader sees, the last modified first.
pub(crate) async fn list(source: &mut Source, reader: &Reader, by: Narrowed) -> Result<Vec<Package>> {
    let text = format!(
        "SELECT {COLUMNS} FROM (SELECT d.*, d.organization_id AS owner FROM dataset d WHERE d.state = 'active') t
         WHERE ($3 OR t.visibility = 'public') AND ($4 = '' OR t.organization_id = $4) AND ($5 = '' OR t.created_by = $5)
           AND ($6 = '' OR EXISTS (SELECT 1 FROM dataset_group g WHERE g.dataset_id = t.id AND g.group_id = $6))
           AND ($7 = '' OR EXISTS (SELECT 1 FROM thing_tag g WHERE g.thing_id = t.id AND g.name = $7 AND g.vocabulary_id = $8))
           AND {} ORDER BY t.modified_at DESC, t.id LIMIT $9 OFFSET $10",
        visible!()
    );
    let (tag, vocabulary) = by.tag.unwrap_or_default();
    Ok(source
        .query(sqlx::AssertSqlSafe(text))
        .bind(reader.id.clone())
        .bind(reader.admin)
        .bind(by.private)
        .bind(by.owner.unwrap_or_default())
        .bind(by.creator.unwrap_or_default())
        .bind(by.group.unwrap_or_default())
        .bind(tag)
        .bind(vocabulary)
        .bind(by.limit)
        .bind(by.offset)
        .all()
        .await?)
}

/// Packages by id.
pub(crate) async fn with_ids(source: &mut Source, ids: Vec<String>) -> Result<Vec<Package>> {
    let text = format!("SELECT {COLUMNS} FROM dataset t WHERE t.id IN ({})", listed(source));
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(Json(ids)).all().await?)
}

/// Whether somebody else than `id` has this name; a deleted package gives its name up.
pub(crate) async fn claim_name(source: &mut Source, name: &str, id: &str) -> Result<bool> {
    let text = "SELECT id, state FROM dataset WHERE name = $1 AND id <> $2";
    let row: Option<(String, String)> = source.query(text).bind(name.to_owned()).bind(id.to_owned()).opt().await?;
    match row {
        None => Ok(true),
        Some((other, state)) if state == "deleted" => {
            source.query("UPDATE dataset SET name = id WHERE id = $1").bind(other).run().await?;
            Ok(true)
        }
        Some(_) => Ok(false),
    }
}

/// Adds a package.
pub(crate) async fn insert(source: &mut Source, package: &Package) -> sqlx::Result<()> {
    source
        .query(
            "INSERT INTO dataset (id, name, title, description, kind, options, organization_id, visibility, state, revision, created_by,
                 created_at, modified_at, fields, extras, plugin_data)
             VALUES ($1, $2, $3, $4, 'table', '{}', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(package.id.clone())
        .bind(package.name.clone())
        .bind(package.title.clone())
        .bind(package.description.clone())
        .bind(package.organization_id.clone())
        .bind(package.visibility.clone())
        .bind(package.state.clone())
        .bind(package.revision)
        .bind(package.created_by.clone())
        .bind(package.created_at)
        .bind(package.modified_at)
        .bind(package.fields.clone())
        .bind(package.extras.clone())
        .bind(package.plugin_data.clone())
        .run()
        .await?;
    Ok(())
}

/// Writes a changed package.
pub(crate) async fn update(source: &mut Source, package: &Package) -> sqlx::Result<()> {
    source
        .query(
            "UPDATE dataset SET name = $2, title = $3, description = $4, organization_id = $5, visibility = $6, state = $7, revision = $8,
                 modified_at = $9, fields = $10, extras = $11, plugin_data = $12 WHERE id = $1",
        )
        .bind(package.id.clone())
        .bind(package.name.clone())
        .bind(package.title.clone())
        .bind(package.description.clone())
        .bind(package.organization_id.clone())
        .bind(package.visibility.clone())
        .bind(package.state.clone())
        .bind(package.revision)
        .bind(package.modified_at)
        .bind(package.fields.clone())
        .bind(package.extras.clone())
        .bind(package.plugin_data.clone())
        .run()
        .await?;
    Ok(())
}

/// Notes that a package's resources changed.
pub(crate) async fn touch(source: &mut Source, id: &str, now: DateTime<Utc>) -> Result<()> {
    source.query("UPDATE dataset SET modified_at = $2 WHERE id = $1").bind(id.to_owned()).bind(now).run().await?;
    Ok(())
}

/// Removes a package with everything that is its own; one whose resources have tables in the lake only loses its name and its face,
/// because its files are still to be removed.
pub(crate) async fn purge(source: &mut Source, id: &str) -> Result<()> {
    const OWN: [&str; 10] = [
        "DELETE FROM dataset_group WHERE dataset_id = $1",
        "DELETE FROM collaborator WHERE dataset_id = $1",
        "DELETE FROM relationship WHERE subject_id = $1 OR object_id = $1",
        "DELETE FROM resource_view WHERE resource_id IN (SELECT id FROM resource WHERE dataset_id = $1)",
        "DELETE FROM resource WHERE dataset_id = $1 AND id NOT IN (SELECT id FROM lake_table)",
        "DELETE FROM thing_tag WHERE thing_id = $1",
        "DELETE FROM thing_group WHERE thing_id = $1",
        "DELETE FROM follow WHERE kind = 'dataset' AND object_id = $1",
        "DELETE FROM object_version WHERE thing_id = $1",
        "DELETE FROM dataset WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM resource r WHERE r.dataset_id = $1)",
    ];
    for text in OWN {
        source.query(text).bind(id.to_owned()).run().await?;
    }
    let rest = "UPDATE dataset SET state = 'purged', name = id, title = '', description = NULL, fields = '{}', extras = '{}' WHERE id = $1";
    source.query(rest).bind(id.to_owned()).run().await?;
    Ok(())
}

/// Ends what a deleted package takes part in (ckan.md 2.6).
pub(crate) async fn leave(source: &mut Source, id: &str) -> Result<()> {
    for text in ["DELETE FROM dataset_group WHERE dataset_id = $1", "DELETE FROM collaborator WHERE dataset_id = $1"] {
        source.query(text).bind(id.to_owned()).run().await?;
    }
    Ok(())
}

/// Takes all packages of an organization out of it.
pub(crate) async fn leave_organization(source: &mut Source, organization: &str, now: DateTime<Utc>) -> Result<()> {
    let text = "UPDATE dataset SET organization_id = NULL, modified_at = $2,
        visibility = CASE WHEN visibility = 'private' THEN 'public' ELSE visibility END WHERE organization_id = $1";
    source.query(text).bind(organization.to_owned()).bind(now).run().await?;
    Ok(())
}

/// Those of some packages that belong to an organization, locked until the transaction ends.
pub(crate) async fn owned(source: &mut Source, ids: Vec<String>, organization: &str) -> Result<Vec<Package>> {
    let list = listed(source);
    let end = source.pick("", "FOR UPDATE");
    let text = format!(
        "SELECT {COLUMNS} FROM dataset t WHERE (t.id IN ({list}) OR t.name IN ({list})) AND t.organization_id = $2 ORDER BY t.id {end}"
    );
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(Json(ids)).bind(organization.to_owned()).all().await?)
}

/// Writes one state or visibility into many packages: `what` is `visibility` or `state`.
pub(crate) async fn set_all(source: &mut Source, ids: Vec<String>, what: Bulk, now: DateTime<Utc>) -> Result<()> {
    let change = match what {
        Bulk::Private => "visibility = 'private'",
        Bulk::Public => "visibility = 'public'",
        Bulk::Delete => "state = 'deleted'",
    };
    let list = listed(source);
    let text = format!("UPDATE dataset SET {change}, revision = revision + 1, modified_at = $2 WHERE id IN ({list})");
    source.query(sqlx::AssertSqlSafe(text)).bind(Json(ids)).bind(now).run().await?;
    Ok(())
}

/// What a bulk update does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bulk {
    Private,
    Public,
    Delete,
}

/// How many public packages each user made.
pub(crate) async fn made_by(source: &mut Source, users: Vec<String>) -> Result<BTreeMap<String, i64>> {
    let list = listed(source);
    let text = format!(
        "SELECT created_by, COUNT(*) FROM dataset WHERE created_by IN ({list}) AND state = 'active' AND visibility = 'public' GROUP BY created_by"
    );
    let rows: Vec<(String, i64)> = source.query(sqlx::AssertSqlSafe(text)).bind(Json(users)).all().await?;
    Ok(rows.into_iter().collect())
}
