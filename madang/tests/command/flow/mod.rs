//! Data Flow with the clock in our hand: schedules, timeouts, crashes.

mod publish;
mod restart;
mod schedule;
mod slots;

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{hub::Hub, watch::Yard};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// 2026-03-12T09:00:30+09:00, a Thursday, in milliseconds.
const BEGIN: i64 = 1_773_273_630_000;
/// How soon something must be there.
const SOON: Duration = Duration::from_secs(20);

/// A client that signs by the hub's own clock.
#[derive(Clone)]
struct Client {
    http: String,
    access_key: String,
    secret_key: String,
    requests: reqwest::Client,
}

impl Client {
    fn new(http: &str, credentials: &Value) -> Self {
        let text = |key: &str| credentials[key].as_str().expect("a text").to_owned();
        let requests = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        Self { http: http.to_owned(), access_key: text("access_key"), secret_key: text("secret_key"), requests }
    }

    fn of(hub: &Hub) -> Self {
        Self::new(&hub.http, &hub.credentials())
    }

    /// Sends a request and gives status and body; `None` if no answer came.
    async fn try_call(&self, watch: &Yard, method: Method, target: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let timestamp = watch.now().to_string();
        let signature = madang_gateway::sign(method.as_str(), target, &timestamp, &self.access_key, &self.secret_key);
        let mut request = self.requests.request(method, format!("{}{target}", self.http));
        let headers =
            [("x-ncp-apigw-timestamp", &timestamp), ("x-ncp-iam-access-key", &self.access_key), ("x-ncp-apigw-signature-v2", &signature)];
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let text = response.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    async fn call(&self, watch: &Yard, method: Method, target: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.try_call(watch, method.clone(), target, body).await.expect("an answer");
        assert!(status < 300, "{method} {target}: {status} {answer}");
        answer
    }

    async fn get(&self, watch: &Yard, target: &str) -> Value {
        self.call(watch, Method::GET, target, None).await
    }

    async fn post(&self, watch: &Yard, target: &str, body: &Value) -> Value {
        self.call(watch, Method::POST, target, Some(body)).await
    }

    /// Looks until something satisfies.
    async fn until(&self, watch: &Yard, target: &str, satisfied: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let look = self.get(watch, target).await;
            if satisfied(&look) {
                return look;
            }
            assert!(began.elapsed() < SOON, "{target}: {look}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// A new collection's id, which jobs call a database.
    async fn database(&self, watch: &Yard) -> String {
        id(&self.post(watch, "/api/v1/collections", &json!({"name": "흐름"})).await, "id")
    }

    /// A new table with these rows of one column `n`.
    async fn table(&self, watch: &Yard, database: &str, rows: &str) -> String {
        let made = self.post(watch, "/api/v1/datasets", &json!({"name": "표", "collection_id": database})).await;
        let table = id(&made, "id");
        let body = format!("--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nn\n{rows}\r\n--x--\r\n");
        let target = format!("/api/v1/tables/{table}/upload");
        let timestamp = watch.now().to_string();
        let signature = madang_gateway::sign("POST", &target, &timestamp, &self.access_key, &self.secret_key);
        let request = self.requests.post(format!("{}{target}", self.http)).header("x-ncp-apigw-timestamp", &timestamp);
        let request = request.header("x-ncp-iam-access-key", &self.access_key).header("x-ncp-apigw-signature-v2", signature);
        let answer = request.header("content-type", "multipart/form-data; boundary=x").body(body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
        table
    }

    /// A new job's id: a copy of three rows, or what takes longer than any test waits.
    async fn job(&self, watch: &Yard, name: &str, endless: bool, runs: u32) -> String {
        let database = self.database(watch).await;
        let rows = if endless { "1\n".repeat(3_000) } else { "1\n2\n3".to_owned() };
        let (source, target) = (self.table(watch, &database, &rows).await, self.table(watch, &database, "0").await);
        let of_table = |number: i64, kind: &str, table: &str, parents: Value| {
            json!({"type": kind, "id": number, "name": "n", "parentNodeIds": parents, "database": database, "table": table,
                   "schemaVersion": "latest", "fieldList": [{"name": "n", "type": "bigint"}]})
        };
        let mut nodes = vec![of_table(1, "SOURCE_CATALOG", &source, json!([]))];
        if endless {
            let sql = "SELECT count(*) AS n FROM t a, t b, t c WHERE a.n + b.n + c.n = 0";
            nodes.push(json!({"type": "TRANSFORM_SQL", "id": 2, "name": "sql", "parentNodeIds": [1],
                              "sourceNameList": [{"parentId": 1, "newName": "t"}], "sql": sql}));
        }
        nodes.push(of_table(3, "TARGET_CATALOG", &target, if endless { json!([2]) } else { json!([1]) }));
        let body = json!({"name": name, "nodes": nodes, "maxConcurrentRuns": runs});
        id(&self.post(watch, "/api/v1/jobs", &body).await, "jobId")
    }

    /// A new trigger's id.
    async fn trigger(&self, watch: &Yard, name: &str, rule: Value) -> String {
        let kind = if rule["type"] == "NONE" { "NONE" } else { "SCHEDULED" };
        let body = json!({"name": name, "type": kind, "triggerRule": rule});
        id(&self.post(watch, "/api/v1/triggers", &body).await, "triggerId")
    }

    /// A new workflow's id: a trigger and jobs one after another.
    async fn workflow(&self, watch: &Yard, name: &str, trigger: &str, jobs: &[&str]) -> String {
        id(&self.post(watch, "/api/v1/workflows", &chain(name, trigger, jobs)).await, "workflowId")
    }
}

/// The body of a workflow: a trigger and jobs one after another.
fn chain(name: &str, trigger: &str, jobs: &[&str]) -> Value {
    let mut nodes = vec![json!({"id": trigger, "name": "t", "type": "TRIGGER", "parentNodeIds": []})];
    let mut last = trigger;
    for job in jobs {
        nodes.push(json!({"id": job, "name": "j", "type": "JOB", "parentNodeIds": [last]}));
        last = job;
    }
    json!({"name": name, "nodes": nodes})
}

fn id(answer: &Value, key: &str) -> String {
    answer[key].as_str().expect("an id").to_owned()
}

fn recurring(interval: &str, time: &str) -> Value {
    json!({"type": "RECURRING", "interval": interval, "time": time})
}

/// A time of the watch as Data Flow writes it.
fn iso(milliseconds: i64) -> String {
    let at = chrono::DateTime::from_timestamp_millis(milliseconds + 9 * HOUR).expect("a time");
    at.format("%Y-%m-%dT%H:%M:%S%.3f+09:00").to_string()
}
