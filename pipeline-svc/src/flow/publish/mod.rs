//! Publication: a flow that succeeded becomes, or changes, a package of the catalogue (spec-store.md 6). It is a durable follow-up, tried
//! until it is done, and never changes how its flow stands. Whatever it does can be done twice: a package's id is written down first, the
//! catalogue publishes the tables of a run once, and a later revision that was published goes before an earlier one.

mod package;
mod tables;

use std::time::Duration;

use chrono::TimeDelta;
use madang_kit::{Code, Context, Drain, Error, Id, Principal, Result, error::chain, housekeeping, principal};
use madang_proto::pipeline::v1::{FlowEvent, FlowEventKind};

use super::{Flows, run::Made};
use crate::store::flow::{
    self as store, event,
    publication::{self, Publication},
};

const LEASE: TimeDelta = TimeDelta::seconds(60);
const RENEW_EVERY: Duration = Duration::from_secs(15);
/// How often a publisher that nobody wakes looks around.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Waits between tries: doubled each time, up to the last.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(2);
const LAST_WAIT: TimeDelta = TimeDelta::minutes(10);
/// Tries until it is given up: a week of them.
const TRIES: i64 = 1_000;
/// What the catalogue's step is called in the run of a flow.
const STEP: &str = "publish";

/// How long a publisher may be at work whose publication was removed.
pub(super) const WITHDRAWN_FOR: TimeDelta = TimeDelta::minutes(3);

/// Starts the publisher, and who withdraws packages.
pub(super) fn spawn(flows: &Flows, drain: &Drain) {
    let withdrawing = flows.clone();
    housekeeping::every(LOOK_EVERY, drain, "packages of flows not withdrawn yet", move || {
        let flows = withdrawing.clone();
        async move { withdraw_all(&flows).await }
    });
    let (flows, stop) = (flows.clone(), drain.token());
    drain.spawn(async move {
        while !stop.is_cancelled() {
            let now = flows.clock.now();
            match publication::take(&flows.db, now, now + LEASE).await {
                Ok(Some(held)) => {
                    if stop.run_until_cancelled(Box::pin(work(&flows, &held))).await.is_none()
                        && let Err(error) = publication::put_off(&flows.db, &held, now).await
                    {
                        tracing::warn!(error = %chain(&error), "a publication is not given back; its lease runs out");
                    }
                }
                Ok(None) => {
                    let heard = tokio::time::timeout(LOOK_EVERY, flows.publications.heard());
                    let _ = stop.run_until_cancelled(heard).await;
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "publications not looked at yet");
                    let _ = stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await;
                }
            }
        }
    });
}

async fn work(flows: &Flows, held: &Publication) {
    let published = tokio::select! {
        published = publish(flows, held) => published,
        () = lost(flows, held) => return,
    };
    let Err(error) = published else { return };
    let flow = &held.request.flow_id;
    tracing::warn!(flow, attempt = held.fence, error = %chain(&error), "a flow is not published yet");
    let ended = if held.fence >= TRIES { end(flows, held, "given-up", None).await } else { put_off(flows, held).await };
    if let Err(error) = ended {
        tracing::warn!(flow, error = %chain(&error), "a publication is not put off; its lease runs out");
    }
}

async fn put_off(flows: &Flows, held: &Publication) -> Result<()> {
    let doubled = FIRST_WAIT * 2_i32.saturating_pow(u32::try_from(held.fence.clamp(1, 16) - 1).unwrap_or(0));
    publication::put_off(&flows.db, held, flows.clock.now() + doubled.min(LAST_WAIT)).await
}

async fn lost(flows: &Flows, held: &Publication) {
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        match publication::renew(&flows.db, held, flows.clock.now() + LEASE).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(error = %chain(&error), "a publication's lease is not prolonged yet"),
        }
    }
}

/// The principal that publishes: it may do so in the catalogue, and does it in the owner's name if he is a user here; with a foreign
/// server of tokens the package belongs to the service.
fn publisher(flows_principal: &Principal) -> Principal {
    let is_user = flows_principal.user != Id::NIL;
    let (user, name) = if is_user { (flows_principal.user, flows_principal.name.clone()) } else { (service(), "spec-store".to_owned()) };
    Principal { user, name, space: None, roles: vec![principal::ADMIN.to_owned()], scheme: principal::Scheme::Service }
}

/// The service's own id in the catalogue's rows.
fn service() -> Id {
    Id::named(&["service", "spec-store"])
}

async fn publish(flows: &Flows, held: &Publication) -> Result<()> {
    if publication::is_outdated(&flows.db, held).await? {
        let dataset = publication::dataset(&flows.db, &held.request.owner_id, &held.request.dataset).await?;
        return end(flows, held, "done", dataset).await;
    }
    let context = Context::new(publisher(&held.principal));
    let mut made = Vec::new();
    for pipeline in store::pipelines(&flows.db, &held.request.flow_id).await? {
        if let Some(text) = pipeline.made {
            made.push(serde_json::from_str::<Made>(&text).map_err(Error::internal)?);
        }
    }
    let published = flows.catalog.fence(&context, held.run, held.fence).await?;
    let Some(id) = publication::assign(&flows.db, held).await? else { return Ok(()) };
    let package = package::write(flows, &context, &held.request, id, &made).await?;
    if !published.contains(STEP) {
        tables::publish(flows, &context, held, &package).await?;
    }
    end(flows, held, "done", Some(package.id)).await
}

async fn end(flows: &Flows, held: &Publication, state: &str, dataset: Option<Id>) -> Result<()> {
    let mut tx = flows.db.begin().await?;
    if !publication::end(&mut tx, held, state, dataset).await? {
        return Ok(()); // somebody else's by now
    }
    if let Some(dataset) = dataset.filter(|_| state == "done") {
        let told = event::of(&held.request.flow_id, "", FlowEventKind::Published, flows.clock.now());
        event::add(&mut tx, FlowEvent { success: true, dataset_id: dataset.bytes().to_vec().into(), ..told }).await?;
    }
    tx.commit().await?;
    flows.events.ring();
    Ok(())
}

/// Takes a package out of the catalogue whose publications were removed, unless one that stayed has it too.
pub(super) async fn withdraw(flows: &Flows, package: Id) -> Result<()> {
    if publication::is_package(&flows.db, package).await? {
        return publication::withdrawn(&flows.db, package).await;
    }
    let context = Context::new(publisher(&Principal::service("spec-store")));
    let id = serde_json::json!({"id": package});
    for action in ["package_delete", "dataset_purge"] {
        match flows.catalog.act(&context, action, &id).await {
            Err(error) if error.code == Code::NotFound => return Ok(()),
            other => drop(other?),
        }
    }
    Ok(())
}

/// Withdraws what is to be withdrawn, again and again while somebody may still be making it: a publisher finds out late that his
/// publication is gone.
async fn withdraw_all(flows: &Flows) -> Result<()> {
    for (package, until) in publication::withdrawals(&flows.db).await? {
        let is_last = flows.clock.now() > until;
        withdraw(flows, package).await?;
        if is_last {
            publication::withdrawn(&flows.db, package).await?;
        }
    }
    Ok(())
}
