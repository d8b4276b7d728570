//! Plain HTTP is for loopback and for a trusted proxy that says `https`; anything else gets HTTPS only.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{Extensions, HeaderMap},
    middleware::Next,
    response::Response,
};
use madang_kit::config::Config;

use super::{client::Client, listener::Peer};
use crate::dialect::family::Family;

/// Refuses plain requests from elsewhere.
pub(crate) async fn refuse(State(config): State<Arc<Config>>, request: Request, next: Next) -> Response {
    if is_fine(&config.trusted_proxies, request.extensions(), request.headers()) {
        return next.run(request).await;
    }
    Family::of(request.uri().path()).plain()
}

fn is_fine(proxies: &[IpAddr], extensions: &Extensions, headers: &HeaderMap) -> bool {
    let Some(client) = Client::of(proxies, extensions, headers) else { return false };
    // A proxy on this machine speaks for clients elsewhere as soon as it forwards.
    let local = extensions.get::<Peer>().is_some_and(|peer| peer.address.ip().to_canonical().is_loopback());
    client.https || (local && !client.is_forwarded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine(peer: &str, proto: Option<&'static str>) -> bool {
        let proxies = ["127.0.0.1", "10.0.0.1"].map(|text| text.parse().expect("an address"));
        let mut extensions = Extensions::new();
        extensions.insert(Peer { address: peer.parse().expect("an address"), tls: false });
        let mut headers = HeaderMap::new();
        if let Some(proto) = proto {
            headers.insert("x-forwarded-proto", proto.parse().expect("a header"));
        }
        is_fine(&proxies, &extensions, &headers)
    }

    #[test]
    fn plain_requests_stay_on_the_machine() {
        for (peer, proto, expected) in [
            ("127.0.0.1:1", None, true),
            ("127.0.0.1:1", Some("https"), true),
            ("127.0.0.1:1", Some("http"), false),
            ("127.0.0.2:1", Some("http"), true), // no proxy of ours: what it says of others counts for nothing
            ("10.0.0.1:1", Some("https"), true),
            ("10.0.0.1:1", Some("http"), false),
            ("10.0.0.1:1", None, false),
            ("192.0.2.1:1", Some("https"), false),
        ] {
            assert_eq!(fine(peer, proto), expected, "{peer} {proto:?}");
        }
    }
}
