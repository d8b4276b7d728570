//! Reads a body whole if it is short and comes soon; else gives it back as if nothing had been read.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};

/// What became of it.
pub(crate) enum Read {
    /// All of it.
    Whole(Bytes),
    /// It is longer, slower or broken; this body gives all that the other one would have given.
    Rest(Body),
}

/// Reads up to `limit` bytes within a time.
pub(crate) async fn read(body: Body, limit: usize, within: Duration) -> Read {
    let until = tokio::time::Instant::now() + within;
    let (mut coming, mut pieces, mut length) = (body.into_data_stream(), Vec::new(), 0);
    loop {
        match tokio::time::timeout_at(until, coming.next()).await {
            Ok(None) => return Read::Whole(joined(pieces, length)),
            Ok(Some(Ok(piece))) => {
                length += piece.len();
                pieces.push(Ok(piece));
                if length > limit {
                    break;
                }
            }
            Ok(Some(Err(error))) => {
                pieces.push(Err(error));
                break;
            }
            Err(_) => break,
        }
    }
    Read::Rest(Body::from_stream(stream::iter(pieces).chain(coming.into_stream())))
}

fn joined(pieces: Vec<Result<Bytes, axum::Error>>, length: usize) -> Bytes {
    let mut pieces: Vec<Bytes> = pieces.into_iter().flatten().collect();
    if pieces.len() == 1 {
        return pieces.swap_remove(0);
    }
    let mut whole = BytesMut::with_capacity(length);
    for piece in &pieces {
        whole.extend_from_slice(piece);
    }
    whole.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    fn pieces(count: usize) -> Body {
        Body::from_stream(stream::iter((0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"0123456789")))))
    }

    #[tokio::test]
    async fn a_short_body_is_read_and_a_long_one_is_given_back() {
        assert!(matches!(read(pieces(10), 100, SOON).await, Read::Whole(bytes) if bytes.len() == 100));
        assert!(matches!(read(Body::empty(), 0, SOON).await, Read::Whole(bytes) if bytes.is_empty()));
        let Read::Rest(rest) = read(pieces(11), 100, SOON).await else { unreachable!("it is longer") };
        assert_eq!(axum::body::to_bytes(rest, 1_000).await.expect("the body").len(), 110);
    }

    #[tokio::test]
    async fn a_slow_body_is_given_back_and_an_error_stays_one() {
        let slow = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"abc"))]).chain(stream::once(async {
            tokio::time::sleep(SOON * 3).await;
            Ok(Bytes::from_static(b"def"))
        }));
        let Read::Rest(rest) = read(Body::from_stream(slow), 100, SOON).await else { unreachable!("it is slow") };
        assert_eq!(axum::body::to_bytes(rest, 1_000).await.expect("the body"), "abcdef");
        let broken = stream::iter([Ok(Bytes::from_static(b"abc")), Err(std::io::Error::other("broken"))]);
        let Read::Rest(rest) = read(Body::from_stream(broken), 100, SOON).await else { unreachable!("it is broken") };
        assert!(axum::body::to_bytes(rest, 1_000).await.is_err());
    }
}
