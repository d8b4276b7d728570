//! What people sign in place of the target that travels.

use madang_kit::hex;

use super::{captured::Captured, mistake::Mistake};

/// Parameters of which every order is tried; of more, only the sorted ones and those with two exchanged.
const PERMUTED: usize = 5;
/// Parameters of which two are exchanged.
const EXCHANGED: usize = 24;
/// The host of the service that clients come from.
const KNOWN_HOST: &str = "dataflow.apigw.ntruss.com";
/// What proxies cut off, or clients leave out.
const PREFIXES: [&str; 20] = [
    "/api/v1",
    "/api",
    "/v1",
    "/v2",
    "/dataflow",
    "/dataflow/api",
    "/dataflow/api/v1",
    "/madang",
    "/gateway",
    "/gw",
    "/proxy",
    "/hub",
    "/data",
    "/app",
    "/prod",
    "/stage",
    "/dev",
    "/test",
    "/internal",
    "/external",
];
/// Headers in which proxies hand the original path over.
const ORIGINALS: [&str; 7] = [
    "x-original-uri",
    "x-original-url",
    "x-original-path",
    "x-original-forwarded-path",
    "x-envoy-original-path",
    "x-rewrite-url",
    "x-forwarded-uri",
];

/// Every target that may have been signed, likely ones first; none twice, and never the one that travelled.
pub(super) fn variants(request: &Captured) -> Vec<(Mistake, String)> {
    let target = request.target.as_str();
    let (path, query) = split(target);
    let mut found = Vec::new();
    if query.is_some() {
        found.push((Mistake::QueryMissing, path.to_owned()));
    }
    found.extend(encodings(target).into_iter().map(|signed| (differs(target, &signed), signed)));
    found.extend(orders(query.unwrap_or_default()).into_iter().map(|order| (Mistake::QueryReordered, format!("{path}?{order}"))));
    found.extend(hosts(request).into_iter().map(|host| {
        let signed = format!("{host}{target}");
        (Mistake::HostInTarget { signed: signed.clone() }, signed)
    }));
    found.extend(paths(request, path).into_iter().map(|signed| {
        let whole = if signed.contains('?') { signed.clone() } else { joined(&signed, query) };
        (Mistake::PathRewritten { signed }, whole)
    }));
    let mut seen = std::collections::HashSet::from([target.to_owned()]);
    found.retain(|(_, signed)| seen.insert(signed.clone()));
    found
}

fn split(target: &str) -> (&str, Option<&str>) {
    target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
}

fn joined(path: &str, query: Option<&str>) -> String {
    query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
}

fn differs(travelled: &str, signed: &str) -> Mistake {
    let same = travelled.chars().zip(signed.chars()).take_while(|(one, other)| one == other).count();
    Mistake::EncodingDiffers { signed: signed.to_owned(), position: same + 1 }
}

/// Other orders of the parameters.
fn orders(query: &str) -> Vec<String> {
    let pairs: Vec<&str> = query.split('&').collect();
    let mut found = Vec::new();
    if pairs.len() < 2 {
        return found;
    }
    let mut sorted = pairs.clone();
    sorted.sort_unstable();
    found.push(sorted.join("&"));
    sorted.sort_by_key(|pair| pair.split('=').next().unwrap_or_default().to_owned());
    found.push(sorted.join("&"));
    if pairs.len() <= PERMUTED {
        permute(&pairs, &mut Vec::new(), &mut found);
    } else if pairs.len() <= EXCHANGED {
        for one in 0..pairs.len() {
            for other in one + 1..pairs.len() {
                let mut exchanged = pairs.clone();
                exchanged.swap(one, other);
                found.push(exchanged.join("&"));
            }
        }
    }
    let mut reversed = pairs;
    reversed.reverse();
    found.push(reversed.join("&"));
    found
}

fn permute<'a>(rest: &[&'a str], begun: &mut Vec<&'a str>, found: &mut Vec<String>) {
    if rest.is_empty() {
        found.push(begun.join("&"));
    }
    for (at, pair) in rest.iter().enumerate() {
        let others: Vec<&str> = rest.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, pair)| *pair).collect();
        begun.push(pair);
        permute(&others, begun, found);
        begun.pop();
    }
}

