//! Collections (dhub.md section 5): both slash forms, versions, groups, and deletion.

use madang_tests::{Client, on_every_hub, work};
use serde_json::{Value, json};

const ALL: &str = "/api/v1/collections";
const KEYS: [&str; 10] = ["id", "name", "description", "created_at", "alias", "type", "category", "groups", "tags", "updated_at"];

async fn item(client: &Client, body: &Value) -> String {
    client.post("/api/v1/collections/").json(body).send().await.is(200).text_of("item")
}

async fn tagged(client: &Client, tag: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(item(client, &json!({"name": work::unique(&format!("목록 {number} A_b")), "tags": [tag]})).await);
    }
    ids
}

/// The ids of an array.
async fn listed(client: &Client, query: &str) -> Vec<String> {
    let list = client.get(&format!("{ALL}?{query}")).send().await.is(200).json();
    list.as_array().expect("an array").iter().map(|entry| entry["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_name_is_unique_where_the_slash_is() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        for all in [ALL, "/api/v1/datasets"] {
            let body = json!({"name": work::unique("하나뿐인 이름")});
            let slashed = format!("{all}/");
            let made = admin.post(&slashed).json(&body).send().await.is(200);
            assert_eq!(made.keys(), ["item"]);
            let again = admin.post(&slashed).json(&body).send().await.is(409);
            assert_eq!(again.keys(), ["detail"]);
            admin.post(all).json(&body).send().await.is(200);
            let other = json!({"name": work::unique("없던 이름")});
            admin.post(all).json(&other).send().await.is(200);
            admin.post(&slashed).json(&other).send().await.is(409);
        }
    })
    .await;
}

/// A name is free again once its thing is deleted.
#[tokio::test]
async fn a_deleted_name_is_free() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        for all in [ALL, "/api/v1/datasets"] {
            let body = json!({"name": work::unique("다시 쓰는 이름")});
            let first = admin.post(&format!("{all}/")).json(&body).send().await.is(200).text_of("item");
            admin.call("DELETE", &format!("{all}/{first}")).send().await.is(200);
            admin.post(&format!("{all}/")).json(&body).send().await.is(200);
        }
    })
    .await;
}

#[tokio::test]
async fn of_one_name_at_once_one_is_made() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        for all in ["/api/v1/collections/", "/api/v1/datasets/"] {
            let body = json!({"name": work::unique("동시에")});
            let answers = futures::future::join_all((0..8).map(|_| admin.post(all).json(&body).send())).await;
            let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409], "{all}");
        }
    })
    .await;
}

#[tokio::test]
async fn it_reads_as_it_was_written() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let name = work::unique("교통");
        let id = item(&admin, &json!({"name": name, "alias": "t", "type": "x", "tags": ["b", "a"], "comment": "설명"})).await;
        let found = admin.get(&format!("{ALL}/{id}")).send().await.is(200);
        assert_eq!(found.keys(), KEYS);
        let body = found.json();
        for (key, value) in [("id", json!(id)), ("name", json!(name)), ("description", json!("설명")), ("alias", json!("t"))] {
            assert_eq!(body[key], value, "{found}");
        }
        assert_eq!((&body["type"], &body["category"], &body["groups"]), (&json!("x"), &json!("collection"), &json!([])));
        let mut tags: Vec<String> = serde_json::from_value(body["tags"].clone()).expect("tags");
        tags.sort();
        assert_eq!(tags, ["a", "b"]);
        assert!(found.text_of("created_at").ends_with('Z') && found.text_of("updated_at").ends_with('Z'), "{found}");
    })
    .await;
}

