//! Whoever writes finds what he wrote, through whichever face; what a search shows is what `package_show` shows.

use madang_tests::{
    Client, Hub,
    ckan::{Cast, result},
    on_every_hub, work,
};
use serde_json::{Value, json};

struct Writer {
    client: Client,
    story: String,
}

impl Writer {
    async fn new(hub: &Hub) -> Self {
        let client = Cast::new(hub).person("sysadmin").await;
        let story = work::unique("writer");
        result(&client, "organization_create", &json!({"name": format!("org-{story}"), "title": "Before"})).await;
        Self { client, story }
    }

    async fn act(&self, action: &str, dict: Value) -> Value {
        result(&self.client, action, &dict).await
    }

    async fn package(&self, name: &str) -> String {
        let dict = json!({"name": format!("{name}-{}", self.story), "owner_org": format!("org-{}", self.story)});
        self.act("package_create", dict).await["id"].as_str().expect("an id").to_owned()
    }

    /// How many datasets a query finds, private ones and drafts too.
    async fn count(&self, q: &str) -> u64 {
        let dict = json!({"q": q, "rows": 0, "include_private": true, "include_drafts": true});
        self.act("package_search", dict).await["count"].as_u64().expect("a count")
    }

    /// What is found of a dataset is what is shown of it.
    async fn same(&self, id: &str) -> Value {
        let found = self.act("package_search", json!({"q": format!("id:{id}"), "include_private": true, "include_drafts": true})).await;
        let shown = self.act("package_show", json!({"id": id})).await;
        assert_eq!(found["results"], json!([shown]));
        shown
    }
}

