//! Who and what belongs to a group: users, packages, groups above it.

use madang_kit::{Result, db::Source};
use sqlx::types::Json;

use super::{elements, listed};
use crate::store::thing::{Reader, visible};

/// A user's role in a group.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Membership {
    pub(crate) organization_id: String,
    pub(crate) user_id: String,
    pub(crate) capacity: String,
}

/// The roles of users in some groups.
pub(crate) async fn of_groups(source: &mut Source, groups: Vec<String>) -> Result<Vec<Membership>> {
    let list = listed(source);
    let text = format!("SELECT organization_id, user_id, capacity FROM membership WHERE organization_id IN ({list})");
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(Json(groups)).all().await?)
}

/// The roles of a user in active groups of one kind; of an admin of a group above, too.
pub(crate) async fn of_user(source: &mut Source, user: &str, organizations: bool) -> Result<Vec<Membership>> {
    let text = "SELECT m.organization_id, m.user_id, m.capacity FROM membership m JOIN organization o ON o.id = m.organization_id
        WHERE m.user_id = $1 AND o.state = 'active' AND o.is_organization = $2
        UNION ALL
        SELECT o.id, m.user_id, m.capacity FROM membership m JOIN organization_ancestor a ON a.ancestor_id = m.organization_id
        JOIN organization o ON o.id = a.organization_id
        WHERE m.user_id = $1 AND m.capacity = 'admin' AND o.state = 'active' AND o.is_organization = $2";
    Ok(source.query(text).bind(user.to_owned()).bind(organizations).all().await?)
}

/// Gives a user a role, in place of the one he had.
pub(crate) async fn put(source: &mut Source, group: &str, user: &str, capacity: &str) -> Result<()> {
    let text = "INSERT INTO membership (organization_id, user_id, capacity) VALUES ($1, $2, $3)
        ON CONFLICT (organization_id, user_id) DO UPDATE SET capacity = excluded.capacity";
    source.query(text).bind(group.to_owned()).bind(user.to_owned()).bind(capacity.to_owned()).run().await?;
    Ok(())
}

/// Takes a role away.
pub(crate) async fn remove(source: &mut Source, group: &str, user: &str) -> Result<()> {
    let text = "DELETE FROM membership WHERE organization_id = $1 AND user_id = $2";
    source.query(text).bind(group.to_owned()).bind(user.to_owned()).run().await?;
    Ok(())
}

/// Replaces the members of a group: `members` has user and capacity.
pub(crate) async fn replace(source: &mut Source, group: &str, members: &[(String, String)]) -> Result<()> {
    source.query("DELETE FROM membership WHERE organization_id = $1").bind(group.to_owned()).run().await?;
    let rows: Vec<_> = members.iter().map(|(user, capacity)| serde_json::json!({"user": user, "capacity": capacity})).collect();
    let from = elements(source);
    let text = format!(
        "INSERT INTO membership (organization_id, user_id, capacity)
         SELECT $2, e.value ->> 'user', e.value ->> 'capacity' FROM {from} WHERE true ON CONFLICT (organization_id, user_id) DO NOTHING"
    );
    source.query(sqlx::AssertSqlSafe(text)).bind(Json(rows)).bind(group.to_owned()).run().await?;
    Ok(())
}

/// The active packages of a group that the reader sees.
pub(crate) async fn packages(source: &mut Source, reader: &Reader, group: &str) -> Result<Vec<String>> {
    let text = format!(
        "SELECT t.id FROM (SELECT d.*, d.organization_id AS owner FROM dataset d WHERE d.state = 'active') t
         WHERE (t.owner = $3 OR EXISTS (SELECT 1 FROM dataset_group g WHERE g.dataset_id = t.id AND g.group_id = $3)) AND {} ORDER BY t.id",
        visible!()
    );
    let query = source.query(sqlx::AssertSqlSafe(text)).bind(reader.id.clone()).bind(reader.admin);
    let rows: Vec<(String,)> = query.bind(group.to_owned()).all().await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Puts a package into a group.
pub(crate) async fn add_package(source: &mut Source, group: &str, dataset: &str) -> Result<()> {
    let text = "INSERT INTO dataset_group (dataset_id, group_id) VALUES ($1, $2) ON CONFLICT (dataset_id, group_id) DO NOTHING";
    source.query(text).bind(dataset.to_owned()).bind(group.to_owned()).run().await?;
    Ok(())
}

/// Takes a package out of a group.
pub(crate) async fn remove_package(source: &mut Source, group: &str, dataset: &str) -> Result<()> {
    let text = "DELETE FROM dataset_group WHERE dataset_id = $1 AND group_id = $2";
    source.query(text).bind(dataset.to_owned()).bind(group.to_owned()).run().await?;
    Ok(())
}

/// Puts exactly these packages into a group.
pub(crate) async fn set_packages(source: &mut Source, group: &str, datasets: &[String]) -> Result<()> {
    source.query("DELETE FROM dataset_group WHERE group_id = $1").bind(group.to_owned()).run().await?;
    let list = listed(source);
    let text = format!("INSERT INTO dataset_group (dataset_id, group_id) SELECT d.id, $2 FROM dataset d WHERE d.id IN ({list})");
    source.query(sqlx::AssertSqlSafe(text)).bind(Json(datasets.to_vec())).bind(group.to_owned()).run().await?;
    Ok(())
}
