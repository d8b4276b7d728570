//! Search indexes come to agree with the database: after they are gone or damaged, after kills in the middle of an update, and where two
//! catalogues follow one PostgreSQL. Compared dataset by dataset.

mod client;
mod replicas;

use std::{fs, path::Path, time::Duration};

use self::client::Client;
use crate::{
    databases::Databases,
    dice::{Dice, number},
    hub::Place,
};

/// Kills in the middle of updates, unless `SEARCH_KILLS` says how many.
const KILLS: u64 = 3;
/// Datasets of the tests.
const DATASETS: usize = 30;
/// Writers work for at most this long before a kill.
const WORK: Duration = Duration::from_millis(1_500);

/// What happens to an index.
type Damage = fn(&Path);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_is_gone_or_damaged_comes_back() {
    let place = Place::new();
    let hub = place.up().await;
    let client = Client::of(&hub);
    client.prepare(DATASETS).await;
    client.same().await;
    hub.stop().await;
    let damages: [(&str, Damage); 5] = [
        ("nothing", |_| {}),
        ("the folder is gone", |root| fs::remove_dir_all(root).expect("a folder")),
        ("its name is gone", |root| fs::write(root.join("current"), "../..").expect("a file")),
        ("bytes are turned", |root| each_file(root, turn_a_byte)),
        ("files are empty", |root| each_file(root, |path| fs::write(path, "").expect("a file"))),
    ];
    for (about, damage) in damages {
        damage(&place.path("data").join("search"));
        let hub = place.up().await;
        let client = Client::of(&hub);
        assert!(client.same().await >= DATASETS, "{about}");
        client.change(about.len()).await;
        client.same().await;
        let folders = fs::read_dir(place.path("data").join("search")).expect("a folder").flatten().filter(|entry| entry.path().is_dir());
        assert_eq!(folders.count(), 1, "{about}: old indexes are removed");
        hub.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_survives_kills_on_sqlite() {
    kills(Place::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_survives_kills_on_postgres() {
    let Some(databases) = Databases::new().await else { return };
    kills(Place::with(databases.variables())).await;
    databases.remove().await;
}

/// `madang reindex` builds the index anew while the hub serves, and lets the next start build it where nothing runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reindex_builds_anew() {
    let place = Place::new();
    let hub = place.up().await;
    let client = Client::of(&hub);
    client.prepare(3).await;
    let root = place.path("data").join("search");
    let before = fs::read_to_string(root.join("current")).expect("a name");
    let mut reindex = place.spawn("reindex", "data", &["reindex", "--url", &hub.http], &[]);
    reindex.ended().await;
    let told: serde_json::Value = serde_json::from_str(&fs::read_to_string(place.path("reindex.output")).expect("a file")).expect("JSON");
    assert_eq!(told["datasets"], 3);
    assert_ne!(fs::read_to_string(root.join("current")).expect("a name"), before);
    client.same().await;
    hub.stop().await;
    place.spawn("reindex", "data", &["reindex"], &[]).ended().await;
    assert!(!root.exists());
    let hub = place.up().await;
    assert_eq!(Client::of(&hub).same().await, 3);
}

async fn kills(place: Place) {
    let dice = Dice::new("search");
    let hub = place.up().await;
    Client::of(&hub).prepare(DATASETS).await;
    hub.stop().await;
    for _ in 0..number("SEARCH_KILLS", KILLS) {
        let mut hub = place.up().await;
        let client = Client::of(&hub);
        tokio::select! {
            () = client.work(0) => {},
            () = client.work(1) => {},
            () = client.search() => {},
            () = tokio::time::sleep(dice.time_below(WORK)) => {},
        }
        hub.kill().await;
        let hub = place.up().await;
        assert!(Client::of(&hub).same().await >= DATASETS);
        hub.stop().await;
    }
}

fn each_file(root: &Path, change: impl Fn(&Path) + Copy) {
    for entry in fs::read_dir(root).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            each_file(&path, change);
        } else if path.file_name().is_some_and(|name| name != "current") {
            change(&path);
        }
    }
}

fn turn_a_byte(path: &Path) {
    let mut bytes = fs::read(path).expect("a file");
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 0x55;
    }
    fs::write(path, bytes).expect("a file");
}
