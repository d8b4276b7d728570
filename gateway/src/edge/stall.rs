//! A socket whose other end may not stand still for ever: it must bring a first request in time, and it must take what it is sent.

use std::{
    io::{Error, ErrorKind, Result},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// How long a connection may last without a request.
const FIRST_REQUEST_WITHIN: Duration = Duration::from_mins(1);
/// How long the other end may take nothing of what waits for it.
const TAKES_WITHIN: Duration = Duration::from_mins(1);

/// Set when the first request has arrived.
#[derive(Clone, Debug, Default)]
pub(super) struct Begun(Arc<AtomicBool>);

impl Begun {
    /// A request has arrived.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A socket under watch.
pub(super) struct Watched<S> {
    socket: S,
    begun: Begun,
    first_request: Pin<Box<Sleep>>,
    takes: Pin<Box<Sleep>>,
    takes_within: Duration,
    /// Whether bytes wait for the other end, so that `takes` is running.
    waiting: bool,
}

impl<S> Watched<S> {
    pub(super) fn new(socket: S, begun: Begun) -> Self {
        Self::with(socket, begun, FIRST_REQUEST_WITHIN, TAKES_WITHIN)
    }

    fn with(socket: S, begun: Begun, first_request_within: Duration, takes_within: Duration) -> Self {
        let (first_request, takes) = (Box::pin(sleep(first_request_within)), Box::pin(sleep(takes_within)));
        Self { socket, begun, first_request, takes, takes_within, waiting: false }
    }

    /// Passes the outcome of a write on, unless there has been none for too long.
    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<Result<T>>) -> Poll<Result<T>> {
        if written.is_ready() {
            self.waiting = false;
            return written;
        }
        if !std::mem::replace(&mut self.waiting, true) {
            self.takes.as_mut().reset(Instant::now() + self.takes_within);
        }
        match self.takes.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the other end takes nothing"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let watched = &mut *self;
        let read = Pin::new(&mut watched.socket).poll_read(cx, buffer);
        if read.is_ready() || watched.begun.0.load(Ordering::Relaxed) {
            return read;
        }
        match watched.first_request.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "no request came"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.in_time(cx, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[std::io::IoSlice<'_>]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        self.in_time(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let shut = Pin::new(&mut self.socket).poll_shutdown(cx);
        self.in_time(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);

    fn watched<S>(socket: S, begun: Begun) -> Watched<S> {
        Watched::with(socket, begun, SHORT, SHORT)
    }

    #[tokio::test]
    async fn silence_ends_before_the_first_request_only() {
        let (near, mut far) = duplex(64);
        let mut socket = watched(near, Begun::default());
        far.write_all(b"PRI").await.expect("written");
        assert_eq!(socket.read_exact(&mut [0; 24]).await.expect_err("silent").kind(), ErrorKind::TimedOut);

        let (near, _far) = duplex(64);
        let begun = Begun::default();
        begun.set();
        let mut socket = watched(near, begun);
        assert!(tokio::time::timeout(SHORT * 3, socket.read_u8()).await.is_err());
    }

    #[tokio::test]
    async fn who_takes_nothing_is_cut_off_and_who_is_slow_is_not() {
        let (near, mut far) = duplex(64);
        let mut socket = watched(near, Begun::default());
        let reader = async {
            for _ in 0..5 {
                tokio::time::sleep(SHORT / 2).await;
                far.read_exact(&mut [0; 64]).await.expect("read");
            }
            far
        };
        let (written, _far) = tokio::join!(socket.write_all(&[0; 64 * 40]), reader);
        assert_eq!(written.expect_err("cut off").kind(), ErrorKind::TimedOut);
    }
}