/// What is not given stays; lists are replaced whole; every change is a version.
#[tokio::test]
async fn changes_are_kept_as_versions() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let name = work::unique("처음");
        let id = item(&admin, &json!({"name": name, "alias": "t", "tags": ["a", "b"], "description": "설명"})).await;
        let one = format!("{ALL}/{id}");
        let put = |body: Value| admin.call("PUT", &one).json(&body).send();
        let second = put(json!({"tags": ["c"]})).await.is(200);
        assert_eq!(second.keys(), KEYS);
        let second = second.json();
        assert_eq!((&second["name"], &second["alias"], &second["description"]), (&json!(name), &json!("t"), &json!("설명")));
        assert_eq!(second["tags"], json!(["c"]));
        let third = put(json!({"name": "새 이름", "tags": []})).await.is(200).json();
        assert_eq!((&third["name"], &third["tags"]), (&json!("새 이름"), &json!([])));
        assert_eq!(admin.get(&one).send().await.is(200).json(), third);
        for (version, name, tags) in [("v1", name.as_str(), 2), ("1", &name, 2), ("v2", &name, 1), ("v3", "새 이름", 0)] {
            let old = admin.get(&format!("{one}?collection_version={version}")).send().await.is(200).json();
            assert_eq!((&old["name"], old["tags"].as_array().map(Vec::len)), (&json!(name), Some(tags)), "{version}");
        }
        admin.get(&format!("{one}?collection_version=v4")).send().await.is(404);
        let versions = admin.get(&format!("{one}/versions")).send().await.is(200).json();
        let mut named: Vec<_> = versions.as_array().expect("an array").iter().map(|version| version["version_id"].clone()).collect();
        named.sort_by_key(ToString::to_string);
        assert_eq!(named, ["v1", "v2", "v3"]);
        assert!(versions[0]["last_modified"].is_string() && versions[0]["size"].as_u64() > Some(0), "{versions}");
        assert_eq!(versions[0].as_object().map(serde_json::Map::len), Some(3));
    })
    .await;
}

/// Two changes at once: both are kept, or one is told to try again; none is lost in silence.
#[tokio::test]
async fn changes_at_once_are_not_lost() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let id = work::collection(&admin).await;
        let one = format!("{ALL}/{id}");
        let answers =
            futures::future::join_all((0..8).map(|n| admin.call("PUT", &one).json(&json!({"name": format!("이름 {n}")})).send())).await;
        let good = answers.iter().filter(|answer| answer.status == 200).count();
        assert!(good > 0 && answers.iter().all(|answer| matches!(answer.status, 200 | 409)), "{answers:?}");
        let versions = admin.get(&format!("{one}/versions")).send().await.is(200).json();
        assert_eq!(versions.as_array().map(Vec::len), Some(1 + good));
    })
    .await;
}

#[tokio::test]
async fn an_envelope_is_walked_by_its_tokens() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let tag = work::unique("표식");
        let made = tagged(&admin, &tag, 5).await;
        let (mut seen, mut token, mut sizes) = (Vec::new(), String::new(), Vec::new());
        loop {
            let page = admin.get(&format!("{ALL}/?tag={tag}&limit=2{token}")).send().await.is(200);
            assert_eq!(page.keys(), ["items", "token"]);
            let page = page.json();
            let items = page["items"].as_object().expect("a map");
            sizes.push(items.len());
            for (id, text) in items {
                let value: Value = serde_json::from_str(text.as_str().expect("a text that holds JSON")).expect("JSON");
                assert_eq!((value["id"].as_str(), &value["tags"]), (Some(id.as_str()), &json!([tag])));
                assert!(value["created_at"].as_i64() > Some(1_700_000_000_000), "epoch milliseconds: {value}");
                seen.push(id.clone());
            }
            match page["token"].as_str() {
                Some(next) => token = format!("&token={next}"),
                None => break,
            }
        }
        assert_eq!((seen, sizes), (made, vec![2, 2, 1]), "ordered by id");
    })
    .await;
}

