//! What the Spec Store is told, as it comes.

use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use madang_kit::{Error, Result};
use madang_proto::pipeline::v1::{FlowEvent, WatchFlowsRequest};

use super::Flows;
use crate::store::flow::event as store;

/// Events that are read in one go.
const AT_ONCE: i64 = 500;
/// How often somebody who watches looks around unasked.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Events after a number, and then those that come, until the watcher leaves or the process ends. Those up to the number are forgotten: he has kept them.
pub(super) async fn watch(flows: &Flows, request: WatchFlowsRequest) -> Result<BoxStream<'static, Result<FlowEvent>>> {
    let after = i64::try_from(request.after).map_err(|_| Error::invalid("after", "range", "no event has such a number"))?;
    store::forget(&flows.db, after).await?;
    let batches = stream::try_unfold((flows.clone(), after), |(flows, after)| async move {
        loop {
            let found = store::after(&flows.db, after, AT_ONCE).await?;
            if let Some(last) = found.last() {
                let after = i64::try_from(last.number).map_err(Error::internal)?;
                return Ok::<_, Error>(Some((found, (flows, after))));
            }
            let _ = tokio::time::timeout(LOOK_EVERY, flows.events.heard()).await;
        }
    });
    let events = batches.flat_map(|batch| match batch {
        Ok(events) => stream::iter(events.into_iter().map(Ok).collect::<Vec<_>>()),
        Err(error) => stream::iter(vec![Err(error)]),
    });
    Ok(events.take_until(flows.stop.clone().cancelled_owned()).boxed())
}
