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

/// How long one stream lasts: who watches asks again with the number that he kept last, and what is below it goes.
const LASTS: Duration = Duration::from_mins(10);

/// Events after a number, and then those that come, until the watcher leaves, the stream is old or the process ends. Those up to the number
/// are forgotten: he has kept them.
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
    let stop = flows.stop.clone();
    let end = async move { drop(tokio::time::timeout(LASTS, stop.cancelled_owned()).await) };
    Ok(events.take_until(end).boxed())
}
