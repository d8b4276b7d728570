//! The pipeline service and the Spec Store, each a process of its own, killed at random moments of flows: every revision ends, what it tells
//! of is there in whole, and nothing is published twice.
//!
//! A few flows on each database here; `cargo xtask prove flows` makes many (`FLOWS`).

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use md5::{Digest, Md5};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    databases::Databases,
    dice::{Dice, number},
    file_server::Server,
    hub::{Hub, Place, Starting, json_of},
    proof::tell,
};

/// One is killed at most so long after the one before; flows take half a second or so.
const KILL_WITHIN: Duration = Duration::from_secs(5);
/// How long the last flow may take after the last kill: three leases, and the flows before it.
const PATIENCE: Duration = Duration::from_mins(8);
/// How long a part may take to stop while nothing is at work; its clients' calls are cut after 25 s.
const STOPS_WITHIN: Duration = Duration::from_secs(10);
/// Rows of each table.
const ROWS: u64 = 2_500;
/// Kills, at most: after them all is quiet.
const KILLS: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_survive_kills_on_sqlite() {
    Parts::start("SQLite", Vec::new()).await.run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_survive_kills_on_postgres() {
    let Some(databases) = Databases::new().await else { return };
    Parts::start("PostgreSQL", databases.variables()).await.run().await;
    databases.remove().await;
}

/// The Spec Store hears of flows by one call that lasts; it holds nobody who has to stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_listened_to_may_stop() {
    let mut parts = Parts::start("stop", Vec::new()).await;
    let (owner, token, _) = parts.owner().await;
    let url = parts.server.file("/one.csv", "n,name\n1,han\n");
    let flow = parts.upload(&owner, &token, "stops", &url).await;
    assert_eq!(parts.ended(&token, &flow).await["state"], "SUCCEEDED", "it is listened to");
    for (part, process) in &mut parts.killed {
        let began = Instant::now();
        process.signal("TERM").await;
        process.ended().await;
        assert!(began.elapsed() < STOPS_WITHIN, "{part}: {:?}", began.elapsed());
    }
    parts.catalog.kill().await;
    parts.gateway.kill().await;
}

/// The processes of a hub.
struct Parts {
    name: &'static str,
    dice: Dice,
    place: Place,
    ways: Vec<(String, String)>,
    server: Server,
    /// The pipeline service and the Spec Store, which are killed.
    killed: [(&'static str, Starting); 2],
    catalog: Starting,
    gateway: Hub,
}

async fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").to_string()
}

impl Parts {
    async fn start(name: &'static str, databases: Vec<(String, String)>) -> Self {
        let place = Place::with(databases);
        place.spawn("init", "data", &["init"], &[]).ended().await;
        let server = Server::start().await;
        let mut ways = vec![("MADANG_FETCH_ALLOW".to_owned(), server.address.clone())];
        for part in ["CATALOG", "PIPELINE", "SPEC_STORE"] {
            let address = free_address().await;
            ways.push((format!("MADANG_{part}_URL"), format!("http://{address}")));
            ways.push((format!("MADANG_{part}_LISTEN"), address));
        }
        let catalog = spawned(&place, &ways, "catalog").await;
        let pipeline = spawned(&place, &ways, "pipeline").await;
        let spec_store = spawned(&place, &ways, "spec-store").await;
        let call = ["serve", "gateway", "--http", "127.0.0.1:0", "--https", "off"];
        let gateway = place.spawn("gateway", "data", &call, &borrowed(&ways)).ready().await;
        let killed = [("pipeline", pipeline), ("spec-store", spec_store)];
        Self { name, dice: Dice::new(name), place, ways, server, killed, catalog, gateway }
    }

