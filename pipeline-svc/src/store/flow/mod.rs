//! Flows and their pipelines.

pub(crate) mod claim;
pub(crate) mod event;
pub(crate) mod file;
pub(crate) mod publication;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use madang_kit::{Db, Error, Id, Principal, Result, Tx};
use madang_proto::pipeline::v1::{Findability, FlowEvent, FlowEventKind, StartFlowRequest};
use prost::Message;

/// How a pipeline stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Succeeded,
    Failed,
}

impl State {
    pub(crate) fn parse(name: &str) -> Self {
        match name {
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            _ => Self::Open,
        }
    }

    pub(crate) fn ended(success: bool) -> Self {
        if success { Self::Succeeded } else { Self::Failed }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// Adds a flow with its pipelines and says that they wait; false if it is there.
pub(crate) async fn insert(tx: &mut Tx, request: &StartFlowRequest, principal: &Principal, now: DateTime<Utc>) -> Result<bool> {
    let text = "INSERT INTO flow (id, flow_id, owner_id, dataset, revision, request, principal, state, fence, attempts, queued_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued', 0, 0, $8) ON CONFLICT (flow_id) DO NOTHING";
    let query = tx.query(text).bind(Id::generate().to_string()).bind(request.flow_id.clone()).bind(request.owner_id.clone());
    let query = query.bind(request.dataset.clone()).bind(i64::from(request.revision)).bind(request.encode_to_vec());
    let added = query.bind(serde_json::to_string(principal).map_err(Error::internal)?).bind(now).run().await?;
    if added == 0 {
        return Ok(false);
    }
    for (position, artifact) in request.artifacts.iter().enumerate() {
        let text = "INSERT INTO flow_pipeline (flow_id, pipeline_id, position, state) VALUES ($1, $2, $3, 'open')";
        let query = tx.query(text).bind(request.flow_id.clone()).bind(artifact.pipeline_id.clone());
        query.bind(i64::try_from(position).map_err(Error::internal)?).run().await?;
        let mut told = event::of(&request.flow_id, &artifact.pipeline_id, FlowEventKind::Queue, now);
        told.attempt = 1;
        event::add(tx, told).await?;
    }
    Ok(true)
}

/// Where a flow stands, by its name; locks it.
pub(crate) async fn lock(tx: &mut Tx, flow: &str) -> Result<Option<(String, i64)>> {
    let text =
        tx.pick("SELECT state, attempts FROM flow WHERE flow_id = $1", "SELECT state, attempts FROM flow WHERE flow_id = $1 FOR UPDATE");
    Ok(tx.query(text).bind(flow.to_owned()).opt().await?)
}

/// The latest of the revisions after one that succeeded: who may find it.
pub(crate) async fn later(tx: &mut Tx, request: &StartFlowRequest) -> Result<Option<Findability>> {
    let text = "SELECT request FROM flow WHERE owner_id = $1 AND dataset = $2 AND revision > $3 AND state = 'succeeded'
        ORDER BY revision DESC LIMIT 1";
    let query = tx.query(text).bind(request.owner_id.clone()).bind(request.dataset.clone()).bind(i64::from(request.revision));
    let found: Option<(Vec<u8>,)> = query.opt().await?;
    let read = |(bytes,): (Vec<u8>,)| StartFlowRequest::decode(bytes.as_slice()).map_err(Error::internal);
    Ok(found.map(read).transpose()?.map(|later| later.findability()))
}

/// A pipeline that an attempt finds.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Pipeline {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) made: Option<String>,
}

/// The pipelines of a flow, in the order of planning.
pub(crate) async fn pipelines(db: &Db, flow: &str) -> Result<Vec<Pipeline>> {
    let text = "SELECT pipeline_id AS id, state, made FROM flow_pipeline WHERE flow_id = $1 ORDER BY position";
    Ok(db.query(text).bind(flow.to_owned()).all().await?)
}

/// How a pipeline ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct End {
    pub(crate) success: bool,
    pub(crate) errors: Vec<String>,
    /// A JSON object, or empty.
    pub(crate) stats: String,
    pub(crate) log: Vec<String>,
    /// JSON of what came of it.
    pub(crate) made: Option<String>,
    pub(crate) same_as: Option<String>,
}

/// Ends an open pipeline and says so; false if it had ended.
pub(crate) async fn end_pipeline(tx: &mut Tx, flow: &str, pipeline: &str, attempt: i64, end: End, now: DateTime<Utc>) -> Result<bool> {
    let text = "UPDATE flow_pipeline SET state = $3, made = $4, same_as = $5 WHERE flow_id = $1 AND pipeline_id = $2 AND state = 'open'";
    let query = tx.query(text).bind(flow.to_owned()).bind(pipeline.to_owned()).bind(State::ended(end.success).name().to_owned());
    if query.bind(end.made).bind(end.same_as).run().await? == 0 {
        return Ok(false);
    }
    let mut told = event::of(flow, pipeline, FlowEventKind::Finish, now);
    told.attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
    event::add(tx, FlowEvent { success: end.success, errors: end.errors, stats: end.stats, log: end.log, ..told }).await?;
    Ok(true)
}

