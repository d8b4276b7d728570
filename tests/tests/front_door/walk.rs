//! The nine calls of the D.Hub tutorial (dhub.md section 14), on every way of travelling and with either credential.

use madang_tests::{Answer, Client, FilePart, Hub, Transport, delimited, fixture, on_every_hub, work};
use reqwest::Version;
use serde_json::{Value, json};

/// The types of the columns of `traffic_data.csv`.
const TRAFFIC: [&str; 8] = ["text", "text", "text", "int64", "double", "text", "int64", "text"];

#[tokio::test]
async fn over_http_by_user_name() {
    on_every_hub(|hub| async move { walk(&log_in(&hub, Transport::Http, "username").await).await }).await;
}

#[tokio::test]
async fn over_http_by_email() {
    on_every_hub(|hub| async move { walk(&log_in(&hub, Transport::Http, "email").await).await }).await;
}

#[tokio::test]
async fn over_https() {
    on_every_hub(|hub| async move { walk(&log_in(&hub, Transport::Https, "username").await).await }).await;
}

#[tokio::test]
async fn over_http_2_with_tls_and_without() {
    on_every_hub(|hub| async move {
        for transport in [Transport::Https2, Transport::Http2] {
            let client = log_in(&hub, transport, "email").await;
            let version = client.get("/api/v1/auth/me").send().await.is(200).version;
            assert_eq!(version, Version::HTTP_2, "{transport:?}");
            walk(&client).await;
        }
    })
    .await;
}

#[tokio::test]
async fn with_signatures_instead_of_the_token() {
    on_every_hub(|hub| async move {
        for transport in [Transport::Http, Transport::Https, Transport::Https2, Transport::Http2] {
            walk(&Client::new(&hub, transport).with(hub.signature())).await;
        }
    })
    .await;
}

/// Call 1; either key takes either identifier (dhub.md section 1).
async fn log_in(hub: &Hub, transport: Transport, key: &str) -> Client {
    let (credentials, visitor) = (hub.credentials(), Client::new(hub, transport));
    for name in [&credentials.username, &credentials.email] {
        let body = json!({key: name, "password": credentials.password});
        let answer = visitor.post("/api/v1/auth/login").json(&body).send().await.is(200);
        assert_eq!(answer.keys(), ["access_token", "refresh_token", "token_type"]);
        assert_eq!(answer.text_of("token_type"), "bearer");
        for token in ["access_token", "refresh_token"] {
            assert!(answer.text_of(token).starts_with("eyJhbGciOiJIUzI1NiIs"), "the token of the tutorial begins like this");
        }
    }
    visitor.log_in_with(key, &credentials.username).await
}

/// Calls 2 to 9.
async fn walk(client: &Client) {
    let collection = make_collection(client).await;
    let dataset = make_dataset(client, &collection).await;
    let traffic = fixture("traffic_data.csv");
    upload(client, &dataset, &traffic).await;
    read(client, &dataset, &traffic).await;
    let pipeline = make_pipeline(client, &collection).await;
    let batch = run(client, &pipeline).await;
    trace(client, &pipeline, &batch).await;
}

async fn make_collection(client: &Client) -> String {
    let (name, description) = ("서울시 교통 분석", "서울시 교통 데이터 수집 및 분석 프로젝트");
    let answer = client.post("/api/v1/collections").json(&json!({"name": name, "description": description})).send().await.is(200);
    assert_eq!(answer.keys(), ["id", "name", "description", "created_at"]);
    assert!(answer.text.contains(name) && answer.text.contains(description), "Korean stays raw: {answer}");
    assert_is_time(&answer.text_of("created_at"));
    id(&answer, "id", "col")
}

async fn make_dataset(client: &Client, collection: &str) -> String {
    let body = json!({"name": "교통량 데이터", "description": "서울시 주요 도로 교통량 측정 데이터", "collection_id": collection});
    let answer = client.post("/api/v1/datasets").json(&body).send().await.is(200);
    assert_eq!(&answer.keys()[..5], ["id", "name", "description", "collection_id", "created_at"]);
    assert_eq!(answer.text_of("collection_id"), collection);
    id(&answer, "id", "ds")
}

