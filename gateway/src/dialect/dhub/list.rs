//! D.Hub's two kinds of list (dhub.md section 4): without a trailing slash an array with `limit` and `offset`, with one an envelope
//! `{"items": {id: "<JSON text>"}, "token": …}`.

use axum::http::{HeaderName, header::LINK};
use madang_kit::{Error, Id, Result, check};
use madang_proto::{catalog::v1::ListRequest, pipeline::v1 as pipeline};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::DhubError;

/// Things in a list, if it does not say how many, and at most.
pub(super) const DEFAULT_LIMIT: u64 = 100;
pub(super) const MAX_LIMIT: u64 = 1_000;
/// The largest offset.
pub(super) const MAX_OFFSET: u64 = u32::MAX as u64;

/// A header that leads to the next page of a list whose body has no place for it.
pub(super) type NextPage = [(HeaderName, String); 1];

/// Query of a list; texts, so that a wrong value is told in D.Hub's shape.
#[derive(Debug, Deserialize)]
pub(crate) struct ListQuery {
    limit: Option<String>,
    offset: Option<String>,
    token: Option<String>,
    collection_id: Option<String>,
    q: Option<String>,
    tag: Option<String>,
    groups: Option<String>,
}

impl ListQuery {
    /// The request to the catalogue.
    pub(crate) fn request(self) -> Result<ListRequest, DhubError> {
        self.read().map_err(DhubError::in_query)
    }

    /// The request to the pipelines.
    pub(crate) fn things(self) -> Result<pipeline::ListRequest, DhubError> {
        let ListRequest { limit, offset, after, organization_id, q, tag, groups } = self.request()?;
        Ok(pipeline::ListRequest { limit, offset, after, organization_id, q, tag, groups })
    }

    /// Limit and the run to go on before.
    pub(crate) fn runs(self) -> Result<(u32, Option<String>), DhubError> {
        let request = self.request()?;
        Ok((request.limit, request.after))
    }

    fn read(self) -> Result<ListRequest> {
        let limit = number("limit", self.limit.as_deref(), 1, MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
        let after = self.token.map(|token| read_id("token", "next", &token)).transpose()?;
        let organization = self.collection_id.map(|id| read_id("collection_id", "col", &id)).transpose()?;
        Ok(ListRequest {
            limit: u32::try_from(limit).unwrap_or_default(),
            offset: number("offset", self.offset.as_deref(), 0, MAX_OFFSET)?.unwrap_or_default(),
            after,
            organization_id: organization,
            q: self.q,
            tag: self.tag,
            groups: read_groups(self.groups.as_deref().unwrap_or_default())?,
        })
    }
}

/// `groups=a,b`; empty, as a form sends it, it narrows nothing.
fn read_groups(text: &str) -> Result<Vec<String>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    check::names("groups", text.split(',').map(str::to_owned).collect())
}

/// A whole number from `min` to `max` that may be absent.
pub(super) fn number(name: &str, text: Option<&str>, min: u64, max: u64) -> Result<Option<u64>> {
    let Some(text) = text else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.map(Some).ok_or_else(|| Error::invalid(name, "range", format!("{name} must be a whole number from {min} to {max}")))
}

fn read_id(name: &str, prefix: &str, text: &str) -> Result<String> {
    let id = Id::parse_prefixed(prefix, text).map_err(|_| Error::invalid(name, "id", format!("{name} is not what a list gave")))?;
    Ok(id.to_string())
}

/// The envelope of a list with a trailing slash: each value is a text that holds JSON.
pub(crate) fn envelope<T: Serialize>(items: Vec<(String, T)>, next: Option<String>) -> Result<Value> {
    let mut map = Map::new();
    for (id, item) in items {
        map.insert(id, Value::String(serde_json::to_string(&item).map_err(Error::internal)?));
    }
    Ok(json!({"items": map, "token": token(next)?}))
}

/// The header that leads to the next page at this target.
pub(super) fn next_page(target: &str) -> NextPage {
    [(LINK, format!("<{target}>; rel=\"next\""))]
}

/// What leads to the next page; null on the last.
pub(super) fn token(next: Option<String>) -> Result<Option<String>> {
    next.map(|id| Ok::<_, Error>(id.parse::<Id>().map_err(Error::internal)?.prefixed("next"))).transpose()
}
