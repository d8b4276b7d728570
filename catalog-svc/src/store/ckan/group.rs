//! Groups and organizations: one table, as in CKAN.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use madang_kit::{Result, db::Source};
use sqlx::types::Json;

use super::{by_bytes, listed};
use crate::store::thing::{Reader, visible};

/// A group, or an organization.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) state: String,
    pub(crate) revision: i64,
    pub(crate) created_by: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) modified_at: DateTime<Utc>,
    pub(crate) is_organization: bool,
    pub(crate) r#type: String,
    pub(crate) image_url: String,
    pub(crate) extras: Json<BTreeMap<String, String>>,
}

const COLUMNS: &str = "t.id, t.name, t.title, t.description, t.state, t.revision, t.created_by, t.created_at, t.modified_at,
    t.is_organization, t.type, t.image_url, t.extras";

/// A group by id or name, in any state.
pub(crate) async fn find(source: &mut Source, word: &str) -> Result<Option<Group>> {
    let text = format!(
        "SELECT {COLUMNS} FROM organization t WHERE t.id = $1 OR t.name = $1 ORDER BY CASE WHEN t.id = $1 THEN 0 ELSE 1 END LIMIT 1"
    );
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(word.to_owned()).opt().await?)
}

/// A group by id or name, locked until the transaction ends.
pub(crate) async fn lock(source: &mut Source, word: &str) -> Result<Option<Group>> {
    if let Some(group) = find(source, word).await? {
        let text = source.pick("SELECT id FROM organization WHERE id = $1", "SELECT id FROM organization WHERE id = $1 FOR UPDATE");
        let _: Option<(String,)> = source.query(text).bind(group.id.clone()).opt().await?;
        return find(source, &group.id).await;
    }
    Ok(None)
}

/// Groups by id.
pub(crate) async fn with_ids(source: &mut Source, ids: Vec<String>) -> Result<Vec<Group>> {
    let text = format!("SELECT {COLUMNS} FROM organization t WHERE t.id IN ({})", listed(source));
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(Json(ids)).all().await?)
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Name,
    Title,
    PackageCount,
}

/// What a list of groups is narrowed to.
#[derive(Clone, Debug)]
pub(crate) struct Narrowed {
    pub(crate) is_organization: bool,
    pub(crate) r#type: String,
    /// Only these names; none = all.
    pub(crate) names: Option<Vec<String>>,
    /// A LIKE pattern in lower case.
    pub(crate) like: String,
    pub(crate) sort: Sort,
    pub(crate) descending: bool,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
}

/// Active groups. Those that D.Hub's groups of users narrow are shown to these users alone.
pub(crate) async fn list(source: &mut Source, reader: &Reader, by: Narrowed) -> Result<Vec<Group>> {
    let named = source.pick("SELECT value FROM json_each($6)", "SELECT jsonb_array_elements_text($6)");
    let bytes = by_bytes(source);
    let direction = if by.descending { "DESC" } else { "ASC" };
    let order = match by.sort {
        Sort::Name => format!("t.name {bytes} {direction}"),
        Sort::Title => format!("t.title {bytes} {direction}, t.name {bytes}"),
        Sort::PackageCount => format!(
            "(SELECT COUNT(*) FROM dataset d WHERE d.state = 'active' AND d.visibility = 'public' AND (d.organization_id = t.id
              OR EXISTS (SELECT 1 FROM dataset_group g WHERE g.dataset_id = d.id AND g.group_id = t.id))) {direction}, t.name {bytes}"
        ),
    };
    let text = format!(
        "SELECT {COLUMNS} FROM (SELECT o.*, o.id AS owner, 'public' AS visibility FROM organization o WHERE o.state = 'active') t
         WHERE {} AND t.is_organization = $3 AND t.type = $4
           AND (lower(t.name) LIKE $5 ESCAPE '\\' OR lower(t.title) LIKE $5 ESCAPE '\\' OR lower(COALESCE(t.description, '')) LIKE $5 ESCAPE '\\')
           AND ($7 OR t.name IN ({named})) ORDER BY {order} LIMIT $8 OFFSET $9",
        visible!()
    );
    let all = by.names.is_none();
    Ok(source
        .query(sqlx::AssertSqlSafe(text))
        .bind(reader.id.clone())
        .bind(reader.admin)
        .bind(by.is_organization)
        .bind(by.r#type)
        .bind(by.like)
        .bind(Json(by.names.unwrap_or_default()))
        .bind(all)
        .bind(by.limit)
        .bind(by.offset)
        .all()
        .await?)
}

