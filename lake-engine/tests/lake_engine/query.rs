//! SQL over exactly the given tables.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures::StreamExt;
use madang_lake::{ColumnType, CommitInfo, Lake, Limits, Result, Schema, Snapshot, WriteMode};
use serde_json::{Value, json};

use crate::support::{TestLake, change, column, json as rows_of, limit, refusal, schema, table_id};

type Tables = HashMap<String, Snapshot>;

async fn rows(lake: &TestLake, sql: &str, tables: &Tables) -> Result<Vec<Value>> {
    limited(lake, sql, tables, Limits::default()).await
}

async fn limited(lake: &TestLake, sql: &str, tables: &Tables, limits: Limits) -> Result<Vec<Value>> {
    rows_of(lake.engine.query(sql, tables, &limits).await?).await
}

/// The columns of a result, `name:type`.
async fn columns(lake: &TestLake, sql: &str, tables: &Tables) -> String {
    let stream = lake.engine.query(sql, tables, &Limits::default()).await.unwrap();
    let schema = Schema::from_arrow(&stream.schema).unwrap();
    schema.columns.iter().map(|column| format!("{}:{}", column.name, column.kind.name())).collect::<Vec<_>>().join(" ")
}

fn named<const N: usize>(tables: [(&str, Snapshot); N]) -> Tables {
    tables.into_iter().map(|(name, snapshot)| (name.to_owned(), snapshot)).collect()
}

/// Two tables, `traffic` (by a Korean name too) and `road`.
async fn roads(lake: &TestLake) -> Tables {
    let traffic = lake.load("road,날짜,count\n1,2026-03-01,10\n2,2026-03-01,20\n1,2026-03-02,30\n").await;
    let road = lake.load("id,Name\n1,강남대로\n2,테헤란로\n").await;
    named([("traffic", traffic.clone()), ("서울 교통", traffic), ("road", road)])
}

#[tokio::test]
async fn tables_are_joined_and_summed() {
    let lake = TestLake::new();
    let tables = roads(&lake).await;
    let sql =
        "SELECT r.\"Name\", sum(t.count) AS total, avg(t.count) AS mean FROM traffic t JOIN road r ON r.id = t.road GROUP BY 1 ORDER BY 2";
    assert_eq!(rows(&lake, sql, &tables).await.unwrap(), [json!(["테헤란로", 20, 20.0]), json!(["강남대로", 40, 20.0])]);
    assert_eq!(columns(&lake, sql, &tables).await, "Name:string total:int64 mean:double");
    let with = "WITH days AS (SELECT \"날짜\" d, count(*) n FROM \"서울 교통\" GROUP BY 1) SELECT d, n FROM days ORDER BY d";
    assert_eq!(rows(&lake, with, &tables).await.unwrap(), [json!(["2026-03-01", 2]), json!(["2026-03-02", 1])]);
    assert_eq!(rows(&lake, "SELECT count(*) FROM traffic", &tables).await.unwrap(), [json!([3])]);
    assert_eq!(rows(&lake, "VALUES (1, 'a'), (2, 'b')", &tables).await.unwrap(), [json!([1, "a"]), json!([2, "b"])]);
}

#[tokio::test]
async fn names_are_as_written_and_else_in_lower_case() {
    let lake = TestLake::new();
    let tables = roads(&lake).await;
    for sql in [
        "SELECT Name FROM road ORDER BY id",
        "SELECT \"Name\" FROM \"road\" ORDER BY \"id\"",
        "select r.Name from ROAD r order by r.id",
        "SELECT Name FROM Road ORDER BY id",
    ] {
        assert_eq!(rows(&lake, sql, &tables).await.unwrap(), [json!(["강남대로"]), json!(["테헤란로"])], "{sql}");
    }
    let sum = rows(&lake, "SELECT SUM(COUNT) FROM TRAFFIC WHERE ROAD = 1", &tables).await.unwrap();
    assert_eq!(sum, [json!([40])]);
}

#[tokio::test]
async fn the_row_id_is_hidden() {
    let lake = TestLake::new();
    let tables = roads(&lake).await;
    assert_eq!(columns(&lake, "SELECT * FROM road", &tables).await, "id:int64 Name:string");
    assert!(refusal(rows(&lake, "SELECT _id FROM road", &tables).await).contains("_id"));
}

