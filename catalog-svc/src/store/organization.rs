//! Organizations and memberships.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Id, Result, Tx};

/// An organization (D.Hub: collection).
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) created_by: String,
    pub(crate) created_at: DateTime<Utc>,
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

/// Adds an organization.
pub(crate) async fn insert(tx: &mut Tx, organization: &Organization) -> Result<()> {
    tx.query(
        "INSERT INTO organization (id, name, title, description, state, created_by, created_at)
         VALUES ($1, $2, $3, $4, 'active', $5, $6)",
    )
    .bind(organization.id.clone())
    .bind(organization.name.clone())
    .bind(organization.title.clone())
    .bind(organization.description.clone())
    .bind(organization.created_by.clone())
    .bind(organization.created_at)
    .run()
    .await?;
    Ok(())
}

/// Whether an organization is there and active.
pub(crate) async fn exists(db: &Db, id: Id) -> Result<bool> {
    let row: Option<(String,)> =
        db.query("SELECT id FROM organization WHERE id = $1 AND state = 'active'").bind(id.to_string()).opt().await?;
    Ok(row.is_some())
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

/// The role of a user in an organization.
pub(crate) async fn capacity(db: &Db, organization: &str, user: Id) -> Result<Option<Capacity>> {
    let row: Option<(String,)> = db
        .query("SELECT capacity FROM membership WHERE organization_id = $1 AND user_id = $2")
        .bind(organization.to_owned())
        .bind(user.to_string())
        .opt()
        .await?;
    Ok(row.and_then(|(name,)| Capacity::parse(&name)))
}
