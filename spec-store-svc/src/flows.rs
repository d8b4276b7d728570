//! The way to pipeline-svc: commands go from the outbox until they were heard, those of one dataset in their order; events come as one
//! lasting stream, each kept with its number, so that none is missed and none counts twice.

use std::time::Duration;

use chrono::TimeDelta;
use futures::{StreamExt, future::try_join_all};
use madang_kit::{
    Code, Context, Drain, Error, Principal, Result, Tx,
    error::chain,
    hex,
    rpc::{self, Channel},
};
use madang_proto::pipeline::v1::{
    CancelFlowRequest, FlowEvent, FlowEventKind, RemoveDatasetRequest, StartFlowRequest, WatchFlowsRequest, flows_client::FlowsClient,
};
use prost::Message;

use crate::{
    SpecStore,
    report::{self, Event},
    store::{
        self,
        command::{self, Command},
        revision,
    },
};

/// The largest message: a flow with its sources and pipelines.
const MESSAGE_BYTES: usize = 32 << 20;
/// Commands that are claimed, and carried out, at once.
const AT_ONCE: i64 = 16;
/// How often the outbox is looked at without being told.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long one command may take, and how long it is claimed for: nobody else takes it while it may still have its effect.
const CALL_WITHIN: Duration = Duration::from_secs(45);
const CLAIMED_FOR: TimeDelta = TimeDelta::seconds(60);
/// The longest that a command waits for another try, in seconds.
const MAX_DELAY: i64 = 60;
/// Events that are kept in one transaction.
const EVENTS_AT_ONCE: usize = 64;
/// How long to wait before the stream is asked for again.
const WATCH_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A client of pipeline-svc.
pub(crate) fn client(channel: Channel) -> FlowsClient<Channel> {
    FlowsClient::new(channel).max_decoding_message_size(MESSAGE_BYTES).max_encoding_message_size(MESSAGE_BYTES)
}