#[tokio::test]
async fn only_given_tables_exist() {
    let lake = TestLake::new();
    let mut tables = roads(&lake).await;
    let hidden = tables.remove("road").unwrap();
    let file = lake.table_folder(&hidden.table).join(&hidden.files[0].path).display().to_string();
    let url = format!("madang://lake/lake/{}/{}", hidden.table, hidden.files[0].path);
    let refused = [
        ("SELECT * FROM road", "there is no table 'road'"),
        ("SELECT * FROM public.traffic", "there is no table 'public.traffic'"),
        ("SELECT * FROM datafusion.public.traffic", "there is no table 'datafusion.public.traffic'"),
        ("SELECT * FROM information_schema.tables", "there is no table 'information_schema.tables'"),
        ("SELECT (SELECT max(id) FROM road) FROM traffic", "there is no table 'road'"),
        ("SELECT * FROM traffic WHERE EXISTS (SELECT 1 FROM road)", "there is no table 'road'"),
        ("WITH road AS (SELECT * FROM road) SELECT * FROM road", "there is no table 'road'"),
        ("SELECT * FROM generate_series(1, 5)", "there is no table 'generate_series'"),
        (&format!("SELECT * FROM '{file}'"), &format!("there is no table '{file}'")),
        (&format!("SELECT * FROM \"{url}\""), &format!("there is no table '{url}'")),
        ("SELECT * FROM read_parquet('/etc/passwd')", "there is no table 'read_parquet'"),
    ];
    for (sql, why) in refused {
        assert_eq!(refusal(rows(&lake, sql, &tables).await), why, "{sql}");
    }
}

#[tokio::test]
async fn only_one_select_may_run() {
    let lake = TestLake::new();
    let tables = roads(&lake).await;
    for sql in [
        "COPY traffic TO '/tmp/x.csv'",
        "COPY (SELECT 1) TO '/tmp/x.parquet'",
        "CREATE TABLE x AS SELECT * FROM traffic",
        "CREATE VIEW x AS SELECT 1",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "INSERT INTO traffic VALUES (1)",
        "DELETE FROM traffic",
        "UPDATE traffic SET count = 0",
        "DROP TABLE traffic",
        "SET datafusion.execution.batch_size = 1",
        "RESET datafusion.execution.batch_size",
        "SHOW TABLES",
        "DESCRIBE traffic",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
        "SELECT 1 INTO x",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "BEGIN",
        "WITH x AS (SELECT 1) INSERT INTO traffic SELECT * FROM x",
        "TRUNCATE traffic",
    ] {
        assert_eq!(refusal(rows(&lake, sql, &tables).await), "only a SELECT may be run", "{sql}");
    }
    assert_eq!(refusal(rows(&lake, "SELECT 1; SELECT 2", &tables).await), "only one statement may be given");
    assert_eq!(refusal(rows(&lake, "SELECT 1; DROP TABLE traffic", &tables).await), "only one statement may be given");
    assert_eq!(refusal(rows(&lake, "  ", &tables).await), "there is no statement");
    assert_eq!(rows(&lake, "SELECT 1;", &tables).await.unwrap(), [json!([1])]);
    for sql in [
        "SELEKT 1",
        "SELECT * FROM",
        "SELECT nope FROM traffic",
        "SELECT nope(1)",
        "SELECT 'a' + 1",
        "SELECT count FROM traffic GROUP BY road",
        "((((",
    ] {
        let text = refusal(rows(&lake, sql, &tables).await);
        assert!(!text.contains('/') && !text.contains("datafusion") && !text.is_empty(), "{sql}: {text}");
    }
}

#[tokio::test]
async fn failures_in_the_data_are_the_callers() {
    let lake = TestLake::new();
    let tables = roads(&lake).await;
    assert_eq!(refusal(rows(&lake, "SELECT 1 / (count - count) FROM traffic", &tables).await), "division by zero");
    for sql in [
        "SELECT CAST(\"Name\" AS BIGINT) FROM road",
        "SELECT CAST(count * 1000000000 AS INT) FROM traffic",
        "SELECT CAST(18446744073709551615 AS BIGINT UNSIGNED)",
        "SELECT [1, 2]",
        "SELECT named_struct('a', 1)",
    ] {
        let text = refusal(rows(&lake, sql, &tables).await);
        assert!(!text.contains("/work") && !text.contains("backtrace"), "{sql}: {text}");
    }
}

