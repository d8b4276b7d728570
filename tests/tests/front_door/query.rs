//! SQL over tables (dhub.md section 7): one SELECT over what the caller may read, and nothing else.

use madang_tests::{Answer, Client, on_every_hub, work};
use serde_json::json;

const ROWS: &str = "id,이름,x\n1,가,1.5\n2,나,\n3,가,2.5\n";

async fn titled(client: &Client, title: &str, text: &str) -> String {
    let dataset = client.post("/api/v1/datasets").json(&json!({"name": title})).send().await.is(200).text_of("id");
    work::upload(client, &dataset, text).await.is(200);
    dataset
}

async fn ask(client: &Client, dataset: &str, sql: &str) -> Answer {
    client.post(&format!("/api/v1/tables/{dataset}/query")).json(&json!({"query": sql})).send().await
}

#[tokio::test]
async fn a_statement_may_come_in_three_forms() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = titled(&admin, "측정", ROWS).await;
        let sql = r#"SELECT "이름", count(*) AS n, sum(x) AS s FROM "table" GROUP BY 1 ORDER BY 1"#;
        let wanted = r#"{"columns":["이름","n","s"],"data":[["가",2,4.0],["나",1,null]],"total_rows":2}"#;
        let target = format!("/api/v1/tables/{dataset}/query");
        for body in [json!({"query": sql}), json!({"sql": sql})] {
            admin.post(&target).json(&body).send().await.is_exactly(200, wanted);
        }
        for kind in ["text/plain", "text/plain; charset=utf-8"] {
            admin.post(&target).body(kind, sql).send().await.is_exactly(200, wanted);
        }
        ask(&admin, &dataset, "WITH t AS (SELECT id FROM \"table\") SELECT max(id) AS m FROM t")
            .await
            .is_exactly(200, r#"{"columns":["m"],"data":[[3]],"total_rows":1}"#);
        ask(&admin, &dataset, "SELECT id FROM \"table\" WHERE false")
            .await
            .is_exactly(200, r#"{"columns":["id"],"data":[],"total_rows":0}"#);
    })
    .await;
}

#[tokio::test]
async fn answers_come_in_every_format() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = titled(&admin, "측정", ROWS).await;
        let get = |format: &str| {
            let target = format!("/api/v1/tables/{dataset}/query?format={format}");
            admin.post(&target).json(&json!({"query": "SELECT id, \"이름\" FROM \"table\" ORDER BY id DESC"})).send()
        };
        assert_eq!(get("csv").await.is(200).text, "id,이름\r\n3,가\r\n2,나\r\n1,가\r\n");
        get("json").await.is_exactly(200, r#"{"columns":["id","이름"],"data":[[3,"가"],[2,"나"],[1,"가"]],"total_rows":3}"#);
        let parquet = get("parquet").await.is(200).bytes;
        assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
        assert!(get("arrow").await.is(200).bytes.starts_with(&[0xff; 4]));
        get("xml").await.is(422);
    })
    .await;
}

#[tokio::test]
async fn tables_are_known_by_title_and_id() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (title, other_title) = (work::unique("측정 값"), work::unique("Other"));
        let dataset = titled(&admin, &title, ROWS).await;
        let other = titled(&admin, &other_title, "이름,뜻\n가,하나\n나,둘\n").await;
        for name in ["table", &title, &dataset] {
            let count = ask(&admin, &dataset, &format!("SELECT count(*) AS n FROM \"{name}\"")).await.is(200).json();
            assert_eq!(count["data"], json!([[3]]), "{name}");
        }
        for name in [&other_title, &other] {
            let sql = format!("SELECT t.id, o.\"뜻\" FROM \"table\" t JOIN \"{name}\" o ON t.\"이름\" = o.\"이름\" ORDER BY t.id");
            assert_eq!(ask(&admin, &dataset, &sql).await.is(200).json()["data"], json!([[1, "하나"], [2, "둘"], [3, "하나"]]));
        }
        titled(&admin, &other_title, "a\n1\n").await;
        ask(&admin, &dataset, &format!("SELECT * FROM \"{other_title}\"")).await.is(400);
        ask(&admin, &dataset, &format!("SELECT * FROM \"{other}\"")).await.is(200);
    })
    .await;
}

