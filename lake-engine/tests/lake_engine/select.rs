//! Reads under conditions, in an order; counts; history.

use madang_lake::{CommitInfo, Error, Filter, FilterOp, Lake, Limits, Page, ReadOptions, Result, Snapshot, Sort, WriteMode};
use serde_json::{Value, json};

use crate::support::{TestLake, change, limit, refusal, table_id};

const ROADS: &str = "번호,이름,값,날짜,참\n1,강남,1.5,2026-01-01,true\n2,,2.5,2026-01-02,false\n3,강북,,2026-01-03,true\n4,서초,1.5,,\n";

fn filter(column: &str, op: FilterOp, values: &[&str]) -> Filter {
    Filter { column: column.to_owned(), op, values: values.iter().map(|value| (*value).to_owned()).collect() }
}

fn by(column: &str, descending: bool) -> Sort {
    Sort { column: column.to_owned(), descending }
}

/// The numbers of the rows that meet the conditions; a count says the same.
async fn numbers(lake: &TestLake, snapshot: &Snapshot, filters: &[Filter], sort: &[Sort]) -> Result<Vec<i64>> {
    let options =
        ReadOptions { columns: Some(vec!["번호".to_owned()]), filters: filters.to_vec(), sort: sort.to_vec(), ..ReadOptions::default() };
    let rows = lake.read(snapshot, &options).await?;
    let counted = lake.engine.count(snapshot, filters, &Limits::default()).await?;
    assert_eq!(counted, rows.len() as u64);
    Ok(rows.iter().map(|row| row[0].as_i64().unwrap()).collect())
}

#[tokio::test]
async fn every_comparison_leaves_empty_cells_out() {
    let lake = TestLake::new();
    let roads = lake.load(ROADS).await;
    let cases: [(&str, FilterOp, &[&str], &[i64]); 22] = [
        ("번호", FilterOp::Eq, &["2"], &[2]),
        ("이름", FilterOp::Eq, &["강남"], &[1]),
        ("이름", FilterOp::Eq, &["강남' OR 1=1 --"], &[]),
        ("이름", FilterOp::Ne, &["강남"], &[3, 4]),
        ("값", FilterOp::Eq, &["1.5"], &[1, 4]),
        ("값", FilterOp::Ne, &["1.5"], &[2]),
        ("번호", FilterOp::Lt, &["3"], &[1, 2]),
        ("번호", FilterOp::Le, &["3"], &[1, 2, 3]),
        ("날짜", FilterOp::Gt, &["2026-01-01"], &[2, 3]),
        ("날짜", FilterOp::Ge, &["2026-01-01"], &[1, 2, 3]),
        ("참", FilterOp::Eq, &["true"], &[1, 3]),
        ("이름", FilterOp::Like, &["강%"], &[1, 3]),
        ("이름", FilterOp::Like, &["_초"], &[4]),
        ("번호", FilterOp::Like, &["3"], &[3]),
        ("번호", FilterOp::In, &["4", "1", "9"], &[1, 4]),
        ("이름", FilterOp::In, &["강북"], &[3]),
        ("이름", FilterOp::In, &[], &[]),
        ("이름", FilterOp::IsNull, &[], &[2]),
        ("이름", FilterOp::IsNull, &["true"], &[2]),
        ("값", FilterOp::IsNull, &["false"], &[1, 2, 4]),
        ("_id", FilterOp::Gt, &["3"], &[4]),
        ("번호", FilterOp::IsNull, &[""], &[]),
    ];
    for (column, op, values, wanted) in cases {
        let found = numbers(&lake, &roads, &[filter(column, op, values)], &[]).await.unwrap();
        assert_eq!(found, wanted, "{column} {op:?} {values:?}");
    }
    let both = [filter("값", FilterOp::Eq, &["1.5"]), filter("번호", FilterOp::Gt, &["1"])];
    assert_eq!(numbers(&lake, &roads, &both, &[]).await.unwrap(), [4]);
    assert_eq!(lake.engine.count(&roads, &[], &Limits::default()).await.unwrap(), 4);
}

#[tokio::test]
async fn wrong_conditions_are_named() {
    let lake = TestLake::new();
    let roads = lake.load(ROADS).await;
    let cases = [
        (filter("번호", FilterOp::Eq, &["x"]), "filter on '번호': a value is no int64"),
        (filter("번호", FilterOp::In, &["1", "x"]), "filter on '번호': a value is no int64"),
        (filter("날짜", FilterOp::Lt, &["soon"]), "filter on '날짜': a value is no date32"),
        (filter("이름", FilterOp::IsNull, &["maybe"]), "filter on '이름': isnull takes true or false"),
        (filter("이름", FilterOp::Eq, &[]), "filter on '이름': a value is missing"),
        (filter("없음", FilterOp::Eq, &["1"]), "the table has no column '없음'"),
    ];
    for (wrong, why) in cases {
        assert_eq!(refusal(numbers(&lake, &roads, std::slice::from_ref(&wrong), &[]).await), why);
        assert_eq!(refusal(lake.engine.count(&roads, &[wrong], &Limits::default()).await), why);
    }
    assert_eq!(refusal(numbers(&lake, &roads, &[], &[by("없음", false)]).await), "the table has no column '없음'");
    let twice = ReadOptions { columns: Some(vec!["값".to_owned(); 2]), sort: vec![by("값", false)], ..ReadOptions::default() };
    assert_eq!(refusal(lake.read(&roads, &twice).await), "column '값' is wanted twice");
}