#[tokio::test]
async fn an_array_is_cut_and_narrowed() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let tag = work::unique("표식");
        let made = tagged(&admin, &tag, 5).await;
        assert_eq!(listed(&admin, &format!("tag={tag}")).await, made);
        assert_eq!(listed(&admin, &format!("tag={tag}&limit=2&offset=1")).await, made[1..3]);
        assert_eq!(listed(&admin, &format!("tag={tag}&limit=1000&offset=5")).await, [] as [&str; 0]);
        assert_eq!(listed(&admin, &format!("tag={tag}&q=록 3 a_B")).await, made[3..4], "any case");
        assert_eq!(listed(&admin, &format!("tag={tag}&q=록%25")).await, [] as [&str; 0], "no wildcard");
        assert_eq!(listed(&admin, &format!("tag={tag}&q=A-b")).await, [] as [&str; 0]);
        assert_eq!(listed(&admin, &format!("tag={tag}x")).await, [] as [&str; 0]);
    })
    .await;
}

/// What someone may not see is not there for him; what he may see he still can't change.
#[tokio::test]
async fn groups_restrict_reading() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (group, tag) = (work::unique("모임"), work::unique("표식"));
        let open = item(&admin, &json!({"name": work::unique("열린"), "tags": [tag]})).await;
        let closed = item(&admin, &json!({"name": work::unique("닫힌"), "tags": [tag], "groups": [group, "다른"]})).await;
        let (_, _, outside) = work::person(&admin, &[]).await;
        let (_, _, inside) = work::person(&admin, &[&group]).await;
        assert_eq!(listed(&outside, &format!("tag={tag}")).await, [open.as_str()]);
        assert_eq!(listed(&inside, &format!("tag={tag}")).await, [open.as_str(), &closed]);
        assert_eq!(listed(&inside, &format!("tag={tag}&groups=x,{group}")).await, [closed.as_str()]);
        let items = outside.get(&format!("{ALL}/?tag={tag}")).send().await.is(200).json();
        assert!(items["items"].get(&closed).is_none() && items["items"].get(&open).is_some(), "{items}");
        let hidden = format!("{ALL}/{closed}");
        let absent = format!("{ALL}/col-01h00000000000000000000000");
        for (method, end) in [("GET", ""), ("GET", "/versions"), ("GET", "?collection_version=v1"), ("PUT", ""), ("DELETE", "?force=true")]
        {
            let answers = [&hidden, &absent].map(|path| outside.call(method, &format!("{path}{end}")).json(&json!({})).send());
            let [hidden, absent] = <[_; 2]>::try_from(futures::future::join_all(answers).await).expect("two");
            let told = |text: &str| text.replace(&closed[4..], "x").replace("01h00000000000000000000000", "x");
            assert_eq!((hidden.status, told(&hidden.text)), (404, told(&absent.text)), "{method} {end}");
        }
        outside.post("/api/v1/datasets").json(&json!({"name": "d", "collection_id": closed})).send().await.is(404);
        for client in [&outside, &inside] {
            client.call("PUT", &format!("{ALL}/{open}")).json(&json!({"name": "내 것"})).send().await.is(403);
            client.call("DELETE", &format!("{ALL}/{open}")).send().await.is(403);
            client.post("/api/v1/datasets").json(&json!({"name": "d", "collection_id": open})).send().await.is(403);
        }
        inside.get(&format!("{hidden}/versions")).send().await.is(200);
        admin.call("PUT", &hidden).json(&json!({"groups": []})).send().await.is(200);
        outside.get(&hidden).send().await.is(200);
    })
    .await;
}

/// Pipelines and codes are in a collection as datasets are.
#[tokio::test]
async fn what_runs_goes_with_its_collection() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let collection = work::collection(&admin).await;
        let one = format!("{ALL}/{collection}");
        let made = |path: &'static str| admin.post(path).json(&json!({"name": "x", "collection_id": collection})).send();
        let pipeline = made("/api/v1/pipelines").await.is(200).text_of("id");
        admin.call("DELETE", &one).send().await.is(409);
        let code = made("/api/v1/codes").await.is(200).text_of("id");
        admin.call("DELETE", &format!("/api/v1/pipelines/{pipeline}")).send().await.is(200);
        admin.call("DELETE", &one).send().await.is(409);
        let pipeline = made("/api/v1/pipelines").await.is(200).text_of("id");
        let (_, _, other) = work::person(&admin, &[]).await;
        other.call("DELETE", &format!("{one}?force=true")).send().await.is(403);
        admin.get(&format!("/api/v1/pipelines/{pipeline}")).send().await.is(200);
        admin.call("DELETE", &format!("{one}?force=true")).send().await.is(200);
        admin.get(&format!("/api/v1/pipelines/{pipeline}")).send().await.is(404);
        admin.get(&format!("/api/v1/codes/{code}")).send().await.is(404);
    })
    .await;
}

