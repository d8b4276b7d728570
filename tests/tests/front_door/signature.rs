//! NCP signature v2 at the gate (dataflow.md 1.3): what is signed, when it is valid, and that a refusal tells nothing.

use base64::{Engine, engine::general_purpose::STANDARD};
use madang_tests::{Answer, Client, Credentials, Hub, Login, on_every_hub, signature, work};

const ME: &str = "/api/v1/auth/me";
const MINUTES_5: i64 = 300_000;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// The three headers for a target, which may be another one than that which is sent.
fn signed(hub: &Hub, method: &str, target: &str, shift_ms: i64) -> [(&'static str, String); 3] {
    let Credentials { access_key, secret_key, .. } = hub.credentials();
    signature::headers(method, target, &access_key, &secret_key, shift_ms)
}

async fn get(client: &Client, target: &str, headers: impl IntoIterator<Item = (&'static str, String)>) -> Answer {
    client.get(target).headers(headers).send().await
}

#[tokio::test]
async fn the_clock_may_differ_by_five_minutes() {
    on_every_hub(|hub| async move {
        let visitor = hub.visitor();
        // The exact bound is tested beside the check; here a busy machine has some seconds.
        for shift in [-290_000, 299_000] {
            get(&visitor, ME, signed(&hub, "GET", ME, shift)).await.is(200);
        }
        for shift in [-301_000, 310_000, -MINUTES_5 * 1_000, MINUTES_5 * 1_000] {
            get(&visitor, ME, signed(&hub, "GET", ME, shift)).await.is_unauthenticated();
        }
    })
    .await;
}

/// Unknown key, wrong secret, stale time and malformed headers: one answer, headers included.
#[tokio::test]
async fn every_refusal_looks_the_same() {
    on_every_hub(|hub| async move {
        let visitor = hub.visitor();
        let Credentials { access_key, secret_key, .. } = hub.credentials();
        let wrong_secret = get(&visitor, ME, signature::headers("GET", ME, &access_key, "wrong", 0)).await;
        wrong_secret.is_unauthenticated();
        let others = [
            ("an unknown key", signature::headers("GET", ME, "ncp_iam_NOBODY00000000000000", &secret_key, 0)),
            ("a stale time", signed(&hub, "GET", ME, -301_000)),
            ("another method", signed(&hub, "POST", ME, 0)),
            ("another target", signed(&hub, "GET", "/api/v1/auth/you", 0)),
        ];
        let others = others.into_iter().map(|(about, headers)| (about.to_owned(), headers.to_vec()));
        let mut names = std::collections::HashSet::new();
        for (about, headers) in others.chain(malformed(&hub)) {
            let refused = get(&visitor, ME, headers).await;
            assert_eq!(refused.without_its_moment(), wrong_secret.without_its_moment(), "{about}");
            let name = refused.header("x-madang-refusal").expect("the refusal's name");
            assert!(name.len() == 26 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{about}: {name}");
            assert!(names.insert(name.to_owned()), "{about}");
        }
    })
    .await;
}

/// Headers that are not of their form.
fn malformed(hub: &Hub) -> Vec<(String, Vec<(&'static str, String)>)> {
    let Credentials { access_key, secret_key, .. } = hub.credentials();
    let good = signed(hub, "GET", ME, 0);
    let timestamp = good[0].1.clone();
    let seconds = (signature::now_ms() / 1_000).to_string();
    let with = |timestamp: &str, signature: String| {
        vec![(signature::TIMESTAMP, timestamp.to_owned()), (signature::ACCESS_KEY, access_key.clone()), (signature::SIGNATURE, signature)]
    };
    let digest = |timestamp: &str| signature::digest("GET", ME, timestamp, &access_key, &secret_key);
    let hex: String =
        digest(&timestamp).iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|nibble| char::from(HEX[usize::from(nibble)])).collect();
    let mut cases = vec![
        ("seconds instead of milliseconds".to_owned(), with(&seconds, STANDARD.encode(digest(&seconds)))),
        ("a lower-case hex digest".to_owned(), with(&timestamp, hex)),
        ("no base64".to_owned(), with(&timestamp, "not base64!".to_owned())),
        ("a shorter digest".to_owned(), with(&timestamp, STANDARD.encode(&digest(&timestamp)[..31]))),
        ("no padding".to_owned(), with(&timestamp, good[2].1.trim_end_matches('=').to_owned())),
        ("a plus before the time".to_owned(), with(&format!("+{timestamp}"), STANDARD.encode(digest(&format!("+{timestamp}"))))),
        ("a time that is no number".to_owned(), with("now", STANDARD.encode(digest("now")))),
        ("a time beyond any clock".to_owned(), with(&"9".repeat(40), STANDARD.encode(digest(&"9".repeat(40))))),
    ];
    for missing in 0..3 {
        let rest = good.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, header)| header.clone()).collect();
        cases.push((format!("without {}", good[missing].0), rest));
        let twice = good.iter().cloned().chain([good[missing].clone()]).collect();
        cases.push((format!("{} twice", good[missing].0), twice));
    }
    cases
}

/// The query belongs to the signed text, as it stands.
#[tokio::test]
async fn the_query_is_signed_as_it_travels() {
    on_every_hub(|hub| async move {
        let visitor = hub.visitor();
        let dataset = work::dataset(&hub.signed()).await;
        let path = format!("/api/v1/tables/{dataset}");
        let target = format!("{path}?page=1&page_size=10");
        get(&visitor, &target, signed(&hub, "GET", &target, 0)).await.is(200);
        let others = [
            path.clone(),
            format!("{path}?"),
            format!("{path}?page_size=10&page=1"),
            format!("{path}?page=1&page_size=100"),
            format!("{path}?page=1&page%5Fsize=10"),
        ];
        for other in others {
            get(&visitor, &target, signed(&hub, "GET", &other, 0)).await.is_unauthenticated();
        }
        let lower = "/madang/v1/whoami?name=%ea%b0%80";
        get(&visitor, lower, signed(&hub, "GET", lower, 0)).await.is(200);
        get(&visitor, lower, signed(&hub, "GET", &lower.to_uppercase().replace("/MADANG/V1/WHOAMI?NAME", "/madang/v1/whoami?name"), 0))
            .await
            .is(401);
    })
    .await;
}

/// Any `x-ncp-*` header makes it a signed request: then nothing else counts, however good it is.
#[tokio::test]
async fn a_signature_header_beside_a_good_token_decides_alone() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let whole = signed(&hub, "GET", "/another/target", 0);
        let single = whole.clone().map(|header| vec![header]);
        let unknown = vec![("x-ncp-apigw-api-key", "anything".to_owned())];
        for headers in single.into_iter().chain([whole.to_vec(), unknown]) {
            get(&admin, ME, headers.clone()).await.is_unauthenticated();
            get(&admin, "/madang/v1/whoami", headers).await.is_exactly(401, r#"{"detail":"Not authenticated"}"#);
        }
        let good = get(&admin.with(Login::bearer("forged")), "/madang/v1/whoami", signed(&hub, "GET", "/madang/v1/whoami", 0)).await;
        assert_eq!(good.is(200).text_of("scheme"), "ncp-signature-v2");
    })
    .await;
}
