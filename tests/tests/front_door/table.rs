//! Tables (dhub.md section 7): files of every format, filters, order, columns and versions, each compared with what was uploaded.

use madang_tests::{Answer, Client, FilePart, delimited, fixture, on_every_hub, work};
use serde_json::{Map, Value, json};

/// The types of the columns of `traffic_data.csv`.
const TRAFFIC: [&str; 8] = ["text", "text", "text", "int64", "double", "text", "int64", "text"];
const SMALL: &str = "id,이름,x,day\n1,가,1.5,2026-03-01\n2,나,,2026-03-02\n3,가,2.5,2026-02-28\n4,\"다,\"\"라\",9,2026-03-01\n5,,-1,\n";
const KINDS: [&str; 4] = ["int64", "text", "double", "text"];

async fn filled(client: &Client, text: &str) -> String {
    let dataset = work::dataset(client).await;
    work::upload(client, &dataset, text).await.is(200);
    dataset
}

async fn get(client: &Client, dataset: &str, query: &str) -> Answer {
    client.get(&format!("/api/v1/tables/{dataset}?{query}")).send().await
}

/// The first cells of the rows.
async fn ids(client: &Client, dataset: &str, query: &str) -> Vec<i64> {
    let body = get(client, dataset, query).await.is(200).json();
    let rows = body["data"].as_array().expect("rows");
    rows.iter().map(|row| row[0].as_i64().expect("an id")).collect()
}

#[tokio::test]
async fn files_hold_every_cell() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        for (text, kinds) in [(fixture("traffic_data.csv"), &TRAFFIC[..]), (SMALL.to_owned(), &KINDS)] {
            let dataset = filled(&admin, &text).await;
            let (names, rows) = (delimited::records(&text)[0].clone(), delimited::rows(&text, kinds));
            let csv = get(&admin, &dataset, "format=csv").await.is(200);
            assert!(csv.header("content-type").is_some_and(|kind| kind.starts_with("text/csv")), "{:?}", csv.headers);
            assert_eq!(delimited::records(&csv.text)[0], names);
            assert_eq!(delimited::rows(&csv.text, kinds), rows);
            let objects = get(&admin, &dataset, "format=json").await.is(200);
            assert_eq!(objects.header("content-type"), Some("application/json"));
            let object = |row: &Vec<Value>| Value::Object(names.iter().cloned().zip(row.iter().cloned()).collect::<Map<_, _>>());
            assert_eq!(objects.text, Value::Array(rows.iter().map(object).collect()).to_string(), "order of keys included");
            let page = get(&admin, &dataset, "format=json&page=2&page_size=2").await.is(200).json();
            assert_eq!(page, Value::Array(rows[2..4].iter().map(object).collect()));
        }
    })
    .await;
}

#[tokio::test]
async fn binary_files_are_what_they_say() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (dataset, empty) = (filled(&admin, SMALL).await, filled(&admin, "a,b\n").await);
        for dataset in [&dataset, &empty] {
            let parquet = get(&admin, dataset, "format=parquet").await.is(200);
            assert_eq!(parquet.header("content-type"), Some("application/vnd.apache.parquet"));
            assert!(parquet.bytes.starts_with(b"PAR1") && parquet.bytes.ends_with(b"PAR1") && parquet.bytes.len() > 12);
            let arrow = get(&admin, dataset, "format=arrow").await.is(200);
            assert_eq!(arrow.header("content-type"), Some("application/vnd.apache.arrow.stream"));
            assert!(arrow.bytes.starts_with(&[0xff; 4]) && arrow.bytes.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
        }
    })
    .await;
}

/// A table without rows or without columns is a file, too.
#[tokio::test]
async fn a_table_without_rows_is_a_file() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let declared =
            json!({"name": "빈", "schema": {"type": "struct", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "string"}]}});
        let declared = admin.post("/api/v1/datasets").json(&declared).send().await.is(200).text_of("id");
        let no_rows = filled(&admin, "a,b\n").await;
        for dataset in [&declared, &no_rows] {
            assert_eq!(get(&admin, dataset, "format=csv").await.is(200).text.trim_end(), "a,b");
            assert_eq!(get(&admin, dataset, "format=json").await.is(200).json(), json!([]));
            get(&admin, dataset, "").await.is_exactly(200, r#"{"columns":["a","b"],"data":[],"total_rows":0}"#);
        }
        let bare = work::dataset(&admin).await;
        for format in ["csv", "json", "parquet", "arrow"] {
            get(&admin, &bare, &format!("format={format}")).await.is(200);
        }
        assert_eq!(get(&admin, &bare, "format=json").await.text, "[]");
    })
    .await;
}

