//! Refusals are explained to those who may know, and to nobody else. Each mistake is made on purpose.

use base64::{Engine, engine::general_purpose::STANDARD};
use madang_tests::{
    Answer, Client, Credentials, Hub, Login, on_every_hub,
    signature::{self, ACCESS_KEY, SIGNATURE, TIMESTAMP},
    work,
};
use serde_json::{Value, json};

const NAME: &str = "x-madang-refusal";
const PATH: &str = "/api/v1/datasets";
const TARGET: &str = "/api/v1/datasets?limit=5&q=%EA%B0%80%20b";

/// A person with an access key, logged in by password, too.
struct Owner {
    visitor: Client,
    admin: Client,
    person: Client,
    access_key: String,
    secret_key: String,
}

fn headers(timestamp: &str, access_key: &str, signature: &str) -> Vec<(&'static str, String)> {
    vec![(TIMESTAMP, timestamp.to_owned()), (ACCESS_KEY, access_key.to_owned()), (SIGNATURE, signature.to_owned())]
}

impl Owner {
    async fn new(hub: &Hub) -> Self {
        let admin = hub.admin().await;
        let (_, email, person) = work::person(&admin, &[]).await;
        let login = work::access_key(&admin, Some(&email), &json!({})).await;
        let Login::Signature { access_key, secret_key, .. } = login else { unreachable!("a key") };
        Self { visitor: hub.visitor(), admin, person, access_key, secret_key }
    }

    /// Headers of this moment with the signature of a text, in which `T` and `A` stand for time and key.
    fn signing(&self, key: &[u8], text: &str) -> Vec<(&'static str, String)> {
        let timestamp = signature::now_ms().to_string();
        let text = text.replace("\u{1}T", &timestamp).replace("\u{1}A", &self.access_key);
        headers(&timestamp, &self.access_key, &STANDARD.encode(signature::hmac(key, text.as_bytes())))
    }

    /// The headers of a good request, but for the text that is signed.
    fn text(&self, text: &str) -> Vec<(&'static str, String)> {
        self.signing(self.secret_key.as_bytes(), text)
    }