/// Whether a reader may see a group at all: D.Hub's groups of users may narrow it.
pub(crate) async fn is_seen(source: &mut Source, reader: &Reader, id: &str) -> Result<bool> {
    let text = format!(
        "SELECT {} AS seen FROM (SELECT o.*, o.id AS owner, 'public' AS visibility FROM organization o WHERE o.id = $3) t",
        visible!()
    );
    let query = source.query(sqlx::AssertSqlSafe(text)).bind(reader.id.clone()).bind(reader.admin);
    let row: Option<(bool,)> = query.bind(id.to_owned()).opt().await?;
    Ok(row.is_some_and(|(seen,)| seen))
}

/// How many active packages of each group the reader sees.
pub(crate) async fn package_counts(source: &mut Source, reader: &Reader, ids: Vec<String>) -> Result<BTreeMap<String, i64>> {
    let list = source.pick("SELECT value FROM json_each($3)", "SELECT jsonb_array_elements_text($3)");
    let seen = visible!();
    let text = format!(
        "SELECT t.owner, COUNT(*) FROM (SELECT d.*, d.organization_id AS owner FROM dataset d WHERE d.state = 'active') t
         WHERE t.owner IN ({list}) AND {seen} GROUP BY t.owner
         UNION ALL
         SELECT g.group_id, COUNT(*) FROM dataset_group g
         JOIN (SELECT d.*, d.organization_id AS owner FROM dataset d WHERE d.state = 'active') t ON t.id = g.dataset_id
         WHERE g.group_id IN ({list}) AND {seen} GROUP BY g.group_id"
    );
    let query = source.query(sqlx::AssertSqlSafe(text)).bind(reader.id.clone()).bind(reader.admin);
    let rows: Vec<(String, i64)> = query.bind(Json(ids)).all().await?;
    Ok(rows.into_iter().collect())
}

/// The groups that each of some datasets is in.
pub(crate) async fn of_datasets(source: &mut Source, datasets: Vec<String>) -> Result<Vec<(String, Group)>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        dataset_id: String,
        #[sqlx(flatten)]
        group: Group,
    }
    let list = listed(source);
    let text = format!(
        "SELECT g.dataset_id, {COLUMNS} FROM dataset_group g JOIN organization t ON t.id = g.group_id
         WHERE g.dataset_id IN ({list}) AND t.state = 'active'"
    );
    let rows: Vec<Row> = source.query(sqlx::AssertSqlSafe(text)).bind(Json(datasets)).all().await?;
    Ok(rows.into_iter().map(|row| (row.dataset_id, row.group)).collect())
}

/// Puts a dataset into exactly these groups.
pub(crate) async fn set_of_dataset(source: &mut Source, dataset: &str, groups: &[String]) -> Result<()> {
    source.query("DELETE FROM dataset_group WHERE dataset_id = $1").bind(dataset.to_owned()).run().await?;
    let list = listed(source);
    let text = format!("INSERT INTO dataset_group (dataset_id, group_id) SELECT $2, l.id FROM organization l WHERE l.id IN ({list})");
    source.query(sqlx::AssertSqlSafe(text)).bind(Json(groups.to_vec())).bind(dataset.to_owned()).run().await?;
    Ok(())
}

