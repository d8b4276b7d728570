//! The walk of dhub.md section 14 in its two other forms: as version 0.2 tells it, and by the routes with a slash at the end.

use std::time::{Duration, Instant};

use madang_tests::{Answer, Client, FilePart, Hub, Login, Transport, on_every_hub, work};
use serde_json::{Value, json};

const TEXT: &str = "road,count\n강남대로,3\n테헤란로,4\n";

/// A caller whose every call must fail without his token first.
struct Walker {
    client: Client,
}

impl Walker {
    /// Logs in by e-mail, as version 0.2 does.
    async fn new(hub: &Hub) -> Self {
        let visitor = Client::new(hub, Transport::Http);
        let credentials = hub.credentials();
        let body = json!({"email": credentials.email, "password": credentials.password});
        let answer = visitor.post("/api/v1/auth/login").json(&body).send().await.is(200);
        assert_eq!(answer.keys(), ["access_token", "refresh_token", "token_type"]);
        let token = answer.text_of("access_token");
        let walker = Self { client: visitor.with(Login::bearer(&token)) };
        assert_eq!(walker.get("/auth/me").await.text_of("email"), credentials.email);
        for other in [format!("bearer {token}"), format!("BEARER {token}")] {
            visitor.with(Login::header("authorization", other)).get("/api/v1/auth/me").send().await.is(200); // RFC 7235: any case
        }
        visitor.with(Login::header("authorization", token)).get("/api/v1/auth/me").send().await.is_unauthenticated();
        walker
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let target = format!("/api/v1{path}");
        let call = |client: &Client| match &body {
            Some(body) => client.call(method, &target).json(body),
            None => client.call(method, &target),
        };
        call(&self.client.with(Login::Nobody)).send().await.is_unauthenticated();
        call(&self.client).send().await.is(200)
    }

    async fn upload(&self, path: &str, files: &[&str]) -> Answer {
        let target = format!("/api/v1{path}");
        let parts: Vec<_> = files.iter().map(|text| FilePart { part: "files", ..FilePart::csv("a.csv", text) }).collect();
        self.client.with(Login::Nobody).post(&target).form(&parts).send().await.is_unauthenticated();
        self.client.post(&target).form(&parts).send().await.is(200)
    }

    /// The entry of an array that has this id.
    async fn listed(&self, path: &str, id: &str) -> Value {
        let list = self.get(&format!("{path}?limit=1000")).await.json();
        let found = list.as_array().expect("an array").iter().find(|entry| entry["id"] == id).cloned();
        found.unwrap_or_else(|| unreachable!("{id} is not in {path}"))
    }

    /// The entry of an envelope that has this id: a text that holds JSON.
    async fn enveloped(&self, path: &str, id: &str) -> Value {
        let page = self.get(path).await;
        assert_eq!(page.keys(), ["items", "token"]);
        let text = page.json()["items"][id].as_str().map(str::to_owned);
        serde_json::from_str(&text.unwrap_or_else(|| unreachable!("{id} is not in {path}: {page}"))).expect("JSON")
    }
}

