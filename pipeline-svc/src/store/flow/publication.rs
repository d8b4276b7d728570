//! Publications of flows that succeeded: a durable follow-up.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Error, Id, Principal, Result, Tx};
use madang_proto::pipeline::v1::StartFlowRequest;
use prost::Message;

/// A publication that somebody works on.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    /// The run that the catalogue knows it by.
    pub(crate) run: Id,
    pub(crate) request: StartFlowRequest,
    pub(crate) principal: Principal,
    pub(crate) fence: i64,
}

/// Adds the publication of a flow.
pub(crate) async fn insert(tx: &mut Tx, request: &StartFlowRequest, now: DateTime<Utc>) -> Result<()> {
    let text = "INSERT INTO flow_publication (flow_id, owner_id, dataset, revision, state, due_at, fence) VALUES ($1, $2, $3, $4, 'waiting', $5, 0)";
    let query = tx.query(text).bind(request.flow_id.clone()).bind(request.owner_id.clone()).bind(request.dataset.clone());
    query.bind(i64::from(request.revision)).bind(now).run().await?;
    Ok(())
}

/// The oldest revision that is due, of a dataset of which nobody publishes another.
const TAKE: &str = "UPDATE flow_publication SET lease_until = $2, fence = fence + 1 WHERE flow_id = (
                 SELECT p.flow_id FROM flow_publication p
                 WHERE p.state = 'waiting' AND p.due_at <= $1 AND (p.lease_until IS NULL OR p.lease_until < $1)
                   AND NOT EXISTS (SELECT 1 FROM flow_publication o WHERE o.owner_id = p.owner_id AND o.dataset = p.dataset
                       AND o.state = 'waiting' AND o.flow_id <> p.flow_id AND o.lease_until >= $1)
                 ORDER BY p.due_at, p.revision, p.flow_id LIMIT 1) RETURNING flow_id, fence";

/// Takes a publication until `lease_until`.
pub(crate) async fn take(db: &Db, now: DateTime<Utc>, lease_until: DateTime<Utc>) -> Result<Option<Publication>> {
    let any: Option<(String,)> =
        db.query("SELECT flow_id FROM flow_publication WHERE state = 'waiting' AND due_at <= $1 LIMIT 1").bind(now).opt().await?;
    if any.is_none() {
        return Ok(None);
    }
    let mut tx = db.begin().await?;
    tx.query("UPDATE flow_counter SET value = value + 1 WHERE name = 'publication'").run().await?; // one after the other
    let taken: Option<(String, i64)> = tx.query(TAKE).bind(now).bind(lease_until).opt().await?;
    let Some((flow, fence)) = taken else { return Ok(None) };
    let (run, request, principal): (String, Vec<u8>, String) =
        tx.query("SELECT id, request, principal FROM flow WHERE flow_id = $1").bind(flow).one().await?;
    tx.commit().await?;
    Ok(Some(Publication {
        run: run.parse().map_err(Error::internal)?,
        request: StartFlowRequest::decode(request.as_slice()).map_err(Error::internal)?,
        principal: serde_json::from_str(&principal).map_err(Error::internal)?,
        fence,
    }))
}

/// Prolongs the hold; false if it is lost.
pub(crate) async fn renew(db: &Db, held: &Publication, lease_until: DateTime<Utc>) -> Result<bool> {
    let mut tx = db.begin().await?;
    let text = "UPDATE flow_publication SET lease_until = $3 WHERE flow_id = $1 AND fence = $2 AND state = 'waiting'";
    let kept = tx.query(text).bind(held.request.flow_id.clone()).bind(held.fence).bind(lease_until).run().await? == 1;
    tx.commit().await?;
    Ok(kept)
}

/// Ends it; false if it is somebody else's.
pub(crate) async fn end(tx: &mut Tx, held: &Publication, state: &str, dataset: Option<Id>) -> Result<bool> {
    let text = "UPDATE flow_publication SET state = $3, dataset_id = COALESCE($4, dataset_id), lease_until = NULL WHERE flow_id = $1 AND fence = $2 AND state = 'waiting'";
    let query = tx.query(text).bind(held.request.flow_id.clone()).bind(held.fence).bind(state.to_owned());
    Ok(query.bind(dataset.map(|id| id.to_string())).run().await? == 1)
}

