//! Datasets and their resources.

use chrono::{DateTime, Utc};
use madang_kit::{Code, Db, Error, Id, Result, Tx, db::Source};
use madang_lake::Schema;
use sqlx::types::Json;

use super::{
    table::PRIMARY,
    thing::{self, Filter, Reader, visible},
};

/// A dataset (CKAN: package).
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Dataset {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) alias: Option<String>,
    /// `table` or `stream`.
    pub(crate) kind: String,
    /// JSON of the columns that its table has or will have.
    pub(crate) columns: Option<String>,
    /// A JSON object: what is written beside a column, by its name.
    pub(crate) column_metadata: Option<String>,
    /// A JSON object.
    pub(crate) options: String,
    pub(crate) organization_id: Option<String>,
    /// `public`, `signed-in` or `private`.
    pub(crate) visibility: String,
    pub(crate) revision: i64,
    pub(crate) created_by: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) modified_at: DateTime<Utc>,
}

/// The kind of datasets that have no table.
pub(crate) const STREAM: &str = "stream";

impl Dataset {
    /// The columns that its table has or will have.
    pub(crate) fn declared(&self) -> Result<Option<Schema>> {
        self.columns.as_deref().map(serde_json::from_str).transpose().map_err(Error::internal)
    }

    /// Refuses a dataset that is metadata only.
    pub(crate) fn demand_table(&self) -> Result<()> {
        if self.kind == STREAM { Err(Error::new(Code::Conflict, "a stream dataset has no table")) } else { Ok(()) }
    }
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
        "INSERT INTO dataset (id, name, title, description, alias, kind, columns, options, organization_id, visibility, state,
             revision, created_by, created_at, modified_at, column_metadata)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'active', $11, $12, $13, $14, $15)",
    )
    .bind(dataset.id.clone())
    .bind(dataset.name.clone())
    .bind(dataset.title.clone())
    .bind(dataset.description.clone())
    .bind(dataset.alias.clone())
    .bind(dataset.kind.clone())
    .bind(dataset.columns.clone())
    .bind(dataset.options.clone())
    .bind(dataset.organization_id.clone())
    .bind(dataset.visibility.clone())
    .bind(dataset.revision)
    .bind(dataset.created_by.clone())
    .bind(dataset.created_at)
    .bind(dataset.modified_at)
    .bind(dataset.column_metadata.clone())
    .run()
    .await?;
    Ok(())
}

/// Writes a changed dataset over its earlier revision; false if somebody else changed it meanwhile. Its columns are written only
/// if they are `new`: an upload may have changed them since the dataset was read.
pub(crate) async fn update(tx: &mut Tx, dataset: &Dataset, new: bool) -> Result<bool> {
    let changed = tx
        .query(
            "UPDATE dataset SET title = $2, description = $3, alias = $4, columns = COALESCE($5, columns), options = $6, revision = $7, modified_at = $8,
             column_metadata = $9
             WHERE id = $1 AND state = 'active' AND revision = $7 - 1",
        )
        .bind(dataset.id.clone())
        .bind(dataset.title.clone())
        .bind(dataset.description.clone())
        .bind(dataset.alias.clone())
        .bind(dataset.columns.clone().filter(|_| new))
        .bind(dataset.options.clone())
        .bind(dataset.revision)
        .bind(dataset.modified_at)
        .bind(dataset.column_metadata.clone())
        .run()
        .await?;
    Ok(changed == 1)
}

