//! `DELETE /tables/{id}`: rows under conditions, never without one.

use madang_tests::{Answer, Client, on_every_hub, work};
use serde_json::{Value, json};

async fn delete(client: &Client, dataset: &str, query: &str) -> Answer {
    client.call("DELETE", &format!("/api/v1/tables/{dataset}?{query}")).send().await
}

async fn newest(client: &Client, dataset: &str) -> Value {
    client.get(&format!("/api/v1/tables/{dataset}/versions")).send().await.is(200).json()[0].clone()
}

async fn filled(client: &Client) -> String {
    let dataset = work::dataset(client).await;
    work::upload(client, &dataset, "id,이름,x\n1,가,1.5\n2,나,\n3,가,2.5\n").await.is(200);
    work::upload(client, &dataset, "id,이름,x\n4,,9\n5,마,-1\n").await.is(200);
    dataset
}

#[tokio::test]
async fn rows_that_meet_every_filter_go() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = filled(&admin).await;
        let before = newest(&admin, &dataset).await["version"].clone();
        delete(&admin, &dataset, "filter=이름:eq:가&filter=x:gt:2").await.is_exactly(200, r#"{"message":"Rows deleted","rows":1}"#);
        assert_eq!(json!(work::rows(&admin, &dataset).await), json!([[1, "가", 1.5], [2, "나", null], [4, null, 9.0], [5, "마", -1.0]]));
        let version = newest(&admin, &dataset).await;
        assert_eq!((&version["operation"], &version["readVersion"]), (&json!("DELETE"), &before));
        assert_eq!(version["operationParameters"], json!({"columns": "이름,x"}), "values may be what has to vanish");
        let old = admin.get(&format!("/api/v1/tables/{dataset}?version={before}")).send().await.is(200);
        assert_eq!(old.json()["total_rows"], 5);
        delete(&admin, &dataset, "filter=x:isnull:").await.is_exactly(200, r#"{"message":"Rows deleted","rows":1}"#);
        delete(&admin, &dataset, "filter=id:in:1,4,5").await.is_exactly(200, r#"{"message":"Rows deleted","rows":3}"#);
        work::page(&admin, &dataset, 1, 10).await.is_exactly(200, r#"{"columns":["id","이름","x"],"data":[],"total_rows":0}"#);
        work::upload(&admin, &dataset, "id\n6\n").await.is(200);
        assert_eq!(json!(work::rows(&admin, &dataset).await), json!([[6, null, null]]));
    })
    .await;
}

#[tokio::test]
async fn nothing_that_fits_is_no_version() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = filled(&admin).await;
        let before = newest(&admin, &dataset).await;
        delete(&admin, &dataset, "filter=id:gt:99").await.is_exactly(200, r#"{"message":"Rows deleted","rows":0}"#);
        assert_eq!(newest(&admin, &dataset).await, before);
        let bare = work::dataset(&admin).await;
        delete(&admin, &bare, "filter=id:gt:99").await.is(422);
        let declared = json!({"name": "빈", "schema": {"type": "struct", "fields": [{"name": "id", "type": "long"}]}});
        let declared = admin.post("/api/v1/datasets").json(&declared).send().await.is(200).text_of("id");
        delete(&admin, &declared, "filter=id:gt:99").await.is_exactly(200, r#"{"message":"Rows deleted","rows":0}"#);
    })
    .await;
}

#[tokio::test]
async fn bad_conditions_delete_nothing() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = filled(&admin).await;
        let before = newest(&admin, &dataset).await;
        for query in [
            "",
            "filter=",
            "filter=id",
            "filter=id:eq:x",
            "filter=id:is:1",
            "filter=id:eq:1&filter=y:eq:1",
            "filtre=id:eq:1&filter=id:eq:1",
        ] {
            let refused = delete(&admin, &dataset, query).await.is(422);
            assert_eq!(refused.json()["detail"][0]["loc"][0], "query", "{refused}");
        }
        delete(&admin, "ds-01h00000000000000000000000", "filter=id:eq:1").await.is(404);
        assert_eq!(newest(&admin, &dataset).await, before);
        let (_, _, reader) = work::person(&admin, &[]).await;
        delete(&reader, &dataset, "filter=id:eq:1").await.is(403);
        assert_eq!(work::total_rows(&admin, &dataset).await, 5);
    })
    .await;
}

/// A signed delete that is sent again deletes nothing that came since.
#[tokio::test]
async fn a_repeated_delete_has_one_effect() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = filled(&admin).await;
        let parallel = futures::future::join_all((0..3).map(|_| delete(&admin, &dataset, "filter=id:eq:2"))).await;
        let deleted: u64 =
            parallel.iter().filter(|answer| answer.status == 200).map(|answer| answer.json()["rows"].as_u64().unwrap_or(9)).sum();
        assert_eq!((deleted, work::total_rows(&admin, &dataset).await), (1, 4));
    })
    .await;
}