/// Objects and arrays, `email`, and `files` to the dataset.
#[tokio::test]
async fn as_version_0_2_tells_it() {
    on_every_hub(|hub| async move {
        let walker = Walker::new(&hub).await;
        let collection = walker.post("/collections", json!({"name": "교통"})).await.text_of("id");
        let dataset = walker.post("/datasets", json!({"name": "교통량", "collection_id": collection})).await.text_of("id");
        assert_eq!(walker.listed("/collections", &collection).await["name"], "교통");
        assert_eq!(walker.listed("/datasets", &dataset).await["collection_id"], json!(collection));
        let second = "road,count\n올림픽대로,5\n";
        walker
            .upload(&format!("/datasets/{dataset}/upload"), &[TEXT, second])
            .await
            .is_exactly(200, r#"{"message":"Upload successful","rows":3,"columns":2}"#);
        walker
            .get(&format!("/tables/{dataset}?page=1&page_size=2"))
            .await
            .is_exactly(200, r#"{"columns":["road","count"],"data":[["강남대로",3],["테헤란로",4]],"total_rows":3}"#);
        let body = json!({"name": "집계", "collection_id": collection});
        let pipeline = walker.post("/pipelines", body).await.text_of("id");
        assert_eq!(walker.listed("/pipelines", &pipeline).await["steps"], json!([]));
        let started = walker.post(&format!("/pipelines/{pipeline}/run"), json!({})).await;
        assert_eq!(
            (started.keys(), started.text_of("status")),
            (["batch_id", "status", "started_at"].map(str::to_owned).into(), "running".into())
        );
        let batch = started.text_of("batch_id");
        let ended = work::ended(&walker.client, &batch).await;
        assert_eq!((ended.text_of("status"), ended.text_of("pipeline_id")), ("completed".to_owned(), pipeline.clone()));
        let traces = walker.get(&format!("/traces?pipeline_id={pipeline}&batch_id={batch}")).await.json();
        assert_eq!((traces.as_array().map(Vec::len), &traces[0]["batch_id"]), (Some(1), &json!(batch)));
    })
    .await;
}

/// `{"item": id}` and envelopes, a code and a graph of steps, the batch by its pipeline.
#[tokio::test]
async fn by_the_routes_with_a_slash() {
    on_every_hub(|hub| async move {
        let walker = Walker::new(&hub).await;
        let tag = work::unique("표식");
        let made = async |path: &str, body: Value| {
            let answer = walker.post(path, body).await;
            assert_eq!(answer.keys(), ["item"]);
            answer.text_of("item")
        };
        let named = |about: &str| json!({"name": work::unique(about), "tags": [tag]});
        let collection = made("/collections/", named("교통")).await;
        let dataset_of = |name: &str, kind: &str| {
            let field = |name: &str, kind: &str| json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
            let mut body = named(name);
            body["collection_id"] = json!(collection);
            body["schema"] = json!({"type": "struct", "fields": [field("road", kind), field("count", "long")]});
            body
        };
        let source = made("/datasets/", dataset_of("원천", "string")).await;
        let target = made("/datasets/", dataset_of("결과", "string")).await;
        walker.upload(&format!("/tables/{source}/upload"), &[TEXT]).await;
        let code = made("/codes/", json!({"name": work::unique("코드"), "type": "sql", "tags": [tag]})).await;
        let file = format!("/api/v1/codes/{code}/file");
        walker.client.call("PUT", &file).body("text/plain", "SELECT road, count * 2 AS count FROM t").send().await.is(200);
        let step = json!({"name": "배", "script": code, "inputs": {"t": {"dataset": source}}, "outputs": {"o": {"dataset": target}}});
        let mut body = named("집계");
        body["steps"] = json!([step]);
        let pipeline = made("/pipelines/", body).await;
        for (path, id) in [("/collections/", &collection), ("/datasets/", &source), ("/codes/", &code), ("/pipelines/", &pipeline)] {
            let entry = walker.enveloped(&format!("{path}?tag={tag}"), id).await;
            assert!(entry["id"] == **id && entry["created_at"].is_i64(), "{path}: {entry}");
        }

        let batch = made(&format!("/batches/{pipeline}"), json!({})).await;
        let one = format!("/batches/{pipeline}/{batch}");
        let began = Instant::now();
        while walker.get(&one).await.json()["state"]["state"] != "stop" {
            assert!(began.elapsed() < Duration::from_mins(1), "{batch} does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let state = walker.get(&one).await.json();
        assert_eq!(state["state"]["steps"]["배"], json!({"state": "success", "offsets": {"records": 2}}));
        assert_eq!(walker.get(&format!("/batches/{pipeline}")).await.json(), state);
        assert_eq!(walker.enveloped(&format!("/batches/{pipeline}/"), &batch).await, state);
        let trace = walker.get(&format!("/traces/pipelines/{pipeline}/{batch}")).await.json();
        assert_eq!(trace["state"]["state"], "completed");
        assert_eq!(walker.get(&format!("/traces/pipelines/{pipeline}")).await.json(), trace);
        assert_eq!(walker.get(&format!("/traces/pipelines/{pipeline}/")).await.json()["items"][&batch], trace);
        assert_eq!(walker.get(&format!("/traces/steps/{batch}")).await.json()["items"], trace["state"]["steps"]);
        let csv = walker.get(&format!("/tables/{target}?format=csv")).await;
        assert_eq!(csv.text, "road,count\r\n강남대로,6\r\n테헤란로,8\r\n");
    })
    .await;
}
