//! Nodes of jobs (dataflow.md section 4): every transform with nulls, duplicates, empty input and Korean names; targets; parameters.

use madang_tests::{Hub, on_every_hub};
use serde_json::{Value, json};

use super::{
    Flow, demand_problem, job, name,
    storage::{self, keys, put, text},
};

/// Orders with a null, a value that is no number, a duplicate and an empty text; the second file has no header.
const ORDERS: &str = "주문,금액,나라\n1,100,KR\n2,,US\n3,abc,KR\n3,abc,KR\n,5,\n4,-7,\"\"\n";
const MORE: &str = "9,900,KR\n";

pub(crate) struct Graphs {
    pub(super) flow: Flow,
    pub(crate) bucket: String,
}

/// Columns of a node.
pub(crate) fn fields(list: &[&str]) -> Value {
    list.iter().map(|entry| entry.split_once(':').map(|(name, kind)| json!({"name": name, "type": kind})).expect("name:type")).collect()
}

const COLUMNS: [&str; 3] = ["주문:bigint", "금액:int", "나라:string"];

impl Graphs {
    pub(crate) async fn new(hub: &Hub) -> Self {
        let flow = Flow::new(hub).await;
        let bucket = storage::bucket(&flow.client).await;
        put(&flow.client, &bucket, "raw/orders/1.csv", ORDERS).await;
        put(&flow.client, &bucket, "raw/orders/2.csv", MORE).await;
        put(&flow.client, &bucket, "raw/orders2/1.csv", "주문,금액,나라\n77,1,JP\n").await;
        put(&flow.client, &bucket, "raw/orders/_SUCCESS", "x").await;
        Self { flow, bucket }
    }

    pub(crate) fn source(&self, id: i64, prefix: &str, kind: &str, columns: &[&str]) -> Value {
        json!({"type": "SOURCE_OBS", "id": id, "name": "원본 읽기", "parentNodeIds": [], "regionNo": "1", "bucketName": self.bucket,
               "prefix": prefix, "dataType": kind, "fieldList": fields(columns)})
    }

    pub(crate) fn target(&self, parent: i64, prefix: &str, kind: &str, columns: &[&str]) -> Value {
        json!({"type": "TARGET_OBS", "id": 1_000 + parent, "name": "쓰기", "parentNodeIds": [parent], "regionNo": "1",
               "bucketName": self.bucket, "prefix": prefix, "dataType": kind, "fieldList": fields(columns)})
    }

    /// Runs a job that must complete.
    pub(crate) async fn run(&self, nodes: Value) -> Value {
        let ended = self.run_with(nodes, json!({})).await;
        assert_eq!(ended["status"], "COMPLETED", "{ended}");
        ended
    }

    pub(crate) async fn run_with(&self, nodes: Value, parameters: Value) -> Value {
        let job = self.flow.job(nodes).await;
        let body = json!({"parameters": parameters});
        let started = self.flow.client.post(&format!("/api/v1/jobs/{job}/executions")).json(&body).send().await.is(200);
        self.flow.ended(&job, &started.text_of("jobExecutionId")).await
    }

    /// What one transform makes of the orders, as CSV.
    async fn through(&self, transform: Value, columns: &[&str]) -> String {
        self.of("raw/orders", transform, columns).await
    }

    async fn of(&self, prefix: &str, mut transform: Value, columns: &[&str]) -> String {
        transform["id"] = 2.into();
        transform["name"] = "변환".into();
        transform["parentNodeIds"] = json!([1]);
        let into = name("out");
        self.run(json!([self.source(1, prefix, "CSV", &COLUMNS), transform, self.target(2, &into, "CSV", columns)])).await;
        text(&self.flow.client, &self.bucket, &into).await.replace("\r\n", "\n")
    }

    /// The text of all objects below a prefix.
    pub(crate) async fn text(&self, prefix: &str) -> String {
        text(&self.flow.client, &self.bucket, prefix).await.replace("\r\n", "\n")
    }
}