#[tokio::test]
async fn filters_keep_what_fits() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = filled(&admin, SMALL).await;
        let cases: [(&str, &[i64]); 20] = [
            ("id:eq:3", &[3]),
            ("id:ne:3", &[1, 2, 4, 5]),
            ("id:lt:3", &[1, 2]),
            ("id:le:3", &[1, 2, 3]),
            ("id:gt:3", &[4, 5]),
            ("id:ge:3", &[3, 4, 5]),
            ("id:in:1,4,9", &[1, 4]),
            ("x:ge:2", &[3, 4]),
            ("x:lt:0", &[5]),
            ("x:isnull:", &[2]),
            ("x:isnull:true", &[2]),
            ("이름:isnull", &[5]),
            ("이름:eq:가", &[1, 3]),
            ("이름:in:가,나", &[1, 2, 3]),
            ("이름:like:%25라%25", &[4]),
            ("이름:like:_", &[1, 2, 3]),
            ("day:eq:2026-03-01", &[1, 4]),
            ("day:lt:2026-03-01", &[3]),
            ("id:gt:1&filter=x:ge:2", &[3, 4]),
            ("id:gt:99", &[]),
        ];
        for (filter, wanted) in cases {
            let answer = get(&admin, &dataset, &format!("filter={filter}")).await.is(200).json();
            let found: Vec<_> = answer["data"].as_array().expect("rows").iter().map(|row| row[0].as_i64().expect("an id")).collect();
            assert_eq!((found.as_slice(), &answer["total_rows"]), (wanted, &json!(wanted.len())), "{filter}");
        }
        let page = get(&admin, &dataset, "filter=id:gt:1&page=2&page_size=3").await.is(200).json();
        assert_eq!((&page["total_rows"], &page["data"][0][0]), (&json!(4), &json!(5)), "all that fit are counted");
        let csv = get(&admin, &dataset, "filter=id:in:1,2&format=csv&columns=이름,id").await.is(200);
        assert_eq!(csv.text, "이름,id\r\n가,1\r\n나,2\r\n");
        let injected = get(&admin, &dataset, "filter=이름:eq:' OR 1=1 --").await.is(200).json();
        assert_eq!(injected["total_rows"], 0);
    })
    .await;
}

#[tokio::test]
async fn order_and_columns_are_as_wished() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = filled(&admin, SMALL).await;
        assert_eq!(ids(&admin, &dataset, "sort=-id").await, [5, 4, 3, 2, 1]);
        assert_eq!(ids(&admin, &dataset, "sort=day,-id&filter=day:ge:2026-01-01").await, [3, 4, 1, 2]);
        assert_eq!(ids(&admin, &dataset, "sort=-id&page=2&page_size=2").await, [3, 2]);
        assert_eq!(ids(&admin, &dataset, "sort=-x&filter=x:ge:-9&columns=id").await, [4, 3, 1, 5], "by a column that is not shown");
        get(&admin, &dataset, "columns=x,id&page_size=1")
            .await
            .is_exactly(200, r#"{"columns":["x","id"],"data":[[1.5,1]],"total_rows":5}"#);
        // equal values keep the order of ingestion
        assert_eq!(ids(&admin, &dataset, "sort=이름&filter=이름:eq:가").await, [1, 3]);
    })
    .await;
}