#[tokio::test]
async fn results_are_of_the_nine_types_under_free_names() {
    let lake = TestLake::new();
    let tables = roads(&lake).await;
    let table = [
        ("SELECT 1::SMALLINT a, 1::INT UNSIGNED b, 1.5::REAL c, 1.25::DECIMAL(10,2) d", "a:int32 b:int64 c:float d:double"),
        ("SELECT arrow_cast('x', 'Utf8View') a, arrow_cast('x', 'LargeUtf8') b, NULL c", "a:string b:string c:string"),
        ("SELECT arrow_cast('x', 'Dictionary(Int32, Utf8)') a, DATE '2026-03-01' b", "a:string b:date32"),
        ("SELECT now() a, TIMESTAMP '2026-03-01 05:00:00' b, INTERVAL '1 day' c", "a:timestamp b:timestamp_ntz c:string"),
        ("SELECT * FROM traffic a, traffic b", "road:int64 날짜:date32 count:int64 road_2:int64 날짜_2:date32 count_2:int64"),
        ("SELECT 1 AS \"_id\", 2 AS a, 3 AS \"A\", 4 AS \"\"", "_id_2:int64 a:int64 A_2:int64 column_4:int64"),
        ("SELECT count(*), sum(count) FROM traffic", "count(*):int64 sum(traffic.count):int64"),
    ];
    for (sql, wanted) in table {
        assert_eq!(columns(&lake, sql, &tables).await, wanted, "{sql}");
        rows(&lake, sql, &tables).await.unwrap();
    }
    let sql = "SELECT 1.25::DECIMAL(10,2), '2026-03-01T05:00:00+09:00'::TIMESTAMP WITH TIME ZONE, TIMESTAMP '2026-03-01 05:00:00.25'";
    let found = rows(&lake, sql, &tables).await.unwrap();
    assert_eq!(found, [json!([1.25, "2026-02-28T20:00:00Z", "2026-03-01T05:00:00.25"])]);
}