/// Ends whatever is open of a flow for one reason. Its worker, if it has one, holds an old fence then.
pub(crate) async fn close(tx: &mut Tx, flow: &str, attempt: i64, why: &str, now: DateTime<Utc>) -> Result<()> {
    let text = "UPDATE flow SET state = 'failed', fence = fence + 1, lease_until = NULL, slot = NULL, finished_at = $2 WHERE flow_id = $1";
    tx.query(text).bind(flow.to_owned()).bind(now).run().await?;
    let text = "SELECT pipeline_id FROM flow_pipeline WHERE flow_id = $1 AND state = 'open' ORDER BY position";
    let open: Vec<(String,)> = tx.query(text).bind(flow.to_owned()).all().await?;
    for (pipeline,) in open {
        let end = End { errors: vec![why.to_owned()], ..End::default() };
        end_pipeline(tx, flow, &pipeline, attempt.max(1), end, now).await?;
    }
    Ok(())
}

/// What an artifact of the same dataset that would come out the same is.
pub(crate) async fn same(db: &Db, owner: &str, dataset: &str, same_as: &str) -> Result<Option<String>> {
    let text = "SELECT p.made FROM flow_pipeline p JOIN flow f ON f.flow_id = p.flow_id
        WHERE p.same_as = $1 AND p.state = 'succeeded' AND f.owner_id = $2 AND f.dataset = $3 AND p.made IS NOT NULL
        ORDER BY f.revision DESC LIMIT 1";
    let found: Option<(String,)> = db.query(text).bind(same_as.to_owned()).bind(owner.to_owned()).bind(dataset.to_owned()).opt().await?;
    Ok(found.map(|(made,)| made))
}

/// What is removed of a dataset.
pub(crate) struct Removal<'a> {
    pub(crate) owner: &'a str,
    pub(crate) dataset: &'a str,
    /// Later revisions stay.
    pub(crate) through: i64,
    /// Files that were kept after that stay, if it is said.
    pub(crate) before: Option<DateTime<Utc>>,
}

/// Removes what is known of a dataset's flows but the bytes of its files, which the sweep takes. Gives the packages that have to be
/// withdrawn; they are written down.
pub(crate) async fn remove_dataset(tx: &mut Tx, removal: &Removal<'_>, now: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<Id>> {
    let said = |text: &'static str| (text, removal.owner.to_owned(), removal.dataset.to_owned());
    // First the flows: no worker writes from here on, so none adds a publication. Then a publication goes with the package's id that it has
    // at that moment: whoever works on it finds no row any more.
    let (text, owner, dataset) = said("UPDATE flow SET fence = fence + 1 WHERE owner_id = $1 AND dataset = $2 AND revision <= $3");
    tx.query(text).bind(owner).bind(dataset).bind(removal.through).run().await?;
    let (text, owner, dataset) =
        said("DELETE FROM flow_publication WHERE owner_id = $1 AND dataset = $2 AND revision <= $3 RETURNING dataset_id");
    let packages: Vec<(Option<String>,)> = tx.query(text).bind(owner).bind(dataset).bind(removal.through).all().await?;
    let packages: BTreeSet<String> = packages.into_iter().filter_map(|(id,)| id).collect();
    for id in &packages {
        publication::withdraw(tx, id, until).await?;
    }
    for text in [
        "DELETE FROM flow_event WHERE flow_id IN (SELECT flow_id FROM flow WHERE owner_id = $1 AND dataset = $2 AND revision <= $3)",
        "DELETE FROM flow_pipeline WHERE flow_id IN (SELECT flow_id FROM flow WHERE owner_id = $1 AND dataset = $2 AND revision <= $3)",
        "DELETE FROM flow WHERE owner_id = $1 AND dataset = $2 AND revision <= $3",
    ] {
        tx.query(text).bind(removal.owner.to_owned()).bind(removal.dataset.to_owned()).bind(removal.through).run().await?;
    }
    let (text, owner, dataset) = said("DELETE FROM flow_source WHERE owner_id = $1 AND dataset = $2");
    tx.query(text).bind(owner).bind(dataset).run().await?;
    file::let_go(tx, removal.owner, removal.dataset, removal.before, now).await?;
    packages.iter().map(|id| id.parse().map_err(Error::internal)).collect()
}