#[tokio::test]
async fn transforms_of_one_input() {
    on_every_hub(|hub| async move {
        let graphs = Graphs::new(&hub).await;
        let filter = |kind: &str, list: Value| json!({"type": "TRANSFORM_FILTER", "filterType": kind, "filterConditionList": list});
        let is = |name: &str, operator: &str, value: &str| json!({"name": name, "operator": operator, "value": value});
        let cases = [
            (filter("AND", json!([is("나라", "NE", "KR")])), "주문,금액,나라\n2,,US\n4,-7,\"\"\n"),
            (filter("OR", json!([is("금액", "GTE", "900"), is("금액", "LT", "0")])), "주문,금액,나라\n4,-7,\"\"\n9,900,KR\n"),
            (filter("AND", json!([is("주문", "LTE", "3"), is("금액", "GT", "1")])), "주문,금액,나라\n1,100,KR\n"),
            (
                json!({"type": "TRANSFORM_DROP_DUPLICATION", "dropFieldList": ["나라"]}),
                "주문,금액,나라\n1,100,KR\n2,,US\n,5,\n4,-7,\"\"\n",
            ),
            (
                json!({"type": "TRANSFORM_DROP_DUPLICATION", "dropFieldList": []}),
                "주문,금액,나라\n1,100,KR\n2,,US\n3,,KR\n,5,\n4,-7,\"\"\n9,900,KR\n",
            ),
            (
                json!({"type": "TRANSFORM_FILL_MISSING_VALUES", "missingValueFieldList": [{"name": "금액", "defaultValue": "-1"}, {"name": "나라", "defaultValue": "없음"}]}),
                "주문,금액,나라\n1,100,KR\n2,-1,US\n3,-1,KR\n3,-1,KR\n,5,없음\n4,-7,\"\"\n9,900,KR\n",
            ),
            (
                json!({"type": "TRANSFORM_DEFINE", "defineFieldList": [{"name": "금액", "newType": "tinyint", "newName": "금액"}]}),
                "주문,금액,나라\n1,100,KR\n2,,US\n3,,KR\n3,,KR\n,5,\n4,-7,\"\"\n9,,KR\n",
            ),
        ];
        for (transform, made) in cases {
            assert_eq!(graphs.through(transform.clone(), &COLUMNS).await, made, "{transform}");
            assert_eq!(graphs.of("none", transform.clone(), &COLUMNS).await, "주문,금액,나라\n", "{transform}");
        }
        let swap = json!({"type": "TRANSFORM_RENAME", "renameFieldList": [{"name": "주문", "newName": "금액"}, {"name": "금액", "newName": "주문"}]});
        assert!(graphs.through(swap, &["주문:int", "금액:bigint"]).await.starts_with("주문,금액\n100,1\n,2\n,3\n"));
        let select = json!({"type": "TRANSFORM_SELECT", "fieldList": fields(&["나라:string", "주문:bigint"])});
        assert!(graphs.through(select, &["나라:string", "주문:bigint"]).await.starts_with("나라,주문\nKR,1\nUS,2\n"));
    })
    .await;
}