#[tokio::test]
async fn empty_and_grown_tables_can_be_queried() {
    let lake = TestLake::new();
    let empty = lake.engine.create(&table_id(), &schema(&[("a", ColumnType::Int64, true)]), &CommitInfo::default()).await.unwrap();
    let first = lake.load("a\n1\n").await;
    let mut grown = first.schema.clone();
    grown.columns.insert(0, column("b", ColumnType::String, true));
    let staged = lake.stage(&first.table, "a,b\n2,x\n", &grown).await.unwrap();
    let mut wanted = change(&first, WriteMode::Append, staged);
    wanted.schema = grown;
    let second = lake.engine.commit(&first.table, wanted).await.unwrap();
    let tables = named([("empty", empty), ("grown", second), ("old", first)]);
    assert_eq!(rows(&lake, "SELECT * FROM empty", &tables).await.unwrap(), Vec::<Value>::new());
    assert_eq!(rows(&lake, "SELECT count(*), sum(a) FROM empty", &tables).await.unwrap(), [json!([0, null])]);
    assert_eq!(rows(&lake, "SELECT * FROM grown ORDER BY a", &tables).await.unwrap(), [json!([null, 1]), json!(["x", 2])]);
    assert_eq!(rows(&lake, "SELECT a FROM grown WHERE b IS NULL", &tables).await.unwrap(), [json!([1])]);
    assert_eq!(rows(&lake, "SELECT a FROM grown WHERE b = 'x'", &tables).await.unwrap(), [json!([2])]);
    assert_eq!(rows(&lake, "SELECT * FROM old", &tables).await.unwrap(), [json!([1])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_end_a_query() {
    let lake = TestLake::new();
    let tables = roads(&lake).await;
    let few = Limits { rows: 3, ..Limits::default() };
    assert_eq!(limited(&lake, "SELECT * FROM traffic", &tables, few).await.unwrap().len(), 3);
    assert_eq!(
        limit(limited(&lake, "SELECT * FROM traffic, road", &tables, few).await),
        "the query gives more than 3 rows, which is the limit"
    );
    let endless = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT n FROM r";
    assert!(limit(limited(&lake, endless, &tables, few).await).contains("rows"));
    let brief = Limits { time: Duration::from_millis(500), ..Limits::default() };
    let text = limit(
        limited(&lake, "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r", &tables, brief).await,
    );
    assert_eq!(text, "the query took longer than 0.5 seconds, which is the limit");
    let out_of_time = "the query took longer than 0.5 seconds, which is the limit";
    let many = (0..30).map(|n| format!("traffic t{n}")).collect::<Vec<_>>().join(", ");
    let busy = [
        format!("SELECT count(*) FROM {many} WHERE t0.count + t29.count < 0"),
        format!("SELECT count(*) FROM {many} GROUP BY t0.count"),
        "SELECT count(*) FROM big a JOIN big b ON a.n + b.n < 0".to_owned(),
        "SELECT count(*) FROM big a JOIN big b ON a.k = b.k WHERE a.n + b.n < 0".to_owned(),
        "SELECT count(*) FROM big a LEFT JOIN big b ON a.k = b.k AND a.n + b.n < 0".to_owned(),
        "SELECT count(*) FROM big a WHERE NOT EXISTS (SELECT 1 FROM big b WHERE a.n + b.n < 0)".to_owned(),
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r".to_owned(),
    ];
    let mut big = String::from("n,k\n");
    (0..100_000).for_each(|row| big.push_str(&format!("{row},1\n")));
    let mut tables = tables;
    tables.insert("big".to_owned(), lake.load(big).await);
    for sql in busy {
        let started = Instant::now();
        assert_eq!(limit(limited(&lake, &sql, &tables, brief).await), out_of_time, "{sql}");
        assert!(started.elapsed() < Duration::from_secs(5), "{sql}: {:?}", started.elapsed());
    }
    no_worker_is_left().await;
}

/// Waits until no thread of any query works, those of other tests too; a few that rest may be there.
async fn no_worker_is_left() {
    let most = 4 * std::thread::available_parallelism().unwrap().get();
    let mut before = times_of_workers();
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let now = times_of_workers();
        if now.len() <= most && now == before {
            return;
        }
        before = now;
    }
    panic!("{} threads are left", before.len());
}

/// How long each thread of a query has computed, by thread.
fn times_of_workers() -> HashMap<String, Vec<String>> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok()).filter(|stat| stat.contains("(lake-query"));
    let time = |stat: String| {
        let fields: Vec<String> = stat.split(' ').map(str::to_owned).collect();
        (fields[0].clone(), fields[13..15].to_vec())
    };
    stats.map(time).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded_by_spilling_or_refusal() {
    let lake = TestLake::new();
    let mut text = String::from("a,b\n");
    (0..400_000_u64).for_each(|row| text.push_str(&format!("{},{:0>100}\n", row.wrapping_mul(2_654_435_761) % 1_000_003, row)));
    let tables = named([("t", lake.load(text).await)]);
    let tight = Limits { memory_bytes: 32 << 20, ..Limits::default() };
    let sorted = limited(&lake, "SELECT a, b FROM t ORDER BY a, b", &tables, tight).await.unwrap();
    assert_eq!(sorted.len(), 400_000);
    assert!(sorted.windows(2).all(|pair| pair[0][0].as_i64() <= pair[1][0].as_i64()));
    let tiny = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    let text = limit(limited(&lake, "SELECT array_length(array_agg(b)) FROM t", &tables, tiny).await);
    assert_eq!(text, "the query needs more than 1048576 bytes of memory, which is the limit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_stream_ends_the_query() {
    let lake = TestLake::new();
    let tables = roads(&lake).await;
    let endless = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT n FROM r";
    let mut stream = lake.engine.query(endless, &tables, &Limits::default()).await.unwrap();
    stream.batches.next().await.unwrap().unwrap();
    drop(stream);
    no_worker_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn depth_and_length_are_bounded() {
    let lake = TestLake::new();
    let tables = roads(&lake).await;
    let chain = |n: usize, by: &str| (1..=n).map(|n| format!(", a{n} AS (SELECT x{by} AS x FROM a{})", n - 1)).collect::<String>();
    let fits = [
        format!("SELECT count{} FROM traffic", " + 1".repeat(190)),
        format!("SELECT count FROM traffic WHERE count = 1{}", " OR road = 2".repeat(190)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(90)),
        format!("WITH a0 AS (SELECT 1 AS x){} SELECT * FROM a90", chain(90, "")),
        format!("SELECT count FROM traffic WHERE count IN (1{})", ", 2".repeat(3_000)),
        format!("SELECT 1{}", (0..300).map(|n| format!(", {n} AS c{n}")).collect::<String>()),
    ];
    for sql in fits {
        rows(&lake, &sql, &tables).await.unwrap();
    }
    let refused = [
        (format!("SELECT count{} FROM traffic", " + 1".repeat(300)), "the statement has an expression of more than 200 nested parts"),
        (format!("SELECT 1{}", "::bigint".repeat(300)), "the statement has an expression of more than 200 nested parts"),
        (format!("SELECT 1{}", "+1".repeat(200_000)), "the statement has more than 20000 words and signs"),
        (format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(200)), "the statement has more than 100 SELECTs"),
        (format!("SELECT 1 FROM traffic{}", ", traffic".repeat(200)), "the statement has more than 100 tables"),
        (
            format!("WITH a0 AS (SELECT 1 AS x){} SELECT * FROM a20", chain(20, &" + x".repeat(90))),
            "the statement has too many nested parts in its expressions",
        ),
        (format!("SELECT '{}'", "x".repeat(2 << 20)), "the statement is longer than 1048576 bytes"),
        (format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000)), "sql parser error: recursion limit exceeded"),
    ];
    for (sql, why) in refused {
        assert_eq!(refusal(rows(&lake, &sql, &tables).await), why);
    }
}

