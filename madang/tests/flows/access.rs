//! Who may read what, what is kept of an owner, and what goes with a dataset.

use std::time::Duration;

use madang_kit::rpc;
use madang_proto::pipeline::v1::{FindSourceFilesRequest, Findability, PutSourceFileRequest, RemoveDatasetRequest, SourceFile};
use serde_json::{Value, json};

use crate::{
    house::{House, OWNER},
    plan::{flow, table},
    python::ask,
};

fn schema() -> Value {
    json!({"fields": [{"name": "a", "type": "integer"}]})
}

async fn run(house: &House, dataset: &str, revision: u32, findability: Findability, rows: &str) -> String {
    let url = house.server.file(&format!("/{dataset}.csv"), rows);
    let story = house.run(flow(dataset, revision, findability, vec![table("t", &url, "csv", &schema())])).await;
    assert!(story.ends.values().all(|end| end.success), "{:?}", story.ends);
    let inner = house.json(&format!("{OWNER}/{dataset}/{revision}/t_csv/datapackage.json")).await;
    inner["resources"][0]["path"].as_str().unwrap().strip_prefix(crate::house::FILES).unwrap().to_owned()
}

async fn is_public(house: &House, key: &str) -> bool {
    house.read(key).await;
    house.open(key, "", (0, 0)).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_private_revision_made_stays_private_on_sqlite() {
    private_revisions(House::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_private_revision_made_stays_private_on_postgres() {
    if let Some(house) = House::on_postgres().await {
        private_revisions(house).await;
    }
}

async fn private_revisions(house: House) {
    let package = |revision: u32| format!("{OWNER}/rows/{revision}/datapackage.json");
    let inner = |revision: u32| format!("{OWNER}/rows/{revision}/t_csv/datapackage.json");
    let first = run(&house, "rows", 1, Findability::Private, "a\n1\n").await;
    let second = run(&house, "rows", 2, Findability::Published, "a\n2\n").await;
    for (key, wanted) in
        [(first.clone(), false), (package(1), false), (inner(1), false), (second.clone(), true), (package(2), true), (inner(2), true)]
    {
        assert_eq!(is_public(&house, &key).await, wanted, "{key}");
    }
    // A revision that ends after a later one that is private changes nothing.
    let fourth = run(&house, "rows", 4, Findability::Private, "a\n4\n").await;
    assert!(!is_public(&house, &second).await, "the latest revision is private");
    let third = run(&house, "rows", 3, Findability::Published, "a\n3\n").await;
    for key in [first, second, third, fourth, package(3), package(4), inner(4)] {
        assert!(!is_public(&house, &key).await, "{key}");
    }
    // Nor does a private one that ends after a later one that is published.
    let sixth = run(&house, "rows", 6, Findability::Unlisted, "a\n6\n").await;
    let fifth = run(&house, "rows", 5, Findability::Private, "a\n5\n").await;
    assert_eq!((is_public(&house, &sixth).await, is_public(&house, &fifth).await), (true, false));
    house.remove().await;
}

/// A dataset that was removed takes only what was there before, however often it is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_spares_what_came_later() {
    let house = House::new().await;
    let remove = async |through: u32, before: Option<prost_types::Timestamp>| {
        let request = RemoveDatasetRequest { owner_id: OWNER.to_owned(), dataset: "rows".to_owned(), through_revision: through, before };
        house.flows.clone().remove_dataset(rpc::request(&House::service(), request)).await.map(drop)
    };
    let now = || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        prost_types::Timestamp { seconds: now.as_secs().cast_signed(), nanos: now.subsec_nanos().cast_signed() }
    };
    let first = run(&house, "rows", 1, Findability::Published, "a\n1\n").await;
    let brought = format!("{OWNER}/rows/data/x.csv/abc/x.csv");
    put(&house, &brought, b"a\n7\n", true, None).await.expect("kept");
    let asked = now();
    tokio::time::sleep(Duration::from_millis(5)).await;
    put(&house, &brought, b"a\n7\n", true, None).await.expect("sent again: it is kept again");
    remove(1, Some(asked)).await.expect("removed");
    assert!(house.open(&first, OWNER, (0, 0)).await.is_err());
    house.read(&brought).await;
    assert!(house.act(true, "package_show", &json!({"id": "0e9b59-rows"})).await.is_err());
    let second = run(&house, "rows", 2, Findability::Published, "a\n1\n").await;
    remove(1, Some(asked)).await.expect("again");
    house.read(&second).await;
    house.read(&format!("{OWNER}/rows/2/datapackage.json")).await;
    tokio::time::sleep(Duration::from_secs(3)).await; // withdrawals are repeated
    house.act(false, "package_show", &json!({"id": "0e9b59-rows"})).await.expect("the new package stays");
    assert!(remove(1, Some(prost_types::Timestamp { seconds: i64::MAX, nanos: -1 })).await.is_err());
    remove(0, None).await.expect("all of it");
    assert!(house.open(&brought, OWNER, (0, 0)).await.is_err());
    assert!(house.act(true, "package_show", &json!({"id": "0e9b59-rows"})).await.is_err());
}

/// Datasets that are removed while somebody publishes them leave no package behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_beside_the_publisher_leaves_nothing() {
    let house = House::new().await;
    let url = house.server.file("/t.csv", "a\n1\n");
    for (number, wait) in [0, 20, 60, 120, 250].into_iter().enumerate() {
        let dataset = format!("rows{number}");
        let request = flow(&dataset, 1, Findability::Published, vec![table("t", &url, "csv", &schema())]);
        let package = request.flow_id.clone();
        house.start(request).await.unwrap();
        let key = format!("{package}/datapackage.json");
        while house.open(&key, OWNER, (0, 0)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let request = RemoveDatasetRequest { owner_id: OWNER.to_owned(), dataset, ..RemoveDatasetRequest::default() };
        house.flows.clone().remove_dataset(rpc::request(&House::service(), request)).await.expect("removed");
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    for number in 0..5 {
        let found = house.act(true, "package_show", &json!({"id": format!("0e9b59-rows{number}")})).await;
        assert!(found.is_err(), "{number}: {found:?}");
    }
}

/// Brings a file.
async fn put(house: &House, key: &str, bytes: &[u8], private: bool, owner_bytes: Option<u64>) -> Result<(), tonic::Status> {
    let hex = ask(bytes, "import hashlib, sys; print(hashlib.md5(open(sys.argv[1], 'rb').read()).hexdigest())");
    let md5: Vec<u8> = (0..32).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    let file = SourceFile {
        owner_id: OWNER.to_owned(),
        key: key.to_owned(),
        bytes: bytes.len() as u64,
        md5: md5.into(),
        private,
        owner_bytes,
        ..SourceFile::default()
    };
    let parts = [PutSourceFileRequest { file: Some(file), chunk: bytes.to_vec().into() }];
    house.flows.clone().put_source_file(rpc::request(&House::service(), futures::stream::iter(parts))).await.map(drop)
}

async fn found(house: &House, key: &str, private: Option<bool>) -> bool {
    let request = FindSourceFilesRequest { keys: vec![key.to_owned()], private, ..FindSourceFilesRequest::default() };
    house.flows.clone().find_source_files(rpc::request(&House::service(), request)).await.unwrap().into_inner().keys == [key]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_brought_is_as_private_as_was_said_and_not_too_much_on_sqlite() {
    brought(House::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_brought_is_as_private_as_was_said_and_not_too_much_on_postgres() {
    if let Some(house) = House::on_postgres().await {
        brought(house).await;
    }
}

async fn brought(house: House) {
    let key = |name: &str| format!("{OWNER}/rawstore/{name}/abc/{name}");
    put(&house, &key("a"), b"1234567890", false, Some(10)).await.expect("as much as may be");
    put(&house, &key("a"), b"1234567890", false, Some(10)).await.expect("the same again takes no room");
    let refused = put(&house, &key("b"), b"1", false, Some(10)).await.expect_err("more than may be");
    assert_eq!((refused.code(), refused.message()), (tonic::Code::PermissionDenied, "Max storage for user exceeded plan limit (0MB)"));
    assert!(!found(&house, &key("b"), None).await);
    put(&house, &key("b"), b"1", true, Some(10)).await.expect("private files are counted by themselves");
    assert!(found(&house, &key("a"), Some(false)).await && found(&house, &key("a"), None).await);
    assert!(!found(&house, &key("a"), Some(true)).await, "it is everybody's");
    put(&house, &key("a"), b"1234567890", true, None).await.expect("now it is the owner's alone");
    assert!(found(&house, &key("a"), Some(true)).await && !is_public(&house, &key("a")).await);
    let both = [key("c"), key("d")];
    let at_once = futures::future::join_all(both.iter().map(|key| put(&house, key, b"123456", false, Some(10)))).await;
    assert_eq!(at_once.iter().filter(|sent| sent.is_ok()).count(), 1, "{at_once:?}");
    house.remove().await;
}
