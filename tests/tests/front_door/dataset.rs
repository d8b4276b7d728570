//! Datasets (dhub.md section 6): declared columns, their growth, the two kinds, versions and deletion.

use madang_tests::{Client, FilePart, on_every_hub, work};
use serde_json::{Value, json};

const ALL: &str = "/api/v1/datasets";
const KEYS: [&str; 13] = [
    "id",
    "name",
    "description",
    "collection_id",
    "created_at",
    "type",
    "schema",
    "options",
    "tags",
    "alias",
    "groups",
    "updated_at",
    "tables",
];

fn field(name: &str, kind: &str, nullable: bool) -> Value {
    json!({"name": name, "type": kind, "nullable": nullable, "metadata": {}})
}

fn schema(fields: &[Value]) -> Value {
    json!({"type": "struct", "fields": fields})
}

async fn declared(client: &Client, fields: &[Value]) -> String {
    client.post(ALL).json(&json!({"name": "선언", "schema": schema(fields)})).send().await.is(200).text_of("id")
}

#[tokio::test]
async fn it_reads_as_it_was_written() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let collection = work::collection(&admin).await;
        let options = json!({"partitions": "region,order_date", "log_retention_duration": "interval 7 days"});
        let given = [json!({"name": "region", "type": "string", "nullable": false}), json!({"name": "amount", "type": "double"})];
        let body = json!({"name": "orders", "comment": "설명", "collection_id": collection, "type": "delta", "schema": schema(&given),
                          "options": options, "tags": ["매출"], "alias": "o"});
        let made = admin.post(ALL).json(&body).send().await.is(200);
        assert_eq!(made.keys(), KEYS);
        let body = made.json();
        let wanted = schema(&[field("region", "string", false), field("amount", "double", true)]);
        assert_eq!((&body["schema"], &body["options"], &body["type"]), (&wanted, &options, &json!("table")));
        assert_eq!((&body["description"], &body["tags"], &body["alias"]), (&json!("설명"), &json!(["매출"]), &json!("o")));
        let found = admin.get(&format!("{ALL}/{}", made.text_of("id"))).send().await.is(200);
        assert_eq!(found.json(), body);
        let listed = admin.get(&format!("{ALL}?collection_id={collection}")).send().await.is(200).json();
        assert_eq!(listed, json!([body]));
        let items = admin.get(&format!("{ALL}/?collection_id={collection}")).send().await.is(200).json();
        let text = items["items"][made.text_of("id")].as_str().map(str::to_owned).expect("a text that holds JSON");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&value["name"], &items["token"]), (&json!("orders"), &Value::Null));
    })
    .await;
}

/// Names of both vocabularies are taken; struct names are given.
#[tokio::test]
async fn types_have_two_names() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        for (arrow, named) in [
            ("int64", "long"),
            ("int32", "integer"),
            ("double", "double"),
            ("float", "float"),
            ("string", "string"),
            ("bool", "boolean"),
            ("timestamp", "timestamp"),
            ("date32", "date"),
        ] {
            for given in [arrow, named] {
                let id = declared(&admin, &[field("a", given, true)]).await;
                let found = admin.get(&format!("{ALL}/{id}")).send().await.is(200).json();
                assert_eq!(found["schema"], schema(&[field("a", named, true)]), "{given}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_upload_keeps_to_the_declared_columns() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let id = declared(&admin, &[field("id", "string", false), field("amount", "double", true)]).await;
        work::page(&admin, &id, 1, 10).await.is_exactly(200, r#"{"columns":["id","amount"],"data":[],"total_rows":0}"#);
        for wrong in ["id,amount\n,1\n", "amount\n1\n", "id,amount\n1,x\n", "id,amount,more\n1,2,3\n"] {
            work::upload(&admin, &id, wrong).await.is(422);
        }
        assert_eq!(work::total_rows(&admin, &id).await, 0);
        let file = FilePart { part: "files", ..FilePart::csv("a.csv", "amount,id\n1.5,007\n,008\n") };
        let answer = admin.post(&format!("{ALL}/{id}/upload")).form(&[file]).send().await;
        answer.is_exactly(200, r#"{"message":"Upload successful","rows":2,"columns":2}"#);
        assert_eq!(json!(work::rows(&admin, &id).await), json!([["007", 1.5], ["008", null]]));
        // without a declaration the first upload declares
        let bare = work::dataset(&admin).await;
        work::upload(&admin, &bare, "a,b\n1,x\n").await.is(200);
        let found = admin.get(&format!("{ALL}/{bare}")).send().await.is(200).json();
        let names: Vec<_> = found["schema"]["fields"]
            .as_array()
            .map(|fields| fields.iter().map(|field| field["name"].clone()).collect())
            .unwrap_or_default();
        assert_eq!(names, ["a", "b"], "{found}");
    })
    .await;
}

#[tokio::test]
async fn columns_may_grow_and_nothing_else() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (id, amount, more) = (field("id", "string", false), field("amount", "double", true), field("새", "long", true));
        let dataset = declared(&admin, &[id.clone(), amount.clone()]).await;
        let one = format!("{ALL}/{dataset}");
        work::upload(&admin, &dataset, "id,amount\n007,1.5\n").await.is(200);
        let put = |fields: Vec<Value>| admin.call("PUT", &one).json(&json!({"schema": schema(&fields)})).send();
        let before = admin.get(&one).send().await.is(200).text;
        for wrong in [
            vec![id.clone()],
            vec![field("id", "long", false), amount.clone()],
            vec![id.clone(), field("amount", "string", true)],
            vec![id.clone(), field("total", "double", true)],
            vec![id.clone(), amount.clone(), field("새", "long", false)],
            vec![id.clone(), field("amount", "double", false)],
        ] {
            let refused = put(wrong).await.is(409);
            assert_eq!(refused.keys(), ["detail"]);
        }
        assert_eq!(admin.get(&one).send().await.is(200).text, before);
        let grown = put(vec![id.clone(), amount.clone(), more.clone()]).await.is(200).json();
        assert_eq!(grown["schema"], schema(&[id, amount, more]));
        assert_eq!(json!(work::rows(&admin, &dataset).await), json!([["007", 1.5, null]]));
        work::upload(&admin, &dataset, "id,새\n008,5\n").await.is(200);
        assert_eq!(json!(work::rows(&admin, &dataset).await), json!([["007", 1.5, null], ["008", null, 5]]));
        let first = admin.get(&format!("{one}?dataset_version=v1")).send().await.is(200).json();
        assert_eq!(first["schema"]["fields"].as_array().map(Vec::len), Some(2));
    })
    .await;
}