    async fn run(mut self) {
        let (flows, began) = (number("FLOWS", 6), Instant::now());
        let (owner, token, admin) = self.owner().await;
        let mut started = Vec::new();
        let mut kills = 0;
        for number in 0..flows {
            let rows = (0..ROWS).map(|row| format!("{row},river {number}-{row}")).collect::<Vec<_>>().join("\n");
            let url = self.server.file(&format!("/{number}.csv"), format!("n,name\n{rows}\n"));
            started.push(self.upload(&owner, &token, &format!("kills-{number}"), &url).await);
            if kills < KILLS {
                tokio::time::sleep(self.dice.time_below(KILL_WITHIN)).await;
                self.kill().await;
                kills += 1;
            }
        }
        let (mut succeeded, mut bytes) = (0, 0);
        for flow in &started {
            let ended = self.ended(&token, flow).await;
            if ended["state"] == "SUCCEEDED" {
                succeeded += 1;
                bytes += self.check_files(&token, &ended).await;
                self.check_publication(&admin, flow).await;
            } else {
                assert_eq!(ended["state"], "FAILED", "{ended}");
                let lost = ended["error_log"].as_array().is_some_and(|lines| lines.iter().any(|line| line == "Timed out"));
                assert!(lost, "it failed for another reason than its lost workers: {ended}");
            }
        }
        assert!(succeeded * 2 > started.len(), "most flows come through: {succeeded} of {}", started.len());
        tell(&format!(
            "{}: {} flows, {kills} kills in {:.0} s: every revision ended, {succeeded} with success; {} MB of files whole; every dataset published once",
            self.name,
            started.len(),
            began.elapsed().as_secs_f64(),
            bytes >> 20,
        ));
        for process in self.killed.iter_mut().map(|(_, process)| process).chain([&mut self.catalog]) {
            process.kill().await;
        }
        self.gateway.kill().await;
    }

    /// The administrator's id and token as an owner, and his headers elsewhere.
    async fn owner(&self) -> (String, HeaderMap, HeaderMap) {
        let credentials = self.gateway.credentials();
        let text = |name: &str| credentials[name].as_str().expect("a text").to_owned();
        let token = HeaderMap::from_iter([("auth-token".parse().expect("a name"), text("spec_store_token").parse().expect("a header"))]);
        (text("owner_id"), token, self.gateway.admin().await)
    }

