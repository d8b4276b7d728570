//! A thing made in one dialect is right in the others.

use madang_tests::{
    Login,
    ckan::{act, result},
    on_every_hub, work,
};
use serde_json::json;

/// D.Hub's id text of a CKAN id, and back, is the same 128 bits: the name of a thing that D.Hub made tells it.
#[tokio::test]
async fn a_dataset_of_dhub_is_a_package() {
    on_every_hub(|hub| async move {
        let (admin, client) = (hub.admin().await, hub.visitor().with(hub.ckan_token()));
        let collection = work::collection(&admin).await;
        let body = json!({"name": "교통량", "description": "설명", "collection_id": collection, "tags": ["길"]});
        let dataset = admin.post("/api/v1/datasets").json(&body).send().await.is(200).text_of("id");
        let package = result(&client, "package_show", &json!({"id": dataset})).await;
        assert_eq!((&package["name"], &package["title"], &package["notes"]), (&json!(dataset), &json!("교통량"), &json!("설명")));
        assert_eq!((&package["private"], &package["state"]), (&json!(true), &json!("active")));
        assert_eq!(package["organization"]["name"], json!(collection));
        assert_eq!(package["tags"][0]["name"], json!("길"));
        let organization = result(&client, "organization_show", &json!({"id": collection, "include_datasets": true})).await;
        assert_eq!((&organization["title"], organization["package_count"].as_u64()), (&json!("교통"), Some(1)));
        assert_eq!(organization["packages"][0]["id"], package["id"]);
        act(&hub.visitor(), "package_show", &json!({"id": dataset})).await.is(403);
        // Its table is a resource.
        work::upload(&admin, &dataset, "a,b\n1,2\n").await.is(200);
        let package = result(&client, "package_show", &json!({"id": dataset})).await;
        let resource = &package["resources"][0];
        assert_eq!((&resource["format"], &resource["datastore_active"]), (&json!("CSV"), &json!(true)), "{resource}");
        // What CKAN changes, D.Hub shows, and keeps as a version.
        result(&client, "package_patch", &json!({"id": dataset, "title": "새 이름", "private": false})).await;
        let shown = admin.get(&format!("/api/v1/datasets/{dataset}")).send().await.is(200).json();
        assert_eq!(shown["name"], json!("새 이름"));
        let versions = admin.get(&format!("/api/v1/datasets/{dataset}/versions")).send().await.is(200).json();
        assert_eq!(versions.as_array().map(Vec::len), Some(2));
        act(&hub.visitor(), "package_show", &json!({"id": dataset})).await.is(200);
        admin.call("PUT", &format!("/api/v1/datasets/{dataset}")).json(&json!({"name": "또"})).send().await.is(200);
        assert_eq!(result(&client, "package_show", &json!({"id": dataset})).await["title"], json!("또"));
    })
    .await;
}

#[tokio::test]
async fn a_package_is_a_dataset_of_dhub() {
    on_every_hub(|hub| async move {
        let (admin, client) = (hub.admin().await, hub.visitor().with(hub.ckan_token()));
        let name = work::unique("물");
        let organization = result(&client, "organization_create", &json!({"name": work::unique("org"), "title": name})).await;
        let group = result(&client, "group_create", &json!({"name": work::unique("grp"), "title": format!("{name} 모임")})).await;
        let made = json!({"name": work::unique("p"), "title": format!("{name} 자료"), "owner_org": organization["id"], "groups": [{"id": group["id"]}]});
        let package = result(&client, "package_create", &made).await;
        let listed = |path: String| {
            let admin = admin.clone();
            async move { admin.get(&path).send().await.is(200).json() }
        };
        let datasets = listed(format!("/api/v1/datasets?q={name}")).await;
        assert_eq!(datasets[0]["name"], package["title"]);
        assert_eq!(datasets.as_array().map(Vec::len), Some(1));
        let collections = listed(format!("/api/v1/collections?q={name}")).await;
        assert_eq!(collections.as_array().map(Vec::len), Some(1), "a group is no collection");
        assert_eq!(collections[0]["name"], organization["title"]);
        let dataset = datasets[0]["id"].as_str().expect("an id").to_owned();
        work::upload(&admin, &dataset, "a\n1\n2\n").await.is(200);
        let shown = result(&client, "package_show", &json!({"id": package["id"]})).await;
        assert_eq!(shown["num_resources"], json!(1));
        result(&client, "package_delete", &json!({"id": package["id"]})).await;
        admin.get(&format!("/api/v1/datasets/{dataset}")).send().await.is(404);
    })
    .await;
}

#[tokio::test]
async fn a_user_of_ckan_logs_in_to_dhub_and_a_revoked_key_is_refused_everywhere() {
    on_every_hub(|hub| async move {
        let client = hub.visitor().with(hub.ckan_token());
        let name = work::unique("yoon");
        let dict = json!({"name": name, "email": format!("{name}@example.com"), "password": work::PASSWORD, "with_apitoken": true});
        let made = result(&client, "user_create", &dict).await;
        let login = json!({"username": name, "password": work::PASSWORD});
        let answer = hub.visitor().post("/api/v1/auth/login").json(&login).send().await.is(200);
        let person = hub.visitor().with(Login::bearer(&answer.text_of("access_token")));
        assert_eq!(person.get("/api/v1/auth/me").send().await.is(200).json()["email"], json!(format!("{name}@example.com")));
        let token = made["token"].as_str().expect("a token").to_owned();
        let own = hub.visitor().with(Login::header("authorization", token.clone()));
        let whoami = own.get("/madang/v1/whoami").send().await.is(200).json();
        assert_eq!(whoami["user"], json!(name));
        assert_eq!(result(&own, "user_show", &json!({})).await["name"], json!(name));
        result(&own, "api_token_revoke", &json!({"token": token})).await;
        own.get("/madang/v1/whoami").send().await.is(401);
        act(&own, "user_show", &json!({})).await.is(404);
        act(&own, "group_create", &json!({"name": work::unique("g")})).await.is(403);
        // Whoever is deleted is out everywhere.
        person.get("/api/v1/datasets").send().await.is(200);
        result(&client, "user_delete", &json!({"id": name})).await;
        person.get("/api/v1/datasets").send().await.is(401);
    })
    .await;
}

/// A signature opens every dialect, and its repetition has no second effect.
#[tokio::test]
async fn a_signature_opens_ckan() {
    on_every_hub(|hub| async move {
        let signed = hub.signed();
        let organization = result(&signed, "organization_create", &json!({"name": work::unique("org")})).await;
        assert_eq!(organization["state"], json!("active"));
        assert_eq!(result(&signed, "user_show", &json!({})).await["sysadmin"], json!(true));
        let admin = hub.admin().await;
        act(&admin, "organization_create", &json!({"name": work::unique("org")})).await.is(403);
    })
    .await;
}
