//! Everything has a limit, and beyond it there is a plain answer.

use madang_tests::{Answer, Client, on_every_hub, raw};
use serde_json::json;

const MIB: usize = 1 << 20;
const TOO_LARGE: &str = r#"{"detail":"the body may have at most 1048576 bytes"}"#;

/// A good collection whose body has exactly so many bytes.
async fn sized(client: &Client, bytes: usize) -> Answer {
    let body = r#"{"name":"큰 몸"}"#;
    client.post("/api/v1/collections").body("application/json", format!("{}{body}", " ".repeat(bytes - body.len()))).send().await
}

#[tokio::test]
async fn a_body_may_have_a_mebibyte() {
    on_every_hub(|hub| async move {
        for client in [hub.admin().await, hub.signed()] {
            assert_eq!(sized(&client, MIB).await.status, 200);
            let answer = sized(&client, MIB + 1).await.is(413);
            assert_eq!(answer.text, TOO_LARGE);
        }
        let login = json!({"username": "x".repeat(MIB), "password": "x"});
        assert_eq!(hub.visitor().post("/api/v1/auth/login").json(&login).send().await.status, 413);
    })
    .await;
}

/// Far more than that: the hub does not read on, and says so nevertheless.
#[tokio::test]
async fn a_sender_of_too_much_still_hears_why() {
    on_every_hub(|hub| async move {
        let token = format!("Bearer {}", hub.admin().await.access_token());
        let body = vec![b' '; 8 * MIB];
        for (status, text, who) in
            [(413, TOO_LARGE, ("authorization", token.as_str())), (401, r#"{"detail":"Not authenticated"}"#, ("x-nobody", "1"))]
        {
            let reply = raw::exchange(&hub, &raw::request("POST /api/v1/collections", &[who], &body)).await;
            assert_eq!((reply.status, reply.body.as_str()), (status, text));
        }
    })
    .await;
}

/// What is no HTTP gets a 4xx or nothing, and the next one is served.
#[tokio::test]
async fn broken_requests_are_refused() {
    on_every_hub(|hub| async move {
        let long = format!("GET /healthz?{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(100_000));
        let many = format!("GET /healthz HTTP/1.1\r\nhost: a\r\n{}\r\n", "x-y: z\r\n".repeat(20_000));
        let lengths = "POST /api/v1/collections HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}";
        for request in ["hello\r\n\r\n", "GET /healthz HTTP/9.9\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", lengths, &long, &many] {
            let reply = raw::exchange(&hub, request.as_bytes()).await;
            assert!((400..500).contains(&reply.status), "{reply:?}");
        }
        hub.visitor().get("/healthz").send().await.is(200);
    })
    .await;
}

#[tokio::test]
async fn texts_have_their_limits() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        for (status, letters) in [(200, 200), (422, 201)] {
            let answer = admin.post("/api/v1/collections").json(&json!({"name": "가".repeat(letters)})).send().await.is(status);
            assert!(status == 200 || answer.text.contains("name must have at most 200 characters"), "{answer}");
        }
        let make = |description: String| admin.post("/api/v1/datasets").json(&json!({"name": "a", "description": description})).send();
        assert_eq!(make("가".repeat(10_000)).await.status, 200);
        let problem = json!({"detail": [{"loc": ["body", "description"], "msg": "description must have at most 10000 characters", "type": "too_long"}]});
        make("가".repeat(10_001)).await.is_exactly(422, &problem.to_string());
        let password = json!({"username": "nobody", "password": "x".repeat(1_025)});
        let answer = hub.visitor().post("/api/v1/auth/login").json(&password).send().await.is(422);
        assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", "password"]), "{answer}");
    })
    .await;
}

/// A body made to exhaust the reader's stack.
#[tokio::test]
async fn deep_nesting_is_refused() {
    on_every_hub(|hub| async move {
        let body = format!(r#"{{"name":"a","steps":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        let answer = hub.admin().await.post("/api/v1/pipelines").body("application/json", body).send().await.is(422);
        assert_eq!(answer.json()["detail"][0]["type"], "json_invalid");
    })
    .await;
}

#[tokio::test]
async fn a_pipeline_has_at_most_200_steps() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = madang_tests::work::dataset(&admin).await;
        let step = |at: usize| json!({"name": format!("s{at}"), "script": "sql", "outputs": {"o": dataset}, "options": {"query": "SELECT 1 AS a"}});
        let steps: Vec<_> = (0..201).map(step).collect();
        let answer = admin.post("/api/v1/pipelines").json(&json!({"name": "긴", "steps": steps})).send().await.is(422);
        assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", "steps"]), "{answer}");
    })
    .await;
}
