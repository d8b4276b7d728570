//! Somebody who writes datasets and compares what is found with what is there.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::hub::Hub;

/// How long a hub may take until a search is answered: an index may have to be built.
const WITHIN: Duration = Duration::from_mins(1);
/// Datasets of one page.
const PAGE: usize = 1_000;

/// A caller of CKAN's API.
pub(super) struct Client {
    http: String,
    token: String,
    requests: reqwest::Client,
    made: AtomicUsize,
}

impl Client {
    pub(super) fn of(hub: &Hub) -> Self {
        Self::at(&hub.http, hub.credentials()["ckan_api_token"].as_str().expect("a token"))
    }

    pub(super) fn at(http: &str, token: &str) -> Self {
        let requests = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        Self { http: http.to_owned(), token: token.to_owned(), requests, made: AtomicUsize::new(0) }
    }

    /// Calls an action; none if it failed or there was no answer.
    async fn call(&self, action: &str, dict: &Value) -> Option<Value> {
        let request = self.requests.post(format!("{}/api/3/action/{action}", self.http)).header("authorization", &self.token).json(dict);
        let answer = request.send().await.ok()?;
        let good = answer.status().is_success();
        let body: Value = answer.json().await.ok()?;
        good.then(|| body["result"].clone())
    }

    pub(super) async fn act(&self, action: &str, dict: Value) -> Value {
        self.call(action, &dict).await.expect("the action is done")
    }

    /// An organization, a group and datasets.
    pub(super) async fn prepare(&self, datasets: usize) {
        self.act("organization_create", json!({"name": "org", "title": "0"})).await;
        self.act("group_create", json!({"name": "group", "title": "0"})).await;
        for number in 0..datasets {
            self.act("package_create", dataset(&format!("first-{number}"), number)).await;
        }
    }

    /// Changes one dataset and what many of them show.
    pub(super) async fn change(&self, number: usize) {
        self.act("package_patch", json!({"id": "first-0", "notes": format!("{number}"), "private": number.is_multiple_of(2)})).await;
        self.act("organization_patch", json!({"id": "org", "title": format!("{number}")})).await;
    }

    /// Writes until it is dropped; whatever fails is left alone.
    pub(super) async fn work(&self, writer: usize) {
        loop {
            let number = self.made.fetch_add(1, Ordering::Relaxed);
            let name = format!("w{writer}-{number}-{}", chrono::Utc::now().timestamp_micros());
            self.call("package_create", &dataset(&name, number)).await;
            self.call("package_patch", &json!({"id": "first-1", "notes": name})).await;
            self.call("resource_create", &json!({"package_id": name, "url": "http://example.com/x", "name": "나중"})).await;
            match number % 7 {
                0 => self.call("organization_patch", &json!({"id": "org", "title": name})).await,
                1 => self.call("package_delete", &json!({"id": name})).await,
                2 => self.call("dataset_purge", &json!({"id": name})).await,
                3 => self.call("group_patch", &json!({"id": "group", "title": name})).await,
                4 => self.call("bulk_update_private", &json!({"datasets": [name, "first-2"], "org_id": "org"})).await,
                _ => None,
            };
        }
    }

    /// Searches until it is dropped, so that the index always follows.
    pub(super) async fn search(&self) {
        loop {
            self.call("package_search", &json!({"rows": 0})).await;
        }
    }

    /// What an index finds of a dataset.
    pub(super) async fn finds(&self, name: &str) -> Value {
        self.act("package_search", json!({"q": format!("name:\"{name}\""), "include_private": true})).await["results"].clone()
    }

    /// Compares everything that is found with everything that is there; tells how many datasets that is.
    pub(super) async fn same(&self) -> usize {
        let began = Instant::now();
        while self.call("package_search", &json!({"rows": 0})).await.is_none() {
            assert!(began.elapsed() < WITHIN, "searches are not answered");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let found = self.all("package_search", json!({"sort": "id asc", "include_private": true, "rows": PAGE}), "start", "/results").await;
        let mut there = self.all("current_package_list_with_resources", json!({"limit": PAGE}), "offset", "").await;
        there.sort_by_key(|dataset| dataset["id"].as_str().map(str::to_owned));
        let names = |list: &[Value]| list.iter().map(|dataset| dataset["name"].clone()).collect::<Vec<_>>();
        assert_eq!(names(&found), names(&there));
        for (found, there) in found.iter().zip(&there) {
            assert_eq!(found, there);
        }
        found.len()
    }

    async fn all(&self, action: &str, mut dict: Value, start: &str, place: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            dict[start] = all.len().into();
            let page = self.act(action, dict.clone()).await;
            let page = page.pointer(place).and_then(Value::as_array).expect("a list").clone();
            let last = page.len() < PAGE;
            all.extend(page);
            if last {
                return all;
            }
        }
    }
}

fn dataset(name: &str, number: usize) -> Value {
    json!({
        "name": name, "title": format!("물 {number}"), "owner_org": "org", "private": number.is_multiple_of(3), "groups": [{"name": "group"}],
        "tags": [{"name": format!("tag {}", number % 5)}], "extras": [{"key": "number", "value": number.to_string()}],
        "resources": [{"url": "http://example.com/a.csv", "format": "CSV"}],
    })
}