/// Adds a group.
pub(crate) async fn insert(source: &mut Source, group: &Group) -> sqlx::Result<()> {
    source
        .query(
            "INSERT INTO organization (id, name, title, description, state, revision, created_by, created_at, modified_at, is_organization,
                 type, image_url, extras) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(group.id.clone())
        .bind(group.name.clone())
        .bind(group.title.clone())
        .bind(group.description.clone())
        .bind(group.state.clone())
        .bind(group.revision)
        .bind(group.created_by.clone())
        .bind(group.created_at)
        .bind(group.modified_at)
        .bind(group.is_organization)
        .bind(group.r#type.clone())
        .bind(group.image_url.clone())
        .bind(group.extras.clone())
        .run()
        .await?;
    Ok(())
}

/// Writes a changed group.
pub(crate) async fn update(source: &mut Source, group: &Group) -> sqlx::Result<()> {
    source
        .query(
            "UPDATE organization SET name = $2, title = $3, description = $4, state = $5, revision = $6, modified_at = $7, image_url = $8,
                 extras = $9 WHERE id = $1",
        )
        .bind(group.id.clone())
        .bind(group.name.clone())
        .bind(group.title.clone())
        .bind(group.description.clone())
        .bind(group.state.clone())
        .bind(group.revision)
        .bind(group.modified_at)
        .bind(group.image_url.clone())
        .bind(group.extras.clone())
        .run()
        .await?;
    Ok(())
}

/// Whether a name is free, whatever state its owner is in.
pub(crate) async fn name_is_free(source: &mut Source, name: &str, id: &str) -> Result<bool> {
    let text = "SELECT id FROM organization WHERE name = $1 AND id <> $2";
    let row: Option<(String,)> = source.query(text).bind(name.to_owned()).bind(id.to_owned()).opt().await?;
    Ok(row.is_none())
}

/// Whether an organization has datasets that are not deleted.
pub(crate) async fn has_datasets(source: &mut Source, id: &str) -> Result<bool> {
    let text = "SELECT id FROM dataset WHERE organization_id = $1 AND state IN ('active', 'draft') LIMIT 1";
    let row: Option<(String,)> = source.query(text).bind(id.to_owned()).opt().await?;
    Ok(row.is_some())
}

/// Empties a group: its members, parents and children.
pub(crate) async fn empty(source: &mut Source, id: &str) -> Result<()> {
    for text in [
        "DELETE FROM membership WHERE organization_id = $1",
        "DELETE FROM dataset_group WHERE group_id = $1",
        "DELETE FROM organization_parent WHERE organization_id = $1 OR parent_id = $1",
    ] {
        source.query(text).bind(id.to_owned()).run().await?;
    }
    Ok(())
}

/// Removes a group that was emptied.
pub(crate) async fn purge(source: &mut Source, id: &str) -> Result<()> {
    for text in [
        "UPDATE dataset SET organization_id = NULL WHERE organization_id = $1",
        "DELETE FROM organization_ancestor WHERE organization_id = $1 OR ancestor_id = $1",
        "DELETE FROM thing_tag WHERE thing_id = $1",
        "DELETE FROM thing_group WHERE thing_id = $1",
        "DELETE FROM object_version WHERE thing_id = $1",
        "DELETE FROM follow WHERE kind = 'group' AND object_id = $1",
        "DELETE FROM organization WHERE id = $1",
    ] {
        source.query(text).bind(id.to_owned()).run().await?;
    }
    Ok(())
}

/// The groups above each of some groups, as they were written.
pub(crate) async fn parents(source: &mut Source, ids: Vec<String>) -> Result<Vec<(String, Group)>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        child: String,
        #[sqlx(flatten)]
        group: Group,
    }
    let list = listed(source);
    let text = format!(
        "SELECT p.organization_id AS child, {COLUMNS} FROM organization_parent p JOIN organization t ON t.id = p.parent_id
         WHERE p.organization_id IN ({list}) AND t.state = 'active'"
    );
    let rows: Vec<Row> = source.query(sqlx::AssertSqlSafe(text)).bind(Json(ids)).all().await?;
    Ok(rows.into_iter().map(|row| (row.child, row.group)).collect())
}

/// Replaces the groups above a group, and what follows for every group's ancestors.
pub(crate) async fn set_parents(source: &mut Source, id: &str, parents: &[String], cascades: bool) -> Result<()> {
    source.query("DELETE FROM organization_parent WHERE organization_id = $1").bind(id.to_owned()).run().await?;
    let list = listed(source);
    let text =
        format!("INSERT INTO organization_parent (organization_id, parent_id) SELECT $2, o.id FROM organization o WHERE o.id IN ({list})");
    source.query(sqlx::AssertSqlSafe(text)).bind(Json(parents.to_vec())).bind(id.to_owned()).run().await?;
    set_ancestors(source, cascades).await
}

/// Works out every group's ancestors anew; hierarchies are small and seldom change.
pub(crate) async fn set_ancestors(source: &mut Source, cascades: bool) -> Result<()> {
    source.query("DELETE FROM organization_ancestor").run().await?;
    if !cascades {
        return Ok(());
    }
    let text = "INSERT INTO organization_ancestor (organization_id, ancestor_id)
        WITH RECURSIVE above (id, ancestor) AS (
            SELECT organization_id, parent_id FROM organization_parent
            UNION SELECT a.id, p.parent_id FROM above a JOIN organization_parent p ON p.organization_id = a.ancestor)
        SELECT id, ancestor FROM above WHERE id <> ancestor";
    source.query(text).run().await?;
    Ok(())
}

/// Whether one group lies below another, or is it.
pub(crate) async fn lies_below(source: &mut Source, group: &str, above: &str) -> Result<bool> {
    let text = "WITH RECURSIVE above (id) AS (
            SELECT parent_id FROM organization_parent WHERE organization_id = $1
            UNION SELECT p.parent_id FROM above a JOIN organization_parent p ON p.organization_id = a.id)
        SELECT id FROM above WHERE id = $2 LIMIT 1";
    let row: Option<(String,)> = source.query(text).bind(group.to_owned()).bind(above.to_owned()).opt().await?;
    Ok(group == above || row.is_some())
}
