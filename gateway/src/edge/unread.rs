//! What a refusal leaves unread. A body that nobody read stands between an answer and the next request on the same HTTP/1.1 connection:
//! a short rest is read, before a longer one the connection is closed, and the answer says so.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{
        HeaderValue, Request, Response, Version,
        header::{CONNECTION, EXPECT},
    },
};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

/// A rest that is shorter is read.
const REST_BYTES: usize = 64 * 1024;
/// How long its bytes may take; usually they are there already.
const REST_WITHIN: Duration = Duration::from_millis(250);

/// Where a body's rest is put once nobody reads on.
type Rest = Arc<Mutex<Option<Incoming>>>;

/// The rest of a request's body.
pub(super) struct Unread {
    /// Absent if the request has no body, or a stream of its own.
    rest: Option<Rest>,
    /// Whether the client waits to be told to send it.
    waits: bool,
}

impl Unread {
    /// The request with a body whose rest is not lost, and where that will be.
    pub(super) fn watch(request: Request<Incoming>) -> (Request<Body>, Self) {
        if request.version() >= Version::HTTP_2 || request.body().is_end_stream() {
            return (request.map(Body::new), Self { rest: None, waits: false });
        }
        let rest = Rest::default();
        let unread = Self { rest: Some(rest.clone()), waits: request.headers().contains_key(EXPECT) };
        (request.map(|body| Body::new(Watched { body: Some(body), rest })), unread)
    }

    /// Makes the connection ready for the next request, or says that there will be none.
    pub(super) async fn settle(self, response: &mut Response<Body>) {
        let Some(rest) = self.rest.and_then(|rest| rest.lock().unwrap_or_else(PoisonError::into_inner).take()) else { return };
        if self.waits || rest.size_hint().lower() > REST_BYTES as u64 || !read(rest).await {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Reads a rest to its end, if that is near.
async fn read(rest: Incoming) -> bool {
    let all = tokio::time::timeout(REST_WITHIN, Limited::new(rest, REST_BYTES).collect()).await;
    all.is_ok_and(|all| all.is_ok())
}

/// A body that gives its rest back.
struct Watched {
    body: Option<Incoming>,
    rest: Rest,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.body.as_mut() {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}
