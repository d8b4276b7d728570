//! What a body passes before it is parsed as a form.
//!
//! The parser (multer) streams the data of a part in linear time. Between parts it takes all that the body gives, keeps it in memory
//! and searches the whole of it again whenever something arrives. So the guard hands over one piece at a time and makes the parser
//! look at what it has before it gets more; it joins small pieces that are there already, so that a body in chunks of one byte costs
//! no search per byte; and while a part has not begun it lets only so much through as [`Watch::allow`] said.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures::Stream;
use madang_kit::{Code, Error};

/// Pieces that are there already are joined until they have this size.
const JOINED_BYTES: usize = 64 * 1024;

/// How often the parser is told that nothing more is there before it gets another piece. Once ends its asking; while it seeks the
/// first boundary it asks a second time before it looks.
const LOOKS: u8 = 2;

/// The form can't be read.
pub(super) fn malformed(why: &str) -> Error {
    Error::invalid("file", "multipart", format!("the form can't be read: {why}"))
}

/// The request is larger than an upload may be.
pub(super) fn too_large(limit: u64) -> Error {
    Error::new(Code::TooLarge, format!("the request may have at most {limit} bytes"))
}

/// What the reader of a form and the guard in front of it tell each other.
pub(super) struct Watch {
    limit: u64,
    received: AtomicU64,
    allowed: AtomicU64,
    looks: AtomicU8,
    refusal: OnceLock<Refusal>,
}

/// Why a body was cut off.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Refusal {
    #[error("the request is too large")]
    TooLarge,
    #[error("no part begins where one should")]
    NoPart,
}

impl Watch {
    pub(super) fn new(limit: u64) -> Self {
        let (received, allowed) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
        Self { limit, received, allowed, looks: AtomicU8::new(0), refusal: OnceLock::new() }
    }

    /// The largest request.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that arrived.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Sets how many bytes more the parser may get; the last piece may exceed them.
    pub(super) fn allow(&self, bytes: u64) {
        self.allowed.store(bytes, Ordering::Relaxed);
    }

    /// The parser should look at what it has before it gets more.
    pub(super) fn look_first(&self) {
        self.looks.store(1, Ordering::Relaxed);
    }

    /// Whether the parser has to look once more.
    fn look_now(&self) -> bool {
        self.looks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |looks| looks.checked_sub(1)).is_ok()
    }

    /// Why the body was cut off, if it was.
    pub(super) fn refusal(&self) -> Option<Error> {
        self.refusal.get().map(|refusal| match refusal {
            Refusal::TooLarge => too_large(self.limit),
            Refusal::NoPart => malformed("its boundary or its headers are missing or too long"),
        })
    }

    fn refuse(&self, refusal: Refusal) -> Refusal {
        *self.refusal.get_or_init(|| refusal)
    }

    fn note(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
        let left = self.allowed.load(Ordering::Relaxed);
        self.allowed.store(left.saturating_sub(bytes), Ordering::Relaxed);
    }
}

/// A body under watch.
pub(super) struct Guard {
    body: BodyDataStream,
    watch: Arc<Watch>,
    /// What came after the piece that was handed over: the end, or a failure.
    end: Option<Result<(), axum::Error>>,
}

impl Guard {
    pub(super) fn new(body: Body, watch: Arc<Watch>) -> Self {
        Self { body: body.into_data_stream(), watch, end: None }
    }

    /// The next piece, joined with those that are there already.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, axum::Error>>> {
        if let Some(end) = &mut self.end {
            return Poll::Ready(std::mem::replace(end, Ok(())).err().map(Err));
        }
        let first = match Pin::new(&mut self.body).poll_next(cx) {
            Poll::Ready(Some(Ok(first))) if first.len() < JOINED_BYTES => first,
            other => return other,
        };
        let mut joined = BytesMut::from(first);
        while joined.len() < JOINED_BYTES {
            match Pin::new(&mut self.body).poll_next(cx) {
                Poll::Ready(Some(Ok(more))) => joined.extend_from_slice(&more),
                Poll::Ready(Some(Err(error))) => self.end = Some(Err(error)),
                Poll::Ready(None) => self.end = Some(Ok(())),
                Poll::Pending => break,
            }
            if self.end.is_some() {
                break;
            }
        }
        Poll::Ready(Some(Ok(joined.freeze())))
    }
}

impl Stream for Guard {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let guard = &mut *self;
        if guard.watch.look_now() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if guard.watch.allowed.load(Ordering::Relaxed) == 0 {
            return Poll::Ready(Some(Err(axum::Error::new(guard.watch.refuse(Refusal::NoPart)))));
        }
        let piece = guard.poll_piece(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &piece {
            guard.watch.note(bytes.len() as u64);
            guard.watch.looks.store(LOOKS, Ordering::Relaxed);
            if guard.watch.received() > guard.watch.limit {
                return Poll::Ready(Some(Err(axum::Error::new(guard.watch.refuse(Refusal::TooLarge)))));
            }
        }
        piece
    }
}
