//! A hub of a test's own, and the few requests that these tests need.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::ExitStatus,
    time::{Duration, Instant},
};

use reqwest::{RequestBuilder, Response, header::HeaderMap};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Child;

use crate::program::{madang, signal};

const READY: &str = "madang ready ";
/// Far longer than a start takes; what it may take is tested in `first_start`.
const READY_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// A folder in which hubs are started, one after another.
pub(crate) struct Place {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// A hub that may not be ready yet.
pub(crate) struct Starting {
    child: Child,
    began: Instant,
    data: PathBuf,
    output: PathBuf,
    log: PathBuf,
}

/// A running hub.
pub(crate) struct Hub {
    child: Child,
    pub(crate) data: PathBuf,
    /// The whole ready line.
    pub(crate) ready: String,
    pub(crate) http: String,
    /// From the start of the program to its ready line.
    pub(crate) ready_after: Duration,
    pub(crate) output: PathBuf,
    pub(crate) log: PathBuf,
    client: reqwest::Client,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with(Vec::new())
    }

    /// With variables for every hub that is started there.
    pub(crate) fn with(variables: Vec<(String, String)>) -> Self {
        Self::at(tempfile::tempdir().expect("a folder"), variables)
    }

    /// In a folder that the variables may name.
    pub(crate) fn at(folder: TempDir, variables: Vec<(String, String)>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default(); // refused if it is installed already
        Self { folder, variables }
    }

    /// The variables of every hub that is started there.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `madang up` on free ports.
    pub(crate) async fn up(&self) -> Hub {
        self.up_with(&[], &[]).await
    }

    /// `madang up` with more arguments and variables.
    pub(crate) async fn up_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Hub {
        self.start(arguments, variables).ready().await
    }

    /// `madang up` without waiting for it.
    pub(crate) fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Starting {
        let call: Vec<&str> = ["up"].into_iter().chain(arguments.iter().copied()).chain(free_ports(arguments)).collect();
        self.spawn("hub", "data", &call, variables)
    }

    /// A call of `madang` on a data folder, with an output and a log of its own name.
    pub(crate) fn spawn(&self, name: &str, data: &str, call: &[&str], variables: &[(&str, &str)]) -> Starting {
        let (data, output, log) = (self.path(data), self.path(&format!("{name}.output")), self.path(&format!("{name}.log")));
        let mut command = madang(call);
        command
            .arg("--data-dir")
            .arg(&data)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .envs(variables.iter().copied())
            .env("NO_PROXY", "*")
            .current_dir(self.folder.path());
        let files = [&output, &log].map(|path| File::create(path).expect("a file"));
        let [out, err] = files;
        let began = Instant::now();
        let child = command.stdout(out).stderr(err).spawn().expect("the program starts");
        Starting { child, began, data, output, log }
    }
}

impl Starting {
    /// Waits until it serves.
    pub(crate) async fn ready(mut self) -> Hub {
        let ready = self.serving().await;
        let ready_after = self.began.elapsed();
        let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let Self { child, data, output, log, .. } = self;
        Hub { child, data, http: value(&ready, "http"), ready, ready_after, output, log, client }
    }

    /// Waits until it serves, and gives the line that tells where.
    pub(crate) async fn serving(&mut self) -> String {
        loop {
            let ended = self.child.try_wait().expect("a child");
            if let Some(line) = self.ready_line() {
                return line;
            }
            assert!(ended.is_none() && self.began.elapsed() < READY_WITHIN, "not ready ({ended:?}): {}", self.told());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Its log.
    pub(crate) fn told(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has ended well by itself, or was asked to.
    pub(crate) async fn ended(&mut self) {
        let status = tokio::time::timeout(STOP_WITHIN, self.child.wait()).await.expect("it ends").expect("a status");
        assert!(status.success(), "{status}: {}", self.told());
    }

    /// Sends it a signal: `STOP`, `CONT`, `TERM`.
    pub(crate) async fn signal(&self, name: &str) {
        signal(self.child.id().expect("it runs"), name).await;
    }

    /// The line that tells where it serves, once it is complete.
    pub(crate) fn ready_line(&self) -> Option<String> {
        let text = fs::read_to_string(&self.output).unwrap_or_default();
        let complete = &text[..=text.rfind('\n')?];
        complete.lines().find(|line| line.starts_with(READY)).map(str::to_owned)
    }

    /// Ends it as a power cut would (`kill -9`).
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("it ends");
    }
}

/// Free ports for the doors that the arguments do not mention.
pub(crate) fn free_ports(arguments: &[&str]) -> Vec<&'static str> {
    let missing = ["--http", "--https"].into_iter().filter(|door| !arguments.contains(door));
    missing.flat_map(|door| [door, "127.0.0.1:0"]).collect()
}

/// The value of `key=value` in the ready line; empty if it is not there.
pub(crate) fn value(ready: &str, key: &str) -> String {
    let mut pairs = ready.split_whitespace().filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned()).unwrap_or_default()
}

