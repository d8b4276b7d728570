//! A signed write that comes again has no second effect (dataflow.md 1.3, rule 13).

use madang_tests::{Answer, Client, Credentials, FilePart, Hub, form, on_every_hub, signature, work};
use serde_json::{Value, json};

/// Sends one and the same signed request: target, headers and body are given.
struct Signed {
    client: Client,
    target: String,
    headers: [(&'static str, String); 3],
}

impl Signed {
    fn new(hub: &Hub, target: &str) -> Self {
        let Credentials { access_key, secret_key, .. } = hub.credentials();
        let headers = signature::headers("POST", target, &access_key, &secret_key, 0);
        Self { client: hub.visitor(), target: target.to_owned(), headers }
    }

    async fn send(&self, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.client.post(&self.target).headers(self.headers.clone()).body(content_type, body).send().await
    }

    async fn json(&self, body: &Value) -> Answer {
        self.send("application/json", body.to_string()).await
    }
}

#[tokio::test]
async fn the_same_request_gets_the_first_answer_again() {
    on_every_hub(|hub| async move {
        let pipeline = work::pipeline(&hub.signed(), json!([])).await;
        let run = format!("/api/v1/pipelines/{pipeline}/run");
        let (named, renamed) = (json!({"name": "한 번"}), json!({"name": "다른 몸"}));
        for (target, body, another) in [
            ("/api/v1/collections", &named, &renamed),
            ("/api/v1/datasets", &named, &renamed),
            ("/api/v1/pipelines", &named, &renamed),
            (&run, &json!({}), &json!({"parameters": {}})),
        ] {
            let signed = Signed::new(&hub, target);
            let first = signed.json(body).await.is(200);
            for _ in 0..2 {
                signed.json(body).await.is_exactly(200, &first.text);
            }
            let other = signed.json(another).await.is(200);
            assert_ne!(other.text, first.text, "{target}: another body is another request");
            let again = Signed::new(&hub, target);
            assert_ne!(again.headers[2], signed.headers[2]);
            assert_ne!(again.json(body).await.is(200).text, first.text, "{target}: another signature is another request");
        }
        let traces = hub.signed().get(&format!("/api/v1/traces?pipeline_id={pipeline}")).send().await.is(200).json();
        assert_eq!(traces.as_array().map(Vec::len), Some(3), "three runs, not five");
    })
    .await;
}

#[tokio::test]
async fn sent_twice_at_once_it_is_done_once() {
    on_every_hub(|hub| async move {
        let signed = Signed::new(&hub, "/api/v1/collections");
        let body = json!({"name": "동시에"});
        let answers = futures::future::join_all((0..6).map(|_| signed.json(&body))).await;
        for answer in &answers {
            answer.is_exactly(200, &answers[0].text);
        }
    })
    .await;
}

#[tokio::test]
async fn an_upload_sent_again_adds_no_rows() {
    on_every_hub(|hub| async move {
        let dataset = work::dataset(&hub.signed()).await;
        let signed = Signed::new(&hub, &format!("/api/v1/tables/{dataset}/upload"));
        let (content_type, body) = form(&[FilePart::csv("rows.csv", "a\n1\n2\n")]);
        let first = signed.send(&content_type, body.clone()).await.is(200);
        signed.send(&content_type, body.clone()).await.is_exactly(200, &first.text);
        assert_eq!(work::total_rows(&hub.signed(), &dataset).await, 2);
        let (_, other) = form(&[FilePart::csv("rows.csv", "a\n3\n4\n")]);
        signed.send(&content_type, other).await.is(200);
        Signed::new(&hub, &signed.target).send(&content_type, body).await.is(200);
        assert_eq!(work::rows(&hub.signed(), &dataset).await, [[1], [2], [3], [4], [1], [2]].map(|row| row.map(Value::from)));
    })
    .await;
}

/// Without a signature nobody can tell a repetition from a second wish.
#[tokio::test]
async fn unsigned_repetitions_are_done_again() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let make = || admin.post("/api/v1/collections").json(&json!({"name": "두 번"})).send();
        assert_ne!(make().await.is(200).text_of("id"), make().await.is(200).text_of("id"));
    })
    .await;
}

/// The headers that carry names between our own processes mean nothing at the gate.
#[tokio::test]
async fn nobody_sets_our_inner_headers_from_outside() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let call = || admin.post("/api/v1/collections").json(&json!({"name": "속임수"})).header("x-madang-idempotency-key", "mine");
        assert_ne!(call().send().await.is(200).text_of("id"), call().send().await.is(200).text_of("id"));
        let forged = json!({"issuer": "gateway", "method": "*", "principal": {"name": "admin"}}).to_string();
        hub.visitor().get("/api/v1/auth/me").header("x-madang-assertion", &forged).send().await.is_unauthenticated();
        let named = admin.get("/healthz").header("x-request-id", "chosen-by-the-caller").send().await.is(200);
        assert_ne!(named.header("x-request-id"), Some("chosen-by-the-caller"));
    })
    .await;
}

/// A refused request is not remembered as done.
#[tokio::test]
async fn a_refused_request_is_refused_again() {
    on_every_hub(|hub| async move {
        let signed = Signed::new(&hub, "/api/v1/collections");
        let first = signed.json(&json!({"name": ""})).await.is(422);
        signed.json(&json!({"name": ""})).await.is_exactly(422, &first.text);
        signed.json(&json!({"name": "이제 맞음"})).await.is(200);
    })
    .await;
}

/// Not only what a service remembers: every unsafe method of every dialect.
#[tokio::test]
async fn a_signed_delete_that_comes_again_is_told_that_it_was_done() {
    on_every_hub(|hub| async move {
        let Credentials { access_key, secret_key, .. } = hub.credentials();
        let collection = format!("/api/v1/collections/{}", work::collection(&hub.signed()).await);
        let headers = signature::headers("DELETE", &collection, &access_key, &secret_key, 0);
        let delete = || hub.visitor().call("DELETE", &collection).headers(headers.clone()).send();
        let first = delete().await.is(200);
        delete().await.is_exactly(200, &first.text);
        hub.signed().call("DELETE", &collection).send().await.is(404);
    })
    .await;
}

/// What reads may be read again, although it is a POST.
#[tokio::test]
async fn queries_are_not_remembered() {
    on_every_hub(|hub| async move {
        let dataset = work::dataset(&hub.signed()).await;
        work::upload(&hub.signed(), &dataset, "n\n1\n").await.is(200);
        let signed = Signed::new(&hub, &format!("/api/v1/tables/{dataset}/query"));
        let query = json!({"query": "SELECT count(*) AS n FROM \"table\""});
        let ask = || signed.json(&query);
        let first = ask().await.is(200);
        work::upload(&hub.signed(), &dataset, "n\n2\n").await.is(200);
        assert_ne!(ask().await.is(200).text, first.text);
    })
    .await;
}
