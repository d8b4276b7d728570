//! A signed write that comes again gets the first answer again and has no second effect (dataflow.md 1.3, rule 13).
//!
//! What is remembered is (access key, signature, body), until the signature is stale. The second waits while the first still runs. This
//! memory is bounded and short; behind it, each service keeps its own in the transaction of the effect (`kit/src/idempotency.rs`), which
//! also covers what is not remembered here: streamed bodies, answers that are too long, restarts.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest::{Context as Hasher, SHA256, digest};
use axum::{
    body::Body,
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode};
use madang_kit::config::Replay;

use super::whole::{self, Read};
use crate::{
    Gateway,
    credential::{Credential, Refusal, ncp_signature},
    shared_state::{Answer, Mark, Outcome, SharedState, Turn},
};

/// The largest body of a write that is remembered, in bytes; no JSON body may be larger.
const BODY_BYTES: usize = 10 << 20;
/// How long a body may take to arrive and be remembered.
const BODY_WITHIN: Duration = Duration::from_secs(30);
/// The longest answer that is remembered, in bytes.
const ANSWER_BYTES: usize = 256 * 1024;
/// How long an answer may take to be written and be remembered.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Requests that write nothing, or whose bodies are streamed: parts of a path, `*` for any one segment.
const EXEMPT: [&str; 8] = [
    "/api/v1/jobs/verify",
    "/api/v1/tables/schema",
    "/api/v1/tables/*/query",
    "/api/v1/tables/*/upload",
    "/api/v1/datasets/*/upload",
    "/api/v1/auth/*",
    "/v1/spaces/*/surveys/*/response-urls",
    "/v1/response-urls",
];
/// Answers with personal values in them: they are done once as all others, but no copy of them is kept where no erasure reaches it. A
/// repetition is the service's to answer.
const PERSONAL: &str = "/v1/panels";
/// What begins so is streamed, too.
const STREAMED: [&str; 2] = ["/madang/v1/buckets/", "/rawstore/"];
/// CKAN's actions that read, although they may be posted, end so.
const READS: [&str; 4] = ["_show", "_list", "_search", "_autocomplete"];

