//! The hub's own search, and building its index anew.

use madang_tests::{
    ckan::{Cast, result},
    on_every_hub, work,
};
use serde_json::json;

#[tokio::test]
async fn one_search_over_everything() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let word = work::unique("own").replace('-', "");
        work::dataset(&admin).await;
        let named = admin.post("/api/v1/datasets").json(&json!({"name": format!("{word} 하나")})).send().await.is(200);
        let found = admin.get(&format!("/madang/v1/search?q={word}")).send().await.is(200).json();
        assert_eq!(found["q"], word);
        let results = found["results"].as_object().expect("kinds");
        assert_eq!(results.keys().collect::<Vec<_>>(), ["datasets", "tables", "jobs", "surveys"]);
        assert_eq!((&results["datasets"]["count"], &results["jobs"]["count"]), (&json!(1), &json!(0)));
        assert_eq!(results["surveys"], json!({"count": 0, "items": []}));
        assert_eq!(results["datasets"]["items"][0]["title"], format!("{word} 하나"));
        assert!(named.text_of("id").starts_with("ds-"));
        let none = admin.get(&format!("/madang/v1/search?q={word}&kind=jobs,datasets&limit=0")).send().await.is(200).json();
        assert_eq!(none["results"], json!({"datasets": {"count": 1, "items": []}, "jobs": {"count": 0, "items": []}}));
        for (query, field) in [("limit=101", "limit"), ("limit=x", "limit"), ("start=-1", "start"), ("kind=users", "kind")] {
            let refused = admin.get(&format!("/madang/v1/search?{query}")).send().await.is(422).json();
            assert_eq!(refused["detail"][0]["loc"], json!(["query", field]), "{refused}");
        }
        let long = "가".repeat(2_000);
        let refused = admin.get(&format!("/madang/v1/search?q={long}")).send().await.is(422).json();
        assert_eq!(refused["detail"][0]["loc"], json!(["query", "q"]), "{refused}");
    })
    .await;
}

/// While an index is built, searches go on, and everything that is written meanwhile is in it.
#[tokio::test]
async fn an_index_is_built_beside_the_one_that_serves() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let sysadmin = Cast::new(&hub).person("sysadmin").await;
        let story = work::unique("rebuild");
        result(&sysadmin, "organization_create", &json!({"name": format!("org-{story}")})).await;
        let building = {
            let admin = admin.clone();
            tokio::spawn(async move { admin.post("/madang/v1/admin/search/rebuild").json(&json!({})).send().await })
        };
        for number in 0..20_u64 {
            let dict = json!({"name": format!("d{number}-{story}"), "owner_org": format!("org-{story}")});
            result(&sysadmin, "package_create", &dict).await;
            let found = result(&sysadmin, "package_search", &json!({"q": format!("organization:org-{story}"), "rows": 0})).await;
            assert_eq!(found["count"], number + 1);
        }
        let built = building.await.expect("an answer");
        assert!(built.status == 409 || built.is(200).json()["datasets"].as_u64().is_some());
        let found = result(&sysadmin, "package_search", &json!({"q": format!("organization:org-{story}"), "rows": 0})).await;
        assert_eq!(found["count"], 20);
    })
    .await;
}
