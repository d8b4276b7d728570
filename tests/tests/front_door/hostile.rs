//! Files and statements that were made to harm: a clear 4xx, rows and versions unchanged.

use std::fmt::Write;

use madang_tests::{Answer, Client, FilePart, on_every_hub, work};
use serde_json::{Value, json};

/// A table with two rows, and what it looks like.
struct Table {
    admin: Client,
    dataset: String,
    before: (Value, Value),
}

impl Table {
    async fn new(admin: Client) -> Self {
        let dataset = work::dataset(&admin).await;
        work::upload(&admin, &dataset, "n,road\n1,강남대로\n2,테헤란로\n").await.is(200);
        let mut table = Self { admin, dataset, before: (Value::Null, Value::Null) };
        table.before = table.look().await;
        table
    }

    async fn look(&self) -> (Value, Value) {
        let versions = self.admin.get(&format!("/api/v1/tables/{}/versions", self.dataset)).send().await.is(200).json();
        (json!(work::rows(&self.admin, &self.dataset).await), versions)
    }

    /// An upload that must be refused.
    async fn refuses(&self, name: &str, bytes: &[u8], words: &str) {
        let answer = work::upload_files(&self.admin, &self.dataset, &[FilePart { part: "file", file: name, media: "", bytes }]).await;
        assert!((400..500).contains(&answer.status), "{name} {words}: {}", short(&answer));
        assert!(answer.text.contains(words), "{name} {words}: {}", short(&answer));
    }

    async fn is_unchanged(&self) {
        assert_eq!(self.look().await, self.before);
    }
}

fn short(answer: &Answer) -> String {
    format!("{} {}", answer.status, answer.text.chars().take(300).collect::<String>())
}

#[tokio::test]
async fn hostile_text_is_refused() {
    on_every_hub(|hub| async move {
        let table = Table::new(hub.admin().await).await;
        let columns: Vec<_> = (0..100_000).map(|at| format!("c{at}")).collect();
        table.refuses("a.csv", columns.join(",").as_bytes(), "more than 4096 columns").await;
        let mut row = columns.join(",");
        row.insert_str(0, "n,road\n");
        table.refuses("a.csv", row.as_bytes(), "row 1").await;
        let object: Vec<_> = columns.iter().map(|name| format!("\"{name}\":1")).collect();
        table.refuses("a.json", format!("{{{}}}", object.join(",")).as_bytes(), "more than 4096 keys").await;
        table.refuses("a.csv", &[b"n,road\n1,".as_slice(), &vec![b'x'; 100 << 20], b"\n"].concat(), "which is the limit").await;
        table.refuses("a.csv", &[b"n,road\n1,\"".as_slice(), &vec![b'x'; 70 << 20]].concat(), "which is the limit").await;
        table.refuses("a.csv", b"n,road\n3,a\0b\n", "NUL").await;
        table.refuses("a.json", b"{\"n\":3,\"road\":\"a\\u0000b\"}", "NUL").await;
        table.refuses("a.csv", b"n,road\n3,\xff\xfe\xfd\n", "neither UTF-8 nor CP949").await;
        table.refuses("a.csv", b"\xef\xbb\xbfn,road\n3,\xb0\xa1\n", "UTF-8 mark").await;
        table.refuses("a.json", "[".repeat(1_000_000).as_bytes(), "not an object").await;
        table.is_unchanged().await;
    })
    .await;
}

/// The type of a column changes far below: in a first upload the whole file decides, later the row is named.
#[tokio::test]
async fn a_type_may_change_at_row_300_000() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let mut text = String::from("n,road\n");
        for row in 1..=300_010 {
            if row == 300_000 { text.push_str("삼십만,x\n") } else { writeln!(text, "{row},x").expect("memory") }
        }
        let dataset = work::dataset(&admin).await;
        work::upload(&admin, &dataset, &text).await.is_exactly(200, r#"{"message":"Upload successful","rows":300010,"columns":2}"#);
        let page = admin.get(&format!("/api/v1/tables/{dataset}?page=3000&page_size=100")).send().await.is(200).json();
        assert_eq!((&page["data"][98][0], &page["data"][99][0]), (&json!("299999"), &json!("삼십만")));
        let table = Table::new(admin).await;
        table.refuses("a.csv", text.as_bytes(), "row 300000, column 'n'").await;
        table.is_unchanged().await;
    })
    .await;
}

/// Line ends of every kind, also in one file, CP949, and numbers that are none.
#[tokio::test]
async fn odd_but_right_files_are_read() {
    on_every_hub(|hub| async move {
        let table = Table::new(hub.admin().await).await;
        let odd = FilePart { part: "file", file: "a.csv", media: "", bytes: b"n,road\r3,\xb0\xad\xb3\xb2\r\n4,\"x\ny\"\n5,z" };
        work::upload_files(&table.admin, &table.dataset, &[odd]).await.is(200);
        let rows = work::rows(&table.admin, &table.dataset).await;
        assert_eq!(json!(rows[2..]), json!([[3, "강남"], [4, "x\ny"], [5, "z"]]));
    })
    .await;
}

/// Statements reach nothing but tables that the caller may read, and end.
#[tokio::test]
async fn hostile_statements_are_refused() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let table = Table::new(admin.clone()).await;
        let (_, _, other) = work::person(&admin, &["secret-readers"]).await;
        let hidden =
            admin.post("/api/v1/datasets").json(&json!({"name": "비밀", "groups": ["nobody-at-all"]})).send().await.is(200).text_of("id");
        work::upload(&admin, &hidden, "secret\n42\n").await.is(200);
        let mut deep = String::from("1");
        (0..5_000).for_each(|_| deep = format!("({deep})"));
        let statements = [
            "SELECT * FROM '/etc/passwd'",
            "SELECT * FROM 'lake/x.parquet'",
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM read_parquet('/etc/passwd')",
            "SELECT * FROM information_schema.tables",
            "SELECT * FROM generate_series(1, 1000000000000)",
            "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
            "COPY table TO '/tmp/x.csv'",
            "INSERT INTO \"table\" VALUES (1, 'x')",
            "DELETE FROM \"table\"",
            "DROP TABLE \"table\"",
            "SELECT 1; SELECT 2",
            "SET datafusion.execution.batch_size = 1",
            "EXPLAIN SELECT 1",
            "SHOW TABLES",
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
        ];
        let target = format!("/api/v1/tables/{}/query", table.dataset);
        let refused = |answer: &Answer, sql: &str| {
            assert!(matches!(answer.status, 400 | 404 | 408 | 422), "{sql}: {}", short(answer));
            assert!(!answer.text.contains("root:"), "{sql}: {}", short(answer));
        };
        for sql in statements.into_iter().chain([format!("SELECT {deep}").as_str()]) {
            refused(&other.post(&target).json(&json!({"query": sql})).send().await, sql);
        }
        let stolen = format!("SELECT * FROM \"{hidden}\"");
        let answer = other.post(&target).json(&json!({"query": stolen})).send().await;
        refused(&answer, &stolen);
        assert!(!answer.text.contains("42"), "{answer}");
        table.is_unchanged().await;
    })
    .await;
}
