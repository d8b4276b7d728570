//! Columns of a table that is there: what may change, what is kept beside them, and which options fit.

use madang_tests::{Answer, Client, FilePart, on_every_hub, work};
use serde_json::{Value, json};

fn schema(fields: &[(&str, &str)]) -> Value {
    let field = |(name, kind): &(&str, &str)| json!({"name": name, "type": kind, "nullable": true});
    json!({"schema": {"type": "struct", "fields": fields.iter().map(field).collect::<Vec<_>>()}})
}

async fn put(client: &Client, dataset: &str, body: &Value) -> Answer {
    client.call("PUT", &format!("/api/v1/datasets/{dataset}")).json(body).send().await
}

async fn get(client: &Client, dataset: &str) -> Value {
    client.get(&format!("/api/v1/datasets/{dataset}")).send().await.is(200).json()
}

async fn types(client: &Client, dataset: &str) -> Vec<String> {
    let fields = get(client, dataset).await["schema"]["fields"].clone();
    fields.as_array().expect("fields").iter().map(|field| field["type"].as_str().expect("a type").to_owned()).collect()
}

#[tokio::test]
async fn numbers_may_become_wider() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let declared = json!({"name": "수", "schema": {"type": "struct", "fields": [
            {"name": "i", "type": "integer"}, {"name": "l", "type": "long"}, {"name": "f", "type": "float"}]}});
        let dataset = admin.post("/api/v1/datasets").json(&declared).send().await.is(200).text_of("id");
        work::upload(&admin, &dataset, "i,l,f\n1,9007199254740992,0.5\n").await.is(200);
        work::upload(&admin, &dataset, "i,l,f\n2,,-0.25\n").await.is(200);
        work::upload(&admin, &dataset, "i,l,f\n1.5,1,1\n").await.is(422);
        let wide = put(&admin, &dataset, &schema(&[("i", "long"), ("l", "double"), ("f", "double"), ("새", "string")])).await.is(200);
        assert_eq!(wide.json()["schema"]["fields"][1]["type"], "double");
        assert_eq!(types(&admin, &dataset).await, ["long", "double", "double", "string"]);
        assert_eq!(json!(work::rows(&admin, &dataset).await), json!([[1, 9_007_199_254_740_992.0, 0.5, null], [2, null, -0.25, null]]));
        work::upload(&admin, &dataset, "i,l,f\n9007199254740993,1.5,1e300\n").await.is(200);
        let versions = admin.get(&format!("/api/v1/tables/{dataset}/versions")).send().await.is(200).json();
        let narrow = versions[1]["readVersion"].as_i64().expect("the version before");
        let old = admin.get(&format!("/api/v1/tables/{dataset}?version={narrow}")).send().await.is(200);
        assert_eq!(old.text, r#"{"columns":["i","l","f"],"data":[[1,9007199254740992,0.5],[2,null,-0.25]],"total_rows":2}"#);
        put(&admin, &dataset, &schema(&[("i", "double"), ("l", "double"), ("f", "double"), ("새", "string")])).await.is(409);
        assert_eq!(types(&admin, &dataset).await, ["long", "double", "double", "string"], "9007199254740993 is no double");
    })
    .await;
}

#[tokio::test]
async fn nothing_else_may_change() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        work::upload(&admin, &dataset, "a,b,c\n1,1.5,x\n").await.is(200);
        let before = get(&admin, &dataset).await;
        let refused = [
            schema(&[("a", "integer"), ("b", "double"), ("c", "string")]),
            schema(&[("a", "string"), ("b", "double"), ("c", "string")]),
            schema(&[("a", "float"), ("b", "double"), ("c", "string")]),
            schema(&[("a", "long"), ("b", "float"), ("c", "string")]),
            schema(&[("a", "long"), ("b", "double")]),
            schema(&[("a", "long"), ("b", "double"), ("c", "long")]),
            json!({"schema": {"type": "struct", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "double"},
                {"name": "c", "type": "string"}, {"name": "d", "type": "string", "nullable": false}]}}),
        ];
        for body in refused {
            put(&admin, &dataset, &body).await.is(409);
            assert_eq!(get(&admin, &dataset).await, before);
        }
        let versions = admin.get(&format!("/api/v1/tables/{dataset}/versions")).send().await.is(200).json();
        assert_eq!(versions.as_array().map(Vec::len), Some(2));
    })
    .await;
}

