//! Datasets and their resources.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Id, Result, Tx};

/// A dataset (CKAN: package).
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Dataset {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) organization_id: Option<String>,
    /// `public`, `signed-in` or `private`.
    pub(crate) visibility: String,
    pub(crate) created_by: String,
    pub(crate) created_at: DateTime<Utc>,
}

/// A resource of a dataset.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) id: String,
    pub(crate) dataset_id: String,
    pub(crate) name: String,
    /// CKAN's format name: `CSV`.
    pub(crate) format: String,
    pub(crate) created_at: DateTime<Utc>,
}

/// Adds a dataset.
pub(crate) async fn insert(tx: &mut Tx, dataset: &Dataset) -> Result<()> {
    tx.query(
        "INSERT INTO dataset (id, name, title, description, organization_id, visibility, state, created_by, created_at, modified_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'active', $7, $8, $8)",
    )
    .bind(dataset.id.clone())
    .bind(dataset.name.clone())
    .bind(dataset.title.clone())
    .bind(dataset.description.clone())
    .bind(dataset.organization_id.clone())
    .bind(dataset.visibility.clone())
    .bind(dataset.created_by.clone())
    .bind(dataset.created_at)
    .run()
    .await?;
    Ok(())
}

const SELECT: &str = "SELECT d.id, d.name, d.title, d.description, d.organization_id, d.visibility, d.created_by, d.created_at
    FROM dataset d WHERE d.state = 'active' AND d.id = ";

/// An active dataset by id.
pub(crate) async fn find(db: &Db, id: Id) -> Result<Option<Dataset>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} $1"));
    Ok(db.query(text).bind(id.to_string()).opt().await?)
}

/// Locks a dataset until the transaction ends, so that nobody else adds a table to it.
pub(crate) async fn lock(tx: &mut Tx, id: &str) -> Result<()> {
    let text = tx.pick("SELECT id FROM dataset WHERE id = $1", "SELECT id FROM dataset WHERE id = $1 FOR UPDATE");
    let _: Option<(String,)> = tx.query(text).bind(id.to_owned()).opt().await?;
    Ok(())
}

/// Adds a resource after the dataset's last one.
pub(crate) async fn insert_resource(tx: &mut Tx, resource: &Resource) -> Result<()> {
    tx.query(
        "INSERT INTO resource (id, dataset_id, position, name, format, state, created_at)
         SELECT $1, $2, COALESCE(MAX(position) + 1, 0), $3, $4, 'active', $5 FROM resource WHERE dataset_id = $2",
    )
    .bind(resource.id.clone())
    .bind(resource.dataset_id.clone())
    .bind(resource.name.clone())
    .bind(resource.format.clone())
    .bind(resource.created_at)
    .run()
    .await?;
    Ok(())
}

/// Notes that a dataset changed.
pub(crate) async fn touch(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> Result<()> {
    tx.query("UPDATE dataset SET modified_at = $2 WHERE id = $1").bind(id.to_owned()).bind(now).run().await?;
    Ok(())
}