#[tokio::test]
async fn aggregates() {
    on_every_hub(|hub| async move {
        let graphs = Graphs::new(&hub).await;
        let all = |function: &str| json!({"name": "금액", "ResultName": function, "function": function});
        let results: Vec<Value> = ["SUM", "AVG", "MAX", "MIN", "COUNT"].iter().map(|function| all(function)).collect();
        let aggregate = |by: Value| json!({"type": "TRANSFORM_AGGREGATE", "groupByList": by, "aggregateFieldList": results});
        let numbers = ["SUM:bigint", "AVG:double", "MAX:int", "MIN:int", "COUNT:bigint"];
        let by_country: Vec<&str> = ["나라:string"].into_iter().chain(numbers).collect();
        assert_eq!(
            graphs.through(aggregate(json!(["나라"])), &by_country).await,
            "나라,SUM,AVG,MAX,MIN,COUNT\n\"\",-7,-7.0,-7,-7,1\nKR,1000,500.0,900,100,2\nUS,,,,,0\n,5,5.0,5,5,1\n"
        );
        assert_eq!(graphs.through(aggregate(json!([])), &numbers).await, "SUM,AVG,MAX,MIN,COUNT\n998,249.5,900,-7,4\n");
        assert_eq!(graphs.of("none", aggregate(json!([])), &numbers).await, "SUM,AVG,MAX,MIN,COUNT\n,,,,0\n");
        assert_eq!(graphs.of("none", aggregate(json!(["나라"])), &by_country).await, "나라,SUM,AVG,MAX,MIN,COUNT\n");

        put(&graphs.flow.client, &graphs.bucket, "wide/1.csv", "n,d\n9223372036854775807,1.10\n1,2.25\n").await;
        let sum = |column: &str| {
            json!({"type": "TRANSFORM_AGGREGATE", "id": 2, "name": "합", "parentNodeIds": [1], "groupByList": [],
                   "aggregateFieldList": [{"name": column, "resultName": "s", "function": "SUM"}]})
        };
        let source = graphs.source(1, "wide", "CSV", &["n:bigint", "d:decimal(5,2)"]);
        graphs.run(json!([source, sum("d"), graphs.target(2, "exact", "JSON", &["s:decimal(20,2)"])])).await;
        assert_eq!(graphs.text("exact").await, "{\"s\":3.35}\n");
        let failed = graphs.run_with(json!([source, sum("n"), graphs.target(2, "never", "CSV", &["s:bigint"])]), json!({})).await;
        assert_eq!(failed["status"], "FAILED", "{failed}");
        assert!(keys(&graphs.flow.client, &graphs.bucket, "never").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn joins_and_unions() {
    on_every_hub(|hub| async move {
        let graphs = Graphs::new(&hub).await;
        let client = &graphs.flow.client;
        put(client, &graphs.bucket, "left/1.csv", "k,v\n1,a\n2,b\n,n\n2,B\n").await;
        put(client, &graphs.bucket, "right/1.csv", "k,v\n2,x\n3,y\n,z\n").await;
        let (left, right) = (graphs.source(1, "left", "CSV", &["k:int", "v:string"]), graphs.source(2, "right", "CSV", &["k:bigint", "v:string"]));
        let columns = ["k:int", "v:string", "right_k:bigint", "right_v:string"];
        for (kind, operator, rows) in [
            ("INNER", "EQ", vec!["2,B,2,x", "2,b,2,x"]),
            ("LEFT_OUTER", "EQ", vec![",n,,", "1,a,,", "2,B,2,x", "2,b,2,x"]),
            ("RIGHT_OUTER", "EQ", vec![",,,z", ",,3,y", "2,B,2,x", "2,b,2,x"]),
            ("FULL_OUTER", "EQ", vec![",,,z", ",,3,y", ",n,,", "1,a,,", "2,B,2,x", "2,b,2,x"]),
            ("INNER", "LT", vec!["1,a,2,x", "1,a,3,y", "2,B,3,y", "2,b,3,y"]),
        ] {
            let join = json!({"type": "TRANSFORM_JOIN", "id": 3, "name": "조인", "parentNodeIds": [1, 2], "joinType": kind, "leftNodeId": 1, "rightNodeId": 2,
                "joinConditionList": [{"leftField": "k", "rightField": "k", "joinOperator": operator, "conditionOperator": "HEAD"}]});
            let into = name("join");
            graphs.run(json!([left, right, join, graphs.target(3, &into, "CSV", &columns)])).await;
            let made = graphs.text(&into).await;
            let mut lines: Vec<&str> = made.lines().skip(1).collect();
            lines.sort_unstable();
            assert_eq!(lines, rows, "{kind} {operator}");
        }
        let other = graphs.source(2, "left", "CSV", &["v:string", "k:bigint"]);
        for (kind, made) in [("ALL", "k,v\n1,a\n2,b\n,n\n2,B\n1,a\n2,b\n,n\n2,B\n"), ("DISTINCT", "k,v\n1,a\n2,b\n,n\n2,B\n")] {
            let union = json!({"type": "TRANSFORM_UNION", "id": 3, "name": "합치기", "parentNodeIds": [1, 2], "unionType": kind});
            let into = name("union");
            graphs.run(json!([left, other, union, graphs.target(3, &into, "CSV", &["k:bigint", "v:string"])])).await;
            assert_eq!(graphs.text(&into).await, made, "{kind}");
        }
    })
    .await;
}

#[tokio::test]
async fn statements_and_parameters() {
    on_every_hub(|hub| async move {
        let graphs = Graphs::new(&hub).await;
        let sql = |text: &str| json!({"type": "TRANSFORM_SQL", "id": 2, "name": "sql", "parentNodeIds": [1], "sql": text,
                                      "sourceNameList": [{"parentId": 1, "newName": "주문표"}]});
        let source = graphs.source(1, "${root}/orders", "CSV", &COLUMNS);
        let text = "WITH k AS (SELECT * FROM 주문표 WHERE 나라 = '${country}') SELECT 나라, count(*) AS n FROM k WHERE 금액 > ${least} GROUP BY 나라";
        let nodes = json!([source, sql(text), graphs.target(2, "sql/${day}", "CSV", &["나라:string", "n:bigint"])]);
        let parameters = json!({"root": "raw", "country": "KR", "least": 50, "day": "2026-03-01"});
        let ended = graphs.run_with(nodes.clone(), parameters).await;
        assert_eq!(ended["status"], "COMPLETED", "{ended}");
        assert_eq!(graphs.text("sql/2026-03-01/").await, "나라,n\nKR,2\n");
        let evil = json!({"root": "raw", "country": "x' OR '1'='1", "least": "0", "day": "evil"});
        assert_eq!(graphs.run_with(nodes.clone(), evil).await["status"], "COMPLETED");
        assert_eq!(graphs.text("sql/evil/").await, "나라,n\n");

        for text in ["DROP TABLE 주문표", "SELECT 1; SELECT 2", "INSERT INTO 주문표 VALUES (1)", "SELECT * FROM 다른것", "COPY 주문표 TO '/tmp/x'", "SELECT 없다 FROM 주문표",
                     "SELECT * FROM '/etc/passwd'", "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'", "SELECT 금액 AS a, 주문 AS A FROM 주문표"] {
            let body = json!({"name": name("job"), "nodes": [source, sql(text), graphs.target(2, "x", "CSV", &["a:bigint"])]});
            let answer = graphs.flow.client.post("/api/v1/jobs").json(&body).send().await;
            demand_problem(&answer, 400, "bad-parameter", "sql");
            assert_eq!(answer.json()["errors"][0]["nodeId"], 2, "{answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_source_prefix_may_be_overwritten() {
    on_every_hub(|hub| async move {
        let graphs = Graphs::new(&hub).await;
        let source = graphs.source(1, "raw/orders", "CSV", &COLUMNS);
        let mut target = graphs.target(1, "raw/orders", "CSV", &COLUMNS);
        target["coalesce"] = 2.into();
        let ended = graphs.run(json!([source, target])).await;
        let stats = ended["nodeStats"].as_array().expect("statistics");
        assert_eq!((&stats[0]["rowsOut"], &stats[0]["badValues"], &stats[1]["rowsIn"]), (&json!(7), &json!(2), &json!(7)), "{ended}");
        let written = keys(&graphs.flow.client, &graphs.bucket, "raw/orders/").await;
        assert_eq!(written.len(), 3, "two files and what is no data: {written:?}");
        let execution = ended["jobExecutionId"].as_str().expect("an id");
        assert_eq!(written[1], format!("raw/orders/part-00000-{execution}.csv"));
        assert_eq!(keys(&graphs.flow.client, &graphs.bucket, "raw/orders2/").await.len(), 1, "another prefix");
        let rows = "1,100,KR\n2,,US\n3,,KR\n3,,KR\n,5,\n4,-7,\"\"\n9,900,KR\n";
        assert_eq!(graphs.text("raw/orders/part").await.replace("주문,금액,나라\n", ""), rows);

        target["updateType"] = "APPEND".into();
        graphs.run(json!([source, target])).await;
        assert_eq!(graphs.text("raw/orders/part").await.lines().filter(|line| line.contains("KR")).count(), 8);
        let before = keys(&graphs.flow.client, &graphs.bucket, "raw/").await;
        target["updateType"] = "IGNORE".into();
        graphs.run(json!([source, target])).await;
        assert_eq!(keys(&graphs.flow.client, &graphs.bucket, "raw/").await, before);

        // One target fails: nothing of the other is published, and the old data stays.
        target["updateType"] = "OVERWRITE".into();
        let bad = json!({"type": "TRANSFORM_SQL", "id": 9, "name": "나누기", "parentNodeIds": [1], "sql": "SELECT 1 / (주문 - 주문) AS n FROM t",
                         "sourceNameList": [{"parentId": 1, "newName": "t"}]});
        let failed = graphs.run_with(json!([source, bad, target, graphs.target(9, "never", "CSV", &["n:bigint"])]), json!({})).await;
        assert_eq!(failed["status"], "FAILED", "{failed}");
        assert_eq!(keys(&graphs.flow.client, &graphs.bucket, "raw/").await, before);
    })
    .await;
}

#[tokio::test]
async fn every_format_and_type_comes_back() {
    on_every_hub(|hub| async move {
        let graphs = Graphs::new(&hub).await;
        let columns = ["참:boolean", "t:tinyint", "s:smallint", "i:int", "l:bigint", "f:float", "d:double", "글:string", "날:date", "시:timestamp", "순간:timestampWithTimeZone",
                       "돈:decimal(20,4)", "바:binary", "구조:struct"];
        let line = "{\"참\":true,\"t\":-128,\"s\":32767,\"i\":-5,\"l\":9007199254740993,\"f\":0.5,\"d\":1e+300,\"글\":\"쉼표, \\\"따옴표\\\"\",\"날\":\"2024-02-29\",\
                    \"시\":\"2026-03-01T05:00:00.25\",\"순간\":\"2026-03-01T05:00:00Z\",\"돈\":1234567890123456.7891,\"바\":\"AP8=\",\"구조\":{\"a\":[1,null]}}\n";
        let nothing = "{\"참\":null,\"t\":null,\"s\":null,\"i\":null,\"l\":null,\"f\":null,\"d\":null,\"글\":null,\"날\":null,\"시\":null,\"순간\":null,\"돈\":null,\"바\":null,\"구조\":null}\n";
        put(&graphs.flow.client, &graphs.bucket, "types/1.json", format!("{line}{nothing}")).await;
        let mut from = "types".to_owned();
        for kind in ["PARQUET", "CSV", "JSON"] {
            let before = if from == "types" { "NDJSON" } else if from.ends_with("PARQUET") { "PARQUET" } else { "CSV" };
            let into = format!("types-{kind}");
            let ended = graphs.run(json!([graphs.source(1, &from, before, &columns), graphs.target(1, &into, kind, &columns)])).await;
            assert_eq!(ended["nodeStats"][0]["badValues"], 0, "{kind}: {ended}");
            from = into;
        }
        assert_eq!(graphs.text("types-JSON").await, format!("{line}{nothing}"));
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_told_with_node_and_field() {
    on_every_hub(|hub| async move {
        let graphs = Graphs::new(&hub).await;
        let source = graphs.source(1, "raw/orders", "CSV", &COLUMNS);
        let target = graphs.target(1, "out", "CSV", &COLUMNS);
        let mut cases = Vec::new();
        let mut case = |nodes: Value, node: i64, field: &str| cases.push((nodes, node, field.to_owned()));
        let with = |node: &Value, member: &str, value: Value| {
            let mut changed = node.clone();
            changed[member] = value;
            changed
        };
        case(json!([source, with(&target, "parentNodeIds", json!([7]))]), 1_001, "parentNodeIds");
        case(json!([source, with(&target, "id", json!(1))]), 1, "id");
        case(json!([with(&source, "parentNodeIds", json!([1_001])), target]), 1, "parentNodeIds");
        case(json!([with(&source, "dataType", json!("XML")), target]), 1, "dataType");
        case(json!([with(&source, "fieldList", fields(&["a:uniontype"])), target]), 1, "fieldList.0");
        case(json!([with(&source, "fieldList", fields(&["a:int", "A:int"])), target]), 1, "fieldList");
        case(json!([source, with(&target, "prefix", json!("../lake"))]), 1_001, "prefix");
        case(json!([source, with(&target, "bucketName", json!("../lake"))]), 1_001, "bucketName");
        case(json!([source, with(&target, "updateType", json!("UPSERT"))]), 1_001, "updateType");
        case(json!([source, with(&target, "coalesce", json!(0))]), 1_001, "coalesce");
        let filter = json!({"type": "TRANSFORM_FILTER", "id": 2, "name": "f", "parentNodeIds": [1], "filterType": "AND",
                            "filterConditionList": [{"name": "금액", "operator": "EQ", "value": "많이"}]});
        let after = graphs.target(2, "out", "CSV", &COLUMNS);
        case(json!([source, filter, after]), 2, "filterConditionList.0.value");
        case(json!([source, with(&filter, "filterConditionList", json!([{"name": "없음", "operator": "EQ", "value": "1"}])), after]), 2, "filterConditionList.0.name");
        let sum = json!({"type": "TRANSFORM_AGGREGATE", "id": 2, "name": "f", "parentNodeIds": [1], "groupByList": [],
                         "aggregateFieldList": [{"name": "나라", "ResultName": "s", "function": "SUM"}]});
        case(json!([source, sum, after]), 2, "aggregateFieldList.0.function");
        let circle = |id: i64, parent: i64| json!({"type": "TRANSFORM_SELECT", "id": id, "name": "c", "parentNodeIds": [parent], "fieldList": fields(&COLUMNS)});
        case(json!([source, target, circle(5, 6), circle(6, 5)]), 5, "parentNodeIds");
        for (nodes, node, field) in cases {
            let body = json!({"name": name("job"), "nodes": nodes});
            let answer = graphs.flow.client.post("/api/v1/jobs/verify").json(&body).send().await;
            demand_problem(&answer, 400, "bad-parameter", "");
            let error = &answer.json()["errors"][0];
            assert_eq!((&error["nodeId"], &error["field"]), (&json!(node), &json!(field)), "{answer}");
        }
        let gone = json!({"name": name("job"), "nodes": [with(&source, "bucketName", json!("nonesuch")), target]});
        demand_problem(&graphs.flow.client.post("/api/v1/jobs/verify").json(&gone).send().await, 400, "client-resource-not-found", "bucketName");
        let many: Vec<Value> = (0..10_000).map(|id| with(&source, "id", json!(id))).collect();
        let body = json!({"name": name("job"), "nodes": many});
        let answer = graphs.flow.client.post("/api/v1/jobs/verify").json(&body).send().await;
        assert!(matches!(answer.status, 400 | 413), "{}", answer.status);
        let fine = json!({"name": name("job"), "nodes": [source, target]});
        assert_eq!(graphs.flow.client.post("/api/v1/jobs/verify").json(&fine).send().await.is(200).json(), json!(true));
        let _ = job(&graphs.flow.client, json!({"nodes": [source, target]})).await;
    })
    .await;
}
