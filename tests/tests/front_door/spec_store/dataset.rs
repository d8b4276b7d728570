//! What a revision that succeeded is in the other dialects: a package that CKAN finds, a table that D.Hub pages; a second revision is a new
//! version of the same table, one that fails changes nothing.

use madang_tests::{Hub, on_every_hub};
use serde_json::{Value, json};

use super::{ended, name, owner, spec, stored};

/// Waits until a package's table has so many rows; gives the package.
async fn published(hub: &Hub, package: &str, rows: u64) -> Value {
    for _ in 0..300 {
        let shown = hub.visitor().get(&format!("/api/3/action/package_show?id={package}")).send().await;
        if shown.status == 200 {
            let shown = shown.json()["result"].clone();
            let table = shown["resources"].as_array().into_iter().flatten().find(|one| one["datastore_active"] == true).cloned();
            if let Some(id) = table.as_ref().and_then(|table| table["id"].as_str()) {
                let found = hub.visitor().get(&format!("/api/3/action/datastore_search?resource_id={id}&limit=0")).send().await.is(200);
                if found.json()["result"]["total"] == rows {
                    return shown;
                }
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    unreachable!("{package} is not published with {rows} rows")
}

#[tokio::test]
async fn a_revision_is_a_dataset_of_every_dialect() {
    on_every_hub(|hub| async move {
        let (id, own) = owner(&hub);
        let dataset = name("rivers");
        let upload = async |rows: &str| {
            let url = stored(&hub, &own, &id, &dataset, rows).await;
            let mut spec = spec(&id, &dataset, &url);
            spec["inputs"][0]["parameters"]["descriptor"]["title"] = dataset.clone().into();
            let flow = own.post("/source/upload").json(&spec).send().await.is(200).text_of("flow_id");
            ended(&own, &flow).await
        };
        assert_eq!(upload("name,length_km\nHan,494\nNakdong,510.36\n").await["state"], "SUCCEEDED");
        let package = published(&hub, &format!("{id}-{dataset}"), 2).await;
        let found = hub.visitor().get(&format!("/api/3/action/package_search?q=title:{dataset}")).send().await.is(200).json();
        assert_eq!((&found["result"]["count"], &found["result"]["results"][0]["id"]), (&json!(1), &package["id"]), "{found}");

        let admin = hub.admin().await;
        let listed = admin.get(&format!("/api/v1/datasets?q={dataset}")).send().await.is(200).json();
        let table = listed[0]["id"].as_str().expect("D.Hub lists it").to_owned();
        let page = async || admin.get(&format!("/api/v1/tables/{table}?page_size=1&page=2")).send().await.is(200).json();
        let first = page().await;
        assert_eq!((&first["total_rows"], &first["data"]), (&json!(2), &json!([["Nakdong", 510.36]])), "{first}");

        let failed = upload("name,length_km\nHan,far\n").await;
        assert_eq!(failed["state"], "FAILED", "{failed}");
        let why = "The value \"far\" in row 2 and column 2 is not type \"number\" and format \"default\"";
        assert!(failed["error_log"].as_array().is_some_and(|lines| lines.iter().any(|line| line == why)), "{failed}");
        assert_eq!(page().await, first, "a revision that failed publishes nothing");

        assert_eq!(upload("name,length_km\nHan,494\nNakdong,510.36\nGeum,397.79\n").await["state"], "SUCCEEDED");
        let again = published(&hub, &format!("{id}-{dataset}"), 3).await;
        assert_eq!(again["id"], package["id"], "the same package");
        let versions = admin.get(&format!("/api/v1/tables/{table}/versions")).send().await.is(200);
        assert_eq!(versions.text.matches("\"WRITE\"").count(), 2, "two versions of the same table: {versions}");

        own.call("DELETE", &format!("/source/{id}/{dataset}")).json(&json!({})).send().await;
        for _ in 0..100 {
            if hub.visitor().get(&format!("/api/3/action/package_show?id={id}-{dataset}")).send().await.status == 404 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        unreachable!("the package outlives its dataset");
    })
    .await;
}