/// Groups of a collection narrow who sees what is in it.
#[tokio::test]
async fn a_closed_collection_closes_what_is_in_it() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let group = work::unique("모임");
        let closed = admin.post(ALL).json(&json!({"name": "닫힌", "groups": [group]})).send().await.is(200).text_of("id");
        let body = json!({"name": "x", "collection_id": closed});
        let (_, _, inside) = work::person(&admin, &[&group]).await;
        let (_, _, outside) = work::person(&admin, &[]).await;
        for path in ["/api/v1/datasets", "/api/v1/pipelines", "/api/v1/codes"] {
            let id = admin.post(path).json(&body).send().await.is(200).text_of("id");
            inside.get(&format!("{path}/{id}")).send().await.is(200);
            outside.get(&format!("{path}/{id}")).send().await.is(404);
        }
    })
    .await;
}

#[tokio::test]
async fn only_force_deletes_what_is_not_empty() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let collection = work::collection(&admin).await;
        let one = format!("{ALL}/{collection}");
        let dataset =
            admin.post("/api/v1/datasets").json(&json!({"name": "d", "collection_id": collection})).send().await.is(200).text_of("id");
        work::upload(&admin, &dataset, "a\n1\n").await.is(200);
        for end in ["", "?force=false"] {
            admin.call("DELETE", &format!("{one}{end}")).send().await.is(409);
        }
        assert_eq!(work::total_rows(&admin, &dataset).await, 1);
        admin.call("DELETE", &format!("{one}?force=true")).send().await.is(200);
        for path in [
            format!("datasets/{dataset}"),
            format!("tables/{dataset}"),
            format!("tables/{dataset}/versions"),
            format!("collections/{collection}"),
        ] {
            admin.get(&format!("/api/v1/{path}")).send().await.is(404);
        }
        admin.get(&format!("{one}/versions")).send().await.is(404);
        work::upload(&admin, &dataset, "a\n1\n").await.is(404);
        admin.call("DELETE", &one).send().await.is(404);
        assert_eq!(listed(&admin, "limit=1000").await.iter().filter(|id| **id == collection).count(), 0);
        // an emptied one needs no force
        let collection = work::collection(&admin).await;
        let body = json!({"name": "d", "collection_id": collection});
        let dataset = admin.post("/api/v1/datasets").json(&body).send().await.is(200).text_of("id");
        admin.call("DELETE", &format!("/api/v1/datasets/{dataset}")).send().await.is(200);
        admin.call("DELETE", &format!("{ALL}/{collection}")).send().await.is(200);
        admin.post("/api/v1/datasets").json(&body).send().await.is(404);
    })
    .await;
}

/// An id of one kind is none of another, whatever its prefix.
#[tokio::test]
async fn an_id_is_of_one_kind() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (collection, dataset) = (work::collection(&admin).await, work::dataset(&admin).await);
        let wrong = [
            format!("collections/{dataset}"),
            format!("collections/{}", dataset.replace("ds-", "col-")),
            format!("collections/{}/versions", dataset.replace("ds-", "col-")),
            format!("datasets/{}", collection.replace("col-", "ds-")),
            format!("datasets/{}/versions", collection.replace("col-", "ds-")),
            format!("users/{}", collection.replace("col-", "user-")),
            format!("tables/{}", collection.replace("col-", "ds-")),
        ];
        let mut found = Vec::new();
        for path in wrong {
            let answer = admin.get(&format!("/api/v1/{path}")).send().await;
            if answer.status != 404 {
                found.push(answer.to_string());
            }
        }
        assert!(found.is_empty(), "{found:?}");
    })
    .await;
}