async fn upload(client: &Client, dataset: &str, text: &str) {
    let file = FilePart::csv("traffic_data.csv", text);
    let answer = client.post(&format!("/api/v1/tables/{dataset}/upload")).form(&[file]).send().await;
    answer.is_exactly(200, r#"{"message":"Upload successful","rows":20,"columns":8}"#);
}

async fn read(client: &Client, dataset: &str, text: &str) {
    let answer = client.get(&format!("/api/v1/tables/{dataset}?page=1&page_size=10")).send().await.is(200);
    assert_eq!(answer.keys(), ["columns", "data", "total_rows"]);
    let source = delimited::rows(text, &TRAFFIC);
    let expected = json!({"columns": delimited::records(text)[0], "data": source[..10], "total_rows": 20});
    assert_eq!(answer.text, expected.to_string());
    assert_eq!(work::rows(client, dataset).await, source);
}

async fn make_pipeline(client: &Client, collection: &str) -> String {
    let body = json!({"name": "교통량 일별 집계", "description": "도로별 일일 교통량을 집계하는 파이프라인", "collection_id": collection});
    let answer = client.post("/api/v1/pipelines").json(&body).send().await.is(200);
    assert_eq!(&answer.keys()[..5], ["id", "name", "description", "collection_id", "created_at"]);
    id(&answer, "id", "pl")
}

/// Without steps there is nothing to do, so the batch completes (dhub.md section 1).
async fn run(client: &Client, pipeline: &str) -> String {
    let answer = client.post(&format!("/api/v1/pipelines/{pipeline}/run")).json(&json!({})).send().await.is(200);
    assert_eq!(answer.keys(), ["batch_id", "status", "started_at"]);
    assert_eq!(answer.text_of("status"), "running");
    let (batch, started) = (id(&answer, "batch_id", "batch"), answer.text_of("started_at"));
    assert_is_time(&started);

    let ended = work::ended(client, &batch).await;
    assert_eq!(ended.keys(), ["id", "pipeline_id", "status", "started_at", "finished_at"]);
    let wanted = [("id", batch.as_str()), ("pipeline_id", pipeline), ("status", "completed"), ("started_at", &started)];
    for (key, value) in wanted {
        assert_eq!(ended.text_of(key), value, "{key}");
    }
    assert_is_time(&ended.text_of("finished_at"));
    batch
}

async fn trace(client: &Client, pipeline: &str, batch: &str) {
    let answer = client.get(&format!("/api/v1/traces?pipeline_id={pipeline}&batch_id={batch}")).send().await.is(200);
    let traces = answer.json();
    let trace = &traces[0];
    assert_eq!(traces.as_array().map(Vec::len), Some(1), "{answer}");
    for (key, value) in [("id", batch), ("batch_id", batch), ("pipeline_id", pipeline), ("name", "교통량 일별 집계"), ("trigger", "manual")]
    {
        assert_eq!(trace[key], value, "{key} of {answer}");
    }
    assert_eq!(trace["deployment"], format!("교통량 일별 집계/{batch}"));
    assert_eq!(trace["state"], json!({"state": "completed", "steps": {}}));
    assert!(trace["start_time"].as_i64() <= trace["end_time"].as_i64() && trace["start_time"].is_i64(), "{answer}");
    assert!(trace["logs"].as_array().is_some_and(|logs| logs.iter().all(is_log)), "{answer}");
}

fn is_log(log: &Value) -> bool {
    log["time"].is_i64() && log["level"].is_string() && log["message"].is_string()
}

/// Prefix, `-`, 26 characters of lowercase ULID text (dhub.md section 2).
fn id(answer: &Answer, key: &str, prefix: &str) -> String {
    let id = answer.text_of(key);
    let ulid = id.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
    let fits = ulid.len() == 26 && ulid.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
    assert!(fits, "{id} is not {prefix}- and a ULID");
    id
}

/// `2026-03-12T09:15:32Z`
fn assert_is_time(text: &str) {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00Z", "{text}");
}

/// The tutorial may be walked again: names may repeat (dhub.md section 2).
#[tokio::test]
async fn names_may_repeat_and_descriptions_may_be_absent() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let bodies = [json!({"name": "같은 이름"}), json!({"name": "같은 이름", "description": null})];
        for target in ["/api/v1/collections", "/api/v1/datasets", "/api/v1/pipelines"] {
            let mut ids = Vec::new();
            for body in &bodies {
                let answer = admin.post(target).json(body).send().await.is(200);
                assert_eq!(answer.object().get("description"), Some(&Value::Null), "{answer}");
                ids.push(answer.text_of("id"));
            }
            assert_ne!(ids[0], ids[1], "{target}");
        }
    })
    .await;
}

/// The signed text is the target as it travels, percent signs included.
#[tokio::test]
async fn a_signed_target_may_hold_korean() {
    on_every_hub(|hub| async move {
        let target = "/madang/v1/whoami?name=%EB%A7%A4%EC%B6%9C%20%EC%A7%91%EA%B3%84&empty=&bare&colon=%3A:";
        assert_eq!(hub.signed().get(target).send().await.is(200).text_of("scheme"), "ncp-signature-v2");
    })
    .await;
}
