//! Tables of the catalogue as sources and targets (dataflow.md 4.6): by names, in numbered schema versions.

use madang_tests::{on_every_hub, work};
use serde_json::{Value, json};

use super::{
    demand_problem, name,
    nodes::{Graphs, fields},
    storage::put,
};

fn table(kind: &str, id: i64, parents: &[i64], names: (&str, &str), version: &str, columns: &[&str]) -> Value {
    json!({"type": kind, "id": id, "name": "표", "parentNodeIds": parents, "database": names.0, "table": names.1, "schemaVersion": version,
           "fieldList": fields(columns)})
}

#[tokio::test]
async fn tables_have_numbered_schemas_and_names() {
    on_every_hub(|hub| async move {
        let graphs = Graphs::new(&hub).await;
        let client = &graphs.flow.client;
        let (database, title) = (work::unique("교통"), work::unique("주문"));
        let collection = client.post("/api/v1/collections").json(&json!({"name": database})).send().await.is(200).text_of("id");
        let body = json!({"name": title, "collection_id": collection});
        let id = client.post("/api/v1/datasets").json(&body).send().await.is(200).text_of("id");
        let verify = async |version: &str, columns: &[&str], names: (&str, &str)| {
            let source = table("SOURCE_CATALOG", 1, &[], names, version, columns);
            let body = json!({"name": name("job"), "nodes": [source, graphs.target(1, "out", "CSV", columns)]});
            client.post("/api/v1/jobs/verify").json(&body).send().await
        };
        let own = (database.as_str(), title.as_str());
        demand_problem(&verify("1", &["n:bigint"], own).await, 400, "client-resource-not-found", "schemaVersion");
        work::upload(client, &id, "n\n1\n").await.is(200);
        work::upload(client, &id, "n\n2\n").await.is(200);
        let wider = [("n", "long"), ("나라", "string")].map(|(name, kind)| json!({"name": name, "type": kind}));
        let wider = json!({"schema": {"type": "struct", "fields": wider}});
        client.call("PUT", &format!("/api/v1/datasets/{id}")).json(&wider).send().await.is(200);
        work::upload(client, &id, "n,나라\n3,KR\n").await.is(200);
        for (version, columns, names) in [
            ("1", vec!["n:bigint"], own),
            ("2", vec!["n:bigint", "나라:string"], own),
            ("latest", vec!["나라:string"], (collection.as_str(), id.as_str())),
        ] {
            assert_eq!(verify(version, &columns, names).await.is(200).json(), json!(true), "{version}");
        }
        demand_problem(&verify("1", &["나라:string"], own).await, 400, "bad-parameter", "나라");
        demand_problem(&verify("3", &["n:bigint"], own).await, 400, "client-resource-not-found", "schemaVersion");
        demand_problem(&verify("0", &["n:bigint"], own).await, 400, "bad-parameter", "schemaVersion");
        demand_problem(&verify("1", &["n:bigint"], ("없는 곳", &title)).await, 400, "client-resource-not-found", "database");
        demand_problem(&verify("1", &["n:bigint"], (&database, "없는 표")).await, 400, "client-resource-not-found", "table");

        let source = table("SOURCE_CATALOG", 1, &[], own, "1", &["n:int"]);
        graphs.run(json!([source, graphs.target(1, "numbers", "CSV", &["n:int"])])).await;
        assert_eq!(super::storage::text(client, &graphs.bucket, "numbers").await, "n\r\n1\r\n2\r\n3\r\n");
    })
    .await;
}

#[tokio::test]
async fn a_table_is_written_and_keeps_its_columns() {
    on_every_hub(|hub| async move {
        let graphs = Graphs::new(&hub).await;
        let client = &graphs.flow.client;
        let collection = work::collection(client).await;
        let id = super::table(client, &collection, "n,나라,금액\n0,KR,1.5\n").await;
        put(client, &graphs.bucket, "in/1.csv", "나라,n\nUS,7\n,8\n").await;
        let source = graphs.source(1, "in", "CSV", &["나라:string", "n:string"]);
        let target = |mode: &str| {
            let mut target = table("TARGET_CATALOG", 2, &[1], (&collection, &id), "1", &["나라:string", "n:bigint"]);
            target["updateType"] = mode.into();
            target
        };
        graphs.run(json!([source, target("APPEND")])).await;
        let rows = json!([[0, "KR", 1.5], [7, "US", null], [8, null, null]]);
        assert_eq!(json!(work::rows(client, &id).await), rows);
        graphs.run(json!([source, target("IGNORE")])).await;
        assert_eq!(json!(work::rows(client, &id).await), rows);
        // The table itself, read and overwritten, beside an object.
        let own = table("SOURCE_CATALOG", 1, &[], (&collection, &id), "latest", &["n:bigint", "나라:string"]);
        let nodes = json!([own, {"type": "TRANSFORM_FILTER", "id": 3, "name": "f", "parentNodeIds": [1], "filterType": "AND",
                                 "filterConditionList": [{"name": "n", "operator": "GTE", "value": "7"}]},
                           {"type": "TARGET_CATALOG", "id": 2, "name": "표", "parentNodeIds": [3], "database": collection, "table": id, "schemaVersion": "1",
                            "fieldList": fields(&["n:bigint", "나라:string"])},
                           graphs.target(3, "beside", "JSON", &["n:bigint"])]);
        graphs.run(nodes).await;
        assert_eq!(json!(work::rows(client, &id).await), json!([[7, "US", null], [8, null, null]]));
        assert_eq!(super::storage::text(client, &graphs.bucket, "beside").await, "{\"n\":7}\n{\"n\":8}\n");
        let unknown = table("TARGET_CATALOG", 2, &[1], (&collection, &id), "1", &["없다:bigint"]);
        let body = json!({"name": name("job"), "nodes": [source, unknown]});
        demand_problem(&client.post("/api/v1/jobs/verify").json(&body).send().await, 400, "bad-parameter", "없다");
    })
    .await;
}
