//! Events on their way to a space's webhook: written in the transaction of what they tell of, signed, retried with growing pauses.
//!
//! The signature is `X-Madang-Signature: t=<seconds>,v1=<hex of HMAC-SHA256 over "<seconds>.<body>">`, under the webhook's secret.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, stream::FuturesUnordered};
use hmac::{Hmac, KeyInit, Mac};
use madang_kit::{Clock, Db, Drain, Error, Id, Result, bell::Bell, error::chain, hex, outbound::FetchAllow};
use reqwest::{Client, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

use crate::{
    Surveys,
    store::delivery::{self as rows, Delivery, Webhook},
    vault::Vault,
};

/// Somebody has submitted answers.
pub(crate) const SUBMITTED: &str = "response.submitted";
/// Somebody tries the webhook.
pub(crate) const TEST: &str = "webhook.test";

pub(crate) const WAITING: &str = "waiting";
pub(crate) const DELIVERED: &str = "delivered";
pub(crate) const FAILED: &str = "failed";

/// How long one attempt may take.
const WITHIN: Duration = Duration::from_secs(10);
/// An attempt that nobody ended by then was lost with its process.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// Attempts in all: the pauses between them grow from 5 seconds to some hours.
pub(crate) const MAX_ATTEMPTS: i64 = 12;
const FIRST_PAUSE_SECONDS: i64 = 5;
const LONGEST_PAUSE_SECONDS: i64 = 4 * 3600;
/// Attempts of all spaces at the same time.
const AT_ONCE: usize = 64;
/// Attempts of one space at the same time.
const OF_A_SPACE: usize = 4;
/// Secrets of one transaction.
const SECRETS: i64 = 100;
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Brings events to webhooks until the process drains.
#[derive(Clone)]
pub(crate) struct Deliveries(Bell);

#[derive(Clone)]
struct Sender {
    db: Db,
    vault: Vault,
    clock: Clock,
    allow: FetchAllow,
}

impl Deliveries {
    pub(crate) fn start(db: &Db, vault: &Vault, clock: &Clock, allow: FetchAllow, drain: &Drain) -> Self {
        let bell = Bell::new("madang_survey_event", db, drain);
        let sender = Sender { db: db.clone(), vault: vault.clone(), clock: clock.clone(), allow };
        let (heard, stop) = (bell.clone(), drain.token());
        drain.spawn(async move { sender.run(&heard, stop.cancelled()).await });
        Self(bell)
    }

    /// There is something to deliver.
    pub(crate) fn ring(&self) {
        self.0.ring();
    }
}

/// An event that waits.
pub(crate) fn waiting(space: &str, event: &str, data: &Value, now: DateTime<Utc>) -> Delivery {
    let id = Id::generate().to_string();
    let body = json!({"id": id, "event": event, "at": now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true), "data": data}).to_string();
    Delivery {
        id,
        space_id: space.to_owned(),
        event: event.to_owned(),
        body,
        state: WAITING.to_owned(),
        attempts: 0,
        status: None,
        created_at: now,
        next_at: now,
    }
}

/// Attempts that are under way, and where the next look begins.
#[derive(Default)]
struct Round {
    /// By space.
    busy: HashMap<String, usize>,
    /// The space that was served last.
    last: String,
}

impl Round {
    /// How many more attempts a space may begin.
    fn room(&self, space: &str) -> usize {
        let all: usize = self.busy.values().sum();
        let own = self.busy.get(space).copied().unwrap_or_default();
        OF_A_SPACE.saturating_sub(own).min(AT_ONCE.saturating_sub(all))
    }

    fn began(&mut self, space: &str, count: usize) {
        *self.busy.entry(space.to_owned()).or_default() += count;
    }

    fn ended(&mut self, space: &str) {
        if let Entry::Occupied(mut busy) = self.busy.entry(space.to_owned()) {
            *busy.get_mut() = busy.get().saturating_sub(1);
            if *busy.get() == 0 {
                busy.remove();
            }
        }
    }
}

impl Sender {
    /// Keeps attempts under way until the process drains; those that have begun are brought to their end. A space that does not answer
    /// holds up its own events only.
    async fn run(&self, bell: &Bell, stop: impl Future<Output = ()>) {
        let (mut round, mut under_way, mut more) = (Round::default(), FuturesUnordered::new(), true);
        tokio::pin!(stop);
        loop {
            if more {
                let mut taken = Vec::new();
                more = self.due(&mut round, &mut taken).await.unwrap_or_else(|error| {
                    tracing::warn!(error = %chain(&error), "events not delivered yet");
                    false
                });
                under_way.extend(taken.into_iter().map(|delivery| self.begin(delivery)));
            }
            tokio::select! {
                () = &mut stop => break,
                Some(space) = under_way.next() => round.ended(&space),
                _ = tokio::time::timeout(LOOK_EVERY, bell.heard()) => more = true,
            }
        }
        while under_way.next().await.is_some() {}
    }

    /// Takes what is due and may begin now, from each space in turn. Says whether there may be more as soon as an attempt ends.
    async fn due(&self, round: &mut Round, due: &mut Vec<Delivery>) -> Result<bool> {
        let now = self.clock.now();
        let spaces = rows::due(&self.db, now, &round.last, AT_ONCE).await?;
        let mut more = spaces.len() >= AT_ONCE;
        for space in spaces {
            let room = round.room(&space);
            let taken = if room > 0 { rows::take(&self.db, &space, now, now + LEASE, room).await? } else { Vec::new() };
            more |= taken.len() >= room;
            if !taken.is_empty() {
                round.began(&space, taken.len());
                round.last = space;
            }
            due.extend(taken);
        }
        Ok(more)
    }