    async fn get(&self, headers: Vec<(&'static str, String)>) -> Answer {
        self.visitor.get(TARGET).headers(headers).send().await
    }

    async fn explained(&self, client: &Client, refused: &Answer) -> Value {
        refused.is_unauthenticated();
        let id = refused.header(NAME).expect("the refusal's name");
        let told = client.get(&format!("/madang/v1/refusals/{id}")).send().await.is(200);
        assert!(!told.text.contains(&self.secret_key), "{told}");
        told.json()
    }

    /// Demands that the owner is told this first.
    async fn is_told(&self, refused: &Answer, verdict: &str) -> Value {
        let told = self.explained(&self.person, refused).await;
        assert_eq!(told["verdict"], verdict, "{told:#}");
        told
    }
}

#[tokio::test]
async fn each_mistake_gets_its_verdict() {
    on_every_hub(|hub| async move {
        let owner = Owner::new(&hub).await;
        let good = format!("GET {TARGET}\n\u{1}T\n\u{1}A");
        owner.get(owner.text(&good)).await.is(200);
        let host = hub.http.trim_start_matches("http://");
        let cases = [
            (good.replace(TARGET, PATH), "query_missing"),
            (good.replace("limit=5&q=%EA%B0%80%20b", "q=%EA%B0%80%20b&limit=5"), "query_reordered"),
            (good.replace(TARGET, &format!("{}{TARGET}", hub.http)), "host_in_target"),
            (good.replace(TARGET, &format!("{host}{TARGET}")), "host_in_target"),
            (good.replace("GET", "POST"), "wrong_method"),
            (format!("{good}\n"), "trailing_newline"),
            (good.replace('\n', "\r\n"), "crlf"),
            (good.replace("%20", "+"), "percent_encoding_differs"),
            (good.replace("/api/v1", ""), "path_rewritten"),
        ];
        for (text, verdict) in cases {
            let told = owner.is_told(&owner.get(owner.text(&text)).await, verdict).await;
            let shown = told["string_to_sign"].as_str().expect("the text");
            assert!(shown.starts_with(&format!("GET {TARGET}⏎")) && shown.ends_with(&format!("⏎{}", owner.access_key)), "{shown}");
            assert_eq!(told["verdicts"].as_array().map(Vec::len), Some(1), "{told:#}");
        }
        let told = owner.is_told(&owner.get(owner.text(&good.replace("%20", "+"))).await, "percent_encoding_differs").await;
        assert!(told["verdicts"][0]["explanation"].as_str().is_some_and(|text| text.contains("at character 37")), "{told:#}");
    })
    .await;
}

#[tokio::test]
async fn wrong_times_keys_and_spellings_get_theirs() {
    on_every_hub(|hub| async move {
        let owner = Owner::new(&hub).await;
        let sign = |timestamp: &str| signature::digest("GET", TARGET, timestamp, &owner.access_key, &owner.secret_key);
        let at = |timestamp: &str, signature: &str| owner.get(headers(timestamp, &owner.access_key, signature));

        let seconds = (signature::now_ms() / 1_000).to_string();
        owner.is_told(&at(&seconds, &STANDARD.encode(sign(&seconds))).await, "seconds_instead_of_milliseconds").await;
        let late = (signature::now_ms() - 3_600_000).to_string();
        let told = owner.is_told(&at(&late, &STANDARD.encode(sign(&late))).await, "clock_off").await;
        let off = told["clock_off_ms"].as_i64().expect("a number");
        assert!((-3_660_000..=-3_600_000).contains(&off), "{off}");

        let now = signature::now_ms().to_string();
        let digest = sign(&now);
        let hex = signature::hex(&digest);
        owner.is_told(&at(&now, &hex).await, "hex_digest").await;
        owner.is_told(&at(&now, STANDARD.encode(&digest).trim_end_matches('=')).await, "padding_lost").await;

        let text = format!("GET {TARGET}\n\u{1}T\n\u{1}A");
        let decoded = STANDARD.decode(owner.secret_key.replace('_', "/")).expect("48 characters");
        owner.is_told(&owner.get(owner.signing(&decoded, &text)).await, "secret_base64_decoded").await;
        let exchanged = text.replace("\u{1}A", &owner.secret_key);
        owner.is_told(&owner.get(owner.signing(owner.access_key.as_bytes(), &exchanged)).await, "access_key_and_secret_swapped").await;
        let sent = signature::headers("GET", TARGET, &owner.secret_key, &owner.access_key, 0);
        owner.is_told(&owner.get(sent.to_vec()).await, "access_key_and_secret_swapped").await;

        let prefixed = owner.text(&text.replace(TARGET, &format!("/team-7{TARGET}")));
        let proxied = owner.visitor.get(TARGET).headers(prefixed).header("x-forwarded-prefix", "/team-7").send().await;
        owner.is_told(&proxied, "path_rewritten").await;
        let wrong = owner.get(owner.signing(b"another secret", &text)).await;
        owner.is_told(&wrong, "no_match").await;
    })
    .await;
}

#[tokio::test]
async fn a_signed_body_is_found_where_bodies_are_kept() {
    on_every_hub(|hub| async move {
        let owner = Owner::new(&hub).await;
        let body = json!({"name": "새 자료", "description": "x".repeat(60_000)}).to_string();
        for (target, verdict, kept) in [(PATH, "body_signed", true), ("/api/v1/users", "no_match", false)] {
            let headers = owner.text(&format!("POST {target}\n\u{1}T\n\u{1}A\n{body}"));
            let refused = owner.visitor.post(target).headers(headers).body("application/json", body.clone()).send().await;
            let told = owner.is_told(&refused, verdict).await;
            assert_eq!(told["body"].as_str().is_some_and(|text| text == format!("{} bytes", body.len())), kept, "{told:#}");
        }
        let long = "x".repeat(70_000);
        let headers = owner.text(&format!("POST {PATH}\n\u{1}T\n\u{1}A\n{long}"));
        let refused = owner.visitor.post(PATH).headers(headers).body("application/json", long).send().await;
        let told = owner.is_told(&refused, "no_match").await;
        assert!(told["body"].as_str().is_some_and(|text| text.starts_with("not kept")), "{told:#}");
    })
    .await;
}

#[tokio::test]
async fn a_key_out_of_use_is_told_to_its_owner_alone() {
    on_every_hub(|hub| async move {
        let owner = Owner::new(&hub).await;
        let key = format!("/madang/v1/admin/keys/{}", owner.access_key);
        let good = format!("GET {TARGET}\n\u{1}T\n\u{1}A");
        let cases = [
            (json!({"state": "disabled"}), Some("key_disabled")),
            (json!({"state": "active"}), None),
            (json!({"expires_at": "2026-01-01T00:00:00Z"}), Some("key_expired")),
            (json!({"expires_at": null}), None),
        ];
        let unknown = owner.get(signature::headers("GET", TARGET, "ncp_iam_NOBODY", "nothing", 0).to_vec()).await;
        for (change, verdict) in cases {
            owner.admin.call("PATCH", &key).json(&change).send().await.is(200);
            let answer = owner.get(owner.text(&good)).await;
            match verdict {
                None => drop(answer.is(200)),
                Some(verdict) => {
                    assert_eq!(answer.without_its_moment(), unknown.without_its_moment());
                    owner.is_told(&answer, verdict).await;
                }
            }
        }
        owner.admin.call("DELETE", &key).send().await.is(200);
        let refused = owner.get(owner.text(&good)).await;
        assert_eq!(owner.explained(&owner.admin, &refused).await["verdict"], "unknown_key", "the key is nobody's now");
    })
    .await;
}

#[tokio::test]
async fn only_who_may_reads_a_refusal() {
    on_every_hub(|hub| async move {
        let (owner, other) = (Owner::new(&hub).await, Owner::new(&hub).await);
        let wrong = owner.get(owner.text("wrong")).await;
        let id = wrong.header(NAME).expect("a name").to_owned();
        let read = |client: &Client, id: &str| client.get(&format!("/madang/v1/refusals/{id}")).send();
        owner.is_told(&wrong, "no_match").await;
        let not_found = format!(r#"{{"detail":"refusal '{id}' not found"}}"#);
        for client in [&other.person, &owner.admin, &hub.visitor().with(hub.space_basic())] {
            read(client, &id).await.is_exactly(404, &not_found);
        }
        read(&owner.visitor, &id).await.is(401);
        let signed = owner.visitor.with(Login::Signature {
            access_key: owner.access_key.clone(),
            secret_key: owner.secret_key.clone(),
            shift_ms: 0,
        });
        read(&signed, &id).await.is(200);

        let Credentials { secret_key, .. } = hub.credentials();
        let unknown = owner.get(signature::headers("GET", TARGET, "ncp_iam_SOMEBODYELSE", &secret_key, 0).to_vec()).await;
        let id = unknown.header(NAME).expect("a name").to_owned();
        let told = owner.explained(&owner.admin, &unknown).await;
        assert_eq!((&told["verdict"], &told["access_key"]), (&json!("unknown_key"), &Value::Null), "{told:#}");
        assert!(!told["string_to_sign"].as_str().unwrap_or_default().contains("SOMEBODYELSE"), "it could be a secret: {told:#}");
        for client in [&owner.person, &other.person] {
            read(client, &id).await.is(404);
        }
        for id in ["nothing", "01h00000000000000000000000", "%00", "%FF"] {
            let status = read(&owner.admin, id).await.status;
            assert!((400..500).contains(&status), "{id}: {status}");
        }
    })
    .await;
}

/// Only signed requests that are refused leave something to read.
#[tokio::test]
async fn other_answers_have_no_name_of_a_refusal() {
    on_every_hub(|hub| async move {
        let visitor = hub.visitor();
        let nameless = |answer: Answer| assert!(answer.header(NAME).is_none(), "{answer}");
        nameless(visitor.get("/api/v1/auth/me").send().await.is(401));
        nameless(visitor.with(Login::bearer("forged")).get("/api/v1/auth/me").send().await.is(401));
        nameless(hub.signed().get("/api/v1/auth/me").send().await.is(200));
        let nowhere = signature::headers("GET", "/api/v1/nowhere", "nobody", "nothing", 0);
        nameless(visitor.get("/api/v1/nowhere").headers(nowhere).send().await.is(404));
    })
    .await;
}

/// However many are refused, an owner's own refusals stay readable.
#[tokio::test]
async fn a_flood_of_refusals_does_not_drown_the_last_ones() {
    on_every_hub(|hub| async move {
        let owner = Owner::new(&hub).await;
        let own = owner.get(owner.text("wrong")).await;
        for _ in 0..40 {
            let burst = (0..10).map(|_| owner.get(signature::headers("GET", TARGET, "ncp_iam_NOBODY", "nothing", 0).to_vec()));
            futures::future::join_all(burst).await;
        }
        owner.is_told(&own, "no_match").await;
        let last = owner.get(owner.text("wrong")).await;
        owner.is_told(&last, "no_match").await;
    })
    .await;
}
