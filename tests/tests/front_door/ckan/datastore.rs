//! One table with several faces: a row that the DataStore takes is D.Hub's and Data Flow's at once, and the other way round.

use std::collections::BTreeSet;

use futures::future::join_all;
use madang_tests::{
    Client, Hub,
    ckan::{act, result},
    on_every_hub, work,
};
use serde_json::{Value, json};

use crate::data_flow::nodes::{Graphs, fields};

/// Statements that must be refused: they write, reach out, read what is not the caller's, or are none.
const HOSTILE: &str = include_str!("../../../ckan/hostile/statements.json");

/// A table with the key `k` and the whole number `v`.
struct Table {
    client: Client,
    admin: Client,
    id: String,
    /// D.Hub's id of its dataset.
    dataset: String,
    title: String,
    organization: String,
}

impl Table {
    async fn new(hub: &Hub, more: &Value) -> Self {
        let (client, admin) = (hub.visitor().with(hub.ckan_token()), hub.admin().await);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let (name, title) = (work::unique("org"), work::unique("표"));
        let organization = result(&client, "organization_create", &json!({"name": name, "title": name})).await;
        let dict = json!({"name": work::unique("p"), "title": title, "owner_org": organization["id"]});
        let package = result(&client, "package_create", &dict).await;
        let fields = json!([{"id": "k", "type": "text"}, {"id": "v", "type": "int8"}]);
        let mut dict = json!({"resource": {"package_id": package["id"]}, "fields": fields, "primary_key": "k"});
        dict.as_object_mut().expect("a dictionary").extend(more.as_object().expect("a dictionary").clone());
        let id = text(&result(&client, "datastore_create", &dict).await["resource_id"]);
        let datasets = admin.get(&format!("/api/v1/datasets?q={title}")).send().await.is(200).json();
        Self { client, admin, id, dataset: text(&datasets[0]["id"]), title, organization: name }
    }

    async fn upsert(&self, records: &Value) {
        result(&self.client, "datastore_upsert", &json!({"resource_id": self.id, "records": records})).await;
    }

    async fn records(&self) -> Value {
        let dict = json!({"resource_id": self.id, "records_format": "lists", "fields": "k,v", "sort": "_id"});
        result(&self.client, "datastore_search", &dict).await["records"].clone()
    }

    async fn page(&self) -> Value {
        json!(work::rows(&self.admin, &self.dataset).await)
    }

    async fn versions(&self) -> Vec<Value> {
        let list = self.admin.get(&format!("/api/v1/tables/{}/versions", self.dataset)).send().await.is(200).json();
        list.as_array().expect("a list").clone()
    }
}

#[tokio::test]
async fn an_upsert_is_everywhere_at_once_and_then_a_version() {
    on_every_hub(|hub| async move {
        let table = Table::new(&hub, &json!({"records": [{"k": "a", "v": 1}, {"k": "b", "v": 2}, {"k": "c", "v": 3}]})).await;
        assert_eq!(table.page().await, json!([["a", 1], ["b", 2], ["c", 3]]));
        let first = table.versions().await;
        assert!(!first.is_empty(), "reading the versions makes one");
        table.upsert(&json!([{"k": "b", "v": 20}, {"k": "d", "v": 4}])).await;
        result(&table.client, "datastore_records_delete", &json!({"resource_id": table.id, "filters": {"k": "a"}})).await;
        let wanted = json!([["b", 20], ["c", 3], ["d", 4]]);
        assert_eq!(table.page().await, wanted, "before any fold");
        let query = json!({"query": "SELECT sum(v) AS s, count(*) AS n FROM \"table\" WHERE v > 3"});
        let sum = table.admin.post(&format!("/api/v1/tables/{}/query", table.dataset)).json(&query).send().await.is(200);
        assert_eq!(sum.json()["data"], json!([[24, 2]]));
        let target = format!("/api/v1/tables/{}?filter=v:gt:3", table.dataset);
        let filtered = table.admin.get(&target).send().await.is(200).json();
        assert_eq!(filtered["data"], json!([["b", 20], ["d", 4]]));
        for (page, rows) in [(1, json!([["b", 20]])), (2, json!([["c", 3]])), (3, json!([["d", 4]])), (4, json!([]))] {
            let target = format!("/api/v1/tables/{}?page={page}&page_size=1", table.dataset);
            let answer = table.admin.get(&target).send().await.is(200).json();
            assert_eq!((&answer["data"], &answer["total_rows"]), (&rows, &json!(3)), "page {page}");
        }
        let second = table.versions().await;
        assert_eq!(second.len(), first.len() + 1, "{second:?}");
        assert_eq!(second[0]["operation"], json!("MERGE"));
        assert_eq!((table.page().await, table.records().await), (wanted.clone(), wanted), "after the fold");
        let old = format!("/api/v1/tables/{}?version={}", table.dataset, first[0]["version"]);
        let old = table.admin.get(&old).send().await.is(200).json();
        assert_eq!(old["data"], json!([["a", 1], ["b", 2], ["c", 3]]), "the older version stays");
        assert_eq!(table.versions().await.len(), second.len(), "nothing was left to fold");
    })
    .await;
}

