//! What all gateways of an installation share for a short time: failed logins, first answers of signed writes, usage plans, refusals.
//! One trait; kept in memory while there is one process, with the counts that must outlive it in the gateway's database.

mod bucket;
mod drawer;
mod memory;
mod quota;
mod turn;

use std::time::Duration;

use async_trait::async_trait;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use madang_kit::Result;

pub(crate) use memory::Memory;

/// A digest that is compared and no more.
pub(crate) type Mark = [u8; 32];

/// Short-lived state of an installation.
#[async_trait]
pub(crate) trait SharedState: Send + Sync {
    /// Counts an event and returns how often it happened within the window that its first one opened.
    async fn count(&self, key: &str, window: Duration) -> u32;

    /// How often an event happened within its window.
    async fn counted(&self, key: &str) -> u32;

    /// Forgets an event.
    async fn forget(&self, key: &str);

    /// The first mark that came under this name within a time: this one, or an earlier one.
    async fn first_mark(&self, name: &str, mark: Mark, keep: Duration) -> Mark;

    /// Whose turn it is to do what this name stands for. The first one must [`Self::settle`] it; all others wait until then. It is
    /// remembered for a time.
    async fn turn(&self, name: Mark, keep: Duration) -> Turn;

    /// Says how a turn ended.
    fn settle(&self, name: Mark, outcome: Outcome);

    /// Takes a token from a bucket that gets so many a second, and holds as many; else how long until there is one.
    async fn take(&self, bucket: &str, per_second: u32) -> Option<Duration>;

    /// Takes one of the requests that a key has in a calendar period; false if there is none left. Survives restarts.
    async fn spend(&self, access_key: &str, period: &str, limit: i64) -> Result<bool>;

    /// Requests that are counted as used and are not yet.
    fn unspent(&self, access_key: &str, period: &str) -> i64;

    /// Gives unspent requests back, because the process stops.
    async fn give_back(&self) -> Result<()>;

    /// Keeps a text under its name for a time.
    async fn keep(&self, group: Group, name: &str, text: String, time: Duration);

    /// A kept text.
    async fn kept(&self, name: &str) -> Option<String>;
}

/// The answer to "whose turn is it?".
#[derive(Debug)]
pub(crate) enum Turn {
    /// Yours.
    First,
    /// It was done; this came of it.
    Done(Answer),
    /// It was done, and what came of it was too long to keep.
    NotKept,
    /// Another one is at it and takes too long.
    Busy,
}

/// How a turn ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It was done.
    Answer(Answer),
    /// It was done; the answer is too long to keep.
    TooLong,
    /// It was not done for certain; the next one may try.
    GivenUp,
}

/// An answer as it went out.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Where a kept text belongs. Room is divided by groups, so that who brings many loses his own first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Group {
    /// Whom it concerns; `None` for strangers, whose room is apart.
    pub(crate) owner: Option<String>,
    /// Where it came from.
    pub(crate) source: String,
}
