//! Sources on the local disk: each is fetched once for all that is made of it.

use futures::{StreamExt, stream::BoxStream};
use madang_kit::{Code, Context, Error, Id, Principal, Result, fetch, principal::Scheme};
use madang_proto::pipeline::v1::FlowSource;
use tempfile::TempPath;

use super::{
    Bounds, Flows, lake_error,
    make::sink::{Made, Scratch, Sink},
};
use crate::{
    storage::bucket,
    store::flow::{claim::Claim, file as store},
};

/// A source that is here.
pub(super) struct Fetched {
    pub(super) made: Made,
    /// What its server calls this state of it.
    pub(super) tag: Option<String>,
}

/// A source that could not be had: the report's code, and why.
pub(super) struct Missed {
    pub(super) code: &'static str,
    pub(super) error: Error,
}

/// The key of a source that its owner brought.
pub(super) fn uploaded(source: &FlowSource) -> Option<&str> {
    source.url.strip_prefix("upload:")
}

/// Fetches a source, whatever its address leads to.
pub(super) async fn fetch(
    flows: &Flows,
    claim: &Claim,
    source: &FlowSource,
    bounds: &Bounds,
    scratch: &Scratch,
) -> std::result::Result<Fetched, Missed> {
    let missed = |code| move |error| Missed { code, error };
    if let Some(key) = uploaded(source) {
        return upload(flows, claim, key, bounds, scratch).await.map_err(missed("io-error"));
    }
    if let Some(place) = source.url.strip_prefix("objectstorage://") {
        // The hint of a format may stand behind the key; but a key may end like that as well.
        let hinted = place.strip_suffix(source.format.as_str()).and_then(|rest| rest.strip_suffix("#."));
        let found = object(flows, claim, place, bounds, scratch).await;
        let found = match (found, hinted) {
            (Err(error), Some(place)) if error.code == Code::NotFound => object(flows, claim, place, bounds, scratch).await,
            (found, _) => found,
        };
        return found.map_err(missed("io-error"));
    }
    let scheme = source.url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("http" | "https")) {
        let error = Error::invalid("url", "scheme", "Scheme is not supported: http, https, objectstorage and upload are");
        return Err(missed("scheme-error")(error));
    }
    linked(flows, claim, &source.url, bounds, scratch).await.map_err(missed("http-error"))
}

async fn linked(flows: &Flows, claim: &Claim, url: &str, bounds: &Bounds, scratch: &Scratch) -> Result<Fetched> {
    let (owner, dataset) = (&claim.request.owner_id, &claim.request.dataset);
    let known = if claim.request.forced { None } else { store::seen(&flows.db, owner, dataset, url).await? };
    let known = match known {
        Some((tag, key)) => store::find(&flows.db, &key).await?.map(|file| (tag, file)),
        None => None,
    };
    let response = fetch::fetch(&flows.allow, url, known.as_ref().map(|(tag, _)| tag.as_str())).await?;
    if let Some((tag, file)) = known.filter(|_| response.status().as_u16() == 304) {
        let made = copy(flows, &file, bounds, scratch).await?;
        return Ok(Fetched { made, tag: Some(tag) });
    }
    let tag = response.headers().get("etag").and_then(|tag| tag.to_str().ok()).map(str::to_owned);
    let pieces = response.bytes_stream().map(|piece| piece.map_err(|_| fetch::away("the file broke off")));
    Ok(Fetched { made: spool(pieces.boxed(), bounds, scratch).await?, tag })
}

async fn upload(flows: &Flows, claim: &Claim, key: &str, bounds: &Bounds, scratch: &Scratch) -> Result<Fetched> {
    let file = store::find(&flows.db, key).await?.filter(|file| file.owner_id == claim.request.owner_id);
    let file = file.ok_or_else(|| Error::new(Code::NotFound, "the uploaded file is not here"))?;
    Ok(Fetched { made: copy(flows, &file, bounds, scratch).await?, tag: None })
}

async fn object(flows: &Flows, claim: &Claim, place: &str, bounds: &Bounds, scratch: &Scratch) -> Result<Fetched> {
    let (name, key) = place.split_once('/').ok_or_else(|| Error::invalid("url", "object", "the address names no object"))?;
    still_there(flows, &claim.principal).await?;
    bucket::demand_in(&flows.db, flows.objects.as_ref(), &claim.principal, name, false).await?;
    let (_, pieces) = flows.objects.get(name, key).await.map_err(|error| match error {
        madang_lake::Error::NotFound(what) => Error::new(Code::NotFound, format!("{what} not found")),
        other => lake_error(other),
    })?;
    let pieces = pieces.map(|piece| piece.map_err(lake_error));
    Ok(Fetched { made: spool(pieces.boxed(), bounds, scratch).await?, tag: None })
}

/// That a user on whose behalf a flow works is one still: a schedule outlives its owner's account.
async fn still_there(flows: &Flows, principal: &Principal) -> Result<()> {
    if principal.user != Id::NIL {
        let stored = Principal { scheme: Scheme::RunAs, ..principal.clone() };
        let found = flows.catalog.describe_reader(&Context::new(stored), Vec::new()).await;
        found.map_err(|error| if error.is_refusal() { error } else { Error::internal(error) })?;
    }
    Ok(())
}

/// A kept file on the local disk.
async fn copy(flows: &Flows, file: &store::File, bounds: &Bounds, scratch: &Scratch) -> Result<Made> {
    let bytes = u64::try_from(file.bytes).map_err(Error::internal)?;
    let pieces = flows.files.get(&file.stored, 0..bytes).await.map_err(lake_error)?;
    spool(pieces.map(|piece| piece.map_err(lake_error)).boxed(), bounds, scratch).await
}

/// The same for a file that a pipeline made.
pub(super) async fn local(flows: &Flows, key: &str, scratch: &Scratch) -> Result<TempPath> {
    let file = store::find(&flows.db, key).await?.ok_or_else(|| Error::internal("a file that a pipeline made is gone"))?;
    Ok(copy(flows, &file, &Bounds { source_bytes: u64::MAX, ..flows.bounds }, scratch).await?.path)
}

async fn spool(mut pieces: BoxStream<'_, Result<bytes::Bytes>>, bounds: &Bounds, scratch: &Scratch) -> Result<Made> {
    let mut sink = Sink::new(scratch)?;
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        if sink.bytes() + piece.len() as u64 > bounds.source_bytes {
            let most = bounds.source_bytes;
            return Err(Error::new(Code::TooLarge, format!("the source has more than {most} bytes, which is the limit")));
        }
        sink.put(&piece)?;
    }
    sink.finish()
}
