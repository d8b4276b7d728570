//! `GET /rawstore/objects/{key}`: a source file or a file of a package, whole or in part. Private ones are for their owner, by his token
//! or by a link that was signed for him.

use axum::{
    body::Body,
    extract::State,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
            IF_RANGE, RANGE,
        },
    },
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use madang_kit::{Code, Context, Error, Principal, Result, hex, rpc};
use madang_proto::pipeline::v1::{FlowFile, OpenFlowFileRequest, OpenFlowFileResponse};
use tonic::Streaming;

use super::{
    call::{Caller, Path, Query},
    error::SpecError,
    rawstore,
};
use crate::Gateway;

/// No browser guesses what a file is, and none runs it.
const NOSNIFF: HeaderName = HeaderName::from_static("x-content-type-options");

/// A file.
pub(crate) async fn show(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(key): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, SpecError> {
    let owner_id = if is_signed(&gateway, &key, &query) { owner_of(&key).to_owned() } else { caller.owner() };
    let wanted = OpenFlowFileRequest { key, offset: 0, bytes: 0, owner_id };
    let asked = headers.get(RANGE).and_then(|range| read_range(range.to_str().ok()?));
    let Some(asked) = asked else {
        let (file, parts) = open(&gateway, &caller.context, wanted).await?;
        return Ok(answer(&headers, &file, None, parts));
    };
    let (file, parts) = open(&gateway, &caller.context, OpenFlowFileRequest { bytes: 1, ..wanted.clone() }).await?;
    let etag = etag(&file);
    let same = headers.get(IF_RANGE).is_none_or(|known| known.as_bytes() == etag.as_bytes());
    if !same {
        let (file, parts) = open(&gateway, &caller.context, wanted).await?;
        return Ok(answer(&headers, &file, None, parts));
    }
    let Some((start, end)) = within(asked, file.bytes) else {
        let range = [(CONTENT_RANGE, format!("bytes */{}", file.bytes))];
        return Ok((StatusCode::RANGE_NOT_SATISFIABLE, range).into_response());
    };
    drop(parts);
    let (file, parts) = open(&gateway, &caller.context, OpenFlowFileRequest { offset: start, bytes: end - start, ..wanted }).await?;
    Ok(answer(&headers, &file, Some((start, end)), parts))
}

/// Whether everybody may read a file.
pub(super) async fn is_public(gateway: &Gateway, key: &str) -> Result<bool> {
    let wanted = OpenFlowFileRequest { key: key.to_owned(), offset: 0, bytes: 1, owner_id: String::new() };
    match open(gateway, &Context::new(Principal::anonymous()), wanted).await {
        Ok(_) => Ok(true),
        Err(error) if error.code == Code::Denied => Ok(false),
        Err(error) if error.code == Code::NotFound => Ok(true), // nothing to sign
        Err(error) => Err(error),
    }
}

/// Whether a file is of an owner.
pub(super) fn is_of(key: &str, owner_id: &str) -> bool {
    !owner_id.is_empty() && owner_of(key) == owner_id
}

fn owner_of(key: &str) -> &str {
    key.split('/').next().unwrap_or_default()
}

fn is_signed(gateway: &Gateway, key: &str, query: &Query) -> bool {
    let Ok(exp) = query.get("exp").parse::<i64>() else { return false };
    gateway.identity.clock.now().timestamp() < exp && gateway.tokens.is_file_signature(&rawstore::to_read(key, exp), query.get("sig"))
}

/// Opens a file; what the caller may not see is denied, as object stores do it.
async fn open(gateway: &Gateway, context: &Context, wanted: OpenFlowFileRequest) -> Result<(FlowFile, Streaming<OpenFlowFileResponse>)> {
    let of_status = |status: tonic::Status| {
        let error = Error::from(status);
        if error.code == Code::NotVisible { Error::new(Code::Denied, "the file is private") } else { error }
    };
    let mut parts = gateway.flows.clone().open_flow_file(rpc::request(context, wanted)).await.map_err(of_status)?.into_inner();
    let first = parts.message().await.map_err(of_status)?;
    let file = first.and_then(|message| message.file).ok_or_else(|| Error::internal("bytes without a file"))?;
    Ok((file, parts))
}

fn etag(file: &FlowFile) -> String {
    format!("\"{}\"", hex(&file.md5))
}

fn answer(asked: &HeaderMap, file: &FlowFile, range: Option<(u64, u64)>, parts: Streaming<OpenFlowFileResponse>) -> Response {
    let etag = etag(file);
    let mut response = Response::default();
    let mut said = |name: HeaderName, value: &str| set(&mut response, name, value);
    said(ETAG, &etag);
    said(CONTENT_TYPE, if file.content_type.is_empty() { "application/octet-stream" } else { &file.content_type });
    said(ACCEPT_RANGES, "bytes");
    said(CACHE_CONTROL, if file.private { "private, no-cache" } else { "public, no-cache" });
    said(NOSNIFF, "nosniff");
    said(CONTENT_SECURITY_POLICY, "sandbox");
    let known = asked.get(IF_NONE_MATCH).and_then(|known| known.to_str().ok()).unwrap_or_default();
    if known.split(',').any(|known| known.trim().trim_start_matches("W/") == etag || known.trim() == "*") {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let length = range.map_or(file.bytes, |(start, end)| end - start);
    set(&mut response, CONTENT_LENGTH, &length.to_string());
    if let Some((start, end)) = range {
        set(&mut response, CONTENT_RANGE, &format!("bytes {start}-{}/{}", end - 1, file.bytes));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    *response.body_mut() = Body::from_stream(parts.map(|message| message.map(|message| message.chunk).map_err(Error::from)));
    response
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// A part that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// From a byte to another one, included, or to the end.
    From(u64, Option<u64>),
    /// The last so many bytes.
    Last(u64),
}

/// One range of bytes; anything else is passed over, as the standard lets one.
fn read_range(text: &str) -> Option<Asked> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", last) => Some(Asked::Last(last.parse().ok()?)),
        (first, "") => Some(Asked::From(first.parse().ok()?, None)),
        (first, last) => {
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some(Asked::From(first, Some(last)))
        }
    }
}

/// The part within a file of so many bytes: its first byte, and the one after its last.
fn within(asked: Asked, bytes: u64) -> Option<(u64, u64)> {
    let (start, end) = match asked {
        Asked::From(first, last) => (first, last.map_or(bytes, |last| last.saturating_add(1).min(bytes))),
        Asked::Last(number) => (bytes.saturating_sub(number), bytes),
    };
    (start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let of = |text: &str, bytes| read_range(text).map(|asked| within(asked, bytes));
        assert_eq!(of("bytes=0-0", 10), Some(Some((0, 1))));
        assert_eq!(of("bytes=2-", 10), Some(Some((2, 10))));
        assert_eq!(of("bytes=2-99", 10), Some(Some((2, 10))));
        assert_eq!(of("bytes=-3", 10), Some(Some((7, 10))));
        assert_eq!(of("bytes=-30", 10), Some(Some((0, 10))));
        assert_eq!(of("bytes=10-", 10), Some(None));
        assert_eq!(of("bytes=-0", 10), Some(None));
        for none in ["", "bytes=", "bytes=3-2", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4"] {
            assert_eq!(of(none, 10), None, "{none}");
        }
    }
}