/// Anything but one SELECT is 400 with one text, and changes nothing.
#[tokio::test]
async fn all_else_is_refused() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = titled(&admin, "측정", ROWS).await;
        let wrong = [
            "",
            " ",
            ";",
            "SELEC",
            "SELECT",
            "SELECT 1; SELECT 2",
            "DROP TABLE \"table\"",
            "DELETE FROM \"table\"",
            "INSERT INTO \"table\" VALUES (4, '라', 1)",
            "UPDATE \"table\" SET id = 1",
            "CREATE TABLE t AS SELECT * FROM \"table\"",
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
            "COPY \"table\" TO '/tmp/x.csv'",
            "SELECT * INTO t FROM \"table\"",
            "EXPLAIN SELECT 1",
            "SHOW TABLES",
            "SET datafusion.execution.batch_size = 1",
            "SELECT * FROM information_schema.tables",
            "SELECT * FROM '/etc/passwd'",
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM other_table_that_is_not",
            "SELECT nothing FROM \"table\"",
            "SELECT id / 0 FROM \"table\"",
            "SELECT CAST(\"이름\" AS BIGINT) FROM \"table\"",
            "WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT 1 FROM t) SELECT * FROM t, \"ds-01h00000000000000000000000\"",
        ];
        let mut taken = Vec::new();
        for sql in wrong {
            for plain in [false, true] {
                let call = admin.post(&format!("/api/v1/tables/{dataset}/query"));
                let call = if plain { call.body("text/plain", sql) } else { call.json(&json!({"query": sql})) };
                let answer = call.send().await;
                let told = answer.status == 400 && answer.json()["detail"].is_string();
                if !told {
                    taken.push(format!("plain {plain} {sql:?}: {answer}"));
                }
                let folder = hub.data_dir.display().to_string();
                assert!(!answer.text.contains(&folder), "{answer}");
            }
        }
        assert!(taken.is_empty(), "{}", taken.join("\n"));
        assert_eq!(work::total_rows(&admin, &dataset).await, 3);
    })
    .await;
}

/// A word of SQL as a table's name: the refusal says which word to quote.
#[tokio::test]
async fn a_reserved_word_is_named() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = titled(&admin, "측정", ROWS).await;
        for (sql, word) in [
            ("SELECT * FROM table", "\"table\""),
            ("SELECT count(*) AS n FROM TABLE WHERE id > 1", "\"TABLE\""),
            ("SELECT id FROM\n  table t ORDER BY id", "\"table\""),
            ("SELECT * FROM \"table\" t JOIN table u ON t.id = u.id", "\"table\""),
            ("SELECT * FROM \"table\" t, table u", "\"table\""),
            ("SELECT * FROM table t JOIN table u ON t.id = u.id", "\"table\""),
            ("WITH w AS (SELECT id FROM table) SELECT * FROM w", "\"table\""),
        ] {
            let refused = ask(&admin, &dataset, sql).await.is(400).text_of("detail");
            assert!(refused.contains("in double quotes") && refused.ends_with(word), "{sql}: {refused}");
        }
        for sql in ["SELECT * FROM table WHERE", "SELEC * FROM table", "SELECT * FROM", "SELECT FROM WHERE"] {
            let refused = ask(&admin, &dataset, sql).await.is(400).text_of("detail");
            assert!(!refused.contains("in double quotes"), "something else is wrong, too: {sql}: {refused}");
        }
        ask(&admin, &dataset, "SELECT 'FROM table' AS x FROM \"table\" LIMIT 1").await.is(200);
    })
    .await;
}

/// A table that was declared and has no rows yet is asked like any other; one without columns can't be.
#[tokio::test]
async fn a_declared_table_is_asked_before_its_first_row() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let title = work::unique("선언");
        let fields = json!([{"name": "id", "type": "long"}, {"name": "이름", "type": "string"}]);
        let body = json!({"name": title, "schema": {"type": "struct", "fields": fields}});
        let declared = admin.post("/api/v1/datasets").json(&body).send().await.is(200).text_of("id");
        let all = ask(&admin, &declared, "SELECT * FROM \"table\"").await;
        all.is_exactly(200, r#"{"columns":["id","이름"],"data":[],"total_rows":0}"#);
        let count = ask(&admin, &declared, &format!("SELECT count(*) AS n, max(\"이름\") AS m FROM \"{declared}\"")).await;
        count.is_exactly(200, r#"{"columns":["n","m"],"data":[[0,null]],"total_rows":1}"#);
        let csv = admin.post(&format!("/api/v1/tables/{declared}/query?format=csv"));
        assert_eq!(csv.json(&json!({"query": "SELECT id FROM \"table\""})).send().await.is(200).text.trim_end(), "id");
        ask(&admin, &declared, "SELECT none FROM \"table\"").await.is(400);
        let filled = titled(&admin, "측정", ROWS).await;
        let joined = format!("SELECT t.id FROM \"table\" t LEFT JOIN \"{title}\" d ON t.id = d.id ORDER BY t.id");
        assert_eq!(ask(&admin, &filled, &joined).await.is(200).json()["data"], json!([[1], [2], [3]]));
        let bare = work::dataset(&admin).await;
        let refused = ask(&admin, &bare, "SELECT * FROM \"table\"").await.is(409).text_of("detail");
        assert!(refused.contains("no columns yet"), "{refused}");
        assert_eq!(ask(&admin, &bare, "SELECT 1 AS a").await.is(200).json()["data"], json!([[1]]));
    })
    .await;
}

