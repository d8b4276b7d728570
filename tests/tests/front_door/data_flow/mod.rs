//! Data Flow's dialect (dataflow.md), one file per thing; and what these tests need first.

mod authorization;
mod catalog;
mod database;
mod execution;
mod job;
pub(crate) mod nodes;
mod problem;
mod stats;
mod storage;
mod trigger;
mod workflow;

pub(crate) use authorization::ROUTES as CLOSED;

use std::time::{Duration, Instant};

use madang_tests::{Answer, Client, Hub, work};
use serde_json::{Value, json};

/// How long an execution may take.
const WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(30);

/// A catalogue database with a table of numbers and one for what jobs make of them.
struct Flow {
    client: Client,
    database: String,
    source: String,
    target: String,
}

impl Flow {
    async fn new(hub: &Hub) -> Self {
        Self::with_rows(hub, "n\n1\n2\n3\n").await
    }

    async fn with_rows(hub: &Hub, rows: &str) -> Self {
        let client = hub.signed();
        let database = work::collection(&client).await;
        let source = table(&client, &database, rows).await;
        let target = table(&client, &database, "n\n0\n").await;
        Self { client, database, source, target }
    }

    /// From the source to the target.
    fn copy(&self) -> Value {
        self.nodes(None)
    }

    /// So many rows that a statement over them does not come to its end in this test.
    async fn slow(hub: &Hub) -> Self {
        Self::with_rows(hub, &format!("n\n{}", "1\n".repeat(3_000))).await
    }

    /// A statement over the source, `t`, into the target.
    fn statement(&self, sql: &str) -> Value {
        self.nodes(Some(sql))
    }

    /// One that takes longer than any test waits.
    fn endless(&self) -> Value {
        self.statement("SELECT count(*) AS n FROM t a, t b, t c WHERE a.n + b.n + c.n = 0")
    }

    fn nodes(&self, sql: Option<&str>) -> Value {
        let of_table = |id: i64, kind: &str, table: &str, parents: Value| {
            json!({"type": kind, "id": id, "name": "표 이름", "parentNodeIds": parents, "database": self.database, "table": table,
                   "schemaVersion": "latest", "fieldList": [{"name": "n", "type": "bigint"}]})
        };
        let mut nodes = vec![of_table(1_764_000_000_001, "SOURCE_CATALOG", &self.source, json!([]))];
        let mut last = 1_764_000_000_001_i64;
        if let Some(sql) = sql {
            nodes.push(json!({"type": "TRANSFORM_SQL", "id": 2, "name": "sql", "parentNodeIds": [last],
                              "sourceNameList": [{"parentId": last, "newName": "t"}], "sql": sql}));
            last = 2;
        }
        nodes.push(of_table(3, "TARGET_CATALOG", &self.target, json!([last])));
        nodes.into()
    }

    /// A new job's id.
    async fn job(&self, nodes: Value) -> String {
        job(&self.client, json!({"nodes": nodes})).await
    }

    /// Starts a job, and gives the execution's id.
    async fn start(&self, job: &str) -> String {
        let answer = self.client.post(&format!("/api/v1/jobs/{job}/executions")).json(&json!({})).send().await.is(200);
        answer.text_of("jobExecutionId")
    }

    /// The execution once it has ended.
    async fn ended(&self, job: &str, execution: &str) -> Value {
        let began = Instant::now();
        loop {
            let look = self.execution(job, execution).await;
            if !matches!(look["status"].as_str(), Some("READY" | "RUNNING")) {
                return look;
            }
            assert!(began.elapsed() < WITHIN, "{look}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn execution(&self, job: &str, execution: &str) -> Value {
        self.client.get(&format!("/api/v1/jobs/{job}/executions/{execution}")).send().await.is(200).json()
    }

    /// Waits until a look at something satisfies.
    async fn until(&self, target: &str, satisfied: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let look = self.client.get(target).send().await.is(200).json();
            if satisfied(&look) {
                return look;
            }
            assert!(began.elapsed() < WITHIN, "{target}: {look}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// A new job's id; a body without a name gets one.
async fn job(client: &Client, mut body: Value) -> String {
    if body["name"].is_null() {
        body["name"] = name("job").into();
    }
    client.post("/api/v1/jobs").json(&body).send().await.is(201).text_of("jobId")
}

/// A new table's id.
async fn table(client: &Client, database: &str, rows: &str) -> String {
    let body = json!({"name": work::unique("t"), "collection_id": database});
    let id = client.post("/api/v1/datasets").json(&body).send().await.is(200).text_of("id");
    work::upload(client, &id, rows).await.is(200);
    id
}

/// A name that nobody else has.
fn name(about: &str) -> String {
    work::unique(about)
}

/// Demands a problem document of a type whose detail has a word.
#[track_caller]
fn demand_problem(answer: &Answer, status: u16, error_type: &str, word: &str) {
    assert_eq!(answer.status, status, "{answer}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer}");
    let body = answer.json();
    assert_eq!((body["errorType"].as_str(), body["status"].as_u64()), (Some(error_type), Some(status.into())), "{answer}");
    assert!(body["detail"].as_str().is_some_and(|detail| detail.contains(word)), "no '{word}': {answer}");
    assert!(body["instance"].as_str().is_some_and(|instance| instance.starts_with("/dataflow/api/")), "{answer}");
}
