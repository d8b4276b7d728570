//! Where calls that users cause may go: to public addresses, and to others only if the operator lists them (`MADANG_FETCH_ALLOW`). An
//! address that was looked at is the one that is called; asking the name server again could give another.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{Code, Error, Result};

/// What the operator allows beyond public addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchAllow(Vec<(String, u16)>);

impl FetchAllow {
    /// Reads `host:port,host:port`; an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// The entry that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let read = entries.map(|entry| {
            let (host, port) = entry.rsplit_once(':').ok_or_else(|| entry.to_owned())?;
            let port = port.parse().map_err(|_| entry.to_owned())?;
            if host.is_empty() { Err(entry.to_owned()) } else { Ok((plain(host), port)) }
        });
        read.collect::<Result<_, _>>().map(Self)
    }

    /// The address to call for a host.
    ///
    /// # Errors
    /// [`Code::Denied`] if one of its addresses is private and not listed; [`Code::NotFound`] if it has none.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<SocketAddr> {
        let host = plain(host);
        let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => tokio::net::lookup_host((host.as_str(), port)).await.map_err(|_| unknown(&host))?.collect(),
        };
        let listed = |address: &SocketAddr| {
            self.0.iter().any(|(name, allowed)| *allowed == port && (*name == host || name.parse() == Ok(address.ip())))
        };
        if found.iter().any(|address| !is_public(address.ip()) && !listed(address)) {
            let why = format!("'{host}:{port}' is a private address; the operator has to list it in MADANG_FETCH_ALLOW");
            return Err(Error::new(Code::Denied, why));
        }
        found.into_iter().next().ok_or_else(|| unknown(&host))
    }
}

fn unknown(host: &str) -> Error {
    Error::new(Code::NotFound, format!("the host '{host}' is not known"))
}

/// Without brackets, in lower case.
fn plain(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4() {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let benchmark = first == 198 && (18..20).contains(&second);
    let protocol = first == 192 && second == 0 && third == 0;
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || shared
        || benchmark
        || protocol
        || first == 0
        || first >= 240)
}

/// Global unicast (2000::/3) but for tunnels, whose inner address says where they lead, and documentation.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let tunnel = first == 0x2002 || (first == 0x2001 && second == 0);
    first & 0xe000 == 0x2000 && !tunnel && !(first == 0x2001 && second == 0xdb8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fc00::1",
            "fe80::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "2002:7f00:1::",
            "64:ff9b::a00:1",
        ] {
            assert!(!is_public(text.parse().expect("an address")), "{text}");
        }
        for text in ["8.8.8.8", "1.1.1.1", "2606:4700::1111"] {
            assert!(is_public(text.parse().expect("an address")), "{text}");
        }
    }

    #[tokio::test]
    async fn only_listed_private_addresses_are_called() {
        let none = FetchAllow::default();
        assert_eq!(none.resolve("127.0.0.1", 5432).await.expect_err("private").code, Code::Denied);
        assert_eq!(none.resolve("localhost", 5432).await.expect_err("private").code, Code::Denied);
        let some = FetchAllow::parse(" 127.0.0.1:5432, [::1]:3306 ,db.internal:1").expect("a list");
        assert_eq!(some.resolve("127.0.0.1", 5432).await.expect("listed"), "127.0.0.1:5432".parse().expect("an address"));
        assert!(some.resolve("[::1]", 3306).await.is_ok());
        assert_eq!(some.resolve("127.0.0.1", 5433).await.expect_err("another port").code, Code::Denied);
        for bad in ["x", "x:y", ":1", "a:1,b"] {
            assert!(FetchAllow::parse(bad).is_err(), "{bad}");
        }
    }
}
