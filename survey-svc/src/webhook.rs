//! Events on their way to a space's webhook: written in the transaction of what they tell of, signed, retried with growing pauses.
//!
//! The signature is `X-Madang-Signature: t=<seconds>,v1=<hex of HMAC-SHA256 over "<seconds>.<body>">`, under the webhook's secret.

use std::{fmt::Write as _, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, stream};
use hmac::{Hmac, KeyInit, Mac};
use madang_kit::{Clock, Db, Drain, Error, Id, Result, bell::Bell, error::chain, outbound::FetchAllow};
use reqwest::{Client, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

use crate::{
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
const AT_ONCE: i64 = 32;
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Brings events to webhooks until the process drains.
#[derive(Clone)]
pub(crate) struct Deliveries(Bell);

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
        drain.spawn(async move {
            loop {
                let wait = async { tokio::time::timeout(LOOK_EVERY, heard.heard()).await.is_ok() };
                if stop.run_until_cancelled(wait).await.is_none() {
                    return;
                }
                if let Err(error) = sender.send_due().await {
                    tracing::warn!(error = %chain(&error), "events not delivered yet");
                }
            }
        });
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

impl Sender {
    async fn send_due(&self) -> Result<()> {
        loop {
            let now = self.clock.now();
            let taken = rows::take(&self.db, now, now + LEASE, AT_ONCE).await?;
            let all = i64::try_from(taken.len()).unwrap_or_default() >= AT_ONCE;
            stream::iter(taken).for_each_concurrent(None, |delivery| self.attempt(delivery)).await;
            if !all {
                return Ok(());
            }
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
    let mut text = format!("t={at},v1=");
    for byte in mac.finalize().into_bytes() {
        let _ = write!(text, "{byte:02x}"); // writing to a text never fails
    }
    text
}

/// What a webhook's secret is bound to.
pub(crate) fn bound(space: &str) -> String {
    format!("webhook:{space}")
}

fn open(vault: &Vault, space: &str, webhook: &Webhook) -> Result<SecretString> {
    vault.open(&webhook.secret, &bound(space)).ok_or_else(|| Error::internal("a webhook's secret does not open"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_hours() {
        assert_eq!([1, 2, 3, 12].map(|attempts| pause(attempts).num_seconds()), [5, 10, 20, 10_240]);
        assert_eq!(pause(63).num_seconds(), LONGEST_PAUSE_SECONDS);
    }
}
