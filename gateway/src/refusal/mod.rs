//! Refused signed requests, kept for a short time so that the key's owner can learn what was wrong (issue "Data Flow", item 5).
//!
//! A refusal costs next to nothing: what came is written down, encrypted, and forgotten after [`KEPT_FOR`]. What the mistake was is found
//! out when somebody who may asks. How much is kept is bounded, and who sends many loses his own first (`shared_state/drawer.rs`).

mod body;
mod read;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue},
    response::Response,
};
use madang_kit::{Id, Result, config::Config, error::chain};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

pub(crate) use read::explained;

use crate::{
    credential::{RawTarget, Refusal, ncp_signature},
    edge::Client,
    explain::Captured,
    identity::{AccessKey, Identity},
    shared_state::{Group, SharedState},
};

/// How long a refusal can be read.
pub(crate) const KEPT_FOR: Duration = Duration::from_mins(15);
/// Bodies of refused requests that are read at the same time; of more none is kept.
const BODIES_AT_ONCE: usize = 32;
/// Searches that run at the same time.
const SEARCHES_AT_ONCE: usize = 2;
/// Names the record of a refusal.
const HEADER: &str = "x-madang-refusal";

/// Keeps refusals and explains them.
#[derive(Clone)]
pub(crate) struct Refusals {
    shared: Arc<dyn SharedState>,
    identity: Identity,
    config: Arc<Config>,
    bodies: Arc<Semaphore>,
    searches: Arc<Semaphore>,
}

/// A refused request on its way: it is kept if the answer turns out to be 401.
#[derive(Clone)]
pub(crate) struct Draft {
    record: Record,
    source: String,
}

/// A refused request.
#[derive(Clone, Serialize, Deserialize)]
struct Record {
    request: Captured,
    /// The key that it names, by its name or by its secret.
    key: Option<String>,
    /// Its signature came before, with another body.
    replayed: bool,
}

impl Refusals {
    pub(crate) fn new(shared: Arc<dyn SharedState>, identity: Identity, config: Arc<Config>) -> Self {
        let (bodies, searches) = (Arc::new(Semaphore::new(BODIES_AT_ONCE)), Arc::new(Semaphore::new(SEARCHES_AT_ONCE)));
        Self { shared, identity, config, bodies, searches }
    }

    /// Writes down what a refused request is. Its body stays readable.
    pub(crate) async fn draft(&self, request: &mut Request, reason: Refusal) -> Draft {
        let body = body::kept(request, &self.bodies).await;
        let key = self.named(request.headers()).await;
        let headers = request.headers();
        let texts: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default())).collect();
        let is_name = |text: &str| key.as_ref().is_some_and(|key| key.name == text);
        let target = request.extensions().get::<RawTarget>().map(|target| target.0.clone()).unwrap_or_default();
        let received = self.identity.clock.now_ms();
        let captured = Captured { body, ..Captured::new(request.method().as_str(), &target, &texts, is_name, received) };
        let client = Client::of(&self.config.trusted_proxies, request.extensions(), headers);
        let source = client.map(|client| client.network()).unwrap_or_default();
        let record = Record { request: captured, key: key.map(|key| key.name.clone()), replayed: reason == Refusal::Replayed };
        Draft { record, source }
    }

    /// Keeps a draft, and names it on the answer. Known and unknown keys get names of one kind.
    pub(crate) async fn keep(&self, draft: Draft, response: &mut Response) {
        let id = Id::generate().ulid_lower();
        match self.sealed(&id, &draft.record) {
            Ok(text) => {
                let group = Group { owner: draft.record.key, source: draft.source };
                self.shared.keep(group, &id, text, KEPT_FOR).await;
            }
            Err(error) => tracing::error!(error = %chain(&error), "a refusal could not be kept"),
        }
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(HEADER, value);
        }
    }

    /// The key that the request names, rightly or by its secret.
    async fn named(&self, headers: &HeaderMap) -> Option<Arc<AccessKey>> {
        let text = ncp_signature::named(headers)?;
        self.identity.access_key(text).await.ok().flatten()
    }

    fn sealed(&self, id: &str, record: &Record) -> Result<String> {
        let text = serde_json::to_string(record).map_err(madang_kit::Error::internal)?;
        self.identity.keyring.seal(&text, &bound_to(id)).map_err(madang_kit::Error::internal)
    }
}

fn bound_to(id: &str) -> String {
    crate::identity::bound_to("refusal", id)
}
