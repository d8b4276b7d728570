//! Pipelines that messages start.

use madang_kit::{Db, Id, Result, Tx};

/// One of them.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Registration {
    pub(crate) pipeline_id: String,
    /// The version of the pipeline to run; absent = as it is then.
    pub(crate) revision: Option<i64>,
}

/// Registers a pipeline, instead of any registration before.
pub(crate) async fn put(tx: &mut Tx, pipeline: Id, topic: &str, revision: Option<i64>) -> Result<()> {
    tx.query(
        "INSERT INTO registration (pipeline_id, topic, revision) VALUES ($1, $2, $3)
         ON CONFLICT (pipeline_id) DO UPDATE SET topic = excluded.topic, revision = excluded.revision",
    )
    .bind(pipeline.to_string())
    .bind(topic.to_owned())
    .bind(revision)
    .run()
    .await?;
    Ok(())
}

/// Removes a registration, unless it is for this topic; absent = in any case.
pub(crate) async fn delete(tx: &mut Tx, pipeline: Id, unless: Option<&str>) -> Result<bool> {
    let text = "DELETE FROM registration WHERE pipeline_id = $1 AND topic <> COALESCE($2, '')";
    Ok(tx.query(text).bind(pipeline.to_string()).bind(unless.map(str::to_owned)).run().await? == 1)
}

/// Whether a pipeline is registered.
pub(crate) async fn is_registered(db: &Db, pipeline: Id) -> Result<bool> {
    let text = "SELECT pipeline_id FROM registration WHERE pipeline_id = $1";
    let row: Option<(String,)> = db.query(text).bind(pipeline.to_string()).opt().await?;
    Ok(row.is_some())
}

/// The pipelines that a topic's messages start, at most `limit`.
pub(crate) async fn of_topic(db: &Db, topic: &str, limit: i64) -> Result<Vec<Registration>> {
    let text = "SELECT pipeline_id, revision FROM registration WHERE topic = $1 ORDER BY pipeline_id LIMIT $2";
    Ok(db.query(text).bind(topic.to_owned()).bind(limit).all().await?)
}

/// How many pipelines a topic's messages start, counted up to `limit`, as the transaction sees it.
pub(crate) async fn of_topic_in(tx: &mut Tx, topic: &str, limit: i64) -> Result<i64> {
    let text = "SELECT COUNT(*) FROM (SELECT pipeline_id FROM registration WHERE topic = $1 LIMIT $2) counted";
    let (count,): (i64,) = tx.query(text).bind(topic.to_owned()).bind(limit).one().await?;
    Ok(count)
}
