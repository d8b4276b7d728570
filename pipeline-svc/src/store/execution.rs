//! Executions: what a run of a job is beyond a run.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Id, Result, Tx, db::Query};

/// What is added beside the run.
#[derive(Clone, Debug)]
pub(crate) struct NewExecution {
    pub(crate) run: Id,
    pub(crate) short_id: String,
    pub(crate) space: String,
    pub(crate) job: String,
    pub(crate) workflow: Option<String>,
    pub(crate) trigger: Option<String>,
    pub(crate) firing: Option<String>,
    /// Its message of the contract.
    pub(crate) condition: Vec<u8>,
    pub(crate) origin: String,
    pub(crate) made_at: DateTime<Utc>,
}

/// Adds an execution to its run.
pub(crate) async fn insert(tx: &mut Tx, new: &NewExecution) -> Result<()> {
    tx.query(
        "INSERT INTO execution (run_id, short_id, space_id, job_id, workflow_id, trigger_id, firing_id, condition, origin, made_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(new.run.to_string())
    .bind(new.short_id.clone())
    .bind(new.space.clone())
    .bind(new.job.clone())
    .bind(new.workflow.clone())
    .bind(new.trigger.clone())
    .bind(new.firing.clone())
    .bind(new.condition.clone())
    .bind(new.origin.clone())
    .bind(new.made_at)
    .run()
    .await?;
    Ok(())
}

/// An execution as it reads, with the short names of what it belongs to.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) run_id: String,
    pub(crate) short_id: String,
    pub(crate) job_short: String,
    pub(crate) job_name: String,
    pub(crate) workflow_short: Option<String>,
    pub(crate) trigger_short: Option<String>,
    pub(crate) trigger_name: Option<String>,
    pub(crate) firing_short: Option<String>,
    pub(crate) state: String,
    pub(crate) condition: Vec<u8>,
    pub(crate) parameters: String,
    pub(crate) origin: String,
    pub(crate) queued_at: DateTime<Utc>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    /// Why it did not complete.
    pub(crate) message: Option<String>,
}

const COLUMNS: &str = "e.run_id, e.short_id, j.short_id AS job_short, r.title AS job_name, w.short_id AS workflow_short,
    t.short_id AS trigger_short, t.name AS trigger_name, f.short_id AS firing_short, r.state, e.condition, r.parameters, e.origin,
    r.queued_at, r.started_at, r.finished_at,
    CASE WHEN r.state IN ('failed', 'cancelled') THEN COALESCE(
        (SELECT s.comment FROM step_run s WHERE s.run_id = r.id AND s.comment IS NOT NULL ORDER BY s.position LIMIT 1),
        (SELECT l.message FROM run_log l WHERE l.run_id = r.id AND l.step = '' AND l.level <> 'INFO' ORDER BY l.id DESC LIMIT 1)) END AS message";
const TABLES: &str = "execution e JOIN run r ON r.id = e.run_id JOIN job j ON j.id = e.job_id LEFT JOIN workflow w ON w.id = e.workflow_id
    LEFT JOIN start_trigger t ON t.id = e.trigger_id LEFT JOIN firing f ON f.id = e.firing_id";

/// Which executions are wanted; all are those of a space.
#[derive(Default)]
pub(crate) struct Filter {
    pub(crate) space: String,
    /// Short names.
    pub(crate) job: Option<String>,
    pub(crate) workflow: Option<String>,
    pub(crate) execution: Option<String>,
    /// A LIKE pattern in lower case for the workflow's name.
    pub(crate) like: Option<String>,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
}

/// Executions, newest first.
pub(crate) async fn list(db: &Db, filter: &Filter) -> Result<Vec<Row>> {
    let (condition, values) = filter.narrowed();
    let (limit, offset) = (values.len() + 1, values.len() + 2);
    let text = format!("SELECT {COLUMNS} FROM {TABLES} WHERE {condition} ORDER BY e.run_id DESC LIMIT ${limit} OFFSET ${offset}");
    let query = values.into_iter().fold(db.query(sqlx::AssertSqlSafe(text)), Query::bind);
    Ok(query.bind(filter.limit).bind(filter.offset).all().await?)
}

/// The run of an execution and its state, as the transaction sees it.
pub(crate) async fn find_in(tx: &mut Tx, space: Id, job: &str, execution: &str) -> Result<Option<(String, String)>> {
    let text = "SELECT r.id, r.state FROM execution e JOIN run r ON r.id = e.run_id JOIN job j ON j.id = e.job_id
                WHERE e.short_id = $3 AND j.short_id = $2 AND e.space_id = $1";
    Ok(tx.query(text).bind(space.to_string()).bind(job.to_owned()).bind(execution.to_owned()).opt().await?)
}

/// How many there are.
pub(crate) async fn count(db: &Db, filter: &Filter) -> Result<i64> {
    let (condition, values) = filter.narrowed();
    let text = format!("SELECT COUNT(*) FROM {TABLES} WHERE {condition}");
    let query = values.into_iter().fold(db.query(sqlx::AssertSqlSafe(text)), Query::bind);
    let (count,): (i64,) = query.one().await?;
    Ok(count)
}

impl Filter {
    /// Only what is wanted stands in the text, so that each kind of question has its index.
    fn narrowed(&self) -> (String, Vec<String>) {
        let wanted = [
            ("e.space_id =", Some(&self.space)),
            ("j.short_id =", self.job.as_ref()),
            ("w.short_id =", self.workflow.as_ref()),
            ("e.short_id =", self.execution.as_ref()),
        ];
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        for (condition, value) in wanted {
            if let Some(value) = value {
                values.push(value.clone());
                conditions.push(format!("{condition} ${}", values.len()));
            }
        }
        if let Some(like) = &self.like {
            values.push(like.clone());
            conditions.push(format!("lower(w.name) LIKE ${} ESCAPE '\\'", values.len()));
        }
        (conditions.join(" AND "), values)
    }
}

/// How many executions of a space were made within a time, completed and failed.
pub(crate) async fn sum(db: &Db, space: Id, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<(i64, i64, i64)> {
    let text = "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN r.state = 'succeeded' THEN 1 ELSE 0 END), 0) AS BIGINT),
                       CAST(COALESCE(SUM(CASE WHEN r.state = 'failed' THEN 1 ELSE 0 END), 0) AS BIGINT)
                FROM execution e JOIN run r ON r.id = e.run_id WHERE e.space_id = $1 AND e.made_at >= $2 AND e.made_at < $3";
    Ok(db.query(text).bind(space.to_string()).bind(from).bind(to).one().await?)
}

/// How many executions of a space were made within each part of a time that has any: the part's number, the number.
pub(crate) async fn counts(db: &Db, space: Id, from: DateTime<Utc>, to: DateTime<Utc>, seconds: i64) -> Result<Vec<(i64, i64)>> {
    let part = db.pick("(unixepoch(e.made_at) - $4) / $5", "CAST(FLOOR((EXTRACT(EPOCH FROM e.made_at) - $4) / $5) AS BIGINT)");
    let text = format!(
        "SELECT {part}, COUNT(*) FROM execution e WHERE e.space_id = $1 AND e.made_at >= $2 AND e.made_at < $3 GROUP BY 1 ORDER BY 1"
    );
    let query = db.query(sqlx::AssertSqlSafe(text)).bind(space.to_string()).bind(from).bind(to).bind(from.timestamp()).bind(seconds);
    Ok(query.all().await?)
}
