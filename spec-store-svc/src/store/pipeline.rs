//! The planned pipelines of revisions.

use std::{collections::BTreeMap, fmt::Write};

use chrono::{DateTime, Utc};
use madang_kit::{Db, Error, Result, Tx};
use madang_proto::pipeline::v1::FlowArtifact;

use crate::state::{State, Waiting};

/// Pipelines that one statement adds.
const AT_ONCE: usize = 500;
/// Values of each.
const VALUES: usize = 7;

/// Adds the pipelines of a revision, pending and not heard of.
pub(crate) async fn insert(tx: &mut Tx, flow_id: &str, artifacts: &[FlowArtifact], now: DateTime<Utc>) -> Result<()> {
    let mut position = 0_i64;
    for some in artifacts.chunks(AT_ONCE) {
        let mut text =
            "INSERT INTO pipeline (id, flow_id, position, title, depends_on, heard, updated_at, state, errors, stats) VALUES ".to_owned();
        for row in 0..some.len() {
            let first = row * VALUES + 1;
            let comma = if row == 0 { "" } else { ", " };
            let places: Vec<String> = (first..first + VALUES).map(|place| format!("${place}")).collect();
            write!(text, "{comma}({}, 'pending', '[]', '{{}}')", places.join(", ")).map_err(Error::internal)?;
        }
        let mut query = tx.query(sqlx::AssertSqlSafe(text));
        for artifact in some {
            let depends_on = serde_json::to_string(&artifact.depends_on).map_err(Error::internal)?;
            query = query.bind(artifact.pipeline_id.clone()).bind(flow_id.to_owned()).bind(position);
            query = query.bind(artifact.title.clone()).bind(depends_on).bind(false).bind(now);
            position += 1;
        }
        query.run().await?;
    }
    Ok(())
}

/// The state of one pipeline.
pub(crate) async fn state(tx: &mut Tx, id: &str) -> Result<Option<State>> {
    let row: Option<(String,)> = tx.query("SELECT state FROM pipeline WHERE id = $1").bind(id.to_owned()).opt().await?;
    Ok(row.map(|(state,)| State::parse(&state)))
}

/// What was heard of a pipeline.
pub(crate) struct Heard<'a> {
    pub(crate) id: &'a str,
    pub(crate) state: State,
    /// JSON: an array of lines.
    pub(crate) errors: &'a str,
    /// JSON: an object.
    pub(crate) stats: &'a str,
}

/// Writes what was heard.
pub(crate) async fn update(tx: &mut Tx, heard: &Heard<'_>, now: DateTime<Utc>) -> Result<()> {
    let text = "UPDATE pipeline SET state = $2, errors = $3, stats = $4, heard = $5, updated_at = $6 WHERE id = $1";
    let query = tx.query(text).bind(heard.id.to_owned()).bind(heard.state.name().to_owned()).bind(heard.errors.to_owned());
    query.bind(heard.stats.to_owned()).bind(true).bind(now).run().await?;
    Ok(())
}

/// Fails what is open of a flow, for one reason (JSON: an array of lines).
pub(crate) async fn fail_open(tx: &mut Tx, flow_id: &str, errors: &str, now: DateTime<Utc>) -> Result<()> {
    let text = "UPDATE pipeline SET state = 'failed', errors = $2, heard = $3, updated_at = $4
         WHERE flow_id = $1 AND state IN ('pending', 'running')";
    tx.query(text).bind(flow_id.to_owned()).bind(errors.to_owned()).bind(true).bind(now).run().await?;
    Ok(())
}

/// How many pipelines of a flow are in which state.
pub(crate) async fn counts(tx: &mut Tx, flow_id: &str) -> Result<BTreeMap<State, i64>> {
    let text = "SELECT state, CAST(COUNT(*) AS BIGINT) FROM pipeline WHERE flow_id = $1 GROUP BY state";
    let rows: Vec<(String, i64)> = tx.query(text).bind(flow_id.to_owned()).all().await?;
    Ok(rows.into_iter().map(|(state, number)| (State::parse(&state), number)).collect())
}

/// The pipelines of a flow that did not begin.
pub(crate) async fn waiting(tx: &mut Tx, flow_id: &str) -> Result<Vec<Waiting>> {
    let text = "SELECT id, depends_on FROM pipeline WHERE flow_id = $1 AND state = 'pending' ORDER BY position";
    let rows: Vec<(String, String)> = tx.query(text).bind(flow_id.to_owned()).all().await?;
    let read =
        |(id, depends_on): (String, String)| Ok(Waiting { id, depends_on: serde_json::from_str(&depends_on).map_err(Error::internal)? });
    rows.into_iter().map(read).collect()
}

/// A pipeline as it is shown.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) state: String,
    pub(crate) errors: String,
    pub(crate) stats: String,
}

/// The pipelines of a flow that something was heard of, in planning order.
pub(crate) async fn heard(db: &Db, flow_id: &str) -> Result<Vec<Shown>> {
    let text = "SELECT id, title, state, errors, stats FROM pipeline WHERE flow_id = $1 AND heard ORDER BY position";
    Ok(db.query(text).bind(flow_id.to_owned()).all().await?)
}