#[tokio::test]
async fn what_dhub_does_the_datastore_shows() {
    on_every_hub(|hub| async move {
        let table = Table::new(&hub, &json!({"records": [{"k": "a", "v": 1}]})).await;
        let upload = async |query: &str, text: &str| {
            let target = format!("/api/v1/tables/{}/upload?{query}", table.dataset);
            let file = madang_tests::FilePart::csv("rows.csv", text);
            table.admin.post(&target).form(&[file]).send().await.is(200);
        };
        upload("mode=append", "k,v\nb,2\nc,3\n").await;
        assert_eq!(table.records().await, json!([["a", 1], ["b", 2], ["c", 3]]));
        table.upsert(&json!([{"k": "b", "v": 22}, {"k": "e", "v": 5}])).await;
        upload("mode=merge&keys=k", "k,v\ne,55\nf,6\n").await;
        assert_eq!(table.records().await, json!([["a", 1], ["b", 22], ["c", 3], ["e", 55], ["f", 6]]));
        let duplicate = json!({"resource_id": table.id, "method": "insert", "records": [{"k": "f", "v": 0}]});
        act(&table.client, "datastore_upsert", &duplicate).await.is(409);
        table.upsert(&json!([{"k": "g", "v": 7}])).await;
        let all = format!("/api/v1/tables/{}?filter=v:lt:50", table.dataset);
        table.admin.call("DELETE", &all).send().await.is(200);
        assert_eq!(table.records().await, json!([["e", 55]]));
        upload("mode=overwrite", "k,v\nz,0\n").await;
        assert_eq!((table.records().await, table.page().await), (json!([["z", 0]]), json!([["z", 0]])));
        table.upsert(&json!([{"k": "z", "v": 1}, {"k": "y", "v": 2}])).await;
        assert_eq!(table.records().await, json!([["z", 1], ["y", 2]]));
        let info = result(&table.client, "datastore_info", &json!({"id": table.id})).await;
        assert_eq!(info["meta"]["count"], json!(2));
    })
    .await;
}

#[tokio::test]
async fn a_table_of_dhub_is_one_of_the_datastore() {
    on_every_hub(|hub| async move {
        let (client, admin) = (hub.visitor().with(hub.ckan_token()), hub.admin().await);
        let dataset = work::dataset(&admin).await;
        work::upload(&admin, &dataset, "n,x,t\n1,1.5,가\n2,,나\n").await.is(200);
        let package = result(&client, "package_show", &json!({"id": dataset})).await;
        let id = package["resources"][0]["id"].clone();
        let found = result(&client, "datastore_search", &json!({"resource_id": id})).await;
        let fields =
            json!([{"id": "_id", "type": "int"}, {"id": "n", "type": "int8"}, {"id": "x", "type": "float8"}, {"id": "t", "type": "text"}]);
        assert_eq!(found["fields"], fields);
        assert_eq!(found["records"][1], json!({"_id": 2, "n": 2, "x": null, "t": "나"}));
        result(&client, "datastore_create", &json!({"resource_id": id, "primary_key": "n", "force": true})).await;
        let upsert = json!({"resource_id": id, "records": [{"n": 2, "x": 2.5}, {"n": 3, "t": "다"}]});
        result(&client, "datastore_upsert", &upsert).await;
        assert_eq!(json!(work::rows(&admin, &dataset).await), json!([[1, 1.5, "가"], [2, 2.5, "나"], [3, null, "다"]]));
        let words = result(&client, "datastore_search", &json!({"resource_id": id, "q": "나", "fields": "n"})).await;
        assert_eq!(words["records"], json!([{"n": 2}]));
    })
    .await;
}

#[tokio::test]
async fn a_job_that_starts_right_after_an_upsert_reads_it() {
    on_every_hub(|hub| async move {
        let graphs = Graphs::new(&hub).await;
        let table = Table::new(&hub, &json!({"records": [{"k": "a", "v": 1}]})).await;
        let source = json!({"type": "SOURCE_CATALOG", "id": 1, "name": "표", "parentNodeIds": [], "database": table.organization,
                            "table": table.title, "schemaVersion": "1", "fieldList": fields(&["k:string", "v:bigint"])});
        for (value, wanted) in [(10, "k,v\na,10\nb,10\n"), (11, "k,v\na,11\nb,11\n")] {
            table.upsert(&json!([{"k": "a", "v": value}, {"k": "b", "v": value}])).await;
            let place = format!("out-{value}");
            graphs.run(json!([source, graphs.target(1, &place, "CSV", &["k:string", "v:bigint"])])).await;
            let text = graphs.text(&place).await;
            assert_eq!(text, wanted);
        }
    })
    .await;
}

