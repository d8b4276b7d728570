//! A CKAN site: theirs, which is only read, or ours.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use madang_kit::outbound::FetchAllow;
use reqwest::{Client, Url, redirect::Policy};
use serde_json::{Map, Value, json};

/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);
/// The largest answer that is read.
const ANSWER_BYTES: usize = 256 << 20;
/// How often a site that is away is asked again, and how long that waits at first.
const TRIES: u32 = 5;
const WAIT: Duration = Duration::from_millis(500);
/// Names in one part of a list.
const PAGE: usize = 1_000;
/// Parts of one list.
const PAGES_MAX: usize = 10_000;

/// A site and how it is called.
#[derive(Clone)]
pub(super) struct Site {
    base: Arc<str>,
    /// Its name, for the ledger.
    pub(super) host: String,
    token: Option<Arc<str>>,
    client: Client,
}

/// What a site refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) error: Value,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.status, self.error)
    }
}

impl std::error::Error for Refused {}

impl Site {
    /// The other site. Its address is looked at first, and the one that was looked at is called; it can't send us elsewhere.
    pub(super) async fn theirs(url: &str, token: Option<&str>, allow: &FetchAllow) -> anyhow::Result<Self> {
        let parsed = Url::parse(url).with_context(|| format!("'{url}' is no address"))?;
        let host = parsed.host_str().with_context(|| format!("'{url}' names no host"))?.to_owned();
        let port = parsed.port_or_known_default().with_context(|| format!("'{url}' names no port"))?;
        let address = allow.resolve(&host, port).await?;
        let client = Client::builder().timeout(ANSWER_WITHIN).redirect(Policy::none()).no_proxy().resolve(&host, address).build()?;
        Ok(Self { base: url.trim_end_matches('/').into(), host: format!("{host}-{port}"), token: token.map(Into::into), client })
    }

    /// Our hub.
    pub(super) fn ours(url: &str, token: &str) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(ANSWER_WITHIN).no_proxy().build()?;
        Ok(Self { base: url.trim_end_matches('/').into(), host: String::new(), token: Some(token.into()), client })
    }

    /// The result of an action. A site that is away is asked again, a few times.
    pub(super) async fn act(&self, action: &str, dict: &Value) -> anyhow::Result<Value> {
        let mut wait = WAIT;
        for attempt in 1.. {
            match self.act_once(action, dict).await {
                Err(error) if attempt < TRIES && is_away(&error) => {
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
                other => return other,
            }
        }
        bail!("never asked")
    }

    async fn act_once(&self, action: &str, dict: &Value) -> anyhow::Result<Value> {
        let mut request = self.client.post(format!("{}/api/3/action/{action}", self.base)).json(dict);
        if let Some(token) = &self.token {
            request = request.header("authorization", token.as_ref()).header("x-ckan-api-key", token.as_ref());
        }
        let mut answer = request.send().await.with_context(|| format!("no answer from {}", self.base))?;
        let status = answer.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            if bytes.len() + piece.len() > ANSWER_BYTES {
                bail!("the answer to {action} is larger than {ANSWER_BYTES} bytes");
            }
            bytes.extend_from_slice(&piece);
        }
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status == 200 && body["success"] == true {
            return Ok(body["result"].clone());
        }
        Err(Refused { status, error: body["error"].clone() }.into())
    }

    /// All names of a list; `None` of a list that the site does not show everybody.
    pub(super) async fn names(&self, (action, more): (&str, &[(&str, bool)])) -> anyhow::Result<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        for page in 0..PAGES_MAX {
            let mut dict = Map::from_iter([("limit".to_owned(), json!(PAGE)), ("offset".to_owned(), json!(page * PAGE))]);
            dict.extend(more.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
            let found = self.act(action, &dict.into()).await?;
            let found: Vec<String> = found.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect();
            let fresh = found.iter().any(|name| !names.contains(name));
            let last = found.len() < PAGE || !fresh; // lists without pages begin anew
            if fresh {
                names.extend(found);
            }
            if last {
                break;
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }
}

fn is_away(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Refused>() {
        Some(refused) => matches!(refused.status, 429 | 502 | 503 | 504),
        None => true,
    }
}
