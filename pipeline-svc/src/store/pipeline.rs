//! Pipelines.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Error, Id, Result, Tx};

use crate::definition::Step;

/// A saved pipeline.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) id: Id,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) organization: Option<Id>,
    pub(crate) steps: Vec<Step>,
    pub(crate) created_by: Id,
    pub(crate) created_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    title: String,
    description: Option<String>,
    organization_id: Option<String>,
    steps: String,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Pipeline {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id.parse().map_err(Error::internal)?,
            title: row.title,
            description: row.description,
            organization: row.organization_id.map(|id| id.parse()).transpose().map_err(Error::internal)?,
            steps: serde_json::from_str(&row.steps).map_err(Error::internal)?,
            created_by: row.created_by.parse().map_err(Error::internal)?,
            created_at: row.created_at,
        })
    }
}

/// Adds a pipeline.
pub(crate) async fn insert(tx: &mut Tx, pipeline: &Pipeline) -> Result<()> {
    tx.query(
        "INSERT INTO pipeline (id, title, description, organization_id, steps, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(pipeline.id.to_string())
    .bind(pipeline.title.clone())
    .bind(pipeline.description.clone())
    .bind(pipeline.organization.map(|id| id.to_string()))
    .bind(serde_json::to_string(&pipeline.steps).map_err(Error::internal)?)
    .bind(pipeline.created_by.to_string())
    .bind(pipeline.created_at)
    .run()
    .await?;
    Ok(())
}

/// A pipeline by id.
pub(crate) async fn find(db: &Db, id: Id) -> Result<Option<Pipeline>> {
    let row: Option<Row> = db
        .query("SELECT id, title, description, organization_id, steps, created_by, created_at FROM pipeline WHERE id = $1")
        .bind(id.to_string())
        .opt()
        .await?;
    row.map(Pipeline::try_from).transpose()
}
