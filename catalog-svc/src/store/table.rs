//! Tables of the lake as the catalogue knows them, and their row ids.

use madang_kit::{Db, Error, Id, Result, Tx, db::Source};
use madang_lake::Schema;
use sqlx::types::Json;

/// A table of the lake.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// The id of its resource, which names the table's folder too.
    pub(crate) id: String,
    /// The visible columns as of the last publish.
    pub(crate) schema: Schema,
    /// The number of the last publish that was decided.
    pub(crate) publishes: i64,
    /// Versions below it may need files that are no longer kept.
    pub(crate) kept_from: i64,
    /// Whether a publish was decided that may not be applied yet.
    pub(crate) open: bool,
    /// Whether there is something of it that no version has.
    pub(crate) unfolded: bool,
    /// Whether it was taken away; its versions are kept.
    pub(crate) dropped: bool,
    /// Columns of which no two rows have the same cells; none = no such.
    pub(crate) unique_key: Vec<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    columns: String,
    publishes: i64,
    kept_from: i64,
    open: bool,
    unfolded: bool,
    dropped: bool,
    unique_key: Option<String>,
}

impl TryFrom<Row> for Table {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let schema = serde_json::from_str(&row.columns).map_err(Error::internal)?;
        Ok(Self {
            id: row.id,
            schema,
            publishes: row.publishes,
            kept_from: row.kept_from,
            open: row.open,
            unfolded: row.unfolded,
            dropped: row.dropped,
            unique_key: row.unique_key.map_or_else(|| Ok(Vec::new()), |key| serde_json::from_str(&key)).map_err(Error::internal)?,
        })
    }
}

const SELECT: &str = "SELECT t.id, t.columns, t.publishes, t.kept_from,
    EXISTS (SELECT 1 FROM publish_change c WHERE c.table_id = t.id AND c.version IS NULL) AS open,
    t.unfolded OR t.publishes = 0 OR EXISTS (SELECT 1 FROM tail_row r WHERE r.table_id = t.id) AS unfolded, t.dropped,
    (SELECT d.unique_key FROM datastore d WHERE d.table_id = t.id) AS unique_key FROM lake_table t WHERE t.id = ";

const FOR_UPDATE: &str = " FOR UPDATE OF t";

/// A dataset's primary table: that of its first resource that has one.
pub(super) const PRIMARY: &str = "(SELECT l.id FROM lake_table l JOIN resource r ON r.id = l.id
    WHERE r.dataset_id = $1 AND r.state = 'active' AND NOT l.dropped ORDER BY r.position LIMIT 1)";

/// A dataset's primary table.
pub(crate) async fn primary(db: &Db, dataset: &str) -> Result<Option<Table>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT}{PRIMARY}"));
    db.query(text).bind(dataset.to_owned()).opt::<Row>().await?.map(Table::try_from).transpose()
}

/// A dataset's primary table, inside a transaction.
pub(crate) async fn primary_in(tx: &mut Tx, dataset: &str) -> Result<Option<Table>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT}{PRIMARY}"));
    tx.query(text).bind(dataset.to_owned()).opt::<Row>().await?.map(Table::try_from).transpose()
}

/// A table, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut Tx, id: &str) -> Result<Option<Table>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT}$1{}", tx.pick("", FOR_UPDATE)));
    tx.query(text).bind(id.to_owned()).opt::<Row>().await?.map(Table::try_from).transpose()
}

/// A table of a dataset, locked until the transaction ends; one that was taken away too.
pub(crate) async fn lock_of(tx: &mut Tx, dataset: &str, id: &str) -> Result<Option<Table>> {
    let of = "AND EXISTS (SELECT 1 FROM resource r WHERE r.id = t.id AND r.dataset_id = $2 AND r.state = 'active')";
    let text = sqlx::AssertSqlSafe(format!("{SELECT}$1 {of}{}", tx.pick("", FOR_UPDATE)));
    tx.query(text).bind(id.to_owned()).bind(dataset.to_owned()).opt::<Row>().await?.map(Table::try_from).transpose()
}

