//! Who is at the other end: the peer of the connection, or whom a trusted proxy speaks for.

use std::net::IpAddr;

use axum::http::{Extensions, HeaderMap};

use super::listener::Peer;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The client of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// Of the nearest machine that is not a proxy of ours.
    pub(crate) address: IpAddr,
    /// Whether it speaks HTTPS.
    pub(crate) https: bool,
    /// Whether a proxy of ours says how it speaks.
    pub(crate) is_forwarded: bool,
}

impl Client {
    /// The client of a request; `None` if the request came over no connection.
    pub(crate) fn of(proxies: &[IpAddr], extensions: &Extensions, headers: &HeaderMap) -> Option<Self> {
        let peer = extensions.get::<Peer>()?;
        let address = peer.address.ip().to_canonical(); // an IPv4 peer of an IPv6 socket is an IPv4 peer
        if !proxies.contains(&address) {
            return Some(Self { address, https: peer.tls, is_forwarded: false });
        }
        let forwarded = headers.get(FORWARDED_PROTO);
        let https = peer.tls || forwarded.is_some_and(|value| value == "https");
        Some(Self { address: behind(proxies, address, headers), https, is_forwarded: forwarded.is_some() })
    }
}

impl Client {
    /// The part of its address that one party has to itself: all of an IPv4 address, the first half of an IPv6 one.
    pub(crate) fn network(&self) -> String {
        match self.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("{:x}", u128::from(address) >> 64),
        }
    }
}

/// The right-most address that is not a proxy's: what stands left of it, the client may have written itself.
fn behind(proxies: &[IpAddr], proxy: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut nearest = proxy;
    for value in headers.get_all(FORWARDED_FOR).iter().rev() {
        for text in value.to_str().unwrap_or_default().rsplit(',') {
            let Ok(address) = text.trim().parse::<IpAddr>() else { return nearest };
            nearest = address.to_canonical();
            if !proxies.contains(&nearest) {
                return nearest;
            }
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXIES: [IpAddr; 2] = [IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2))];

    fn client(peer: &str, forwarded: &[&str], proto: Option<&'static str>) -> (String, bool) {
        let mut extensions = Extensions::new();
        extensions.insert(Peer { address: peer.parse().expect("an address"), tls: false });
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().expect("a header"));
        }
        if let Some(proto) = proto {
            headers.insert(FORWARDED_PROTO, proto.parse().expect("a header"));
        }
        let client = Client::of(&PROXIES, &extensions, &headers).expect("a client");
        (client.address.to_string(), client.https)
    }

    #[test]
    fn only_proxies_are_believed() {
        assert_eq!(client("192.0.2.9:1", &["203.0.113.1"], Some("https")), ("192.0.2.9".to_owned(), false));
        assert_eq!(client("10.0.0.1:1", &["203.0.113.1"], Some("https")), ("203.0.113.1".to_owned(), true));
        assert_eq!(client("[::ffff:10.0.0.1]:1", &["203.0.113.1"], Some("http")), ("203.0.113.1".to_owned(), false));
    }

    #[test]
    fn the_nearest_stranger_counts() {
        assert_eq!(client("10.0.0.1:1", &["1.1.1.1, 203.0.113.1, 10.0.0.2"], None).0, "203.0.113.1");
        assert_eq!(client("10.0.0.1:1", &["1.1.1.1", "203.0.113.1"], None).0, "203.0.113.1");
        assert_eq!(client("10.0.0.1:1", &["1.1.1.1, unknown, 10.0.0.2"], None).0, "10.0.0.2");
        assert_eq!(client("10.0.0.1:1", &[], None).0, "10.0.0.1");
    }
}
