//! `madang up --demo`: the nine calls of the D.Hub tutorial over a small real table, through the front door.

use std::{io::Write, time::Duration};

use anyhow::Context;
use madang_gateway::Addresses;
use madang_kit::config::Config;
use reqwest::{Client, Method, RequestBuilder, multipart};
use serde_json::{Value, json};

/// Daily weather of Seattle, 2012 to 2015.
const WEATHER: &[u8] = include_bytes!("../../tests/fixtures/seattle-weather.csv");
const QUERY: &str = "SELECT weather, count(*) AS days, avg(temp_max) AS mean_high FROM daily GROUP BY weather ORDER BY days DESC";
/// How much of an answer is printed.
const PRINTED: usize = 400;
/// Looks at a batch before the demo gives up.
const LOOKS: u32 = 300;

/// Runs and prints the calls. The first that fails ends the demo with its answer.
pub(crate) async fn run(config: &Config, addresses: Addresses) -> anyhow::Result<()> {
    let address = addresses.http.context("the demo needs --http")?;
    let credentials = std::fs::read(config.data_dir.join("credentials.json")).context("credentials.json")?;
    let credentials: Value = serde_json::from_slice(&credentials)?;
    let mut demo =
        Demo { client: Client::builder().no_proxy().build()?, base: format!("http://{address}/api/v1"), token: String::new(), calls: 0 };

    let login = json!({"username": credentials["username"], "password": credentials["password"]});
    let tokens = demo.post("/auth/login", &login).await?;
    demo.token = text(&tokens, "access_token")?;
    let collection = demo.post("/collections", &json!({"name": "날씨 분석", "description": "시애틀 일별 날씨"})).await?;
    let collection = &collection["id"];
    let weather = demo.post("/datasets", &json!({"name": "시애틀 날씨", "collection_id": collection})).await?;
    let weather = text(&weather, "id")?;
    demo.upload(&format!("/tables/{weather}/upload")).await?;
    demo.get(&format!("/tables/{weather}?page=1&page_size=2")).await?;
    let summary = demo.post("/datasets", &json!({"name": "날씨 요약", "collection_id": collection})).await?;
    let summary = text(&summary, "id")?;
    let step = json!({"name": "summary", "script": "sql", "inputs": {"daily": {"dataset": weather}},
        "outputs": {"result": {"dataset": summary}}, "options": {"query": QUERY, "write_mode": "overwrite"}});
    let pipeline = demo.post("/pipelines", &json!({"name": "날씨별 요약", "collection_id": collection, "steps": [step]})).await?;
    let pipeline = text(&pipeline, "id")?;
    let run = demo.post(&format!("/pipelines/{pipeline}/run"), &json!({})).await?;
    let batch = text(&run, "batch_id")?;
    demo.wait(&format!("/batches/{batch}")).await?;
    demo.get(&format!("/traces?pipeline_id={pipeline}&batch_id={batch}")).await?;
    demo.get(&format!("/tables/{summary}?page=1&page_size=10")).await?;
    say("\nThe demo is done; the hub keeps serving. Stop it with Ctrl-C.")
}

/// One walk through the tutorial.
struct Demo {
    client: Client,
    base: String,
    token: String,
    calls: u32,
}

impl Demo {
    async fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.request(&Method::POST, path).json(body);
        let shown = if path == "/auth/login" { "{…}".to_owned() } else { body.to_string() };
        self.call(&Method::POST, path, &shown, request).await
    }

    async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        let request = self.request(&Method::GET, path);
        self.call(&Method::GET, path, "", request).await
    }

    async fn upload(&mut self, path: &str) -> anyhow::Result<Value> {
        let part = multipart::Part::bytes(WEATHER).file_name("seattle-weather.csv").mime_str("text/csv")?;
        let request = self.request(&Method::POST, path).multipart(multipart::Form::new().part("file", part));
        self.call(&Method::POST, path, "file=@seattle-weather.csv", request).await
    }

    /// Looks at a batch until it has ended; prints the last look.
    async fn wait(&mut self, path: &str) -> anyhow::Result<()> {
        for _ in 0..LOOKS {
            let batch: Value = self.request(&Method::GET, path).send().await?.json().await?;
            if batch["status"] != "running" {
                self.get(path).await?;
                anyhow::ensure!(batch["status"] == "completed", "the batch failed");
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("the batch did not end")
    }

    fn request(&self, method: &Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method.clone(), format!("{}{path}", self.base));
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }

    async fn call(&mut self, method: &Method, path: &str, shown: &str, request: RequestBuilder) -> anyhow::Result<Value> {
        self.calls += 1;
        say(&format!("\n{}. {method} /api/v1{path} {shown}", self.calls))?;
        let answer = request.send().await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        say(&format!("   {status} {}", cut(&masked(&body))))?;
        anyhow::ensure!(status.is_success(), "{method} {path}: {status}");
        Ok(body)
    }
}

/// The answer without its tokens.
fn masked(body: &Value) -> String {
    let mut body = body.clone();
    for name in ["access_token", "refresh_token"] {
        if let Some(token) = body.get_mut(name) {
            *token = "…".into();
        }
    }
    body.to_string()
}

fn cut(text: &str) -> String {
    if text.chars().count() <= PRINTED { text.to_owned() } else { text.chars().take(PRINTED).chain(['…']).collect() }
}

fn text(answer: &Value, key: &str) -> anyhow::Result<String> {
    answer[key].as_str().map(str::to_owned).with_context(|| format!("the answer has no {key}"))
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