/// Each call writes all keys at once, so in every serial order the last one has written all.
#[tokio::test]
async fn many_writers_of_the_same_keys_leave_what_one_of_them_wrote_last() {
    const WRITERS: usize = 64;
    const KEYS: usize = 8;
    on_every_hub(|hub| async move {
        let table = Table::new(&hub, &json!({})).await;
        let writers = (0..WRITERS).map(|writer| {
            let mut keys: Vec<usize> = (0..KEYS).collect();
            keys.rotate_left(writer % KEYS);
            let records: Vec<Value> = keys.iter().map(|key| json!({"k": format!("k{key}"), "v": writer})).collect();
            let (client, id) = (table.client.clone(), table.id.clone());
            async move { act(&client, "datastore_upsert", &json!({"resource_id": id, "records": records})).await.is(200) }
        });
        let readers = (0..4).map(|_| table.versions()); // which fold meanwhile
        tokio::join!(join_all(writers), join_all(readers));
        let records = table.records().await;
        let rows = records.as_array().expect("rows");
        let values: BTreeSet<u64> = rows.iter().filter_map(|row| row[1].as_u64()).collect();
        assert_eq!((rows.len(), values.len()), (KEYS, 1), "{records}");
        let inserts = (0..WRITERS).map(|writer| {
            let (client, id) = (table.client.clone(), table.id.clone());
            let dict = json!({"resource_id": id, "method": "insert", "records": [{"k": "one", "v": writer}]});
            async move { act(&client, "datastore_upsert", &dict).await.status }
        });
        let statuses = join_all(inserts).await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 409)), "{statuses:?}");
        assert_eq!(table.records().await.as_array().map(Vec::len), Some(KEYS + 1));
    })
    .await;
}

#[tokio::test]
async fn hostile_statements_are_refused() {
    on_every_hub(|hub| async move {
        let public = Table::new(&hub, &json!({"fields": [{"id": "a", "type": "int"}], "primary_key": [], "records": [{"a": 1}]})).await;
        let private =
            Table::new(&hub, &json!({"fields": [{"id": "a", "type": "int"}], "primary_key": [], "records": [{"a": 7_654_321}]})).await;
        let alias = work::unique("alias");
        result(&private.client, "datastore_create", &json!({"resource_id": private.id, "aliases": alias})).await;
        let resource = result(&private.client, "resource_show", &json!({"id": private.id})).await;
        result(&private.client, "package_patch", &json!({"id": resource["package_id"], "private": true})).await;
        let statements: Vec<String> = serde_json::from_str(HOSTILE).expect("statements");
        assert!(statements.len() >= 200);
        let nobody = hub.visitor();
        let mut problems = Vec::new();
        for statement in statements {
            let sql = statement
                .replace("{public}", &public.id)
                .replace("{private}", &private.id)
                .replace("{PRIVATE}", &private.id.to_uppercase())
                .replace("{alias}", &alias);
            let answer = act(&nobody, "datastore_search_sql", &json!({"sql": sql})).await;
            if !(400..500).contains(&answer.status) || answer.text.contains("7654321") || answer.text.contains("root:") {
                problems.push(format!("{sql}: {answer}"));
            }
        }
        assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
        let still = result(&nobody, "datastore_search_sql", &json!({"sql": format!("SELECT a FROM \"{}\"", public.id)})).await;
        assert_eq!(still["records"], json!([{"a": 1}]));
    })
    .await;
}

/// More rows than single changes are kept for: they are written anew.
#[tokio::test]
async fn many_rows_come_and_go() {
    on_every_hub(|hub| async move {
        let table = Table::new(&hub, &json!({})).await;
        for start in [0_u64, 20_000, 40_000] {
            let records: Vec<Value> = (start..start + 20_000).map(|n| json!({"k": format!("k{n}"), "v": n})).collect();
            table.upsert(&json!(records)).await;
        }
        let count =
            async || result(&table.client, "datastore_search", &json!({"resource_id": table.id, "limit": 1})).await["total"].clone();
        assert_eq!(count().await, json!(60_000));
        let found = json!({"resource_id": table.id, "filters": {"v": {"gte": 59_998}}, "fields": "k", "sort": "v desc"});
        assert_eq!(result(&table.client, "datastore_search", &found).await["records"], json!([{"k": "k59999"}, {"k": "k59998"}]));
        let delete = json!({"resource_id": table.id, "filters": {"v": {"lt": 55_000}}});
        result(&table.client, "datastore_records_delete", &delete).await;
        assert_eq!(count().await, json!(5_000));
        table.upsert(&json!([{"k": "k59999", "v": 1}, {"k": "k0", "v": 0}])).await;
        assert_eq!(count().await, json!(5_001));
        let dump = table.client.get(&format!("/datastore/dump/{}?fields=k", table.id)).send().await.is(200);
        assert_eq!(dump.text.lines().count(), 5_002);
        assert!(!table.versions().await.is_empty());
        assert_eq!(count().await, json!(5_001));
    })
    .await;
}
