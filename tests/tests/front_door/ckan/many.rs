//! Many writers at once: none of them is lost (ckan.md 9: lost and resurrected resources).

use std::collections::BTreeSet;

use futures::future::join_all;
use madang_tests::{
    ckan::{act, result},
    on_every_hub, work,
};
use serde_json::{Value, json};

const WRITERS: usize = 50;

#[tokio::test]
async fn fifty_resources_at_once() {
    on_every_hub(|hub| async move {
        let client = hub.visitor().with(hub.ckan_token());
        let (_, package) = package(&client).await;
        let made = join_all((0..WRITERS).map(|number| {
            let dict = json!({"package_id": package, "name": format!("r{number}"), "url": "http://example.com/a.csv"});
            let client = client.clone();
            async move { result(&client, "resource_create", &dict).await }
        }))
        .await;
        let shown = result(&client, "package_show", &json!({"id": package})).await;
        let names: BTreeSet<&str> = shown["resources"].as_array().expect("resources").iter().filter_map(|r| r["name"].as_str()).collect();
        assert_eq!((names.len(), shown["num_resources"].as_u64()), (WRITERS, Some(WRITERS as u64)));
        let positions: Vec<_> = shown["resources"].as_array().expect("resources").iter().map(|r| r["position"].as_u64()).collect();
        assert_eq!(positions, (0..WRITERS as u64).map(Some).collect::<Vec<_>>());
        let gone = join_all(made.iter().map(|resource| {
            let (client, dict) = (client.clone(), json!({"id": resource["id"]}));
            async move { result(&client, "resource_delete", &dict).await }
        }))
        .await;
        assert_eq!(gone.len(), WRITERS);
        assert_eq!(result(&client, "package_show", &json!({"id": package})).await["resources"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn fifty_patches_at_once() {
    const KEYS: [&str; 5] = ["notes", "url", "version", "author", "maintainer"];
    on_every_hub(|hub| async move {
        let client = hub.visitor().with(hub.ckan_token());
        let (_, package) = package(&client).await;
        let writes = (0..WRITERS).map(|number| {
            let (client, package) = (client.clone(), package.clone());
            async move {
                match number % 10 {
                    key @ 0..5 => act(&client, "package_patch", &json!({"id": package, KEYS[key]: format!("v{key}")})).await,
                    _ => act(&client, "resource_create", &json!({"package_id": package, "name": format!("r{number}")})).await,
                }
                .is(200)
            }
        });
        join_all(writes).await;
        let shown = result(&client, "package_show", &json!({"id": package})).await;
        for (number, key) in KEYS.iter().enumerate() {
            assert_eq!(shown[key], format!("v{number}"), "{shown}");
        }
        assert_eq!(shown["num_resources"], WRITERS / 2);
    })
    .await;
}

/// Of many that take the same name one gets it, the others learn the rule.
#[tokio::test]
async fn one_name_for_one() {
    on_every_hub(|hub| async move {
        let client = hub.visitor().with(hub.ckan_token());
        let (organization, _) = package(&client).await;
        let dict = json!({"name": work::unique("same"), "owner_org": organization});
        let made = join_all((0..10).map(|_| act(&client, "package_create", &dict))).await;
        let statuses: Vec<u16> = made.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        for refused in made.iter().filter(|answer| answer.status != 200) {
            assert_eq!(refused.json()["error"], json!({"name": ["That URL is already in use."], "__type": "Validation Error"}));
        }
    })
    .await;
}

async fn package(client: &madang_tests::Client) -> (String, String) {
    let organization = result(client, "organization_create", &json!({"name": work::unique("org")})).await;
    let package = result(client, "package_create", &json!({"name": work::unique("p"), "owner_org": organization["id"]})).await;
    let id = |value: &Value| value["id"].as_str().expect("an id").to_owned();
    (id(&organization), id(&package))
}