#[tokio::test]
async fn sorted_rows_keep_the_order_of_ingestion_where_they_tie() {
    let lake = TestLake::new();
    let roads = lake.load(ROADS).await;
    assert_eq!(numbers(&lake, &roads, &[], &[by("값", false)]).await.unwrap(), [1, 4, 2, 3], "empty cells come last");
    assert_eq!(numbers(&lake, &roads, &[], &[by("값", true)]).await.unwrap(), [2, 1, 4, 3], "either way");
    assert_eq!(numbers(&lake, &roads, &[], &[by("참", false), by("번호", true)]).await.unwrap(), [2, 3, 1, 4]);
    assert_eq!(numbers(&lake, &roads, &[], &[by("_id", true)]).await.unwrap(), [4, 3, 2, 1]);
    let options = ReadOptions {
        columns: Some(vec!["이름".to_owned(), "_id".to_owned()]),
        filters: vec![filter("번호", FilterOp::Le, &["2"])],
        sort: vec![by("번호", true)],
        page: None,
    };
    assert_eq!(lake.read(&roads, &options).await.unwrap(), [json!([null, 2]), json!(["강남", 1])]);
}

#[tokio::test]
async fn pages_of_a_sorted_read_fit_together() {
    let lake = TestLake::new();
    let mut text = String::from("a,b\n");
    (0..30_000).for_each(|row| text.push_str(&format!("{},{row}\n", row % 7)));
    let first = lake.load(&text).await;
    let second = lake.append(&first, "a,b\n3,30000\n").await.unwrap();
    let read = async |page: Option<Page>| {
        let options =
            ReadOptions { filters: vec![filter("a", FilterOp::Ge, &["3"])], sort: vec![by("a", true)], page, ..Default::default() };
        lake.read(&second, &options).await.unwrap()
    };
    let all = read(None).await;
    let keys: Vec<_> = all.iter().map(|row| (-row[0].as_i64().unwrap(), row[1].as_i64().unwrap())).collect();
    assert!(keys.is_sorted() && all.last() == Some(&json!([3, 30_000])));
    for (offset, limit) in [(0, 10), (4_280, 20), (17_130, 100), (20_000, 5)] {
        let start = usize::try_from(offset).unwrap().min(all.len());
        let end = usize::try_from(offset + limit).unwrap().min(all.len());
        assert_eq!(read(Some(Page { offset, limit })).await, all[start..end], "{offset}");
    }
}

#[tokio::test]
async fn limits_hold_for_reads_under_conditions() {
    let lake = TestLake::new();
    let roads = lake.load(ROADS).await;
    let few = Limits { rows: 1, ..Limits::default() };
    let options = ReadOptions { sort: vec![by("번호", false)], ..ReadOptions::default() };
    let read = lake.engine.read(&roads, &options, &few).await.unwrap();
    assert_eq!(limit(crate::support::json(read).await), "the query gives more than 1 rows, which is the limit");
}

#[tokio::test]
async fn history_tells_what_each_version_was() {
    let lake = TestLake::new();
    let one = lake.load("a\n1\n").await;
    let two = lake.append(&one, "a\n2\n").await.unwrap();
    let staged = lake.stage(&two.table, "a\n3\n", &two.schema).await.unwrap();
    let mut wanted = change(&two, WriteMode::Overwrite, staged);
    wanted.info = CommitInfo { timestamp_ms: 1_772_341_300_000, ..wanted.info };
    lake.engine.commit(&two.table, wanted).await.unwrap();
    let history = lake.engine.history(&one.table, None, 10).await.unwrap();
    let told: Vec<_> =
        history.iter().map(|entry| (entry.version, entry.operation.as_str(), entry.read_version, entry.timestamp_ms)).collect();
    let wanted = [
        (3, "WRITE", Some(2), 1_772_341_300_000),
        (2, "WRITE", Some(1), 1_772_341_200_000),
        (1, "WRITE", Some(0), 1_772_341_200_000),
        (0, "CREATE TABLE", None, 0),
    ];
    assert_eq!(told, wanted);
    let modes: Vec<_> = history.iter().map(|entry| entry.parameters.get("mode").and_then(Value::as_str)).collect();
    assert_eq!(modes, [Some("Overwrite"), Some("Append"), Some("Append"), None]);
    let versions = async |before, most| {
        let found = lake.again().history(&one.table, before, most).await.unwrap();
        found.iter().map(|entry| entry.version).collect::<Vec<_>>()
    };
    assert_eq!(versions(None, 2).await, [3, 2]);
    assert_eq!(versions(Some(2), 10).await, [1, 0]);
    assert_eq!(versions(Some(99), 1).await, [3]);
    assert_eq!(versions(Some(0), 10).await, Vec::<i64>::new());
    assert_eq!(versions(Some(i64::MIN), 10).await, Vec::<i64>::new());
    assert!(matches!(lake.engine.history(&table_id(), None, 10).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn a_statement_tells_its_tables() {
    let lake = TestLake::new();
    let names = |sql: &str| {
        lake.engine.tables_in(sql).map(|mut names| {
            names.sort();
            names
        })
    };
    assert_eq!(names("SELECT * FROM 도로 r JOIN \"Ro ad\" ON EXISTS (SELECT 1 FROM C)").unwrap(), ["C", "Ro ad", "도로"]);
    assert_eq!(names("WITH a AS (SELECT * FROM b) SELECT * FROM a").unwrap(), ["b"]);
    assert_eq!(names("SELECT 1").unwrap(), Vec::<String>::new());
    assert_eq!(refusal(names("DROP TABLE x")), "only a SELECT may be run");
    assert_eq!(refusal(names("SELECT * FROM a.b")), "there is no table 'a.b'");
}