/// Runs a request, unless it is a write that was done already.
pub(super) async fn once(gateway: &Gateway, mut request: Request, next: Next) -> Response {
    if request.method().is_safe() || gateway.config.replay == Replay::Off || is_exempt(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    let body = std::mem::take(request.body_mut());
    let body = match whole::read(body, BODY_BYTES, BODY_WITHIN).await {
        Read::Whole(body) => body,
        Read::Rest(rest) => return next.run(with(request, rest)).await,
    };
    let Some(signed) = Signed::read(gateway, request.headers(), &body) else { return next.run(with(request, Body::from(body))).await };
    if gateway.config.replay == Replay::Strict
        && gateway.shared.first_mark(&signed.name, signed.body, signed.valid_for).await != signed.body
    {
        request.extensions_mut().insert(Credential::Refused(Refusal::Replayed));
        let draft = gateway.refusals.draft(&mut request, Refusal::Replayed).await;
        let mut response = next.run(request).await;
        response.extensions_mut().insert(draft);
        return response;
    }
    match gateway.shared.turn(signed.whole, signed.valid_for).await {
        Turn::First => {
            let keeps = !is_personal(request.uri().path());
            let turn = Mine { shared: gateway.shared.clone(), name: signed.whole, outcome: Outcome::GivenUp };
            turn.answer(next.run(with(request, Body::from(body))).await, keeps).await
        }
        Turn::Done(answer) => answer.into_response(),
        Turn::NotKept => next.run(with(request, Body::from(body))).await,
        Turn::Busy => {
            request.extensions_mut().insert(Credential::Unavailable);
            next.run(request).await
        }
    }
}

fn is_exempt(method: &Method, path: &str) -> bool {
    let fits = |pattern: &str| {
        let (mut wanted, mut there) = (pattern.split('/'), path.split('/'));
        wanted.by_ref().all(|part| there.next().is_some_and(|segment| part == "*" || part == segment)) && there.next().is_none()
    };
    let reads = method == Method::POST && path.contains("/action/") && READS.iter().any(|ending| path.ends_with(ending));
    reads || STREAMED.iter().any(|start| path.starts_with(start)) || EXEMPT.into_iter().any(fits)
}

fn is_personal(path: &str) -> bool {
    path.strip_prefix(PERSONAL).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn with(request: Request, body: Body) -> Request {
    request.map(|_| body)
}

/// What a signed request is remembered by.
struct Signed {
    /// Key and signature.
    name: String,
    /// The body.
    body: Mark,
    /// All three.
    whole: Mark,
    /// How long the signature holds.
    valid_for: Duration,
}

impl Signed {
    fn read(gateway: &Gateway, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let (key, signature) = (text(ncp_signature::ACCESS_KEY)?, text(ncp_signature::SIGNATURE)?);
        let timestamp: i64 = text(ncp_signature::TIMESTAMP)?.parse().ok()?;
        let until = timestamp.saturating_add_unsigned(ncp_signature::WINDOW_MS);
        let left = until.saturating_sub(gateway.identity.clock.now_ms());
        let mark = digest(&SHA256, body);
        let mut whole = Hasher::new(&SHA256);
        for part in [key.as_bytes(), signature.as_bytes(), mark.as_ref()] {
            whole.update(&part.len().to_le_bytes());
            whole.update(part);
        }
        let as_mark = |digest: &[u8]| Mark::try_from(digest).ok();
        Some(Self {
            name: format!("body:{key}:{signature}"),
            body: as_mark(mark.as_ref())?,
            whole: as_mark(whole.finish().as_ref())?,
            valid_for: Duration::from_millis(u64::try_from(left).unwrap_or_default() + 1),
        })
    }
}

/// A turn that is ours: settled when it is dropped, even if the caller went away.
struct Mine {
    shared: Arc<dyn SharedState>,
    name: Mark,
    outcome: Outcome,
}

impl Drop for Mine {
    fn drop(&mut self) {
        self.shared.settle(self.name, std::mem::replace(&mut self.outcome, Outcome::GivenUp));
    }
}

impl Mine {
    /// Remembers an answer on its way out. One that says "try again" is not remembered.
    async fn answer(mut self, response: Response, keeps: bool) -> Response {
        if is_passing(response.status()) {
            return response;
        }
        self.outcome = Outcome::TooLong;
        if !keeps {
            return response;
        }
        let (parts, body) = response.into_parts();
        match whole::read(body, ANSWER_BYTES, ANSWER_WITHIN).await {
            Read::Whole(body) => {
                self.outcome = Outcome::Answer(Answer { status: parts.status, headers: parts.headers.clone(), body: body.clone() });
                Response::from_parts(parts, Body::from(body))
            }
            Read::Rest(rest) => Response::from_parts(parts, rest),
        }
    }
}

/// Whether the same request may fare better later.
fn is_passing(status: StatusCode) -> bool {
    let soon = [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || soon.contains(&status)
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, self.headers, self.body).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_about_people_are_not_kept() {
        for (path, expected) in [("/v1/panels", true), ("/v1/panels/01H8", true), ("/v1/panelsx", false), ("/v1/profile-variables", false)]
        {
            assert_eq!(is_personal(path), expected, "{path}");
        }
    }

    #[test]
    fn what_writes_nothing_is_exempt() {
        for path in [
            "/api/v1/jobs/verify",
            "/api/v1/tables/schema",
            "/api/v1/tables/ds-1/query",
            "/api/v1/tables/ds-1/upload",
            "/api/v1/auth/logout",
            "/madang/v1/buckets/b/objects/a/b.csv",
            "/api/3/action/package_search",
        ] {
            assert!(is_exempt(&Method::POST, path), "{path}");
        }
        for path in ["/api/v1/jobs", "/api/v1/jobs/verify/x", "/api/v1/tables/ds-1", "/api/3/action/package_create", "/api/v1/collections/"]
        {
            assert!(!is_exempt(&Method::POST, path), "{path}");
        }
    }
}