/// A PUT may send back what a GET gave; another type or collection is refused, and then nothing changes.
#[tokio::test]
async fn it_keeps_its_type_and_its_collection() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (collection, other) = (work::collection(&admin).await, work::collection(&admin).await);
        let inside = json!({"name": "안", "collection_id": collection});
        let put = |id: &str, body: &Value| admin.call("PUT", &format!("{ALL}/{id}")).json(body).send();
        let id = admin.post(ALL).json(&inside).send().await.is(200).text_of("id");
        let alone = work::dataset(&admin).await;
        let stream = admin.post(ALL).json(&json!({"name": "흐름", "type": "stream"})).send().await.is(200).text_of("id");
        for (id, field, value) in [
            (&id, "type", json!("stream")),
            (&id, "type", json!("kafka")),
            (&id, "type", json!("view")),
            (&id, "collection_id", json!(other)),
            (&id, "collection_id", json!("x")),
            (&id, "collection_id", Value::Null),
            (&alone, "collection_id", json!(collection)),
            (&stream, "type", json!("table")),
        ] {
            let before = admin.get(&format!("{ALL}/{id}")).send().await.is(200).text;
            let refused = put(id, &json!({"name": "새 이름", field: value})).await.is(422).json();
            assert_eq!(refused["detail"].as_array().map(Vec::len), Some(1), "{refused}");
            assert_eq!(refused["detail"][0]["loc"], json!(["body", field]), "{value}");
            assert_eq!(admin.get(&format!("{ALL}/{id}")).send().await.is(200).text, before);
        }
        for id in [&id, &alone, &stream] {
            let shown = admin.get(&format!("{ALL}/{id}")).send().await.is(200).json();
            let mut changed = shown.clone();
            changed["name"] = json!("새 이름");
            let answer = put(id, &changed).await.is(200).json();
            assert_eq!((&answer["name"], &answer["type"]), (&json!("새 이름"), &shown["type"]));
        }
        put(&id, &json!({"type": "delta"})).await.is(200);
        for path in ["/api/v1/pipelines", "/api/v1/codes"] {
            let one = format!("{path}/{}", admin.post(path).json(&inside).send().await.is(200).text_of("id"));
            let put = |body: &Value| admin.call("PUT", &one).json(body).send();
            for wrong in [json!(other), Value::Null] {
                let refused = put(&json!({"collection_id": wrong})).await.is(422).json();
                assert_eq!(refused["detail"][0]["loc"], json!(["body", "collection_id"]), "{path}");
            }
            put(&json!({"name": "새 이름", "collection_id": collection})).await.is(200);
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_has_no_table() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        for kind in ["stream", "kafka"] {
            let made = admin.post(ALL).json(&json!({"name": "흐름", "type": kind})).send().await.is(200);
            assert_eq!(made.text_of("type"), "stream");
            let id = made.text_of("id");
            for path in ["", "?format=csv", "/versions"] {
                admin.get(&format!("/api/v1/tables/{id}{path}")).send().await.is(409);
            }
            work::upload(&admin, &id, "a\n1\n").await.is(409);
            admin.post(&format!("/api/v1/tables/{id}/query")).json(&json!({"query": "SELECT 1"})).send().await.is(409);
        }
        admin.post(ALL).json(&json!({"name": "x", "type": "view"})).send().await.is(422);
    })
    .await;
}

#[tokio::test]
async fn the_deleted_is_gone_everywhere() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let id = work::dataset(&admin).await;
        work::upload(&admin, &id, "a\n1\n").await.is(200);
        let (_, _, other) = work::person(&admin, &[]).await;
        other.call("DELETE", &format!("{ALL}/{id}")).send().await.is(403);
        other.call("PUT", &format!("{ALL}/{id}")).json(&json!({"name": "내 것"})).send().await.is(403);
        admin.call("DELETE", &format!("{ALL}/{id}")).send().await.is(200);
        for path in [format!("datasets/{id}"), format!("datasets/{id}/versions"), format!("tables/{id}"), format!("tables/{id}/versions")] {
            admin.get(&format!("/api/v1/{path}")).send().await.is(404);
        }
        work::upload(&admin, &id, "a\n1\n").await.is(404);
        admin.post(&format!("/api/v1/tables/{id}/query")).json(&json!({"query": "SELECT 1"})).send().await.is(404);
        for method in ["PUT", "DELETE"] {
            admin.call(method, &format!("{ALL}/{id}")).json(&json!({})).send().await.is(404);
        }
    })
    .await;
}