/// Whether a resource is there, and whether it is an active one of a dataset.
pub(crate) async fn resource_of(tx: &mut Tx, dataset: &str, id: &str) -> Result<Option<bool>> {
    let text = "SELECT dataset_id, state FROM resource WHERE id = $1";
    let row: Option<(String, String)> = tx.query(text).bind(id.to_owned()).opt().await?;
    Ok(row.map(|(owner, state)| owner == dataset && state == "active"))
}

/// The active dataset of an active resource.
pub(crate) async fn owner(db: &Db, resource: Id) -> Result<Option<Id>> {
    let text = "SELECT dataset_id FROM resource WHERE id = $1 AND state = 'active'";
    let row: Option<(String,)> = db.query(text).bind(resource.to_string()).opt().await?;
    row.map(|(id,)| id.parse().map_err(Error::internal)).transpose()
}

/// The tables of datasets and their names, each dataset's in the order of its resources: the first is the primary one.
pub(crate) async fn of_datasets(source: &mut Source, datasets: Vec<String>) -> Result<Vec<(String, String, Option<String>)>> {
    let list = source.pick("SELECT value FROM json_each($1)", "SELECT jsonb_array_elements_text($1)");
    let text = format!(
        "SELECT r.dataset_id, r.id, r.name FROM resource r JOIN lake_table l ON l.id = r.id
         WHERE r.dataset_id IN ({list}) AND r.state = 'active' AND NOT l.dropped ORDER BY r.dataset_id, r.position"
    );
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(Json(datasets)).all().await?)
}

/// The table of a resource.
pub(crate) async fn find(db: &Db, id: &str) -> Result<Option<Table>> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT}$1 AND NOT t.dropped"));
    db.query(text).bind(id.to_owned()).opt::<Row>().await?.map(Table::try_from).transpose()
}

/// Adds a table that nothing was published to.
pub(crate) async fn insert(tx: &mut Tx, id: &str, schema: &Schema) -> Result<()> {
    let columns = serde_json::to_string(schema).map_err(Error::internal)?;
    tx.query("INSERT INTO lake_table (id, columns, publishes) VALUES ($1, $2, 0)").bind(id.to_owned()).bind(columns).run().await?;
    Ok(())
}

/// Notes that a publish was decided.
pub(crate) async fn set_decided(tx: &mut Tx, id: &str, schema: &Schema, publishes: i64) -> Result<()> {
    let columns = serde_json::to_string(schema).map_err(Error::internal)?;
    tx.query("UPDATE lake_table SET columns = $2, publishes = $3 WHERE id = $1")
        .bind(id.to_owned())
        .bind(columns)
        .bind(publishes)
        .run()
        .await?;
    Ok(())
}

/// Reserves `count` row ids of a table, which need not exist yet, and returns the first.
pub(crate) async fn reserve_row_ids(db: &Db, table: Id, count: i64) -> Result<i64> {
    let text = "INSERT INTO row_id (table_id, next) VALUES ($1, $2)
        ON CONFLICT (table_id) DO UPDATE SET next = row_id.next + $3 RETURNING next";
    let row: Option<(i64,)> = db.alone(text, |query| query.bind(table.to_string()).bind(count.saturating_add(1)).bind(count)).await?;
    let (next,) = row.ok_or_else(|| Error::internal("no row id was reserved"))?;
    Ok(next - count)
}

/// Row ids below this one are not used any more, unless they are in a version.
pub(crate) async fn settled(tx: &mut Tx, table: &str) -> Result<i64> {
    let row: Option<(i64,)> = tx.query("SELECT settled FROM row_id WHERE table_id = $1").bind(table.to_owned()).opt().await?;
    Ok(row.map_or(0, |(settled,)| settled))
}

/// Lets row ids settle that were reserved before the last mark, if that was set at `before` (milliseconds) or earlier; then marks
/// those reserved up to now. The table is locked, so that no publish is between its check and its end.
pub(crate) async fn settle(tx: &mut Tx, table: &str, now: i64, before: i64) -> Result<i64> {
    lock(tx, table).await?;
    tx.query("UPDATE row_id SET settled = mark, mark = next, marked_at = $2 WHERE table_id = $1 AND marked_at <= $3")
        .bind(table.to_owned())
        .bind(now)
        .bind(before)
        .run()
        .await?;
    settled(tx, table).await
}