#[tokio::test]
async fn every_change_is_found_at_once() {
    on_every_hub(|hub| async move {
        let writer = Writer::new(&hub).await;
        let id = writer.package("one").await;
        writer.same(&id).await;
        for (q, field, value) in [
            ("title:mountain", "title", json!("Mountain")),
            ("notes:valley", "notes", json!("Valley")),
            ("version:7", "version", json!("7")),
        ] {
            let q = format!("id:{id} AND {q}");
            assert_eq!(writer.count(&q).await, 0);
            writer.act("package_patch", json!({"id": id, field: value})).await;
            assert_eq!(writer.count(&q).await, 1, "{q}");
            writer.same(&id).await;
        }
        writer.act("package_patch", json!({"id": id, "tags": [{"name": "peak"}], "extras": [{"key": "height", "value": "8848"}]})).await;
        assert_eq!(writer.count(&format!("id:{id} AND tags:peak AND height:8848")).await, 1);
        let resource = writer.act("resource_create", json!({"package_id": id, "url": "http://example.com/x", "format": "GeoJSON"})).await;
        assert_eq!(writer.count(&format!("id:{id} AND res_format:GeoJSON AND num_resources:1")).await, 1);
        writer.act("resource_patch", json!({"id": resource["id"], "name": "glacier"})).await;
        assert_eq!(writer.count(&format!("id:{id} AND res_name:glacier")).await, 1);
        writer.same(&id).await;
        writer.act("resource_delete", json!({"id": resource["id"]})).await;
        assert_eq!(writer.count(&format!("id:{id} AND num_resources:0")).await, 1);
        writer.same(&id).await;
        writer.act("package_patch", json!({"id": id, "private": true})).await;
        assert_eq!(writer.count(&format!("id:{id} AND capacity:private")).await, 1);
        writer.act("package_delete", json!({"id": id})).await;
        assert_eq!(writer.count(&format!("id:{id}")).await, 0);
        writer.act("package_patch", json!({"id": id, "state": "active"})).await;
        assert_eq!(writer.count(&format!("id:{id}")).await, 1);
        writer.act("dataset_purge", json!({"id": id})).await;
        assert_eq!(writer.count(&format!("id:{id}")).await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_datasets_belong_to_is_found_at_once() {
    on_every_hub(|hub| async move {
        let writer = Writer::new(&hub).await;
        let (one, two) = (writer.package("one").await, writer.package("two").await);
        let story = &writer.story;
        writer.act("organization_patch", json!({"id": format!("org-{story}"), "title": "After", "description": "d"})).await;
        assert_eq!(writer.same(&one).await["organization"]["title"], "After");
        writer.act("group_create", json!({"name": format!("group-{story}"), "title": "Group", "packages": [{"name": one}]})).await;
        writer
            .act("member_create", json!({"id": format!("group-{story}"), "object": two, "object_type": "package", "capacity": "public"}))
            .await;
        assert_eq!(writer.count(&format!("groups:group-{story}")).await, 2);
        writer.act("group_patch", json!({"id": format!("group-{story}"), "title": "Other"})).await;
        assert_eq!(writer.same(&two).await["groups"][0]["title"], "Other");
        writer.act("member_delete", json!({"id": format!("group-{story}"), "object": two, "object_type": "package"})).await;
        assert_eq!(writer.count(&format!("groups:group-{story}")).await, 1);
        let vocabulary = format!("v_{}", story.replace('-', "_"));
        let made = writer.act("vocabulary_create", json!({"name": vocabulary, "tags": [{"name": "gold"}, {"name": "tin"}]})).await;
        writer.act("package_patch", json!({"id": one, "tags": [{"name": "gold", "vocabulary_id": made["id"]}]})).await;
        assert_eq!(writer.count(&format!("vocab_{vocabulary}:gold")).await, 1);
        writer.act("vocabulary_update", json!({"id": made["id"], "name": format!("{vocabulary}2"), "tags": [{"name": "gold"}]})).await;
        assert_eq!(
            (writer.count(&format!("vocab_{vocabulary}:gold")).await, writer.count(&format!("vocab_{vocabulary}2:gold")).await),
            (0, 1)
        );
        writer.act("tag_delete", json!({"id": "gold", "vocabulary_id": made["id"]})).await;
        assert_eq!(writer.count(&format!("vocab_{vocabulary}2:gold")).await, 0);
        writer.act("package_relationship_create", json!({"subject": one, "object": two, "type": "depends_on"})).await;
        writer.same(&one).await;
        writer.same(&two).await;
        writer.act("bulk_update_private", json!({"datasets": [one, two], "org_id": format!("org-{story}")})).await;
        assert_eq!(writer.count(&format!("organization:org-{story} AND capacity:private")).await, 2);
        writer.act("package_owner_org_update", json!({"id": one, "organization_id": null})).await;
        assert_eq!(writer.count(&format!("organization:org-{story}")).await, 1);
        writer.same(&one).await;
    })
    .await;
}

/// A dataset of D.Hub is found by its members' searches, and becomes public when CKAN publishes it.
#[tokio::test]
async fn datasets_of_the_other_face_are_found_at_once() {
    on_every_hub(|hub| async move {
        let writer = Writer::new(&hub).await;
        let admin = hub.admin().await;
        let (_, _, person) = work::person(&admin, &[]).await;
        let word = work::unique("dhub").replace('-', "");
        let name = format!("{word} 교통량");
        let made = admin.post("/api/v1/datasets").json(&json!({"name": name, "tags": ["도로"]})).send().await.is(200).text_of("id");
        assert_eq!(writer.count(&format!("title:{word} AND tags:도로 AND private:true")).await, 1);
        let own = |client: Client, kind: &'static str, q: String| async move {
            let target = format!("/madang/v1/search?kind={kind}&q={q}");
            client.get(&target).send().await.is(200).json()["results"][kind].clone()
        };
        assert_eq!(own(person.clone(), "datasets", word.clone()).await["count"], 1);
        let open = json!({"q": format!("title:{word}"), "include_private": true});
        assert_eq!(result(&hub.visitor(), "package_search", &open).await["count"], 0);
        work::upload(&admin, &made, &format!("시간,{word}열\n1,2\n")).await.is(200);
        let tables = own(person.clone(), "tables", format!("{word}열")).await;
        assert_eq!((&tables["count"], &tables["items"][0]["columns"]), (&json!(1), &json!(["시간", format!("{word}열")])));
        admin.call("PUT", &format!("/api/v1/datasets/{made}")).json(&json!({"groups": ["nobody-is-in-it"]})).send().await.is(200);
        assert_eq!(own(person.clone(), "datasets", word.clone()).await["count"], 0);
        assert_eq!(own(admin.clone(), "datasets", word.clone()).await["count"], 1);
        admin
            .call("PUT", &format!("/api/v1/datasets/{made}"))
            .json(&json!({"groups": [], "name": format!("{word} 새 이름")}))
            .send()
            .await
            .is(200);
        let found = own(person.clone(), "datasets", word.clone()).await;
        assert_eq!((&found["count"], &found["items"][0]["title"]), (&json!(1), &json!(format!("{word} 새 이름"))));
        writer.act("package_patch", json!({"id": found["items"][0]["id"], "private": false})).await;
        assert_eq!(result(&hub.visitor(), "package_search", &json!({"q": format!("title:{word}")})).await["count"], 1);
        admin.call("DELETE", &format!("/api/v1/datasets/{made}")).send().await.is(200);
        assert_eq!(own(admin.clone(), "datasets", word).await["count"], 0);
    })
    .await;
}