/// Starts the task that carries commands out.
pub(crate) fn send(store: &SpecStore, drain: &Drain) {
    let (store, stop) = (store.clone(), drain.token());
    drain.spawn(async move {
        stop.run_until_cancelled(async {
            loop {
                if let Err(error) = send_all(&store).await {
                    tracing::warn!(error = %chain(&error), "flows not handed over yet");
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                tokio::select! {
                    () = store.commands.heard() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        })
        .await;
    });
}

async fn send_all(store: &SpecStore) -> Result<()> {
    loop {
        let now = store.clock.now();
        let commands = command::claim(&store.db, now, now + CLAIMED_FOR, AT_ONCE).await?;
        if commands.is_empty() {
            return Ok(());
        }
        try_join_all(commands.into_iter().map(|one| carry_out(store, one))).await?;
    }
}

/// Carries one command out and removes it, or puts it off if its error may pass.
async fn carry_out(store: &SpecStore, command: Command) -> Result<()> {
    let principal: Principal = serde_json::from_str(&command.principal).map_err(Error::internal)?;
    let called = tokio::time::timeout(CALL_WITHIN, call(store, &command, &Context::new(principal))).await;
    let called = called.unwrap_or_else(|_| Err(Error::new(Code::Unavailable, "pipeline-svc does not answer")));
    let mut tx = store.db.begin().await?;
    let refused = match called {
        Ok(()) => None,
        Err(error) if error.is_refusal() && error.code != Code::RateLimited => Some(error),
        Err(error) => {
            tracing::warn!(kind = command.kind, subject = command.subject, error = %chain(&error), "not handed over yet");
            let delay = (1 << command.attempt.clamp(0, 6)).min(MAX_DELAY);
            command::put_off(&mut tx, &command.id, store.clock.now() + TimeDelta::seconds(delay)).await?;
            return Ok(tx.commit().await?);
        }
    };
    command::remove(&mut tx, &command.id).await?;
    if let Some(error) = refused {
        let reason = match (command.kind.as_str(), error.code) {
            ("start", _) => Some(vec!["init".to_owned(), error.message.clone()]),
            ("cancel", Code::NotFound) => Some(vec!["Cancelled".to_owned()]),
            _ => None,
        };
        if let Some(reason) = reason {
            report::fail(&mut tx, &command.subject, false, &reason, store.clock.now()).await?;
        } else {
            tracing::warn!(kind = command.kind, subject = command.subject, error = %chain(&error), "command refused");
        }
    }
    tx.commit().await?;
    store.changed.notify_waiters();
    Ok(())
}

async fn call(store: &SpecStore, command: &Command, context: &Context) -> Result<()> {
    let (mut flows, bytes) = (store.flows.clone(), command.request.as_slice());
    match command.kind.as_str() {
        "start" => {
            let request = StartFlowRequest::decode(bytes).map_err(Error::internal)?;
            flows.start_flow(rpc::request(context, request)).await?;
        }
        "cancel" => {
            let request = CancelFlowRequest::decode(bytes).map_err(Error::internal)?;
            flows.cancel_flow(rpc::request(context, request)).await?;
        }
        _ => {
            let request = RemoveDatasetRequest::decode(bytes).map_err(Error::internal)?;
            flows.remove_dataset(rpc::request(context, request)).await?;
        }
    }
    Ok(())
}

/// Starts the task that reads events.
pub(crate) fn watch(store: &SpecStore, drain: &Drain) {
    let (store, stop) = (store.clone(), drain.token());
    drain.spawn(async move {
        stop.run_until_cancelled(async {
            loop {
                if let Err(error) = follow(&store).await {
                    tracing::debug!(error = %chain(&error), "events of flows are not heard");
                }
                tokio::time::sleep(WATCH_AGAIN_AFTER).await;
            }
        })
        .await;
    });
}

/// Reads events until the stream ends.
async fn follow(store: &SpecStore) -> Result<()> {
    let after = u64::try_from(store::last_event(&store.db).await?).unwrap_or_default();
    let context = Context::new(Principal::service("spec-store"));
    let stream = store.flows.clone().watch_flows(rpc::request(&context, WatchFlowsRequest { after })).await?.into_inner();
    let mut chunks = stream.ready_chunks(EVENTS_AT_ONCE);
    while let Some(chunk) = chunks.next().await {
        let mut ended = None;
        let mut events = Vec::with_capacity(chunk.len());
        for event in chunk {
            match event {
                Ok(event) => events.push(event),
                Err(status) => ended = Some(Error::from(status)),
            }
        }
        keep(store, &events).await?;
        if let Some(error) = ended {
            return Err(error);
        }
    }
    Ok(())
}

async fn keep(store: &SpecStore, events: &[FlowEvent]) -> Result<()> {
    let Some(last) = events.last() else { return Ok(()) };
    let mut tx = store.db.begin().await?;
    for event in events {
        keep_one(store, &mut tx, event).await?;
    }
    store::keep_event(&mut tx, i64::try_from(last.number).map_err(Error::internal)?).await?;
    tx.commit().await?;
    store.changed.notify_waiters();
    Ok(())
}

async fn keep_one(store: &SpecStore, tx: &mut Tx, event: &FlowEvent) -> Result<()> {
    let word = match event.kind() {
        FlowEventKind::Published => {
            return revision::published(tx, &event.flow_id, &hex(&event.dataset_id)).await;
        }
        FlowEventKind::Queue => "queue",
        FlowEventKind::Start => "start",
        FlowEventKind::Finish => "finish",
        FlowEventKind::Progress | FlowEventKind::Unspecified => "progress",
    };
    let heard = Event {
        pipeline_id: &event.pipeline_id,
        kind: word,
        success: event.success,
        errors: &event.errors,
        stats: &event.stats,
        log: &event.log,
        external: false,
    };
    report::hear(tx, heard, store.clock.now()).await?;
    Ok(())
}