/// The id of the dataset's package: the one that it has, or a new one, written down before anything is made with it. None if the
/// publication is somebody else's.
pub(crate) async fn assign(db: &Db, held: &Publication) -> Result<Option<Id>> {
    let request = &held.request;
    let id = dataset(db, &request.owner_id, &request.dataset).await?.unwrap_or_else(Id::generate);
    let mut tx = db.begin().await?;
    let text = "UPDATE flow_publication SET dataset_id = $3 WHERE flow_id = $1 AND fence = $2 AND state = 'waiting'";
    let kept = tx.query(text).bind(request.flow_id.clone()).bind(held.fence).bind(id.to_string()).run().await? == 1;
    tx.commit().await?;
    Ok(kept.then_some(id))
}

/// Puts it off.
pub(crate) async fn put_off(db: &Db, held: &Publication, due_at: DateTime<Utc>) -> Result<()> {
    let mut tx = db.begin().await?;
    let text = "UPDATE flow_publication SET due_at = $3, lease_until = NULL WHERE flow_id = $1 AND fence = $2 AND state = 'waiting'";
    tx.query(text).bind(held.request.flow_id.clone()).bind(held.fence).bind(due_at).run().await?;
    Ok(tx.commit().await?)
}

/// Whether a later revision of the dataset was published.
pub(crate) async fn is_outdated(db: &Db, held: &Publication) -> Result<bool> {
    let text = "SELECT flow_id FROM flow_publication WHERE owner_id = $1 AND dataset = $2 AND revision > $3 AND state = 'done' LIMIT 1";
    let request = &held.request;
    let query = db.query(text).bind(request.owner_id.clone()).bind(request.dataset.clone()).bind(i64::from(request.revision));
    Ok(query.opt::<(String,)>().await?.is_some())
}

/// The catalogue's dataset that a flow's dataset was published as.
pub(crate) async fn dataset(db: &Db, owner: &str, dataset: &str) -> Result<Option<Id>> {
    let text = "SELECT dataset_id FROM flow_publication WHERE owner_id = $1 AND dataset = $2 AND dataset_id IS NOT NULL
        ORDER BY revision DESC LIMIT 1";
    let found: Option<(String,)> = db.query(text).bind(owner.to_owned()).bind(dataset.to_owned()).opt().await?;
    found.map(|(id,)| id.parse().map_err(Error::internal)).transpose()
}

/// Writes down that a package is to be withdrawn, and until when whoever still makes it may be at work.
pub(crate) async fn withdraw(tx: &mut Tx, package: &str, until: DateTime<Utc>) -> Result<()> {
    let text =
        "INSERT INTO flow_withdrawal (dataset_id, until) VALUES ($1, $2) ON CONFLICT (dataset_id) DO UPDATE SET until = excluded.until";
    tx.query(text).bind(package.to_owned()).bind(until).run().await?;
    Ok(())
}

/// Packages that are to be withdrawn.
pub(crate) async fn withdrawals(db: &Db) -> Result<Vec<(Id, DateTime<Utc>)>> {
    let found: Vec<(String, DateTime<Utc>)> =
        db.query("SELECT dataset_id, until FROM flow_withdrawal ORDER BY until LIMIT 500").all().await?;
    found.into_iter().map(|(id, until)| Ok((id.parse().map_err(Error::internal)?, until))).collect()
}

/// Forgets that a package was to be withdrawn.
pub(crate) async fn withdrawn(db: &Db, package: Id) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.query("DELETE FROM flow_withdrawal WHERE dataset_id = $1").bind(package.to_string()).run().await?;
    Ok(tx.commit().await?)
}

/// Whether a package is that of a publication.
pub(crate) async fn is_package(db: &Db, package: Id) -> Result<bool> {
    let text = "SELECT flow_id FROM flow_publication WHERE dataset_id = $1 LIMIT 1";
    Ok(db.query(text).bind(package.to_string()).opt::<(String,)>().await?.is_some())
}
