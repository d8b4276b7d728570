//! What is found of datasets, and for whom: by words, by owner, how flows ended, and their bytes.

use madang_tests::{Client, on_every_hub};
use serde_json::{Value, json};

use super::{another, ended, name, owner, spec, stored};

const ROWS: &str = "name,length_km\nHan,494\nNakdong,510.36\n";

async fn read(client: &Client, path: &str) -> Value {
    client.get(path).send().await.is(200).json()
}

#[tokio::test]
async fn datasets_are_found_by_those_who_may() {
    on_every_hub(|hub| async move {
        let ((id, own), (_, other)) = (owner(&hub), another(&hub).await);
        let visitor = hub.visitor();
        let upload = async |dataset: &str, findability: &str, url: &str| {
            let mut spec = spec(&id, dataset, url);
            spec["meta"]["findability"] = findability.into();
            spec["inputs"][0]["parameters"]["descriptor"]["title"] = format!("한강 {dataset}").into();
            let flow = own.post("/source/upload").json(&spec).send().await.is(200).text_of("flow_id");
            ended(&own, &flow).await
        };
        let datasets = ["published", "unlisted", "private"].map(|findability| (name(findability), findability));
        for (dataset, findability) in &datasets {
            let url = stored(&hub, &own, &id, dataset, ROWS).await;
            assert_eq!(upload(dataset, findability, &url).await["state"], "SUCCEEDED");
            let seen = |client| async move { read(client, &format!("/metastore/search?q=%ED%95%9C%EA%B0%95+{dataset}")).await };
            let (mine, his, nobodys) = (seen(&own).await, seen(&other).await, seen(&visitor).await);
            assert_eq!(mine["summary"]["total"], 1, "{mine}");
            let shown = u64::from(*findability == "published");
            assert_eq!((&his["summary"]["total"], &nobodys["summary"]["total"]), (&json!(shown), &json!(shown)), "{his} {nobodys}");
            let found = &mine["results"][0];
            assert_eq!((&found["id"], &found["title"]), (&json!(format!("{id}/{dataset}")), &json!(format!("한강 {dataset}"))), "{found}");
            let hub_says = &found["datahub"];
            assert_eq!((&hub_says["flowid"], &hub_says["stats"]["rowcount"]), (&json!(format!("{id}/{dataset}/1")), &json!(2)), "{found}");
            assert_eq!(mine["summary"]["totalBytes"], hub_says["stats"]["bytes"], "{mine}");

            let bytes = async |client, path: &str| read(client, &format!("/storage/{path}")).await["totalBytes"].clone();
            let dataset_path = format!("dataset_id/{id}/{dataset}");
            assert_eq!(bytes(&own, &dataset_path).await, hub_says["stats"]["bytes"]);
            assert_eq!(bytes(&own, &format!("flow_id/{id}/{dataset}/1")).await, hub_says["stats"]["bytes"]);
            assert_eq!(bytes(&visitor, &dataset_path).await == 0, *findability == "private", "{findability}");
            assert_eq!(bytes(&own, &format!("{dataset_path}?findability={findability}")).await, hub_says["stats"]["bytes"]);
        }
        assert!(read(&own, &format!("/storage/owner/{id}")).await["totalBytes"].as_u64() > Some(0));

        // A revision that fails is an event, and changes nothing of what is found.
        let (dataset, _) = &datasets[0];
        assert_eq!(upload(dataset, "published", "http://example.invalid/rivers.csv").await["state"], "FAILED");
        let found = read(&visitor, &format!("/metastore/search?q={dataset}&datahub.ownerid=%22{id}%22")).await;
        assert_eq!(found["results"][0]["datahub"]["flowid"], format!("{id}/{dataset}/1"), "{found}");
        let events = async |client| read(client, &format!("/metastore/search/events?q={dataset}&size=1")).await;
        let (mine, nobodys) = (events(&own).await, events(&visitor).await);
        assert_eq!((&mine["summary"]["total"], &mine["results"][0]["status"]), (&json!(2), &json!("FAIL")), "{mine}");
        assert_eq!(mine["results"][0]["payload"]["flow-id"], format!("{id}/{dataset}/2"), "{mine}");
        assert!(mine["results"][0]["payload"]["errors"].as_array().is_some_and(|lines| !lines.is_empty()), "{mine}");
        assert_eq!((&nobodys["summary"]["total"], &nobodys["results"][0]["payload"]["errors"]), (&json!(2), &json!([])), "{nobodys}");

        own.call("DELETE", &format!("/source/{id}/{dataset}")).json(&json!({})).send().await.is(200);
        assert_eq!(read(&own, &format!("/metastore/search?q={dataset}")).await["summary"], json!({"total": 0, "totalBytes": 0}));
        assert_eq!(read(&own, &format!("/metastore/search/events?q={dataset}")).await["results"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn searches_have_limits() {
    on_every_hub(|hub| async move {
        let long = "a".repeat(1_001);
        for (path, field) in [
            ("/metastore/search?size=101", "size"),
            ("/metastore/search?size=-1", "size"),
            ("/metastore/search?from=10001", "from"),
            ("/metastore/search/events?from=x", "from"),
            ("/metastore/search?q=a+b+c+d+e+f+g+h+i+j+k", "q has"),
            (&format!("/metastore/search?q={long}"), "q has"),
            ("/storage/owner/nobody?findability=hidden", "findability"),
        ] {
            let refused = hub.visitor().get(path).send().await.is(400);
            assert!(refused.text.contains(field), "{path}: {refused}");
        }
        for wild in ["%25", "_", "!", "%27", "%5C"] {
            let found = hub.visitor().get(&format!("/metastore/search?q=nothing-has{wild}this")).send().await.is(200).json();
            assert_eq!(found["summary"]["total"], 0, "{wild}: {found}");
        }
        let nobody = hub.visitor().get("/storage/owner/nobody-at-all").send().await.is(200).json();
        assert_eq!(nobody, json!({"totalBytes": 0}));
    })
    .await;
}

/// A later upload alone, published or not yet good, shows nothing of a revision that was private.
#[tokio::test]
async fn what_was_private_stays_hidden() {
    on_every_hub(|hub| async move {
        let ((id, own), visitor, dataset) = (owner(&hub), hub.visitor(), name("secret"));
        let url = stored(&hub, &own, &id, &dataset, ROWS).await;
        let upload = async |findability: &str, url: &str| {
            let mut spec = spec(&id, &dataset, url);
            spec["meta"]["findability"] = findability.into();
            let flow = own.post("/source/upload").json(&spec).send().await.is(200).text_of("flow_id");
            ended(&own, &flow).await["state"].clone()
        };
        let path = format!("/source/{id}/{dataset}");
        let none = visitor.get(&format!("{path}/1")).send().await.is(404).text.replace(&dataset, "X");
        assert_eq!(upload("private", &url).await, "SUCCEEDED");
        let hidden = visitor.get(&format!("{path}/1")).send().await.is(404).text.replace(&dataset, "X");
        assert_eq!(hidden, none, "nobody learns that it is there");
        assert_eq!(visitor.get(&path).send().await.is(404).text, visitor.get(&format!("{path}/latest")).send().await.is(404).text);
        assert_eq!(upload("published", "http://example.invalid/rivers.csv").await, "FAILED");
        let seen = async |what: &str| read(&visitor, &format!("/metastore/search{what}?q={dataset}")).await["summary"]["total"].clone();
        assert_eq!((seen("").await, seen("/events").await), (json!(0), json!(1)), "the failure alone is told");
        assert_eq!(read(&visitor, &format!("/storage/dataset_id/{id}/{dataset}")).await, json!({"totalBytes": 0}));
        assert_eq!(upload("published", &url).await, "SUCCEEDED");
        assert_eq!((seen("").await, seen("/events").await), (json!(1), json!(2)));
    })
    .await;
}
