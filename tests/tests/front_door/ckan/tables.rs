//! A package with several tables: D.Hub and Data Flow reach each by its resource's id, the primary one by the dataset's, too.

use madang_tests::{Answer, Client, FilePart, Hub, ckan::result, on_every_hub, work};
use serde_json::{Value, json};

use crate::data_flow::nodes::{Graphs, fields};

struct Package {
    client: Client,
    admin: Client,
    id: String,
    /// D.Hub's ids: of the dataset, and of the tables of its two resources.
    dataset: String,
    first: String,
    second: String,
    resources: [String; 2],
    organization: String,
}

impl Package {
    async fn new(hub: &Hub) -> Self {
        let (client, admin) = (hub.visitor().with(hub.ckan_token()), hub.admin().await);
        let name = work::unique("org");
        let organization = result(&client, "organization_create", &json!({"name": name, "title": name})).await;
        let dict = json!({"name": work::unique("p"), "title": "표 둘", "owner_org": organization["id"]});
        let package = result(&client, "package_create", &dict).await;
        let first = resource(&client, &package["id"], "하나", json!([{"k": "a", "v": 1}])).await;
        let second = resource(&client, &package["id"], "둘", json!([{"k": "b", "v": 2}])).await;
        Self {
            id: text(&package["id"]),
            dataset: dhub_id(&package["id"]),
            first: dhub_id(&json!(first)),
            second: dhub_id(&json!(second)),
            resources: [first, second],
            organization: name,
            client,
            admin,
        }
    }

    async fn upload(&self, table: &str, query: &str, text: &str) -> Answer {
        let target = format!("/api/v1/tables/{table}/upload?{query}");
        self.admin.post(&target).form(&[FilePart::csv("rows.csv", text)]).send().await
    }

    async fn records(&self, at: usize) -> Value {
        let dict = json!({"resource_id": self.resources[at], "records_format": "lists", "fields": "k,v", "sort": "k"});
        result(&self.client, "datastore_search", &dict).await["records"].clone()
    }
}

async fn resource(client: &Client, package: &Value, name: &str, records: Value) -> String {
    let fields = json!([{"id": "k", "type": "text"}, {"id": "v", "type": "int8"}]);
    let dict = json!({"resource": {"package_id": package, "name": name}, "fields": fields, "primary_key": "k", "records": records});
    text(&result(client, "datastore_create", &dict).await["resource_id"])
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// D.Hub's spelling of an id (dhub.md section 2): its 128 bits as 26 digits of Crockford's base 32.
fn dhub_id(id: &Value) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let bits = u128::from_str_radix(&text(id).replace('-', ""), 16).expect("an id");
    let digit = |at: u32| char::from(DIGITS[usize::try_from(bits >> (5 * at) & 31).expect("five bits")]);
    format!("ds-{}", (0..26).rev().map(digit).collect::<String>())
}

#[tokio::test]
async fn each_table_is_read_and_written_by_its_id() {
    on_every_hub(|hub| async move {
        let package = Package::new(&hub).await;
        let shown = package.admin.get(&format!("/api/v1/datasets/{}", package.dataset)).send().await.is(200).json();
        assert_eq!(shown["tables"], json!([{"id": package.dataset, "name": "하나"}, {"id": package.second, "name": "둘"}]));
        for (table, rows) in [(&package.dataset, json!([["a", 1]])), (&package.first, json!([["a", 1]])), (&package.second, json!([["b", 2]]))] {
            assert_eq!(json!(work::rows(&package.admin, table).await), rows);
        }
        package.upload(&package.second, "mode=append", "k,v\nc,3\n").await.is(200);
        package.upload(&package.second, "mode=merge&keys=k", "k,v\nb,20\nd,4\n").await.is(200);
        assert_eq!(package.records(1).await, json!([["b", 20], ["c", 3], ["d", 4]]));
        assert_eq!(package.records(0).await, json!([["a", 1]]), "the other one stays");
        let query = json!({"query": format!("SELECT sum(t.v) AS s, count(o.k) AS n FROM \"table\" t LEFT JOIN \"{}\" o ON o.k = t.k", package.dataset)});
        let sum = package.admin.post(&format!("/api/v1/tables/{}/query", package.second)).json(&query).send().await.is(200);
        assert_eq!(sum.json()["data"], json!([[27, 0]]));
        let target = format!("/api/v1/tables/{}", package.second);
        package.admin.call("DELETE", &format!("{target}?filter=v:ge:10")).send().await.is(200);
        assert_eq!(package.records(1).await, json!([["c", 3], ["d", 4]]));
        let versions = package.admin.get(&format!("{target}/versions")).send().await.is(200).json();
        assert_eq!(versions[0]["operation"], json!("DELETE"));
        let old = package.admin.get(&format!("{target}?version={}", versions[1]["version"])).send().await.is(200).json();
        assert_eq!(old["data"], json!([["b", 20], ["c", 3], ["d", 4]]));
    })
    .await;
}

