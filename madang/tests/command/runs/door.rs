//! Signed requests to a hub whose processes come and go: each is sent until it is answered, and has its effect once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::watch::Watch;

/// Less than a signature stays valid.
const PATIENCE: Duration = Duration::from_mins(4);
const MINUTE: i64 = 60_000;
const AGAIN_AFTER: Duration = Duration::from_millis(500);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A hub's door, for its administrator; clones are the same one.
#[derive(Clone)]
pub(crate) struct Door {
    http: String,
    access_key: String,
    secret_key: String,
    watch: Watch,
    /// When the last request was signed: two at the same moment would be the same request.
    signed_at: Arc<AtomicI64>,
    client: reqwest::Client,
}

impl Door {
    pub(crate) fn new(http: &str, credentials: &Value, watch: &Watch) -> Self {
        let key = |name: &str| credentials[name].as_str().expect("a key").to_owned();
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build().expect("an HTTP client");
        Self {
            http: http.to_owned(),
            access_key: key("access_key"),
            secret_key: key("secret_key"),
            watch: watch.clone(),
            signed_at: Arc::default(),
            client,
        }
    }

    pub(crate) async fn get(&self, target: &str) -> Value {
        self.call(Method::GET, target, |request| request).await
    }

    pub(crate) async fn post(&self, target: &str, body: Value) -> Value {
        self.call(Method::POST, target, move |request| request.json(&body)).await
    }

    pub(crate) async fn put_text(&self, target: &str, text: &str) -> Value {
        self.call(Method::PUT, target, |request| request.body(text.to_owned())).await
    }

    /// Adds the rows of a CSV text to a dataset. For a hub that stays: an upload that is sent again is made again.
    pub(crate) async fn upload(&self, dataset: &str, text: &str) {
        let body = format!("--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n{text}\r\n--x--\r\n");
        let add = |request: RequestBuilder| request.header("content-type", "multipart/form-data; boundary=x").body(body.clone());
        self.call(Method::POST, &format!("/api/v1/tables/{dataset}/upload"), add).await;
    }

    /// The id of what a request made.
    pub(crate) async fn make(&self, target: &str, body: Value) -> String {
        self.post(target, body).await["id"].as_str().expect("an id").to_owned()
    }

    /// A new dataset's id.
    pub(crate) async fn dataset(&self) -> String {
        self.make("/api/v1/datasets", json!({"name": "표"})).await
    }

    /// Every row of a table of less than 100,000.
    pub(crate) async fn rows(&self, dataset: &str) -> Vec<Vec<Value>> {
        let mut rows = Vec::new();
        loop {
            let page = rows.len() / PAGE + 1;
            let told = self.get(&format!("/api/v1/tables/{dataset}?page={page}&page_size={PAGE}")).await;
            let more: Vec<Vec<Value>> = serde_json::from_value(told["data"].clone()).expect("rows");
            let last = more.len() < PAGE;
            rows.extend(more);
            if last {
                assert_eq!(told["total_rows"], rows.len());
                return rows;
            }
        }
    }

    /// Now, or as soon after as nobody else had.
    fn moment(&self) -> i64 {
        let now = self.watch.now();
        let next = |last: i64| if last - now < MINUTE { now.max(last + 1) } else { now }; // the clock may have been put back
        let last = self.signed_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        next(last.unwrap_or_else(|last| last))
    }

    /// The same signature all the time: what was done is not done again, only answered.
    async fn call(&self, method: Method, target: &str, add: impl Fn(RequestBuilder) -> RequestBuilder) -> Value {
        let timestamp = self.moment().to_string();
        let signature = madang_gateway::sign(method.as_str(), target, &timestamp, &self.access_key, &self.secret_key);
        let began = Instant::now();
        let mut last = String::new();
        while began.elapsed() < PATIENCE {
            let request = self.client.request(method.clone(), format!("{}{target}", self.http));
            let request = request.header("x-ncp-apigw-timestamp", &timestamp).header("x-ncp-iam-access-key", &self.access_key);
            let request = request.header("x-ncp-apigw-signature-v2", &signature);
            match add(request).send().await {
                Ok(response) => match answer(response).await {
                    Ok(value) => return value,
                    Err(why) => last = why,
                },
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        unreachable!("{method} {target} is not answered: {last}")
    }
}

const PAGE: usize = 10_000;

/// What was answered, or why to ask again. A process that is away may be told of; anything else is a fault.
async fn answer(response: Response) -> Result<Value, String> {
    let status = response.status();
    let text = response.text().await.map_err(|error| error.to_string())?;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return Err(format!("{status}: {text}"));
    }
    assert!(status.is_success(), "{status}: {text}");
    Ok(serde_json::from_str(&text).expect("JSON"))
}
