//! Flows that the hub works on: a stored file becomes a package; what can't be fetched fails with its reason.

use madang_tests::{Answer, Hub, on_every_hub};
use serde_json::{Value, json};

use super::{ended, name, owner, spec, stored};

const ROWS: &str = "name,length_km\nHan,494\nNakdong,510.36\n";

#[tokio::test]
async fn a_stored_file_becomes_a_package() {
    on_every_hub(|hub| async move {
        let (id, own) = owner(&hub);
        let dataset = name("waters");
        let url = stored(&hub, &own, &id, &dataset, ROWS).await;
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