/// What stands before the path if the host was signed, too.
fn hosts(request: &Captured) -> Vec<String> {
    let named = ["host", "x-forwarded-host"].into_iter().filter_map(|name| request.header(name));
    let mut found = Vec::new();
    for host in named.chain([KNOWN_HOST]) {
        let bare = host.rsplit_once(':').map_or(host, |(bare, _)| bare);
        for host in [host, bare] {
            found.extend(["https://", "http://", "//", ""].map(|scheme| format!("{scheme}{host}")));
        }
        found.extend(["https", "http"].map(|scheme| format!("{scheme}://{bare}:443")));
    }
    found
}

/// Other paths: handed over by a proxy, with or without a common prefix, with another use of slashes.
fn paths(request: &Captured, path: &str) -> Vec<String> {
    let mut found: Vec<String> = ORIGINALS.into_iter().filter_map(|name| request.header(name)).map(str::to_owned).collect();
    for name in ["x-forwarded-prefix", "x-forwarded-path"] {
        found.extend(request.header(name).map(|prefix| format!("{}{path}", prefix.trim_end_matches('/'))));
    }
    found.extend(PREFIXES.map(|prefix| format!("{prefix}{path}")));
    let segments = path.char_indices().filter(|(at, c)| *at > 0 && *c == '/');
    found.extend(segments.filter_map(|(at, _)| path.get(at..)).map(str::to_owned));
    found.extend([format!("{path}/"), path.trim_end_matches('/').to_owned(), path.trim_start_matches('/').to_owned()]);
    found.extend([path.replace("//", "/"), path.to_ascii_lowercase()]);
    found
}

/// Other percent-encodings of the whole, of the path and of the query.
fn encodings(target: &str) -> Vec<String> {
    let (path, query) = split(target);
    let mut found: Vec<String> = [with_hex(target, false), with_hex(target, true), decode(target)].into();
    for rewrite in [strict, java, like_uri, unreserved] {
        found.push(joined(&by_part(path, &['/'], rewrite), query.map(|query| by_part(query, &['&', '='], rewrite)).as_deref()));
        found.extend(query.map(|query| format!("{path}?{}", by_part(query, &['&', '='], rewrite))));
        found.push(joined(&by_part(path, &['/'], rewrite), query));
    }
    found.push(joined(&decode(path), query));
    if let Some(query) = query {
        let rewritten = [
            query.replace("%20", "+"),
            query.replace('+', "%20"),
            decode(query),
            decode(&query.replace('+', " ")),
            query.replace("%2F", "/").replace("%2f", "/"),
            query.replace("%3A", ":").replace("%3a", ":"),
            query.replace("%2C", ",").replace("%2c", ","),
            query.replace('/', "%2F"),
            query.replace(':', "%3A"),
            query.replace(',', "%2C"),
        ];
        found.extend(rewritten.map(|query| format!("{path}?{query}")));
        found.push(format!("{path}?{}", by_part(query, &['&', '='], |text| strict(text).replace("%2F", "/"))));
    }
    found.push(target.replace('%', "%25"));
    found.push(target.replace("%25", "%"));
    found
}

/// Decodes each part between separators and encodes it again.
fn by_part(text: &str, separators: &[char], rewrite: impl Fn(&str) -> String) -> String {
    let parts = text.split_inclusive(separators).map(|part| match part.strip_suffix(separators) {
        Some(bare) => format!("{}{}", rewrite(&decode(bare)), part.get(bare.len()..).unwrap_or_default()),
        None => rewrite(&decode(part)),
    });
    parts.collect()
}

/// Everything but letters, digits and `-._~` (RFC 3986).
fn strict(text: &str) -> String {
    encode(text, b"-._~")
}

/// As Java's `URLEncoder`: blanks become `+`.
fn java(text: &str) -> String {
    encode(text, b"-._* ").replace(' ', "+")
}

/// As JavaScript's `encodeURI`.
fn like_uri(text: &str) -> String {
    encode(text, b"-._~!*'();/?:@&=+$,#")
}

/// As JavaScript's `encodeURIComponent`.
fn unreserved(text: &str) -> String {
    encode(text, b"-._~!*'()")
}

fn encode(text: &str, kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex(&[byte]).to_uppercase());
        }
    }
    encoded
}

/// The text with its percent-encoding undone, as far as that gives UTF-8.
pub(super) fn decode(text: &str) -> String {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let pair = (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        decoded.push(pair.unwrap_or(byte));
        at += if pair.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

/// The text with the hex digits of its percent-encoding in one case.
fn with_hex(text: &str, upper: bool) -> String {
    let mut rest = 0;
    let change = |c: char| {
        if c == '%' {
            rest = 2;
            return c;
        }
        if rest == 0 {
            return c;
        }
        rest -= 1;
        if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    text.chars().map(change).collect()
}
