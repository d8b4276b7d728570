//! Flows that the hub works on: a stored file becomes a package; what can't be fetched fails with its reason.

use base64::{Engine, engine::general_purpose::STANDARD};
use madang_tests::{Answer, FilePart, Hub, on_every_hub};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::{ended, name, owner, spec};

const ROWS: &str = "name,length_km\nHan,494\nNakdong,510.36\n";

#[tokio::test]
async fn a_stored_file_becomes_a_package() {
    on_every_hub(|hub| async move {
        let (id, own) = owner(&hub);
        let dataset = name("waters");
        let wanted = json!({
            "metadata": {"owner": id, "dataset": dataset, "findability": "published"},
            "filedata": {"data/rivers.csv": {"length": ROWS.len(), "md5": STANDARD.encode(Md5::digest(ROWS))}},
        });
        let offered = own.post("/rawstore/authorize").json(&wanted).send().await.is(200).json()["filedata"]["data/rivers.csv"].clone();
        let text = |name: &str| offered["upload_query"][name].as_str().expect("a text").as_bytes();
        let field = |part, bytes| FilePart { part, file: "", media: "text/plain", bytes };
        let file = FilePart { part: "file", file: "rivers.csv", media: "text/csv", bytes: ROWS.as_bytes() };
        let parts = [field("policy", text("policy")), field("x-madang-signature", text("x-madang-signature")), file];
        hub.visitor().post("/rawstore/objects").form(&parts).send().await.is(204);

        let url =
            format!("{}/{}", offered["upload_url"].as_str().expect("an address"), offered["upload_query"]["key"].as_str().expect("a key"));
        let flow = own.post("/source/upload").json(&spec(&id, &dataset, &url)).send().await.is(200).text_of("flow_id");
        let read = ended(&own, &flow).await;
        assert_eq!((&read["state"], &read["error_log"]), (&json!("SUCCEEDED"), &json!([])), "{read}");
        assert_eq!(read["pipelines"].as_object().map(serde_json::Map::len), Some(7), "{read}");
        assert_eq!(read["stats"]["count_of_rows"], 2, "{read}");
        let address = read["pipelines"][&flow]["stats"][".dpp"]["out-datapackage-url"].as_str().expect("an address").to_owned();
        let package: Value = get(&hub, &address).await.json();
        let csv =
            package["resources"].as_array().expect("resources").iter().find(|resource| resource["name"] == "rivers_csv").expect("a CSV");
        let csv = get(&hub, csv["path"].as_str().expect("a path")).await;
        assert_eq!(csv.text.replace("\r\n", "\n").lines().count(), 3, "{csv}");
    })
    .await;
}

/// What everybody reads at an address of the hub.
async fn get(hub: &Hub, url: &str) -> Answer {
    hub.visitor().get(url.strip_prefix(&hub.http).expect("an address of the hub")).send().await.is(200)
}

#[tokio::test]
async fn what_cannot_be_fetched_fails_with_its_reason() {
    on_every_hub(|hub| async move {
        let (id, own) = owner(&hub);
        for url in ["http://127.0.0.1:1/rivers.csv", "http://169.254.169.254/latest/meta-data", "http://example.invalid/rivers.csv"] {
            let dataset = name("unreached");
            let flow = own.post("/source/upload").json(&spec(&id, &dataset, url)).send().await.is(200).text_of("flow_id");
            let read = ended(&own, &flow).await;
            assert_eq!(read["state"], "FAILED", "{read}");
            assert!(read["error_log"].as_array().is_some_and(|lines| !lines.is_empty()), "{read}");
        }
    })
    .await;
}
