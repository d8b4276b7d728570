//! What most tests need first: things in the catalogue, rows in a table, a run that has ended.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{Answer, Client, FilePart, Login, signature};

/// How long a run may take.
const RUN_WITHIN: Duration = Duration::from_mins(1);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The largest page.
const PAGE: usize = 10_000;

/// A new collection's id.
pub async fn collection(client: &Client) -> String {
    made(client, "/api/v1/collections", &json!({"name": "교통"})).await
}

/// A new dataset's id.
pub async fn dataset(client: &Client) -> String {
    made(client, "/api/v1/datasets", &json!({"name": "교통량"})).await
}

/// A new pipeline's id.
pub async fn pipeline(client: &Client, steps: Value) -> String {
    made(client, "/api/v1/pipelines", &json!({"name": "집계", "steps": steps})).await
}

async fn made(client: &Client, target: &str, body: &Value) -> String {
    client.post(target).json(body).send().await.is(200).text_of("id")
}

/// A text that stands nowhere else on the hub, for names that have to be unique.
pub fn unique(about: &str) -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    format!("{about}-{}-{}-{}", signature::now_ms(), std::process::id(), MADE.fetch_add(1, Ordering::Relaxed))
}

/// The password of every [`person`].
pub const PASSWORD: &str = "열 글자가 넘는 비밀번호";

/// A new person with these groups, logged in: the id, the e-mail and the client.
pub async fn person(admin: &Client, groups: &[&str]) -> (String, String, Client) {
    let email = format!("{}@example.com", unique("kim"));
    let body = json!({"email": email, "name": "김데이터", "password": PASSWORD, "groups": groups});
    let id = admin.post("/api/v1/users/").json(&body).send().await.is(200).text_of("item");
    let client = enter(admin, &email, PASSWORD).await;
    (id, email, client)
}

/// A client with the access token of a login.
pub async fn enter(client: &Client, email: &str, password: &str) -> Client {
    let answer = client.with(Login::Nobody).post("/api/v1/auth/login").json(&json!({"email": email, "password": password})).send().await;
    client.with(Login::bearer(&answer.is(200).text_of("access_token")))
}

/// A new access key: of the person with this e-mail, or else the administrator's own; with more members in the body.
pub async fn access_key(admin: &Client, email: Option<&str>, more: &Value) -> Login {
    let mut body = more.clone();
    if let Some(email) = email {
        body["user"] = email.into();
    }
    let made = admin.post("/madang/v1/admin/keys").json(&body).send().await.is(201);
    Login::Signature { access_key: made.text_of("access_key"), secret_key: made.text_of("secret_key"), shift_ms: 0 }
}

/// Uploads one CSV file.
pub async fn upload(client: &Client, dataset: &str, text: &str) -> Answer {
    upload_files(client, dataset, &[FilePart::csv("rows.csv", text)]).await
}

/// Uploads several files at once.
pub async fn upload_files(client: &Client, dataset: &str, files: &[FilePart<'_>]) -> Answer {
    client.post(&format!("/api/v1/tables/{dataset}/upload")).form(files).send().await
}

/// One page of a table.
pub async fn page(client: &Client, dataset: &str, page: usize, size: usize) -> Answer {
    client.get(&format!("/api/v1/tables/{dataset}?page={page}&page_size={size}")).send().await.is(200)
}

/// How many rows a table has.
pub async fn total_rows(client: &Client, dataset: &str) -> u64 {
    page(client, dataset, 1, 1).await.json()["total_rows"].as_u64().expect("total_rows")
}

/// All rows of a table, page by page.
pub async fn rows(client: &Client, dataset: &str) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    for number in 1.. {
        let body = page(client, dataset, number, PAGE).await.json();
        let next: Vec<Vec<Value>> = serde_json::from_value(body["data"].clone()).expect("rows");
        if next.is_empty() {
            break;
        }
        rows.extend(next);
    }
    rows
}

/// Starts a run and waits for its end; gives the batch's id and its last look.
pub async fn run(client: &Client, pipeline: &str) -> (String, Answer) {
    let started = client.post(&format!("/api/v1/pipelines/{pipeline}/run")).json(&json!({})).send().await.is(200);
    let batch = started.text_of("batch_id");
    let ended = ended(client, &batch).await;
    (batch, ended)
}

/// Looks at a batch, as the tutorial does, until it has ended.
pub async fn ended(client: &Client, batch: &str) -> Answer {
    let began = Instant::now();
    loop {
        let look = client.get(&format!("/api/v1/batches/{batch}")).send().await.is(200);
        match look.text_of("status").as_str() {
            "completed" | "failed" => return look,
            status => assert_eq!(status, "running", "{look}"),
        }
        assert!(began.elapsed() < RUN_WITHIN, "{batch} does not end");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Runs a pipeline that must complete.
pub async fn run_well(client: &Client, pipeline: &str) -> String {
    let (batch, ended) = run(client, pipeline).await;
    assert_eq!(ended.text_of("status"), "completed", "{}", trace(client, &batch).await);
    batch
}

/// The trace of a batch.
pub async fn trace(client: &Client, batch: &str) -> Value {
    let traces = client.get(&format!("/api/v1/traces?batch_id={batch}")).send().await.is(200).json();
    assert_eq!(traces.as_array().map(Vec::len), Some(1), "{traces}");
    traces[0].clone()
}

/// A SQL step from one dataset, known as `daily`, to others.
pub fn sql_step(name: &str, query: &str, from: &str, to: &[&str], write_mode: &str) -> Value {
    let outputs: serde_json::Map<_, _> = to.iter().enumerate().map(|(at, id)| (format!("out{at}"), json!({"dataset": id}))).collect();
    json!({"name": name, "script": "sql", "inputs": {"daily": {"dataset": from}}, "outputs": outputs,
           "options": {"query": query, "write_mode": write_mode}})
}