#[tokio::test]
async fn a_result_becomes_a_table() {
    let lake = TestLake::new();
    let tables = roads(&lake).await;
    let stream = lake
        .engine
        .query("SELECT road, sum(count) AS total FROM traffic GROUP BY road ORDER BY road", &tables, &Limits::default())
        .await
        .unwrap();
    let columns = Schema::from_arrow(&stream.schema).unwrap();
    let table = table_id();
    let empty = lake.engine.create(&table, &columns, &CommitInfo::default()).await.unwrap();
    let staged = lake.engine.stage_rows(&table, stream, &columns, &lake.ids).await.unwrap();
    assert_eq!((staged.columns, staged.rows()), (2, 2));
    let snapshot = lake.commit(&empty, WriteMode::Overwrite, staged).await.unwrap();
    assert_eq!(lake.rows(&snapshot).await, [json!([1, 40]), json!([2, 20])]);
}

#[tokio::test]
async fn rows_are_fitted_without_loss() {
    let lake = TestLake::new();
    let tables = Tables::new();
    let wanted = schema(&[
        ("i", ColumnType::Int64, false),
        ("d", ColumnType::Double, true),
        ("s", ColumnType::String, true),
        ("n", ColumnType::Int32, true),
    ]);
    let table = table_id();
    let stage = async |sql: &str| {
        let stream = lake.engine.query(sql, &tables, &Limits::default()).await.unwrap();
        lake.engine.stage_rows(&table, stream, &wanted, &lake.ids).await
    };
    for sql in ["SELECT 1 AS i", "SELECT 1::INT AS i, 2 AS d, 3.5 AS s, 4 AS n", "SELECT 1 AS i, NULL AS n, DATE '2026-03-01' AS s"] {
        assert_eq!(stage(sql).await.unwrap().rows(), 1, "{sql}");
    }
    let refused = [
        ("SELECT 1 AS i, 2 AS x", "the rows have a column 'x', the table has none"),
        ("SELECT 2 AS d", "the rows lack the column 'i', which must not be empty"),
        ("SELECT NULL::BIGINT AS i", "column 'i' must not be empty, but a row has no value for it"),
        ("SELECT 1.5 AS i", "column 'i' is double, the table holds int64; convert it first"),
        ("SELECT '1' AS i", "column 'i' is string, the table holds int64; convert it first"),
        ("SELECT 1 AS i, 9007199254740993 AS d", "column 'd': 9007199254740993 does not fit double"),
        ("SELECT 1 AS i, 3000000000 AS n", "column 'n': a value does not fit int32"),
    ];
    let before = lake.data_files(&table).len();
    for (sql, why) in refused {
        assert_eq!(refusal(stage(sql).await), why, "{sql}");
    }
    assert_eq!(lake.data_files(&table).len(), before);
}

