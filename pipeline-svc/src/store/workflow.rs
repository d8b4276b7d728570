//! Workflows of spaces.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Id, Result, Tx};

/// A workflow as it is stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Workflow {
    pub(crate) id: String,
    pub(crate) short_id: String,
    pub(crate) space_id: String,
    pub(crate) name: String,
    /// The contract's message `WorkflowNodes`.
    pub(crate) nodes: Vec<u8>,
    /// The id of the trigger that it starts with.
    pub(crate) trigger_id: Option<String>,
    /// A principal as JSON.
    pub(crate) run_as: String,
    /// `active`, `draft` or `deleted`.
    pub(crate) state: String,
    pub(crate) revision: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) modified_at: DateTime<Utc>,
}

/// A workflow with what its executions add.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Shown {
    #[sqlx(flatten)]
    pub(crate) workflow: Workflow,
    /// When its newest execution was made.
    pub(crate) last_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "w.id, w.short_id, w.space_id, w.name, w.nodes, w.trigger_id, w.run_as, w.state, w.revision, w.created_at,
    w.modified_at";
const LAST: &str = "(SELECT e.made_at FROM execution e WHERE e.workflow_id = w.id ORDER BY e.run_id DESC LIMIT 1) AS last_at";

/// Adds a workflow; a name that is taken is a unique violation.
pub(crate) async fn insert(tx: &mut Tx, workflow: &Workflow) -> sqlx::Result<()> {
    tx.query(
        "INSERT INTO workflow (id, short_id, space_id, name, nodes, trigger_id, run_as, state, revision, created_at, modified_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(workflow.id.clone())
    .bind(workflow.short_id.clone())
    .bind(workflow.space_id.clone())
    .bind(workflow.name.clone())
    .bind(workflow.nodes.clone())
    .bind(workflow.trigger_id.clone())
    .bind(workflow.run_as.clone())
    .bind(workflow.state.clone())
    .bind(workflow.revision)
    .bind(workflow.created_at)
    .bind(workflow.modified_at)
    .run()
    .await?;
    Ok(())
}

/// Writes a changed workflow over the revision before; false if that is no longer the stored one.
pub(crate) async fn update(tx: &mut Tx, workflow: &Workflow) -> sqlx::Result<bool> {
    let updated = tx
        .query(
            "UPDATE workflow SET name = $2, nodes = $3, trigger_id = $4, run_as = $5, state = $6, revision = $7, modified_at = $8
             WHERE id = $1 AND revision = $7 - 1 AND state <> 'deleted'",
        )
        .bind(workflow.id.clone())
        .bind(workflow.name.clone())
        .bind(workflow.nodes.clone())
        .bind(workflow.trigger_id.clone())
        .bind(workflow.run_as.clone())
        .bind(workflow.state.clone())
        .bind(workflow.revision)
        .bind(workflow.modified_at)
        .run()
        .await?;
    Ok(updated == 1)
}

/// Hides a workflow; false if it is not there any more.
pub(crate) async fn delete(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> Result<bool> {
    let text = "UPDATE workflow SET state = 'deleted', modified_at = $2 WHERE id = $1 AND state <> 'deleted'";
    Ok(tx.query(text).bind(id.to_owned()).bind(now).run().await? == 1)
}

/// A workflow of a space by its short name.
pub(crate) async fn find(db: &Db, space: Id, short: &str) -> Result<Option<Shown>> {
    let text = format!("SELECT {COLUMNS}, {LAST} FROM workflow w WHERE w.space_id = $1 AND w.short_id = $2 AND w.state <> 'deleted'");
    Ok(db.query(sqlx::AssertSqlSafe(text)).bind(space.to_string()).bind(short.to_owned()).opt().await?)
}

/// The same, as the transaction sees it.
pub(crate) async fn find_in(tx: &mut Tx, space: Id, short: &str) -> Result<Option<Workflow>> {
    let text = format!("SELECT {COLUMNS} FROM workflow w WHERE w.space_id = $1 AND w.short_id = $2 AND w.state <> 'deleted'");
    Ok(tx.query(sqlx::AssertSqlSafe(text)).bind(space.to_string()).bind(short.to_owned()).opt().await?)
}

/// A workflow by its id, as the transaction sees it; nobody changes it until the end.
pub(crate) async fn lock(tx: &mut Tx, id: &str) -> Result<Option<Workflow>> {
    let lock = tx.pick("", " FOR NO KEY UPDATE");
    let text = format!("SELECT {COLUMNS} FROM workflow w WHERE w.id = $1 AND w.state <> 'deleted'{lock}");
    Ok(tx.query(sqlx::AssertSqlSafe(text)).bind(id.to_owned()).opt().await?)
}

/// A workflow by its id, whatever its state, unless somebody holds it: where many processes find much due at once, they share it out
/// instead of waiting for one another.
pub(crate) async fn lock_free(tx: &mut Tx, id: &str) -> Result<Option<Workflow>> {
    let lock = tx.pick("", " FOR NO KEY UPDATE SKIP LOCKED");
    let text = format!("SELECT {COLUMNS} FROM workflow w WHERE w.id = $1{lock}");
    Ok(tx.query(sqlx::AssertSqlSafe(text)).bind(id.to_owned()).opt().await?)
}

/// Workflows, newest first, whose name is like a pattern in lower case; and how many there are.
pub(crate) async fn list(db: &Db, space: Id, like: &str, limit: i64, offset: i64) -> Result<(Vec<Shown>, i64)> {
    let found = "FROM workflow w WHERE w.space_id = $1 AND lower(w.name) LIKE $2 ESCAPE '\\' AND w.state <> 'deleted'";
    let page = format!("SELECT {COLUMNS}, {LAST} {found} ORDER BY w.created_at DESC, w.id DESC LIMIT $3 OFFSET $4");
    let page = db.query(sqlx::AssertSqlSafe(page)).bind(space.to_string()).bind(like.to_owned());
    let rows = page.bind(limit).bind(offset).all().await?;
    let counted = db.query(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) {found}"))).bind(space.to_string()).bind(like.to_owned());
    let (count,): (i64,) = counted.one().await?;
    Ok((rows, count))
}

/// Stops the timers of all workflows that start with a trigger.
pub(crate) async fn clear_timers(tx: &mut Tx, trigger: &str) -> Result<()> {
    tx.query("DELETE FROM timer WHERE owner IN (SELECT 'workflow:' || w.id FROM workflow w WHERE w.trigger_id = $1)")
        .bind(trigger.to_owned())
        .run()
        .await?;
    Ok(())
}
