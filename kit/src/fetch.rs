//! Fetching what users link to: every address on the way is looked at by the rules for outbound calls, and the one that was looked at is
//! called.

use std::time::Duration;

use reqwest::{
    Client, Response, StatusCode, Url,
    header::{ACCEPT_ENCODING, IF_NONE_MATCH, LOCATION},
    redirect::Policy,
};

use crate::{Code, Error, Result, outbound::FetchAllow};

/// Redirections that are followed.
const REDIRECTS: usize = 5;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a server may pause.
const PAUSE: Duration = Duration::from_mins(1);
/// How long all of a file may take.
const FETCH_WITHIN: Duration = Duration::from_mins(30);

/// The answer of the place where an address leads in the end. With `known`, an ETag, it may be 304.
///
/// # Errors
/// [`Code::Invalid`] if the address or what it answers is at fault, [`Code::Denied`] if it leads to a private place,
/// [`Code::Unavailable`] if it may be better later.
pub async fn fetch(allow: &FetchAllow, url: &str, known: Option<&str>) -> Result<Response> {
    let response = follow(allow, url, known).await?;
    let status = response.status();
    if !status.is_success() && (known.is_none() || status != StatusCode::NOT_MODIFIED) {
        let code = if status.is_server_error() { Code::Unavailable } else { Code::Invalid };
        return Err(Error::new(code, format!("the address answered {}", status.as_u16())));
    }
    Ok(response)
}

async fn follow(allow: &FetchAllow, url: &str, known: Option<&str>) -> Result<Response> {
    let mut url = parse(url)?;
    for _ in 0..=REDIRECTS {
        let response = call(allow, &url, known).await?;
        if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let target = response.headers().get(LOCATION).and_then(|target| target.to_str().ok()).unwrap_or_default();
        let next = url.join(target).map_err(|_| wrong("the address leads to one that is none"))?;
        url = parse(next.as_str())?;
    }
    Err(wrong("the address leads on too often"))
}

fn parse(url: &str) -> Result<Url> {
    let url = Url::parse(url).map_err(|_| wrong("the address is none"))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(wrong("only http and https addresses are fetched"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("the address holds a user or a password, which are not sent"));
    }
    Ok(url)
}

async fn call(allow: &FetchAllow, url: &Url, known: Option<&str>) -> Result<Response> {
    let host = url.host_str().ok_or_else(|| wrong("the address names no host"))?;
    let port = url.port_or_known_default().ok_or_else(|| wrong("the address names no port"))?;
    let resolved = tokio::time::timeout(CONNECT_WITHIN, allow.resolve(host, port)).await;
    let address = resolved.map_err(|_| away("the host of the address is not found in time"))?.map_err(|error| match error.code {
        Code::NotFound => away("the host of the address is not known"),
        _ => error,
    })?;
    let client = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .resolve(host, address)
        .connect_timeout(CONNECT_WITHIN)
        .read_timeout(PAUSE)
        .timeout(FETCH_WITHIN)
        .build()
        .map_err(Error::internal)?;
    let mut request = client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
    if let Some(tag) = known {
        request = request.header(IF_NONE_MATCH, tag);
    }
    request.send().await.map_err(|_| away("the address does not answer"))
}

/// The address is at fault.
fn wrong(text: &str) -> Error {
    Error::invalid("url", "address", text)
}

/// It may be better later.
pub fn away(text: &str) -> Error {
    Error::new(Code::Unavailable, text)
}
