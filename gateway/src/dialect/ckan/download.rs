//! Uploaded files on their way out (ckan.md sections 1.1, 7): whole, in part, or as an address elsewhere.
//!
//! A file is somebody's: nothing in it may run in our name. So browsers must not guess what it is, pages are saved instead of shown, and
//! whatever is shown may load and run nothing.

use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{
        Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
            IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, LOCATION, RANGE,
        },
    },
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use madang_kit::{Code, Error, rpc};
use madang_proto::catalog::v1::{ByteRange, FileHead, OpenFileRequest, OpenFileResponse, StoredFileKind, open_file_response::Part};
use percent::encoded;
use tonic::Streaming;

use super::call::principal;
use crate::{
    Gateway,
    credential::{Credential, ncp_signature},
    dialect::request,
};

/// Types that a browser may show; all others are saved.
const SHOWN: [&str; 7] = ["image/png", "image/jpeg", "image/gif", "image/webp", "text/csv", "text/plain", "text/tab-separated-values"];
const NOSNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// `GET /dataset/{id}/resource/{resource}/download`, with any name behind it
pub(super) async fn resource(State(gateway): State<Gateway>, Path(named): Path<Vec<(String, String)>>, request: Request) -> Response {
    open(&gateway, StoredFileKind::Resource, &named, request).await
}

/// `GET /dataset/{id}/resource/{resource}/bad-rows.csv`: the rows that a resource's table lacks
pub(super) async fn bad_rows(State(gateway): State<Gateway>, Path(named): Path<Vec<(String, String)>>, request: Request) -> Response {
    open(&gateway, StoredFileKind::BadRows, &named, request).await
}

/// `GET /uploads/group/{name}`: a picture
pub(super) async fn image(State(gateway): State<Gateway>, Path(named): Path<Vec<(String, String)>>, request: Request) -> Response {
    open(&gateway, StoredFileKind::Image, &named, request).await
}

async fn open(gateway: &Gateway, kind: StoredFileKind, named: &[(String, String)], request: Request) -> Response {
    let of = |name: &str| named.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default();
    let head_only = request.method() == Method::HEAD;
    let (extensions, headers, _) = request::split(request);
    let if_range = headers.get(IF_RANGE).and_then(|value| value.to_str().ok()).map(|tag| tag.trim_matches('"').to_owned());
    let wanted = OpenFileRequest {
        kind: kind.into(),
        dataset: of("id"),
        resource_id: of("resource"),
        name: of("name"),
        range: headers.get(RANGE).and_then(|range| read_range(range.to_str().ok()?)),
        range_of: if_range.unwrap_or_default(),
        head_only,
    };
    match opened(gateway, &extensions, &headers, wanted).await {
        Ok((head, parts)) => answer(&headers, &head, parts),
        Err(error) => refused(&error),
    }
}

async fn opened(
    gateway: &Gateway,
    extensions: &Extensions,
    headers: &HeaderMap,
    wanted: OpenFileRequest,
) -> Result<(FileHead, Streaming<OpenFileResponse>), Error> {
    let principal = principal(extensions.get::<Credential>(), ncp_signature::is_present(headers), false)?;
    let context = request::context(extensions, principal);
    let mut parts = gateway.actions.clone().open_file(rpc::request(&context, wanted)).await?.into_inner();
    match parts.message().await?.and_then(|message| message.part) {
        Some(Part::Head(head)) => Ok((head, parts)),
        _ => Err(Error::internal("bytes without a file")),
    }
}

fn answer(asked: &HeaderMap, head: &FileHead, parts: Streaming<OpenFileResponse>) -> Response {
    if !head.link.is_empty() {
        return elsewhere(&head.link);
    }
    let mut response = Response::default();
    describe(response.headers_mut(), head);
    if is_known(asked, head) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let length = match (head.range_start, head.range_end) {
        (Some(start), Some(end)) if end > start => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(response.headers_mut(), CONTENT_RANGE, &format!("bytes {start}-{}/{}", end - 1, head.bytes));
            end - start
        }
        (Some(_), Some(_)) => {
            let mut response = (StatusCode::RANGE_NOT_SATISFIABLE, "The file has no such bytes").into_response();
            set(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", head.bytes));
            return response;
        }
        _ => head.bytes,
    };
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    let pieces = parts.map(|message| match message.map(|message| message.part) {
        Ok(Some(Part::Chunk(bytes))) => Ok(bytes),
        Ok(_) => Err(Error::internal("no bytes")),
        Err(status) => Err(Error::from(status)),
    });
    *response.body_mut() = Body::from_stream(pieces);
    response
}

