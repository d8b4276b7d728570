//! `MADANG_REPLAY`: `strict` takes a signature for one body only and says so to the key's owner, `off` remembers nothing. A throttle.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{
    hub::{Place, json_of, status_of},
    signed,
};

const MAKE: &str = "/api/v1/collections";

fn again(request: &RequestBuilder, body: &Value) -> RequestBuilder {
    request.try_clone().expect("no stream").json(body)
}

#[tokio::test]
async fn strict_takes_a_signature_for_one_body() {
    let place = Place::new();
    let hub = place.up_with(&[], &[("MADANG_REPLAY", "strict")]).await;
    let credentials = hub.credentials();
    let request = signed::request(&hub, &credentials, Method::POST, MAKE, 0);
    let first = json_of(again(&request, &json!({"name": "하나"}))).await;
    assert_eq!(json_of(again(&request, &json!({"name": "하나"}))).await, first);
    let refused = again(&request, &json!({"name": "둘"})).send().await.expect("an answer");
    assert_eq!(refused.status(), 401);
    let id = refused.headers()["x-madang-refusal"].to_str().expect("a name").to_owned();
    let body = refused.text().await.expect("a body");
    assert_eq!(body, r#"{"detail":"Could not validate credentials"}"#, "as for every other refusal");
    let told = json_of(hub.get(&format!("/madang/v1/refusals/{id}")).headers(hub.admin().await)).await;
    assert_eq!(told["verdict"], "replayed", "{told:#}");
    assert_eq!(told["verdicts"].as_array().map(Vec::len), Some(1), "{told:#}");
    assert_eq!(json_of(again(&request, &json!({"name": "하나"}))).await, first, "the first body is still good");
}

#[tokio::test]
async fn off_remembers_nothing() {
    let place = Place::new();
    let hub = place.up_with(&[], &[("MADANG_REPLAY", "off")]).await;
    let request = signed::request(&hub, &hub.credentials(), Method::POST, MAKE, 0);
    let make = || json_of(again(&request, &json!({"name": "둘"})));
    assert_ne!(make().await["id"], make().await["id"]);
}

/// A cap on all callers together, whatever their plans (dataflow.md 1.5, code 410).
#[tokio::test]
async fn a_throttle_is_shared_by_all_callers() {
    let place = Place::new();
    let hub = place.up_with(&[], &[("MADANG_GATEWAY_THROTTLE_PER_SECOND", "3")]).await;
    let credentials = hub.credentials();
    let answers = futures::future::join_all((0..20).map(|_| signed::get(&hub, &credentials, "/api/v1/auth/me"))).await;
    let throttled: Vec<_> = answers.iter().filter(|(status, _)| *status == 429).collect();
    assert!(throttled.len() >= 10 && throttled.iter().all(|(_, wait)| wait == "1"), "{answers:?}");
    assert_eq!(status_of(hub.get("/api/v1/auth/me").headers(hub.admin().await)).await, 200, "signed requests alone");
}