    /// Uploads a spec until it is taken: whoever is killed is back soon.
    async fn upload(&self, owner: &str, token: &HeaderMap, dataset: &str, url: &str) -> String {
        let schema = json!({"fields": [{"name": "n", "type": "integer"}, {"name": "name", "type": "string"}]});
        let spec = json!({
            "meta": {"version": 1, "owner": "mina", "ownerid": owner, "dataset": dataset, "findability": "published"},
            "inputs": [{"kind": "datapackage", "url": "http://example.invalid/datapackage.json", "parameters": {
                "resource-mapping": {"data/rivers.csv": url},
                "descriptor": {"name": dataset, "resources": [{"name": "rivers", "path": "data/rivers.csv", "format": "csv", "schema": schema}]}}}],
        });
        let key = format!("upload-{dataset}"); // an answer that got lost is not a second revision
        let began = Instant::now();
        loop {
            let call = self.gateway.post("/source/upload").headers(token.clone()).header("idempotency-key", &key).json(&spec);
            let answer = call.send().await.expect("the gateway answers");
            if answer.status().is_success() {
                let answer: Value = answer.json().await.expect("JSON");
                assert_eq!(answer["success"], true, "{answer}");
                return answer["flow_id"].as_str().expect("a flow").to_owned();
            }
            assert!(began.elapsed() < PATIENCE, "{}", answer.status());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Kills one of the two and starts it again.
    async fn kill(&mut self) {
        let one = usize::try_from(self.dice.below(2)).expect("a place");
        let (part, process) = &mut self.killed[one];
        process.kill().await;
        let part = *part;
        self.killed[one] = (part, spawned(&self.place, &self.ways, part).await);
    }

    async fn ended(&self, token: &HeaderMap, flow: &str) -> Value {
        let began = Instant::now();
        loop {
            let answer = self.gateway.get(&format!("/source/{flow}?wait=10")).headers(token.clone()).send().await.expect("an answer");
            if answer.status().is_success() {
                let read: Value = answer.json().await.expect("JSON");
                if !matches!(read["state"].as_str(), Some("QUEUED" | "INPROGRESS")) {
                    return read;
                }
                assert!(began.elapsed() < PATIENCE, "it does not end: {read}");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Every file of the package has the bytes and the sum that the package tells; gives all bytes.
    async fn check_files(&self, token: &HeaderMap, ended: &Value) -> usize {
        let id = ended["id"].as_str().expect("an id");
        let url = ended["pipelines"][id]["stats"][".dpp"]["out-datapackage-url"].as_str().expect("an address");
        let get = async |url: &str| {
            let target = url.strip_prefix(&self.gateway.http).expect("an address of the hub");
            let answer = self.gateway.get(target).headers(token.clone()).send().await.expect("an answer");
            let status = answer.status();
            let bytes = answer.bytes().await.expect("all of it");
            assert!(status.is_success(), "{url}: {status} {}", String::from_utf8_lossy(&bytes));
            bytes
        };
        let package: Value = serde_json::from_slice(&get(url).await).expect("a package");
        let mut all = 0;
        for resource in package["resources"].as_array().expect("resources") {
            let bytes = get(resource["path"].as_str().expect("an address")).await;
            let md5 = madang_kit::hex(&Md5::digest(&bytes));
            assert_eq!((json!(bytes.len()), json!(md5)), (resource["bytes"].clone(), resource["hash"].clone()), "{resource}");
            all += bytes.len();
        }
        assert_eq!(package["datahub"]["stats"]["rowcount"], ROWS, "{package}");
        all
    }

    /// The dataset is there, once, each resource once, and its table has one version with rows.
    async fn check_publication(&self, admin: &HeaderMap, flow: &str) {
        let (owner_and_name, _) = flow.rsplit_once('/').expect("a flow");
        let name = owner_and_name.replace('/', "-");
        let began = Instant::now();
        let package = loop {
            let answer = self.gateway.get(&format!("/api/3/action/package_show?id={name}")).send().await.expect("an answer");
            if answer.status().is_success() {
                let package: Value = answer.json().await.expect("JSON");
                let tables =
                    package["result"]["resources"].as_array().expect("resources").iter().filter(|one| one["datastore_active"] == true);
                if tables.count() == 1 {
                    break package["result"].clone();
                }
            }
            assert!(began.elapsed() < PATIENCE, "{name} is not published");
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let names: Vec<&str> =
            package["resources"].as_array().expect("resources").iter().map(|one| one["name"].as_str().expect("a name")).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        let hits = json_of(self.gateway.get(&format!("/api/3/action/package_search?fq=name:{name}"))).await;
        assert_eq!(hits["result"]["count"], 1, "{hits}");
        let title = package["title"].as_str().expect("a title");
        let found = json_of(self.gateway.get(&format!("/api/v1/datasets?q={title}")).headers(admin.clone())).await;
        let dataset = found.as_array().expect("a list").iter().find(|one| one["name"] == title).expect("D.Hub knows it")["id"].clone();
        let dataset = dataset.as_str().expect("an id");
        let page = json_of(self.gateway.get(&format!("/api/v1/tables/{dataset}?page_size=10")).headers(admin.clone())).await;
        assert_eq!(page["total_rows"], ROWS, "{page}");
        let versions = json_of(self.gateway.get(&format!("/api/v1/tables/{dataset}/versions")).headers(admin.clone())).await;
        let writes = versions.to_string().matches("\"WRITE\"").count();
        assert_eq!(writes, 1, "published once: {versions}");
    }
}

async fn spawned(place: &Place, ways: &[(String, String)], part: &str) -> Starting {
    let mut process = place.spawn(part, "data", &["serve", part], &borrowed(ways));
    process.serving().await;
    process
}

fn borrowed(ways: &[(String, String)]) -> Vec<(&str, &str)> {
    ways.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