/// What somebody wrote beside a column stays, whatever uploads do.
#[tokio::test]
async fn metadata_of_columns_stay() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let field = |name: &str, metadata: Value| json!({"name": name, "type": "long", "nullable": true, "metadata": metadata});
        let told = json!({"단위": "대", "keys": [1, {"b": null}], "a": 1});
        let body = |fields: &[Value]| json!({"name": "메타", "schema": {"type": "struct", "fields": fields}});
        let made = admin.post("/api/v1/datasets").json(&body(&[field("n", told.clone()), field("m", json!({}))])).send().await.is(200);
        let dataset = made.text_of("id");
        assert_eq!(made.json()["schema"]["fields"][0]["metadata"].to_string(), told.to_string(), "order of keys included");
        let seen = || async { get(&admin, &dataset).await["schema"]["fields"].clone() };
        work::upload(&admin, &dataset, "n,m\n1,2\n").await.is(200);
        assert_eq!(seen().await, json!([field("n", told.clone()), field("m", json!({}))]));
        put(&admin, &dataset, &schema(&[("n", "double"), ("m", "long"), ("새", "long")])).await.is(200);
        assert_eq!(seen().await[0], json!({"name": "n", "type": "double", "nullable": true, "metadata": told}));
        put(&admin, &dataset, &json!({"description": "설명"})).await.is(200);
        let replaced = [json!({"name": "n", "type": "double", "metadata": {}}), field("m", json!({"x": 1})), field("새", json!({}))];
        put(&admin, &dataset, &json!({"schema": {"type": "struct", "fields": replaced}})).await.is(200);
        assert_eq!((seen().await[0]["metadata"].clone(), seen().await[1]["metadata"].clone()), (json!({}), json!({"x": 1})));
        let overwrite = format!("/api/v1/tables/{dataset}/upload?mode=overwrite");
        admin.post(&overwrite).form(&[FilePart::csv("rows.csv", "m\n3\n")]).send().await.is(200);
        assert_eq!(seen().await[1]["metadata"], json!({"x": 1}));
        for wrong in [json!([]), json!("x"), json!({"x": "y".repeat(5_000)})] {
            let body = json!({"schema": {"type": "struct", "fields": [{"name": "n", "type": "double", "metadata": wrong}]}});
            let refused = put(&admin, &dataset, &body).await;
            assert_eq!(refused.is(422).json()["detail"][0]["loc"], json!(["body", "schema", "fields", 0, "metadata"]));
        }
    })
    .await;
}

#[tokio::test]
async fn options_must_fit() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let body = |options: Value| {
            let mut body = schema(&[("region", "string"), ("order_date", "date")]);
            body["name"] = json!("주문");
            body["options"] = options;
            body
        };
        let good = json!({"partitions": "region,order_date", "log_retention_duration": "interval 7 days",
            "deleted_file_retention_duration": "interval 30 days", "own": {"a": 1}});
        let made = admin.post("/api/v1/datasets").json(&body(good.clone())).send().await.is(200);
        assert_eq!(made.json()["options"], good);
        let dataset = made.text_of("id");
        let wrong = [
            (json!({"partitions": 1}), "partitions"),
            (json!({"log_retention_duration": "7 days"}), "log_retention_duration"),
            (json!({"deleted_file_retention_duration": "interval -7 days"}), "deleted_file_retention_duration"),
            (json!({"deleted_file_retention_duration": 7}), "deleted_file_retention_duration"),
        ];
        for (options, name) in wrong {
            for refused in [
                admin.post("/api/v1/datasets").json(&body(options.clone())).send().await.is(422),
                put(&admin, &dataset, &json!({"options": options})).await.is(422),
            ] {
                assert_eq!(refused.json()["detail"][0]["loc"], json!(["body", "options", name]), "{refused}");
            }
        }
        assert_eq!(get(&admin, &dataset).await["options"], good);
    })
    .await;
}

/// A question about a table that has no rows yet is answered as it will be later.
#[tokio::test]
async fn questions_before_the_first_upload_are_checked() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let mut body = schema(&[("a", "long"), ("b", "string")]);
        body["name"] = json!("빈");
        let declared = admin.post("/api/v1/datasets").json(&body).send().await.is(200).text_of("id");
        let bare = work::dataset(&admin).await;
        let look = |dataset: &str, query: &str| admin.get(&format!("/api/v1/tables/{dataset}?{query}")).send();
        for query in ["columns=a,x", "filter=x:eq:1", "sort=x", "sort=-x", "filter=a:eq:text", "columns=a,a"] {
            look(&declared, query).await.is(422);
            look(&bare, query).await.is(422);
        }
        for dataset in [&declared, &bare] {
            look(dataset, "version=0").await.is(404);
            look(dataset, "version=7&format=csv").await.is(404);
            look(dataset, "page=3").await.is(200);
        }
        look(&declared, "columns=b&filter=a:gt:1&sort=-a").await.is_exactly(200, r#"{"columns":["b"],"data":[],"total_rows":0}"#);
    })
    .await;
}