/// Marks a dataset as deleted.
pub(crate) async fn delete(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> Result<()> {
    tx.query("UPDATE dataset SET state = 'deleted', modified_at = $2 WHERE id = $1").bind(id.to_owned()).bind(now).run().await?;
    Ok(())
}

/// Whether an active dataset has this title.
pub(crate) async fn title_is_taken(tx: &mut Tx, title: &str) -> Result<bool> {
    thing::one_at_a_time(tx).await?;
    let text = "SELECT id FROM dataset WHERE title = $1 AND state = 'active' LIMIT 1";
    let row: Option<(String,)> = tx.query(text).bind(title.to_owned()).opt().await?;
    Ok(row.is_some())
}

const SELECT: &str = "SELECT t.id, t.name, t.title, t.description, t.alias, t.kind, t.columns, t.column_metadata, t.options, t.organization_id, t.visibility,
    t.revision, t.created_by, t.created_at, t.modified_at
    FROM (SELECT d.*, d.organization_id AS owner FROM dataset d WHERE d.state = 'active') t WHERE ";

/// An active dataset, whoever asks.
pub(crate) async fn find(db: &Db, id: Id) -> Result<Option<Dataset>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} t.id = $1"));
    Ok(db.query(text).bind(id.to_string()).opt().await?)
}

/// An active dataset, as a transaction sees it.
pub(crate) async fn find_in(source: &mut Source, id: &str) -> Result<Option<Dataset>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} t.id = $1"));
    Ok(source.query(text).bind(id.to_owned()).opt().await?)
}

/// An active dataset, if the reader sees it.
pub(crate) async fn find_visible(db: &Db, reader: &Reader, id: Id) -> Result<Option<Dataset>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} t.id = $3 AND {}", visible!()));
    Ok(db.query(text).bind(reader.id.clone()).bind(reader.admin).bind(id.to_string()).opt().await?)
}

/// Up to two datasets with this title that the reader sees.
pub(crate) async fn with_title(db: &Db, reader: &Reader, title: &str) -> Result<Vec<Dataset>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} t.title = $3 AND {} ORDER BY t.id LIMIT 2", visible!()));
    Ok(db.query(text).bind(reader.id.clone()).bind(reader.admin).bind(title.to_owned()).all().await?)
}

/// Up to two datasets of an organization that the reader sees, by id, name or title; an id or a name goes before titles.
pub(crate) async fn named(db: &Db, reader: &Reader, organization: &str, word: &str, id: &str) -> Result<Vec<Dataset>> {
    let text = sqlx::AssertSqlSafe(format!(
        "{SELECT} t.organization_id = $3 AND (t.id = $5 OR t.name = $4 OR t.title = $4) AND {}
         ORDER BY CASE WHEN t.id = $5 OR t.name = $4 THEN 0 ELSE 1 END, t.id LIMIT 2",
        visible!()
    ));
    let found = db.query(text).bind(reader.id.clone()).bind(reader.admin).bind(organization.to_owned());
    let mut found: Vec<Dataset> = found.bind(word.to_owned()).bind(id.to_owned()).all().await?;
    if found.first().is_some_and(|first| first.id == id || first.name == word) {
        found.truncate(1);
    }
    Ok(found)
}

/// The datasets that the reader sees, by id.
pub(crate) async fn list(db: &Db, reader: &Reader, filter: &Filter) -> Result<Vec<Dataset>> {
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

/// Notes that a table of a dataset was published, and, if it is its primary one, the columns as of now.
pub(crate) async fn touch_table(tx: &mut Tx, id: &str, table: &str, now: DateTime<Utc>, columns: String) -> Result<()> {
    let text = format!("UPDATE dataset SET modified_at = $3, columns = CASE WHEN {PRIMARY} = $2 THEN $4 ELSE columns END WHERE id = $1");
    tx.query(sqlx::AssertSqlSafe(text)).bind(id.to_owned()).bind(table.to_owned()).bind(now).bind(columns).run().await?;
    Ok(())
}

/// Notes that a table of a dataset changed, and, if it is its first one, the columns as of now.
pub(crate) async fn touch(tx: &mut Tx, id: &str, now: DateTime<Utc>, columns: Option<String>) -> Result<()> {
    tx.query("UPDATE dataset SET modified_at = $2, columns = COALESCE($3, columns) WHERE id = $1")
        .bind(id.to_owned())
        .bind(now)
        .bind(columns)
        .run()
        .await?;
    Ok(())
}