/// What is wrong with a column is told with the parameter that names it.
#[tokio::test]
async fn unknown_columns_are_told_where_they_stand() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let fields = json!([{"name": "id", "type": "long"}, {"name": "이름", "type": "string"}]);
        let declared = json!({"name": "빈", "schema": {"type": "struct", "fields": fields}});
        let declared = admin.post("/api/v1/datasets").json(&declared).send().await.is(200).text_of("id");
        for dataset in [&declared, &filled(&admin, SMALL).await] {
            for (query, wanted) in [
                ("sort=-없는", vec![("sort", "없는")]),
                ("sort=id,none", vec![("sort", "none")]),
                ("filter=none:eq:1", vec![("filter", "none")]),
                ("filter=id:eq:1&filter=none:isnull", vec![("filter", "none")]),
                ("columns=id,none", vec![("columns", "none")]),
                ("columns=id,id", vec![("columns", "id")]),
                ("filter=a:eq:1&sort=b,id&columns=c", vec![("filter", "a"), ("sort", "b"), ("columns", "c")]),
                ("filter=id:eq:x", vec![("filter", "id")]),
            ] {
                for format in ["", "&format=csv"] {
                    let refused = get(&admin, dataset, &format!("{query}{format}")).await.is(422).json();
                    let problems = refused["detail"].as_array().expect("a list");
                    assert_eq!(problems.len(), wanted.len(), "{query}: {refused}");
                    for (problem, (parameter, column)) in problems.iter().zip(&wanted) {
                        assert_eq!(problem["loc"], json!(["query", parameter]), "{query}");
                        assert!(problem["msg"].as_str().is_some_and(|text| text.contains(&format!("'{column}'"))), "{query}: {problem}");
                    }
                }
            }
            let refused = admin.call("DELETE", &format!("/api/v1/tables/{dataset}?filter=none:eq:1")).send().await.is(422).json();
            assert_eq!(refused["detail"][0]["loc"], json!(["query", "filter"]));
            assert!(refused["detail"][0]["msg"].as_str().is_some_and(|text| text.contains("'none'")), "{refused}");
        }
    })
    .await;
}

#[tokio::test]
async fn every_version_stays_readable() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = filled(&admin, "a\n1\n").await;
        work::upload(&admin, &dataset, "a\n2\n3\n").await.is(200);
        let overwrite = format!("/api/v1/tables/{dataset}/upload?mode=overwrite");
        admin.post(&overwrite).form(&[FilePart::csv("rows.csv", "a\n9\n")]).send().await.is(200);
        let versions = admin.get(&format!("/api/v1/tables/{dataset}/versions")).send().await.is(200).json();
        let versions = versions.as_array().expect("an array");
        let numbers: Vec<_> = versions.iter().map(|version| version["version"].as_i64().expect("a number")).collect();
        let newest = numbers[0];
        assert!(newest >= 2 && numbers == (0..=newest).rev().collect::<Vec<_>>(), "newest first: {numbers:?}");
        for version in versions {
            let keys: Vec<_> = version.as_object().expect("an object").keys().cloned().collect();
            assert_eq!(keys, ["version", "timestamp", "operation", "operationParameters", "readVersion"]);
            assert!(version["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
        }
        let modes: Vec<_> = versions.iter().take(3).map(|version| version["operationParameters"]["mode"].clone()).collect();
        assert_eq!(modes[..2], ["Overwrite", "Append"]);
        assert_eq!((&versions[0]["operation"], &versions[0]["readVersion"]), (&json!("WRITE"), &json!(newest - 1)));
        assert_eq!(versions.last().expect("one")["operation"], "CREATE TABLE");
        for (version, rows) in [(newest, vec![9]), (newest - 1, vec![1, 2, 3]), (newest - 2, vec![1])] {
            assert_eq!(ids(&admin, &dataset, &format!("version={version}")).await, rows, "version {version}");
        }
        get(&admin, &dataset, &format!("version={}", newest + 1)).await.is(404);
        assert_eq!(get(&admin, &dataset, &format!("version={}&format=csv", newest - 1)).await.is(200).text, "a\r\n1\r\n2\r\n3\r\n");
    })
    .await;
}

/// `/tables/schema` says what an upload would become, and keeps nothing.
#[tokio::test]
async fn a_schema_is_told_before_the_upload() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let text = "id,zip,x,yes,day,at,none\n1,06236,1.5,true,2026-03-01,2026-03-01T09:00:00Z,\n2,00100,,false,2026-03-02,2026-03-01T09:00:00Z,\n";
        for part in ["file", "files"] {
            let file = FilePart { part, ..FilePart::csv("a.csv", text) };
            let told = admin.post("/api/v1/tables/schema?format=csv").form(&[file]).send().await.is(200);
            let field = |name: &str, kind: &str, nullable: bool| json!({"name": name, "type": kind, "nullable": nullable});
            let fields = [
                field("id", "int64", false),
                field("zip", "string", false),
                field("x", "double", true),
                field("yes", "bool", false),
                field("day", "date32", false),
                field("at", "timestamp", false),
                field("none", "string", true),
            ];
            assert_eq!(told.json(), json!({"fields": fields}));
        }
        admin.post("/api/v1/tables/schema?format=csv").form(&[FilePart::csv("a.csv", "a,b\n1\n")]).send().await.is(422);
        admin.post("/api/v1/tables/schema?format=csv").form(&[]).send().await.is(422);
    })
    .await;
}
