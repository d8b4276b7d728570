//! The life of a dataset: a first revision, a second one, one that fails, its end.

use std::sync::atomic::Ordering;

use madang_kit::rpc;
use madang_proto::pipeline::v1::{
    CancelFlowRequest, FindSourceFilesRequest, Findability, FlowEvent, FlowEventKind, PutSourceFileRequest, RemoveDatasetRequest,
    SourceFile,
};
use serde_json::{Value, json};

use crate::{
    house::{FILES, House, OWNER},
    plan::{flow, plain, table},
    python::ask,
    server::Answer,
};

const RIVERS: &str =
    "name,length_km,tidal,measured\r\n한강,494.44,true,2018-03-01\r\n\"Rhine, lower\",1233,false,\r\n금강,397.79,TRUE,2018-03-02\r\n";

fn schema() -> Value {
    json!({"fields": [
        {"name": "name", "type": "string"}, {"name": "length_km", "type": "number"}, {"name": "tidal", "type": "boolean"},
        {"name": "measured", "type": "date"},
    ]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_lives_on_sqlite() {
    live(House::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_lives_on_postgres() {
    if let Some(house) = House::on_postgres().await {
        live(house).await;
    }
}

async fn live(house: House) {
    let url = house.server.file("/rivers.csv", RIVERS);
    let sketch = house.server.file("/sketch.pdf", "%PDF-1.4 not really");
    let sources = || vec![table("rivers", &url, "csv", &schema()), plain("sketch", &sketch, "pdf")];
    let story = house.run(flow("waters", 1, Findability::Published, sources())).await;
    for (pipeline, end) in &story.ends {
        assert!(end.success, "{pipeline}: {:?}", end.errors);
    }
    let kinds = |pipeline: &str| -> Vec<FlowEventKind> {
        story.events.iter().filter(|event| event.pipeline_id == pipeline).map(FlowEvent::kind).collect()
    };
    let id = format!("{OWNER}/waters/1");
    for pipeline in story.ends.keys() {
        assert_eq!(kinds(pipeline), [FlowEventKind::Queue, FlowEventKind::Start, FlowEventKind::Finish], "{pipeline}");
    }
    assert!(story.events.windows(2).all(|pair| pair[0].number < pair[1].number));
    check_package(&house, &story.ends[&id].stats).await;
    house.open(&format!("{id}/datapackage.json"), "", (0, 0)).await.expect("everybody reads what is published");

    let dataset = story.published.expect("published");
    let shown = house.act(false, "package_show", &json!({"id": dataset})).await.expect("everybody sees it");
    assert_eq!((shown["name"].as_str(), shown["title"].as_str()), (Some("0e9b59-waters"), Some("All the waters")));
    assert_eq!(shown["organization"]["title"], "Mina");
    let resource = |shown: &Value, name: &str| {
        shown["resources"].as_array().unwrap().iter().find(|resource| resource["name"] == name).cloned().unwrap_or_default()
    };
    let rivers = resource(&shown, "rivers_csv");
    assert_eq!((&rivers["datastore_active"], &rivers["format"]), (&json!(true), &json!("CSV")));
    let rows = house.act(false, "datastore_search", &json!({"resource_id": rivers["id"], "sort": "_id"})).await.expect("rows");
    assert_eq!(rows["total"], 3);
    assert_eq!(
        rows["records"][1],
        json!({"_id": rows["records"][1]["_id"], "name": "Rhine, lower", "length_km": 1233.0, "tidal": false, "measured": null})
    );
    let found = house.act(false, "package_search", &json!({"q": "waters"})).await.expect("a search");
    assert_eq!(found["count"], 1);

    // The same again, without a change: nothing is fetched whole, nothing made, all is told.
    let sent = house.server.sent.load(Ordering::Relaxed);
    let again = house.run(flow("waters", 2, Findability::Published, sources())).await;
    assert!(again.ends.values().all(|end| end.success));
    assert_eq!(house.server.sent.load(Ordering::Relaxed), sent, "the server said that nothing has changed");
    let csv = &again.ends[&format!("{OWNER}/waters/2/rivers_csv")];
    assert!(csv.log.iter().any(|line| line.contains("nothing has changed")), "{:?}", csv.log);
    assert_eq!(serde_json::from_str::<Value>(&csv.stats).unwrap()["count_of_rows"], 3);
    let rows = house.act(false, "datastore_search", &json!({"resource_id": rivers["id"], "sort": "_id"})).await.expect("rows");
    assert_eq!(rows["total"], 3);

    // A third revision with other rows is a new version of the same table.
    house.server.file("/rivers.csv", RIVERS.replace("금강,397.79,TRUE,2018-03-02\r\n", "섬진강,223.86,yes?,\r\n"));
    let failed = house.run(flow("waters", 3, Findability::Published, sources())).await;
    let csv = &failed.ends[&format!("{OWNER}/waters/3/rivers_csv")];
    assert_eq!(csv.errors, ["create_csv", "The value \"yes?\" in row 4 and column 3 is not type \"boolean\" and format \"default\""]);
    let zip = &failed.ends[&format!("{OWNER}/waters/3/waters_zip")];
    assert!(zip.errors[0].starts_with("Dependency unsuccessful."), "{:?}", zip.errors);
    let report = &failed.ends[&format!("{OWNER}/waters/3/validation_report")];
    assert!(report.success, "the report succeeds also when the table is invalid");
    assert!(failed.published.is_none());
    let same = house.act(false, "datastore_search", &json!({"resource_id": rivers["id"], "sort": "_id"})).await.expect("rows");
    assert_eq!(same["records"], rows["records"], "a revision that failed publishes nothing");

    house.server.file("/rivers.csv", RIVERS.replace("금강", "섬진강").replace("397.79", "223.86"));
    let fourth = house.run(flow("waters", 4, Findability::Published, sources())).await;
    assert_eq!(fourth.published, Some(dataset), "{:?}", fourth.ends);
    let shown = house.act(false, "package_show", &json!({"id": dataset})).await.expect("it is still there");
    assert_eq!(resource(&shown, "rivers_csv")["id"], rivers["id"], "the same resource");
    let rows = house.act(false, "datastore_search", &json!({"resource_id": rivers["id"], "sort": "_id"})).await.expect("rows");
    assert_eq!((&rows["total"], &rows["records"][2]["name"]), (&json!(3), &json!("섬진강")));

    // A table that is gone from the specification is gone from the package.
    let without = house.run(flow("waters", 5, Findability::Unlisted, vec![plain("sketch", &sketch, "pdf")])).await;
    assert_eq!(without.published, Some(dataset));
    let shown = house.act(false, "package_show", &json!({"id": dataset})).await.expect("whoever knows it reads it");
    assert_eq!(resource(&shown, "rivers_csv"), Value::Null);
    let found = house.act(false, "package_search", &json!({"q": "waters"})).await.expect("a search");
    assert_eq!(found["count"], 0, "it is not listed");

    let private = house.run(flow("waters", 6, Findability::Private, sources())).await;
    assert_eq!(private.published, Some(dataset));
    assert!(house.act(false, "package_show", &json!({"id": dataset})).await.is_err(), "the owner's alone");
    house.act(true, "package_show", &json!({"id": dataset})).await.expect("the owner sees it");
    let key = format!("{OWNER}/waters/6/datapackage.json");
    assert!(house.open(&key, "", (0, 0)).await.is_err());
    assert_eq!(house.open(&key, OWNER, (0, 5)).await.expect("the owner's"), house.read(&key).await[..5]);

    let request = RemoveDatasetRequest { owner_id: OWNER.to_owned(), dataset: "waters".to_owned(), ..RemoveDatasetRequest::default() };
    for _ in 0..2 {
        house.flows.clone().remove_dataset(rpc::request(&House::service(), request.clone())).await.expect("removed");
    }
    assert!(house.act(true, "package_show", &json!({"id": dataset})).await.is_err());
    assert!(house.open(&key, OWNER, (0, 0)).await.is_err());
    let reborn = house.run(flow("waters", 1, Findability::Published, sources())).await;
    assert!(reborn.published.is_some(), "{:?}", reborn.ends);
    house.remove().await;
}

/// The package of the first revision, opened by others.
async fn check_package(house: &House, stats: &str) {
    let stats: Value = serde_json::from_str(stats).unwrap();
    let key = format!("{OWNER}/waters/1/datapackage.json");
    assert_eq!(stats[".dpp"]["out-datapackage-url"], format!("{FILES}{key}"));
    let text = house.read(&key).await;
    let package: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!((&stats["count_of_rows"], &package["datahub"]["stats"]["rowcount"]), (&json!(3), &json!(3)));
    assert_eq!(stats["hash"], package["datahub"]["hash"]);
    assert_eq!((&package["id"], &package["datahub"]["flowid"]), (&json!("0e9b59/waters"), &json!("0e9b59/waters/1")));
    assert_eq!(package["datahub"]["created"], "2018-03-01T09:00:00.000001");
    let names: Vec<&str> = package["resources"].as_array().unwrap().iter().map(|resource| resource["name"].as_str().unwrap()).collect();
    let wanted = ["validation_report", "rivers_csv", "rivers_json", "waters_zip", "rivers", "sketch", "rivers_parquet", "waters_sqlite"];
    assert_eq!(names, wanted);
    assert_eq!(package["views"][0]["name"], "datahub-preview-rivers_csv_preview");
    let hash = r#"
import hashlib, json, sys
package = json.load(open(sys.argv[1], encoding="utf-8"))
told = package["datahub"].pop("hash")
print(told == hashlib.md5(json.dumps(package, sort_keys=True, indent=2, ensure_ascii=True).encode()).hexdigest())
"#;
    assert_eq!(ask(&text, hash), "True", "Python takes the same hash");
    for resource in package["resources"].as_array().unwrap() {
        let bytes = house.at(&resource["path"]).await;
        let told = ask(&bytes, "import hashlib, sys; b = open(sys.argv[1], 'rb').read(); print(len(b), hashlib.md5(b).hexdigest())");
        assert_eq!(told, format!("{} {}", resource["bytes"], resource["hash"].as_str().unwrap()), "{}", resource["name"]);
    }
    let at =
        |name: &str| package["resources"].as_array().unwrap().iter().find(|resource| resource["name"] == name).unwrap()["path"].clone();
    let csv = house.at(&at("rivers_csv")).await;
    let wanted =
        "name,length_km,tidal,measured\r\n한강,494.44,true,2018-03-01\r\n\"Rhine, lower\",1233.0,false,\r\n금강,397.79,true,2018-03-02\r\n";
    assert_eq!(String::from_utf8(csv).unwrap(), wanted);
    let rows = "import json, sys; print(json.dumps(json.load(open(sys.argv[1])), sort_keys=True) == open(sys.argv[1]).read())";
    assert_eq!(ask(&house.at(&at("rivers_json")).await, rows), "True", "Python writes the same JSON");
    let zip =
        "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(z.testzip(), sorted(z.namelist()), z.read('README.md').decode())";
    let wanted = "None ['README.md', 'archive/rivers.csv', 'archive/sketch.pdf', 'data/rivers_csv.csv', 'data/rivers_json.json', \
        'data/validation_report.json', 'datapackage.json'] # Read me";
    assert_eq!(ask(&house.at(&at("waters_zip")).await, zip), wanted);
    let sqlite = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT COUNT(*), SUM(length_km), MAX(measured) FROM rivers').fetchall())";
    assert_eq!(ask(&house.at(&at("waters_sqlite")).await, sqlite), "[(3, 2125.23, '2018-03-02')]");
    assert!(house.at(&at("rivers_parquet")).await.starts_with(b"PAR1"));
    let report: Value = serde_json::from_slice(&house.at(&at("validation_report")).await).unwrap();
    assert_eq!(
        (&report[0]["valid"], &report[0]["tables"][0]["row-count"], &report[0]["resource"]),
        (&json!(true), &json!(3), &json!("rivers"))
    );
}

/// A file that a client brings: kept by its sums, used as a source, refused if it is another than was said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_are_sources() {
    let house = House::new().await;
    let md5 = |bytes: &[u8]| {
        let hex = ask(bytes, "import hashlib, sys; print(hashlib.md5(open(sys.argv[1], 'rb').read()).hexdigest())");
        (0..32).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect::<Vec<_>>()
    };
    let put = async |key: &str, bytes: &[u8], md5: Vec<u8>, length: u64| {
        let file = SourceFile { owner_id: OWNER.to_owned(), key: key.to_owned(), bytes: length, md5: md5.into(), ..SourceFile::default() };
        let half = bytes.len() / 2;
        let parts = [
            PutSourceFileRequest { file: Some(file), chunk: bytes[..half].to_vec().into() },
            PutSourceFileRequest { file: None, chunk: bytes[half..].to_vec().into() },
        ];
        house.flows.clone().put_source_file(rpc::request(&House::service(), futures::stream::iter(parts))).await
    };
    let (bytes, sum) = (RIVERS.as_bytes(), md5(RIVERS.as_bytes()));
    let key = format!("{OWNER}/waters/data/rivers.csv/abc/rivers.csv");
    for (key, sum, length) in [
        (key.as_str(), vec![0; 16], bytes.len() as u64),
        (key.as_str(), sum.clone(), 7),
        (key.as_str(), sum.clone(), 7_000),
        ("someone/waters/data/rivers.csv/abc/rivers.csv", sum.clone(), bytes.len() as u64),
        ("0e9b59/../../etc/passwd", sum.clone(), bytes.len() as u64),
        ("0e9b59/waters", sum.clone(), bytes.len() as u64),
    ] {
        assert!(put(key, bytes, sum, length).await.is_err(), "{key}");
    }
    let ask_for = FindSourceFilesRequest { keys: vec![key.clone(), "no/such/file".to_owned()], ..FindSourceFilesRequest::default() };
    let kept =
        async || house.flows.clone().find_source_files(rpc::request(&House::service(), ask_for.clone())).await.unwrap().into_inner().keys;
    assert!(kept().await.is_empty(), "what was refused is not kept");
    put(&key, bytes, sum, bytes.len() as u64).await.expect("kept");
    assert_eq!(kept().await, std::slice::from_ref(&key));
    let url = format!("upload:{key}");
    let story = house.run(flow("brought", 1, Findability::Private, vec![table("rivers", &url, "csv", &schema())])).await;
    assert!(story.ends.values().all(|end| end.success), "{:?}", story.ends);
    let stolen = madang_proto::pipeline::v1::FlowSource {
        url: "upload:other/waters/data/x/y/z".to_owned(),
        ..table("rivers", "", "csv", &schema())
    };
    let story = house.run(flow("brought", 2, Findability::Private, vec![stolen])).await;
    assert_eq!(story.ends[&format!("{OWNER}/brought/2/rivers_csv")].errors[1], "the uploaded file is not here");
}

/// A flow that somebody cancels ends at once, and for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_flow_ends() {
    let house = House::new().await;
    let url = house.server.set("/never.csv", Answer::Silence);
    let request = flow("never", 1, Findability::Published, vec![table("never", &url, "csv", &schema())]);
    let (id, pipelines) = (request.flow_id.clone(), request.artifacts.len());
    house.start(request.clone()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let cancel = CancelFlowRequest { flow_id: id.clone() };
    house.flows.clone().cancel_flow(rpc::request(&House::service(), cancel.clone())).await.expect("cancelled");
    let story = house.story(&id, pipelines).await;
    assert!(story.ends.values().all(|end| !end.success && end.errors == ["Cancelled"]), "{:?}", story.ends);
    house.flows.clone().cancel_flow(rpc::request(&House::service(), cancel)).await.expect("again it changes nothing");
    house.start(request).await.expect("nor does the start");
    assert_eq!(house.story(&id, pipelines).await.events.len(), story.events.len());
    let unknown = CancelFlowRequest { flow_id: "a/b/1".to_owned() };
    assert!(house.flows.clone().cancel_flow(rpc::request(&House::service(), unknown)).await.is_err());
}

/// A flow that takes longer than it may ends too; three flows of one owner take two places.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_flow_ends_and_an_owner_has_two_places() {
    let house = House::new().await;
    let url = house.server.set("/never.csv", Answer::Silence);
    let request = |dataset: &str| flow(dataset, 1, Findability::Published, vec![table("never", &url, "csv", &schema())]);
    for dataset in ["one", "two", "three"] {
        house.start(request(dataset)).await.unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let started = async || {
        let watch = madang_proto::pipeline::v1::WatchFlowsRequest { after: 0 };
        let events = house.flows.clone().watch_flows(rpc::request(&House::service(), watch)).await.unwrap().into_inner();
        let events = futures::StreamExt::take_until(events, tokio::time::sleep(std::time::Duration::from_millis(400)));
        let events: Vec<_> = futures::StreamExt::collect(events).await;
        events.into_iter().map(Result::unwrap).filter(|event| event.kind() == FlowEventKind::Start).count()
    };
    assert_eq!(started().await, 2);
    house.forward(7 * 3_600_000);
    for dataset in ["one", "two"] {
        let request = request(dataset);
        let story = house.story(&request.flow_id, request.artifacts.len()).await;
        assert!(story.ends.values().all(|end| end.errors == ["Timed out"]), "{:?}", story.ends);
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(started().await, 3, "the third has a place now");
}