/// What every answer with a file says of it.
fn describe(headers: &mut HeaderMap, head: &FileHead) {
    let media = if head.media_type.is_empty() { "application/octet-stream" } else { &head.media_type };
    let plain = media.split(';').next().unwrap_or_default().trim().to_lowercase();
    let how = if SHOWN.contains(&plain.as_str()) { "inline" } else { "attachment" };
    set(headers, CONTENT_TYPE, media);
    set(headers, CONTENT_DISPOSITION, &disposition(how, &head.name));
    set(headers, ETAG, &format!("\"{}\"", head.sha256));
    set(headers, ACCEPT_RANGES, "bytes");
    set(headers, CACHE_CONTROL, "private, no-cache");
    set(headers, NOSNIFF, "nosniff");
    set(headers, CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    if let Some(time) = modified(head) {
        set(headers, LAST_MODIFIED, &time.format(HTTP_DATE).to_string());
    }
}

fn modified(head: &FileHead) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(head.modified_ms)
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A name in ASCII for old clients, and as it is for others (RFC 6266).
fn disposition(how: &str, name: &str) -> String {
    let ascii: String = name.chars().map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') { c } else { '_' }).collect();
    if ascii == name {
        format!("{how}; filename=\"{ascii}\"")
    } else {
        format!("{how}; filename=\"{ascii}\"; filename*=UTF-8''{}", encoded(name))
    }
}

/// Whether the caller has the file already.
fn is_known(asked: &HeaderMap, head: &FileHead) -> bool {
    if let Some(tags) = asked.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()) {
        let is_this = |tag: &str| tag == "*" || tag.trim_start_matches("W/").trim_matches('"') == head.sha256;
        return tags.split(',').any(|tag| is_this(tag.trim()));
    }
    let since = asked.get(IF_MODIFIED_SINCE).and_then(|since| DateTime::parse_from_rfc2822(since.to_str().ok()?).ok());
    since.zip(modified(head)).is_some_and(|(since, modified)| modified.timestamp() <= since.timestamp())
}

/// `bytes=0-99`, `bytes=100-`, `bytes=-100`; anything else, several ranges too, asks for all.
fn read_range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| if text.is_empty() { Some(None) } else { text.parse::<u64>().ok().map(Some) };
    let (first, last) = (number(first.trim())?, number(last.trim())?);
    match (first, last) {
        (None, None) => None,
        (Some(first), Some(last)) if last < first => None,
        _ => Some(ByteRange { first, last }),
    }
}

/// 302 to a linked file.
fn elsewhere(link: &str) -> Response {
    let target = url::Url::parse(link).ok().filter(|url| ["http", "https", "ftp"].contains(&url.scheme()));
    match target.and_then(|target| HeaderValue::from_str(target.as_str()).ok()) {
        Some(target) => (StatusCode::FOUND, [(LOCATION, target)]).into_response(),
        None => (StatusCode::NOT_FOUND, "Resource not found").into_response(),
    }
}

fn refused(error: &Error) -> Response {
    match error.code {
        Code::NotFound | Code::NotVisible | Code::Invalid => (StatusCode::NOT_FOUND, "Resource not found").into_response(),
        Code::Denied => (StatusCode::FORBIDDEN, "Not authorized to download resource").into_response(),
        Code::Unauthenticated => (StatusCode::UNAUTHORIZED, "Access denied").into_response(),
        Code::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "The file can't be read now").into_response(),
        _ => {
            tracing::error!(code = error.code.name(), "a file can't be read");
            (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
        }
    }
}

mod percent {
    use std::fmt::Write;

    /// A text as RFC 5987 has it.
    pub(super) fn encoded(text: &str) -> String {
        let mut encoded = String::with_capacity(text.len() * 3);
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                let _ = write!(encoded, "%{byte:02X}"); // a text takes everything
            }
        }
        encoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_or_left_alone() {
        let range = |first, last| Some(ByteRange { first, last });
        for (text, wanted) in [
            ("bytes=0-99", range(Some(0), Some(99))),
            ("bytes=100-", range(Some(100), None)),
            ("bytes=-100", range(None, Some(100))),
            ("bytes=5-1", None),
            ("bytes=0-1,3-4", None),
            ("bytes=-", None),
            ("items=0-1", None),
            ("bytes=a-b", None),
        ] {
            assert_eq!(read_range(text), wanted, "{text}");
        }
    }

    #[test]
    fn names_in_every_script_survive() {
        assert_eq!(disposition("inline", "a.csv"), "inline; filename=\"a.csv\"");
        assert_eq!(disposition("attachment", "표 1\".csv"), "attachment; filename=\"__1_.csv\"; filename*=UTF-8''%ED%91%9C%201%22.csv");
    }
}