impl Hub {
    pub(crate) fn credentials(&self) -> Value {
        serde_json::from_str(&self.read("credentials.json")).expect("credentials.json")
    }

    /// A file of its data folder.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.data.join(name)).expect("a file of the data folder")
    }

    pub(crate) fn get(&self, target: &str) -> RequestBuilder {
        self.client.get(format!("{}{target}", self.http))
    }

    pub(crate) fn post(&self, target: &str) -> RequestBuilder {
        self.client.post(format!("{}{target}", self.http))
    }

    pub(crate) fn call(&self, method: reqwest::Method, target: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{target}", self.http))
    }

    /// The tokens of the administrator.
    pub(crate) async fn log_in(&self) -> Value {
        let credentials = self.credentials();
        let body = json!({"username": credentials["username"], "password": credentials["password"]});
        json_of(self.post("/api/v1/auth/login").json(&body)).await
    }

    /// Headers with a new access token.
    pub(crate) async fn admin(&self) -> HeaderMap {
        let tokens = self.log_in().await;
        bearer(&tokens["access_token"])
    }

    /// A new dataset's id.
    pub(crate) async fn dataset(&self, admin: &HeaderMap) -> String {
        let made = json_of(self.post("/api/v1/datasets").headers(admin.clone()).json(&json!({"name": "표"}))).await;
        made["id"].as_str().expect("an id").to_owned()
    }

    /// An upload of one CSV file.
    pub(crate) fn upload(&self, admin: &HeaderMap, dataset: &str, text: &str) -> RequestBuilder {
        let body = format!("--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n{text}\r\n--x--\r\n");
        let request = self.post(&format!("/api/v1/tables/{dataset}/upload")).headers(admin.clone());
        request.header("content-type", "multipart/form-data; boundary=x").body(body)
    }

    /// The first 10,000 rows of a table.
    pub(crate) async fn rows(&self, admin: &HeaderMap, dataset: &str) -> Vec<Vec<Value>> {
        let page = json_of(self.get(&format!("/api/v1/tables/{dataset}?page_size=10000")).headers(admin.clone())).await;
        serde_json::from_value(page["data"].clone()).expect("rows")
    }

    /// Asks it to stop, and tells how and how soon it did.
    pub(crate) async fn stop(mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        signal(self.pid(), "TERM").await;
        let status = tokio::time::timeout(STOP_WITHIN, self.child.wait()).await.expect("it stops").expect("a status");
        (status, began.elapsed())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Ends it as a power cut would (`kill -9`).
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("it ends");
    }
}

/// The header of an access token.
pub(crate) fn bearer(token: &Value) -> HeaderMap {
    let value = format!("Bearer {}", token.as_str().expect("a token"));
    HeaderMap::from_iter([(reqwest::header::AUTHORIZATION, value.parse().expect("ASCII"))])
}

/// Sends a request that must succeed.
pub(crate) async fn json_of(request: RequestBuilder) -> Value {
    let response: Response = request.send().await.expect("an answer");
    let (status, text) = (response.status(), response.text().await.expect("a body"));
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

/// Sends a request for its status alone.
pub(crate) async fn status_of(request: RequestBuilder) -> u16 {
    request.send().await.expect("an answer").status().as_u16()
}
