//! Users who may read or edit one dataset (ckan.md 2.3).

use chrono::{DateTime, Utc};
use madang_kit::{Result, db::Source};

use crate::store::organization::Capacity;

/// A collaborator.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Collaborator {
    pub(crate) dataset_id: String,
    pub(crate) user_id: String,
    pub(crate) capacity: String,
    pub(crate) modified_at: DateTime<Utc>,
}

/// The role of a user in a dataset.
pub(crate) async fn capacity(source: &mut Source, dataset: &str, user: &str) -> Result<Option<Capacity>> {
    let text = "SELECT capacity FROM collaborator WHERE dataset_id = $1 AND user_id = $2";
    let row: Option<(String,)> = source.query(text).bind(dataset.to_owned()).bind(user.to_owned()).opt().await?;
    Ok(row.and_then(|(name,)| Capacity::parse(&name)))
}

/// The collaborators of a dataset, or the datasets of a collaborator; `capacity` empty = all.
pub(crate) async fn list(source: &mut Source, dataset: &str, user: &str, capacity: &str) -> Result<Vec<Collaborator>> {
    let text = "SELECT dataset_id, user_id, capacity, modified_at FROM collaborator
        WHERE ($1 = '' OR dataset_id = $1) AND ($2 = '' OR user_id = $2) AND ($3 = '' OR capacity = $3) ORDER BY modified_at, user_id";
    Ok(source.query(text).bind(dataset.to_owned()).bind(user.to_owned()).bind(capacity.to_owned()).all().await?)
}

/// Adds a collaborator or changes his role.
pub(crate) async fn put(source: &mut Source, row: &Collaborator) -> Result<()> {
    let text = "INSERT INTO collaborator (dataset_id, user_id, capacity, modified_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (dataset_id, user_id) DO UPDATE SET capacity = excluded.capacity, modified_at = excluded.modified_at";
    let query = source.query(text).bind(row.dataset_id.clone()).bind(row.user_id.clone());
    query.bind(row.capacity.clone()).bind(row.modified_at).run().await?;
    Ok(())
}

/// Removes a collaborator; false if there was none.
pub(crate) async fn delete(source: &mut Source, dataset: &str, user: &str) -> Result<bool> {
    let text = "DELETE FROM collaborator WHERE dataset_id = $1 AND user_id = $2";
    Ok(source.query(text).bind(dataset.to_owned()).bind(user.to_owned()).run().await? == 1)
}
