//! Killed at random moments of row-level changes and of folds: what was acknowledged is there, and no row is lost or there twice.
//!
//! A few kills on each database here; `cargo xtask prove folds` makes many (`FOLD_ROUNDS`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::{
    databases::Databases,
    dice::{Dice, number},
    hub::{Hub, Place, json_of},
    program::signal,
    proof::tell,
};

/// Writers are at work for at most this long.
const WORK: Duration = Duration::from_millis(2_500);
/// Writers, each with keys of its own.
const WRITERS: u64 = 6;
/// Keys of one writer.
const KEYS: u64 = 12;
/// Rows of one call.
const ROWS: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_survive_kills_on_sqlite() {
    Fire::new("SQLite", Place::new()).run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_survive_kills_on_postgres() {
    let Some(databases) = Databases::new().await else { return };
    Fire::new("PostgreSQL", Place::with(databases.variables())).run().await;
    databases.remove().await;
}

/// What a key may be: a value, or deleted.
type State = Option<u64>;

/// What is known of all rows.
#[derive(Debug, Default)]
struct Book {
    /// What each key was last acknowledged to be, and what it may be since because an answer was lost.
    keys: BTreeMap<String, (State, Vec<State>)>,
    /// Numbers that were inserted without a key: acknowledged or not.
    inserted: BTreeMap<u64, bool>,
}

struct Fire {
    name: &'static str,
    dice: Dice,
    place: Place,
    book: Mutex<Book>,
    numbers: AtomicU64,
    acknowledged: AtomicU64,
    folds: u64,
}

/// The two tables: one with a unique key, one without.
struct Tables {
    keyed: String,
    plain: String,
    /// D.Hub's ids of their datasets.
    datasets: [String; 2],
}

impl Fire {
    fn new(name: &'static str, place: Place) -> Self {
        let (numbers, acknowledged) = (AtomicU64::new(1), AtomicU64::new(0));
        Self { name, dice: Dice::new(name), place, book: Mutex::default(), numbers, acknowledged, folds: 0 }
    }

    async fn run(mut self) {
        let (rounds, began) = (number("FOLD_ROUNDS", 4), Instant::now());
        let hub = self.place.up().await;
        let tables = Tables::new(&hub).await;
        let mut hub = Some(hub);
        for _ in 0..rounds {
            let running = match hub.take() {
                Some(running) => running,
                None => self.place.up().await,
            };
            self.look(&running, &tables).await;
            let admin = running.admin().await;
            let kill = async {
                tokio::time::sleep(self.dice.time_below(WORK)).await;
                signal(running.pid(), "KILL").await;
            };
            let writers = join_all((0..WRITERS).map(|writer| self.write(&running, &tables, writer)));
            tokio::join!(writers, self.fold(&running, &admin, &tables), kill);
        }
        let running = self.place.up().await;
        self.look(&running, &tables).await;
        self.folds = versions(&running, &tables.datasets[0]).await;
        self.look(&running, &tables).await;
        tell(&format!(
            "{}: {rounds} kills in {:.0} s, {} calls acknowledged, {} versions by folds of one table: no row lost, none twice",
            self.name,
            began.elapsed().as_secs_f64(),
            self.acknowledged.load(Ordering::Relaxed),
            self.folds,
        ));
    }

    /// Changes rows until the hub is gone.
    async fn write(&self, hub: &Hub, tables: &Tables, writer: u64) {
        let ckan = ckan(hub);
        loop {
            let goes_on = match self.dice.below(5) {
                0 => self.delete(hub, &ckan, tables, writer).await,
                1 | 2 => self.insert(hub, &ckan, tables).await,
                _ => self.upsert(hub, &ckan, tables, writer).await,
            };
            if !goes_on {
                return;
            }
        }
    }

    async fn upsert(&self, hub: &Hub, ckan: &HeaderMap, tables: &Tables, writer: u64) -> bool {
        let value = self.numbers.fetch_add(1, Ordering::Relaxed);
        let keys: BTreeSet<String> = (0..ROWS).map(|_| format!("k{writer}-{}", self.dice.below(KEYS))).collect();
        let records: Vec<Value> = keys.iter().map(|key| json!({"k": key, "v": value})).collect();
        self.sent(&keys, Some(value));
        let done = act(hub, ckan, "datastore_upsert", &json!({"resource_id": tables.keyed, "records": records})).await;
        self.answered(&keys, Some(value), done)
    }

    async fn delete(&self, hub: &Hub, ckan: &HeaderMap, tables: &Tables, writer: u64) -> bool {
        let key = format!("k{writer}-{}", self.dice.below(KEYS));
        let keys = BTreeSet::from([key.clone()]);
        self.sent(&keys, None);
        let done = act(hub, ckan, "datastore_records_delete", &json!({"resource_id": tables.keyed, "filters": {"k": key}})).await;
        self.answered(&keys, None, done)
    }

    async fn insert(&self, hub: &Hub, ckan: &HeaderMap, tables: &Tables) -> bool {
        let numbers: Vec<u64> = (0..ROWS).map(|_| self.numbers.fetch_add(1, Ordering::Relaxed)).collect();
        let records: Vec<Value> = numbers.iter().map(|number| json!({"n": number})).collect();
        {
            let mut book = self.book.lock().expect("a lock");
            book.inserted.extend(numbers.iter().map(|number| (*number, false)));
        }
        let call = json!({"resource_id": tables.plain, "method": "insert", "records": records});
        let Some(()) = act(hub, ckan, "datastore_upsert", &call).await else { return false };
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        let mut book = self.book.lock().expect("a lock");
        book.inserted.extend(numbers.iter().map(|number| (*number, true)));
        true
    }

    fn sent(&self, keys: &BTreeSet<String>, state: State) {
        let mut book = self.book.lock().expect("a lock");
        for key in keys {
            book.keys.entry(key.clone()).or_default().1.push(state);
        }
    }

    fn answered(&self, keys: &BTreeSet<String>, state: State, done: Option<()>) -> bool {
        if done.is_none() {
            return false;
        }
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        let mut book = self.book.lock().expect("a lock");
        for key in keys {
            book.keys.insert(key.clone(), (state, Vec::new()));
        }
        true
    }

    /// Reads versions again and again, so that all is folded, until the hub is gone.
    async fn fold(&self, hub: &Hub, admin: &HeaderMap, tables: &Tables) {
        loop {
            for dataset in &tables.datasets {
                let target = format!("/api/v1/tables/{dataset}/versions");
                let Ok(answer) = hub.get(&target).headers(admin.clone()).send().await else { return };
                let status = answer.status();
                assert!(status.is_success() || status.as_u16() == 409, "{:?}", answer.text().await);
            }
            tokio::time::sleep(self.dice.time_below(Duration::from_millis(200))).await;
        }
    }

    /// Compares the tables with what is known; what is there now is what stays.
    async fn look(&self, hub: &Hub, tables: &Tables) {
        let (ckan, admin) = (ckan(hub), hub.admin().await);
        let rows = search(hub, &ckan, &tables.keyed).await;
        let mut there: BTreeMap<String, u64> = BTreeMap::new();
        for row in &rows {
            let (key, value) = (row["k"].as_str().expect("a key"), row["v"].as_u64().expect("a value"));
            assert!(there.insert(key.to_owned(), value).is_none(), "{key} is there twice");
        }
        {
            let mut book = self.book.lock().expect("a lock");
            for (key, (sure, maybe)) in &mut book.keys {
                let found = there.remove(key);
                assert!(found == *sure || maybe.contains(&found), "{key} is {found:?}; it was {sure:?} and may be one of {maybe:?}");
                (*sure, *maybe) = (found, Vec::new());
            }
            assert!(there.is_empty(), "nobody wrote {there:?}");
        }
        let numbers: Vec<u64> = search(hub, &ckan, &tables.plain).await.iter().map(|row| row["n"].as_u64().expect("a number")).collect();
        let once: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(once.len(), numbers.len(), "a row is there twice");
        {
            let mut book = self.book.lock().expect("a lock");
            for (number, sure) in &mut book.inserted {
                assert!(!*sure || once.contains(number), "row {number} is lost");
            }
            book.inserted.retain(|number, _| once.contains(number));
            book.inserted.values_mut().for_each(|sure| *sure = true);
            assert_eq!(book.inserted.len(), once.len(), "a row that nobody sent, or that was not there before");
        }
        // D.Hub shows the same rows.
        for (dataset, wanted) in tables.datasets.iter().zip([rows.len(), numbers.len()]) {
            let page = json_of(hub.get(&format!("/api/v1/tables/{dataset}?page_size=10")).headers(admin.clone())).await;
            assert_eq!(page["total_rows"], json!(wanted));
        }
    }
}

impl Tables {
    async fn new(hub: &Hub) -> Self {
        let (ckan, admin) = (ckan(hub), hub.admin().await);
        let mut made = Vec::new();
        made_by(hub, &ckan, "organization_create", &json!({"name": "org"})).await;
        for (name, fields, key) in [
            ("keyed", json!([{"id": "k", "type": "text"}, {"id": "v", "type": "int8"}]), "k"),
            ("plain", json!([{"id": "n", "type": "int8"}]), ""),
        ] {
            let package = made_by(hub, &ckan, "package_create", &json!({"name": name, "title": name, "owner_org": "org"})).await;
            let table = json!({"resource": {"package_id": package["id"]}, "fields": fields, "primary_key": key});
            let table = made_by(hub, &ckan, "datastore_create", &table).await;
            let datasets = json_of(hub.get(&format!("/api/v1/datasets?q={name}")).headers(admin.clone())).await;
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            made.push((text(&table["resource_id"]), text(&datasets[0]["id"])));
        }
        let [(keyed, first), (plain, second)] = <[_; 2]>::try_from(made).expect("two");
        Self { keyed, plain, datasets: [first, second] }
    }
}

fn ckan(hub: &Hub) -> HeaderMap {
    let text = std::fs::read_to_string(hub.data.join("credentials.json")).expect("credentials");
    let credentials: Value = serde_json::from_str(&text).expect("JSON");
    let token = credentials["ckan_api_token"].as_str().expect("a token");
    HeaderMap::from_iter([(reqwest::header::AUTHORIZATION, token.parse().expect("a header"))])
}

/// Calls an action that must not be refused; `None` if the hub is gone.
async fn act(hub: &Hub, ckan: &HeaderMap, action: &str, dict: &Value) -> Option<()> {
    let answer = hub.post(&format!("/api/3/action/{action}")).headers(ckan.clone()).json(dict).send().await.ok()?;
    let status = answer.status();
    assert!(status.is_success(), "{action}: {status} {:?}", answer.text().await);
    Some(())
}

async fn made_by(hub: &Hub, ckan: &HeaderMap, action: &str, dict: &Value) -> Value {
    json_of(hub.post(&format!("/api/3/action/{action}")).headers(ckan.clone()).json(dict)).await["result"].clone()
}

async fn search(hub: &Hub, ckan: &HeaderMap, table: &str) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let dict = json!({"resource_id": table, "limit": 30_000, "offset": all.len()});
        let found = made_by(hub, ckan, "datastore_search", &dict).await;
        let records = found["records"].as_array().expect("records").clone();
        if records.is_empty() {
            assert_eq!(found["total"], json!(all.len()));
            return all;
        }
        all.extend(records);
    }
}

async fn versions(hub: &Hub, dataset: &str) -> u64 {
    let admin = hub.admin().await;
    let list = json_of(hub.get(&format!("/api/v1/tables/{dataset}/versions")).headers(admin)).await;
    let newest = list.as_array().and_then(|list| list.first()).and_then(|version| version["version"].as_u64());
    newest.expect("a version")
}