/// The UTF-8 mark that editors put before a text is passed over, in JSON and in SQL.
#[tokio::test]
async fn a_mark_before_the_text_does_no_harm() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = titled(&admin, "측정", ROWS).await;
        let target = format!("/api/v1/tables/{dataset}/query");
        let wanted = r#"{"columns":["id"],"data":[[1]],"total_rows":1}"#;
        let sql = "SELECT id FROM \"table\" WHERE id = 1";
        admin.post(&target).body("text/plain", format!("\u{feff}{sql}")).send().await.is_exactly(200, wanted);
        let body = format!("\u{feff}{}", json!({"query": sql}));
        admin.post(&target).body("application/json", body).send().await.is_exactly(200, wanted);
        let named = |text: &'static str| admin.post("/api/v1/collections").body("application/json", text).send();
        assert_eq!(named("\u{feff}{\"name\": \"표시\"}").await.is(200).text_of("name"), "표시");
        for wrong in ["\u{feff}{\"name\": ", "\u{feff}\u{feff}{\"name\": \"x\"}", "\u{feff}"] {
            assert!(named(wrong).await.is(422).json()["detail"][0]["msg"].is_string(), "{wrong:?}");
        }
        let topic = format!("/api/v1/events/topics/{}/messages", work::unique("t"));
        admin.post(&topic).body("application/json", "\u{feff}{\"n\": 1}").send().await.is(200);
    })
    .await;
}

#[tokio::test]
async fn the_number_of_rows_has_a_limit() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = titled(&admin, "측정", ROWS).await;
        let target = |limit: &str| format!("/api/v1/tables/{dataset}/query?limit={limit}");
        let sql = json!({"query": "SELECT id FROM \"table\" ORDER BY id"});
        assert_eq!(admin.post(&target("2")).json(&sql).send().await.is(200).json()["data"], json!([[1], [2]]));
        assert_eq!(admin.post(&target("3")).json(&sql).send().await.is(200).json()["total_rows"], 3);
        for wrong in ["0", "-1", "10001", "x", ""] {
            admin.post(&target(wrong)).json(&sql).send().await.is(422);
        }
    })
    .await;
}

/// What fails in a late row has its status all the same, and so has an answer that is too long.
#[tokio::test]
async fn a_failure_in_a_late_row_is_told() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let numbers: Vec<String> = (0..10_001).map(|number: u32| number.to_string()).collect();
        let dataset = titled(&admin, "번호", &format!("k\n{}\n", numbers.join("\n"))).await;
        let sql = json!({"query": "SELECT 1 / (k - 9999) AS x FROM \"table\" WHERE k < 10000"});
        for format in ["json", "csv", "parquet", "arrow"] {
            let refused = admin.post(&format!("/api/v1/tables/{dataset}/query?format={format}")).json(&sql).send().await.is(400);
            assert!(refused.text_of("detail").contains("division by zero"), "{format}: {refused}");
        }
        let all = "SELECT k FROM \"table\"";
        let refused = ask(&admin, &dataset, all).await.is(400);
        assert!(refused.text_of("detail").contains("10000 rows"), "{refused}");
        let csv = admin.post(&format!("/api/v1/tables/{dataset}/query?format=csv")).json(&json!({"query": all})).send().await.is(200);
        assert_eq!(csv.text.lines().count(), 10_002);
    })
    .await;
}

/// A hidden dataset is no table, neither by title nor by id; and nobody asks a hidden one.
#[tokio::test]
async fn nobody_asks_what_he_may_not_read() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (group, title) = (work::unique("모임"), work::unique("닫힌"));
        let body = json!({"name": title, "groups": [group]});
        let closed = admin.post("/api/v1/datasets").json(&body).send().await.is(200).text_of("id");
        work::upload(&admin, &closed, "a\n1\n").await.is(200);
        let open = titled(&admin, "측정", ROWS).await;
        let (_, _, outside) = work::person(&admin, &[]).await;
        let (_, _, inside) = work::person(&admin, &[&group]).await;
        for name in [&title, &closed] {
            let sql = format!("SELECT * FROM \"{name}\"");
            let hidden = ask(&outside, &open, &sql).await.is(400);
            let absent = ask(&outside, &open, &sql.replace(name.as_str(), "없는 것")).await.is(400);
            assert_eq!(hidden.text.replace(name.as_str(), "없는 것"), absent.text);
            let inner = format!("SELECT id FROM \"table\" WHERE EXISTS (SELECT 1 FROM \"{name}\")");
            ask(&outside, &open, &inner).await.is(400);
            ask(&inside, &open, &sql).await.is(200);
        }
        ask(&outside, &closed, "SELECT * FROM \"table\"").await.is(404);
        ask(&outside, &closed, "no SQL").await.is(404);
        for path in ["", "/versions"] {
            outside.get(&format!("/api/v1/tables/{closed}{path}")).send().await.is(404);
        }
        work::upload(&outside, &closed, "a\n2\n").await.is(404);
        work::upload(&outside, &open, ROWS).await.is(403);
        assert_eq!(work::total_rows(&admin, &closed).await, 1);
    })
    .await;
}