    /// An attempt as a task of its own, which goes on while the next ones are looked up: it may have the database that they wait for.
    /// Its end gives the space that it was for.
    fn begin(&self, delivery: Delivery) -> impl Future<Output = String> + use<> {
        let (sender, space) = (self.clone(), delivery.space_id.clone());
        let task = tokio::spawn(async move { sender.attempt(delivery).await });
        async move {
            let _ = task.await; // the lease covers one that was lost
            space
        }
    }

    async fn attempt(&self, mut delivery: Delivery) {
        let outcome = self.send(&delivery).await;
        let now = self.clock.now();
        delivery.status = outcome.as_ref().ok().copied().map(i64::from);
        let state = match outcome {
            Ok(200..300) => DELIVERED,
            _ if delivery.attempts >= MAX_ATTEMPTS => FAILED,
            _ => WAITING,
        };
        state.clone_into(&mut delivery.state);
        delivery.next_at = now + pause(delivery.attempts);
        if let Err(error) = &outcome {
            tracing::info!(delivery = %delivery.id, error = %chain(error), "event not delivered");
        }
        if let Err(error) = rows::note(&self.db, &delivery).await {
            tracing::warn!(error = %chain(&error), "delivery not noted");
        }
    }

    /// Gives the status of the answer.
    async fn send(&self, delivery: &Delivery) -> Result<u16> {
        let gone = || Error::internal("the space has no webhook any more");
        let webhook = rows::webhook(&self.db, &delivery.space_id).await?.ok_or_else(gone)?;
        let url = Url::parse(&webhook.url).map_err(Error::internal)?;
        let secret = open(&self.vault, &delivery.space_id, &webhook)?;
        let host = url.host_str().ok_or_else(|| Error::internal("a webhook without a host"))?;
        let address = self.allow.resolve(host, url.port_or_known_default().unwrap_or(443)).await?;
        let client = Client::builder().redirect(Policy::none()).resolve(host, address).no_proxy().timeout(WITHIN);
        let client = client.build().map_err(Error::internal)?;
        let request = client
            .post(url.clone())
            .header("content-type", "application/json")
            .header("x-madang-event", &delivery.event)
            .header("x-madang-delivery", &delivery.id)
            .header("x-madang-signature", signature(secret.expose_secret(), self.clock.now().timestamp(), &delivery.body))
            .body(delivery.body.clone());
        Ok(request.send().await.map_err(Error::internal)?.status().as_u16())
    }
}

/// How long to wait after so many attempts.
fn pause(attempts: i64) -> TimeDelta {
    let doubled = FIRST_PAUSE_SECONDS.saturating_mul(1_i64.checked_shl(u32::try_from(attempts - 1).unwrap_or(0)).unwrap_or(i64::MAX));
    TimeDelta::seconds(doubled.clamp(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))
}

fn signature(secret: &str, at: i64, body: &str) -> String {
    // HMAC takes keys of any length, so nothing is ever left out here.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", hex(&mac.finalize().into_bytes()))
}

/// What a webhook's secret is bound to.
pub(crate) fn bound(space: &str) -> String {
    format!("webhook:{space}")
}

fn open(vault: &Vault, space: &str, webhook: &Webhook) -> Result<SecretString> {
    vault.open(&webhook.secret, &bound(space)).ok_or_else(|| Error::internal("a webhook's secret does not open"))
}

/// Moves secrets under the current master key.
pub(crate) async fn rewrap(surveys: &Surveys) -> Result<()> {
    let mut behind = String::new();
    loop {
        let old = rows::old_secrets(&surveys.db, &surveys.vault.current(), &behind, SECRETS).await?;
        let Some((last, _)) = old.last() else { return Ok(()) };
        behind.clone_from(last);
        let mut tx = surveys.db.begin().await?;
        for (space, sealed) in old {
            let Some(secret) = surveys.vault.open(&sealed, &bound(&space)) else {
                tracing::error!(space = %space, "a webhook's secret does not open");
                continue;
            };
            let new = surveys.vault.seal(secret.expose_secret(), &bound(&space))?;
            rows::reseal(&mut tx, &space, &sealed, new).await?;
        }
        tx.commit().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_takes_its_share_only() {
        let mut round = Round::default();
        round.began("dead", OF_A_SPACE);
        assert_eq!((round.room("dead"), round.room("well")), (0, OF_A_SPACE));
        (0..AT_ONCE / OF_A_SPACE - 1).for_each(|number| round.began(&format!("s{number}"), OF_A_SPACE));
        assert_eq!(round.room("well"), 0, "all places are taken");
        round.ended("dead");
        assert_eq!((round.room("dead"), round.room("well")), (1, 1));
    }

    #[test]
    fn pauses_double_up_to_hours() {
        assert_eq!([1, 2, 3, 12].map(|attempts| pause(attempts).num_seconds()), [5, 10, 20, 10_240]);
        assert_eq!(pause(63).num_seconds(), LONGEST_PAUSE_SECONDS);
    }
}
