//! NCP signature v2 in Rust: `sign METHOD TARGET TIMESTAMP` or `call METHOD URL [BODY]`, with ACCESS_KEY and SECRET_KEY set.

use std::{env, error::Error, time::SystemTime};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, Method, Url};
use sha2::Sha256;

/// `target` is path and query as they travel; the secret's characters are used as they are.
fn sign(method: &str, target: &str, timestamp: &str) -> Result<String, Box<dyn Error>> {
    let text = format!("{method} {target}\n{timestamp}\n{}", env::var("ACCESS_KEY")?);
    let mut mac = Hmac::<Sha256>::new_from_slice(env::var("SECRET_KEY")?.as_bytes())?;
    mac.update(text.as_bytes());
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

async fn call(method: &str, url: &str, body: String) -> Result<String, Box<dyn Error>> {
    let url: Url = url.parse()?;
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let timestamp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis().to_string(); // read once, used twice
    let request = Client::new()
        .request(Method::from_bytes(method.as_bytes())?, url)
        .header("x-ncp-apigw-timestamp", &timestamp)
        .header("x-ncp-iam-access-key", env::var("ACCESS_KEY")?)
        .header("x-ncp-apigw-signature-v2", sign(method, &target, &timestamp)?)
        .header("Content-Type", "application/json");
    let answer = request.body(body).send().await?;
    let status = answer.status();
    // Who may, reads why at /madang/v1/refusals/<this name>.
    let refusal = answer.headers().get("x-madang-refusal").cloned();
    let text = answer.text().await?;
    if status.is_success() { Ok(text) } else { Err(format!("{status} {text} x-madang-refusal: {refusal:?}").into()) }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "it prints what it was asked for")]
async fn main() -> Result<(), Box<dyn Error>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let text = match arguments.as_slice() {
        ["sign", method, target, timestamp] => sign(method, target, timestamp)?,
        ["call", method, url] => call(method, url, String::new()).await?,
        ["call", method, url, body] => call(method, url, (*body).to_owned()).await?,
        _ => return Err("sign METHOD TARGET TIMESTAMP, or call METHOD URL [BODY]".into()),
    };
    println!("{text}");
    Ok(())
}