#[tokio::test]
async fn the_first_upload_makes_a_resources_table() {
    on_every_hub(|hub| async move {
        let package = Package::new(&hub).await;
        let dict = json!({"package_id": package.id, "name": "셋", "url": "http://madang.test/"});
        let bare = result(&package.client, "resource_create", &dict).await["id"].clone();
        let table = dhub_id(&bare);
        let empty = package.admin.get(&format!("/api/v1/tables/{table}")).send().await.is(200).json();
        assert_eq!(empty, json!({"columns": [], "data": [], "total_rows": 0}));
        package.upload(&table, "mode=append", "x\n1.5\n").await.is(200);
        assert_eq!(json!(work::rows(&package.admin, &table).await), json!([[1.5]]));
        let shown = package.admin.get(&format!("/api/v1/datasets/{}", package.dataset)).send().await.is(200).json();
        assert_eq!(shown["tables"][2], json!({"id": table, "name": "셋"}));
        let resource = result(&package.client, "resource_show", &json!({"id": bare})).await;
        assert_eq!(resource["datastore_active"], json!(true));
        result(&package.client, "resource_delete", &json!({"id": bare})).await;
        for path in [format!("/api/v1/tables/{table}"), format!("/api/v1/tables/{table}/versions")] {
            package.admin.get(&path).send().await.is(404);
        }
        package.upload(&table, "mode=append", "x\n1.5\n").await.is(404);
    })
    .await;
}

/// A resource's table is as visible as its dataset.
#[tokio::test]
async fn a_table_of_a_hidden_package_is_absent() {
    on_every_hub(|hub| async move {
        let package = Package::new(&hub).await;
        let group = work::unique("g");
        let groups = json!({"groups": [group]});
        package.admin.call("PUT", &format!("/api/v1/datasets/{}", package.dataset)).json(&groups).send().await.is(200);
        let (_, _, stranger) = work::person(&package.admin, &[]).await;
        let (_, _, member) = work::person(&package.admin, &[&group]).await;
        for table in [&package.dataset, &package.first, &package.second] {
            let target = format!("/api/v1/tables/{table}");
            stranger.get(&target).send().await.is(404);
            stranger.get(&format!("{target}/versions")).send().await.is(404);
            stranger.post(&format!("{target}/query")).json(&json!({"query": "SELECT 1"})).send().await.is(404);
            stranger.call("DELETE", &format!("{target}?filter=v:ge:0")).send().await.is(404);
            stranger.post(&format!("{target}/upload")).form(&[FilePart::csv("a.csv", "k,v\nz,1\n")]).send().await.is(404);
            member.get(&target).send().await.is(200);
            member.call("DELETE", &format!("{target}?filter=v:ge:0")).send().await.is(403);
            member.post(&format!("{target}/upload")).form(&[FilePart::csv("a.csv", "k,v\nz,1\n")]).send().await.is(403);
        }
    })
    .await;
}

/// The DataStore's key holds whatever face writes.
#[tokio::test]
async fn a_key_holds_for_uploads() {
    on_every_hub(|hub| async move {
        let package = Package::new(&hub).await;
        let table = &package.second;
        package.upload(table, "mode=append", "k,v\nc,3\n").await.is(200);
        for (query, text) in [("mode=append", "k,v\nb,9\n"), ("mode=append", "k,v\nx,1\nx,2\n"), ("mode=overwrite", "k,v\nx,1\nx,2\n")] {
            let refused = package.upload(table, query, text).await.is(409);
            assert!(refused.text.contains("unique key is (k)"), "{query}: {refused}");
            assert_eq!(package.records(1).await, json!([["b", 2], ["c", 3]]), "{query} {text}");
        }
        package.upload(table, "mode=append", "k,v\n,5\n,6\n").await.is(200);
        package.upload(table, "mode=merge&keys=v", "k,v\nd,3\n").await.is(200);
        package.upload(table, "mode=merge&keys=v", "k,v\nb,3\n").await.is(409);
        package.upload(table, "mode=overwrite", "k,v\nb,1\nc,2\n").await.is(200);
        assert_eq!(package.records(1).await, json!([["b", 1], ["c", 2]]));
    })
    .await;
}

#[tokio::test]
async fn jobs_read_and_write_a_resources_table() {
    on_every_hub(|hub| async move {
        let (graphs, package) = (Graphs::new(&hub).await, Package::new(&hub).await);
        let node = |kind: &str, id: i64, parents: &[i64], table: &str| {
            json!({"type": kind, "id": id, "name": "표", "parentNodeIds": parents, "database": package.organization, "table": table,
                   "schemaVersion": "latest", "fieldList": fields(&["k:string", "v:bigint"])})
        };
        let source = node("SOURCE_CATALOG", 1, &[], &package.second);
        let mut target = node("TARGET_CATALOG", 2, &[1], &package.first);
        target["updateType"] = json!("APPEND");
        graphs.run(json!([source, target])).await;
        assert_eq!(package.records(0).await, json!([["a", 1], ["b", 2]]));
        let again = graphs.run_with(json!([source, target]), json!({})).await;
        assert_eq!(again["status"], "FAILED", "{again}");
        assert!(again.to_string().contains("unique key is (k)"), "{again}");
        assert_eq!(package.records(0).await, json!([["a", 1], ["b", 2]]));
        for (query, works) in
            [("SELECT v FROM daily", false), ("SELECT 'x' AS k, v FROM daily", false), ("SELECT upper(k) AS k, v FROM daily", true)]
        {
            let step = work::sql_step("step", query, &package.first, &[&package.second], "overwrite");
            let pipeline = work::pipeline(&package.admin, json!([step])).await;
            let (batch, ended) = work::run(&package.admin, &pipeline).await;
            let trace = work::trace(&package.admin, &batch).await.to_string();
            assert_eq!(ended.text_of("status") == "completed", works, "{query}: {trace}");
            assert!(works || trace.contains("unique key is (k)"), "{query}: {trace}");
        }
        assert_eq!(package.records(1).await, json!([["A", 1], ["B", 2]]));
    })
    .await;
}