const TOO_MUCH: &str = "the query needs more than 268435456 bytes of memory, which is the limit";

/// What the front door gives a query.
fn front_door() -> Limits {
    Limits { memory_bytes: 256 << 20, ..Limits::default() }
}

async fn five_thousand(lake: &TestLake) -> Tables {
    let mut text = String::from("k,s\n");
    (1..=5_000).for_each(|row| text.push_str(&format!("{row},가나다라마바사아자차\n")));
    named([("t", lake.load(text).await)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_cannot_take_all_memory() {
    let lake = TestLake::new();
    let tables = five_thousand(&lake).await;
    let doubled = (1..=60).map(|n| format!(", a{n} AS (SELECT x || x AS x FROM a{})", n - 1)).collect::<String>();
    let concatenated = (1..=60).map(|n| format!(", a{n} AS (SELECT concat(x, x) AS x FROM a{})", n - 1)).collect::<String>();
    let grown = (1..=40).map(|n| format!(", a{n} AS (SELECT array_concat(x, x) AS x FROM a{})", n - 1)).collect::<String>();
    let refused = [
        "SELECT length(repeat('x', 1500000000))".to_owned(),
        "SELECT length(repeat('x', 70000000))".to_owned(),
        "SELECT sum(length(repeat(s, k * 100))) FROM t".to_owned(),
        "SELECT sum(length(lpad(s, 1000000000))) FROM t".to_owned(),
        "SELECT sum(length(rpad(s, 1000000, s))) FROM t".to_owned(),
        "SELECT length(replace(repeat('x', 60000000), 'x', 'yyyyyyyyyyyyyyyy'))".to_owned(),
        "SELECT sum(length(replace(repeat(s, 300), '가', repeat('x', 10000)))) FROM t".to_owned(),
        "SELECT sum(length(regexp_replace(repeat(s, 300), '.', repeat('x', 1000), 'g'))) FROM t".to_owned(),
        "SELECT repeat('x', 1000000), k FROM t".to_owned(),
        "SELECT sum(length(concat(s, repeat('x', 1000000)))) FROM t".to_owned(),
        "SELECT sum(length(s || repeat('x', 1000000))) FROM t".to_owned(),
        "SELECT sum(length(concat_ws(repeat('x', 1000000), s, s))) FROM t".to_owned(),
        "SELECT sum(length(overlay(s PLACING repeat('x', 1000000) FROM 1))) FROM t".to_owned(),
        "SELECT sum(length(array_to_string([s, s, s], repeat('x', 100000)))) FROM t".to_owned(),
        "SELECT sum(cardinality([repeat(s, 900), repeat(s, 900), repeat(s, 900)])) FROM t".to_owned(),
        format!("WITH a0 AS (SELECT s AS x FROM t){doubled} SELECT sum(length(x)) FROM a60"),
        format!("WITH a0 AS (SELECT 'x' AS x){doubled} SELECT sum(length(x)) FROM a60"),
        format!("WITH a0 AS (SELECT s AS x FROM t){concatenated} SELECT sum(length(x)) FROM a60"),
        format!("WITH a0 AS (SELECT [s] AS x FROM t){grown} SELECT sum(cardinality(x)) FROM a40"),
        "WITH RECURSIVE r AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM r) SELECT max(length(s)) FROM r".to_owned(),
        "SELECT length(string_agg(repeat(a.s, 20), ',')) FROM t a, t b".to_owned(),
        "SELECT cardinality(array_agg(a.s)) FROM t a, t b".to_owned(),
    ];
    for sql in refused {
        let found = limited(&lake, &sql, &tables, front_door()).await;
        assert!(matches!(&found, Err(madang_lake::Error::LimitExceeded(text)) if text == TOO_MUCH), "{sql:.200}: {found:?}");
    }
    let absent = [
        "SELECT sum(length(array_to_string(array_repeat('x', k * 100), ','))) FROM t",
        "SELECT list_repeat(1, 1000000000)",
        "SELECT array_resize([1], 1000000000)",
        "SELECT range(0, 1000000000)",
        "SELECT generate_series(1, 1000000000)",
        "SELECT array_replace_all(['x'], 'x', 'y')",
        "SELECT unnest([1, 2])",
        "SELECT k FROM t WHERE k IN (SELECT unnest([1, 2]))",
    ];
    for sql in absent {
        let text = refusal(limited(&lake, sql, &tables, front_door()).await);
        assert!(text.contains("nvalid function") || text == "not supported: UNNEST", "{sql}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counted_functions_work_as_ever() {
    let lake = TestLake::new();
    let tables = five_thousand(&lake).await;
    let table = [
        ("SELECT repeat('ab', 3), repeat(NULL, 3), repeat('x', -1)", json!(["ababab", null, ""])),
        ("SELECT lpad('7', 3, '0'), rpad('가', 3, '-'), lpad('abc', 2)", json!(["007", "가--", "ab"])),
        ("SELECT replace('aXbX', 'X', '--'), regexp_replace('a1b22', '[0-9]+', '#', 'g')", json!(["a--b--", "a#b#"])),
        ("SELECT 'a' || 'b' || 1, 'a' || NULL, concat('a', NULL, 1), concat_ws('-', 'a', NULL, 'b')", json!(["ab1", null, "a1", "a-b"])),
        ("SELECT array_to_string([1, 2, 3], '/'), array_to_string(string_to_array('a,b', ','), '+')", json!(["1/2/3", "a+b"])),
        ("SELECT overlay('abcdef' PLACING 'X' FROM 2 FOR 2), length(repeat('x', 60000000))", json!(["aXdef", 60_000_000])),
        ("SELECT length(string_agg(s, ',')), cardinality(array_agg(k)) FROM t", json!([54_999, 5_000])),
        ("SELECT max(k || '번'), sum(length(s || k)) FROM t WHERE s || k LIKE '%9'", json!(["9번", 6_889])),
        ("SELECT sum(length(regexp_replace(repeat(s, 200), '[가나다]+', '<<<<<<>>>>>>', 'g'))) FROM t", json!([19_000_000])),
    ];
    for (sql, wanted) in table {
        assert_eq!(limited(&lake, sql, &tables, front_door()).await.unwrap(), [wanted], "{sql}");
    }
    assert_eq!(columns(&lake, "SELECT s || k, concat(s, 'x') AS c FROM t", &tables).await, "t.s || t.k:string c:string");
}

#[tokio::test]
async fn decimals_are_exact_or_refused() {
    let lake = TestLake::new();
    let tables = Tables::new();
    let exact = [
        ("SELECT 9007199254740992::DECIMAL(20,0)", json!([9_007_199_254_740_992.0])),
        ("SELECT 0.10::DECIMAL(38,2), -1.5::DECIMAL(10,5), NULL::DECIMAL(20,0), 0::DECIMAL(4,2)", json!([0.1, -1.5, null, 0.0])),
        ("SELECT '12345678.12345678'::DECIMAL(30,20)", json!([12_345_678.123_456_78])),
    ];
    for (sql, wanted) in exact {
        assert_eq!(rows(&lake, sql, &tables).await.unwrap(), [wanted], "{sql}");
    }
    for (sql, value) in [
        ("SELECT 9007199254740993::DECIMAL(20,0) AS n", "9007199254740993"),
        ("SELECT '0.12345678901234567890'::DECIMAL(38,20) AS n", "0.12345678901234567890"),
    ] {
        assert_eq!(refusal(rows(&lake, sql, &tables).await), format!("column 'n': {value} is no exact double; convert it to text"));
    }
    assert_eq!(rows(&lake, "SELECT 9007199254740993::DECIMAL(20,0)::TEXT", &tables).await.unwrap(), [json!(["9007199254740993"])]);
}
