//! A way to the catalogue on which one call goes wrong.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use http_body_util::BodyExt;
use madang_kit::rpc::{Channel, ChannelError};
use tokio::sync::Notify;
use tonic::{Code, Status, body::Body};
use tower::{Service, util::BoxCloneSyncService};

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not arrive.
    Refused,
    /// It arrives, the answer does not.
    Lost,
    /// It arrives twice.
    Twice,
    /// It arrives when it is released, long after.
    Held,
}

/// The fault and what became of it.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    held: Notify,
    release: Notify,
    released: Notify,
}

#[derive(Default)]
struct State {
    fault: Option<(usize, Fault)>,
    /// Every call whose method ends so is held.
    held: Option<&'static str>,
    calls: usize,
    reached: bool,
    status: Option<(String, Code)>,
}

impl Faults {
    /// From now on, the call of this number goes wrong.
    pub(crate) fn set(&self, fault: Option<(usize, Fault)>) {
        *self.0.state.lock().unwrap() = State { fault, ..State::default() };
    }

    /// From now on, every call of a method is held.
    pub(crate) fn hold_all(&self, method: &'static str) {
        *self.0.state.lock().unwrap() = State { held: Some(method), ..State::default() };
    }

    pub(crate) fn reached(&self) -> bool {
        self.0.state.lock().unwrap().reached
    }

    /// Waits until the call is held; false if something else came to its end first.
    pub(crate) async fn until_held_or<T>(&self, other: impl Future<Output = T>) -> bool {
        tokio::select! {
            () = self.0.held.notified() => true,
            _ = other => false,
        }
    }

    /// Lets the held call go, and tells how it ended, if its caller still waited.
    pub(crate) async fn release(&self) -> Option<(String, Code)> {
        self.0.release.notify_one();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(5), self.0.released.notified()).await;
        self.0.state.lock().unwrap().status.take()
    }

    /// The fault of this call, if it has one.
    fn of_next_call(&self, method: &str) -> Option<Fault> {
        let mut state = self.0.state.lock().unwrap();
        if state.held.is_some_and(|held| method.ends_with(held)) {
            return Some(Fault::Held);
        }
        let call = state.calls;
        state.calls += 1;
        let fault = state.fault.filter(|(at, _)| *at == call)?.1;
        state.reached = true;
        Some(fault)
    }

    /// The same way with faults.
    pub(crate) fn on(&self, channel: Channel) -> Channel {
        BoxCloneSyncService::new(Faulty { inner: channel, faults: self.clone() })
    }
}

#[derive(Clone)]
struct Faulty {
    inner: Channel,
    faults: Faults,
}

type Answer = Result<http::Response<Body>, ChannelError>;

impl Service<http::Request<Body>> for Faulty {
    type Response = http::Response<Body>;
    type Error = ChannelError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ChannelError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut inner = self.inner.clone();
        std::mem::swap(&mut inner, &mut self.inner); // the one that is ready
        let faults = self.faults.clone();
        Box::pin(async move {
            match faults.of_next_call(request.uri().path()) {
                None => inner.call(request).await,
                Some(Fault::Refused) => Ok(lost()),
                Some(Fault::Lost) => {
                    inner.call(request).await?.into_body().collect().await.ok();
                    Ok(lost())
                }
                Some(Fault::Twice) => {
                    let (first, second) = doubled(request).await;
                    let mut again = inner.clone();
                    inner.call(first).await?.into_body().collect().await.ok();
                    std::future::poll_fn(|context| again.poll_ready(context)).await?;
                    again.call(second).await
                }
                Some(Fault::Held) => held(inner, request, faults).await,
            }
        })
    }
}

/// Goes on by itself: a caller that gives up does not take the call back.
async fn held(mut inner: Channel, request: http::Request<Body>, faults: Faults) -> Answer {
    let method = request.uri().path().to_owned();
    let task = tokio::spawn(async move {
        faults.0.held.notify_one();
        faults.0.release.notified().await;
        let answer = inner.call(request).await;
        let status = answer.as_ref().ok().and_then(|answer| Status::from_header_map(answer.headers()));
        let code = status.map_or(Code::Ok, |status| status.code());
        faults.0.state.lock().unwrap().status = Some((method, code));
        faults.0.released.notify_one();
        answer
    });
    task.await.expect("no panic")
}

fn lost() -> http::Response<Body> {
    Status::unavailable("lost on the way").into_http()
}

async fn doubled(request: http::Request<Body>) -> (http::Request<Body>, http::Request<Body>) {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    let copy = |parts| http::Request::from_parts(parts, Body::new(http_body_util::Full::new(bytes.clone())));
    (copy(parts.clone()), copy(parts))
}
