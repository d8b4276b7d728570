//! From a file to a table and back: equal cells, or a refusal that leaves nothing.

use madang_lake::{ColumnType, CommitInfo, Lake, ReadOptions, RowStream, WriteMode, write_json_rows};
use proptest::prelude::*;
use serde_json::{Value, json, value::RawValue};

use crate::support::{TestLake, batches, refusal, schema, table_id};

#[tokio::test]
async fn every_type_comes_back() {
    let lake = TestLake::new();
    let text = "참,정수,실수,글,날,순간,현지\n\
        true,1,0.1,가,2026-03-01,2026-03-01T14:00:00+09:00,2026-03-01 14:00:00\n\
        ,,,,,,\n\
        FALSE,-9223372036854775808,5,\"a \"\"b\"\"\r\nc, d\",0001-01-01,1969-12-31T23:59:59.999999Z,9999-12-31 23:59:59.25\n";
    let snapshot = lake.load(text).await;
    assert_eq!(
        lake.rows(&snapshot).await,
        [
            json!([true, 1, 0.1, "가", "2026-03-01", "2026-03-01T05:00:00Z", "2026-03-01T14:00:00"]),
            json!([null, null, null, null, null, null, null]),
            json!([false, i64::MIN, 5.0, "a \"b\"\r\nc, d", "0001-01-01", "1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.25"]),
        ]
    );
    assert_eq!(snapshot.rows(), 3);
}

#[tokio::test]
async fn line_ends_may_be_mixed() {
    let lake = TestLake::new();
    let snapshot = lake.load("a,b\r\n1,2\n3,4\r5,6").await;
    assert_eq!(lake.rows(&snapshot).await, [json!([1, 2]), json!([3, 4]), json!([5, 6])]);
}

#[tokio::test]
async fn columns_are_matched_by_name() {
    let lake = TestLake::new();
    let columns = schema(&[("a", ColumnType::Int64, false), ("b", ColumnType::String, true), ("c", ColumnType::Double, true)]);
    let table = table_id();
    let empty = lake.engine.create(&table, &columns, &CommitInfo::default()).await.unwrap();
    let staged = lake.stage(&table, "c,a\n5,1\n,2\n", &columns).await.unwrap();
    assert_eq!((staged.columns, staged.rows()), (2, 2));
    let snapshot = lake.commit(&empty, WriteMode::Append, staged).await.unwrap();
    assert_eq!(lake.rows(&snapshot).await, [json!([1, null, 5.0]), json!([2, null, null])]);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_leaves_no_file() {
    let lake = TestLake::new();
    let columns = schema(&[("a", ColumnType::Int64, false), ("b", ColumnType::Date, true), ("c", ColumnType::Double, true)]);
    let table = table_id();
    let refused = [
        ("b\n2026-01-01\n", "the file lacks the column 'a', which must not be empty"),
        ("a,x\n1,2\n", "the file has a column 'x', the table has none"),
        ("a,b\n1,2026-01-01\n2,soon\n", "row 2, column 'b': 'soon' does not fit date32"),
        ("a\n1\n\n2\n", "row 2, column 'a': it must not be empty"),
        ("a\n007\n", "row 1, column 'a': '007' does not fit int64"),
        ("a\n5.0\n", "row 1, column 'a': '5.0' does not fit int64"),
        ("a,c\n1,9007199254740993\n", "row 1, column 'c': '9007199254740993' does not fit double"),
        ("a,b\n1,2026-01-01\n2\n", "row 2: 1 fields, the header has 2"),
    ];
    for (text, why) in refused {
        assert_eq!(refusal(lake.stage(&table, text, &columns).await), why, "{text}");
    }
    let mut late = String::from("a,b\n");
    (0..300_000).for_each(|row| late.push_str(&format!("{row},2026-01-01\n")));
    late.push_str("x,2026-01-01\n");
    assert_eq!(refusal(lake.stage(&table, late, &columns).await), "row 300001, column 'a': 'x' does not fit int64");
    assert_eq!(lake.data_files(&table), Vec::<String>::new());
}

#[tokio::test]
async fn a_caller_who_leaves_leaves_no_file() {
    let lake = TestLake::new();
    let columns = schema(&[("a", ColumnType::Int64, false)]);
    let table = table_id();
    let mut text = String::from("a\n");
    (0..500_000).for_each(|row| text.push_str(&format!("{row}\n")));
    let staging = lake.stage(&table, text, &columns);
    let gone = tokio::time::timeout(std::time::Duration::from_millis(150), staging).await;
    assert!(gone.is_err(), "the machine is too quick for this test");
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        if lake.data_files(&table).is_empty() {
            return;
        }
    }
    panic!("files are left: {:?}", lake.data_files(&table));
}

#[tokio::test]
async fn discarded_files_are_gone() {
    let lake = TestLake::new();
    let columns = schema(&[("a", ColumnType::Int64, false)]);
    let table = table_id();
    let mut staged = lake.stage(&table, "a\n1\n", &columns).await.unwrap();
    assert_eq!(lake.data_files(&table).len(), 1);
    lake.engine.discard(&table, &staged).await.unwrap();
    lake.engine.discard(&table, &staged).await.unwrap();
    assert_eq!(lake.data_files(&table).len(), 0);
    staged.files[0].path = "../other/part.parquet".to_owned();
    refusal(lake.engine.discard(&table, &staged).await);
}

#[tokio::test]
async fn an_empty_file_makes_an_empty_version() {
    let lake = TestLake::new();
    let snapshot = lake.load("a,b\n").await;
    assert_eq!((snapshot.version, snapshot.rows(), snapshot.files.len()), (1, 0, 0));
    assert_eq!(lake.rows(&snapshot).await, Vec::<Value>::new());
}

#[tokio::test]
async fn wide_cells_are_bounded_batches() {
    let lake = TestLake::new();
    let cell = "가".repeat(300_000);
    let text = format!("n,text\n{}", (0..60).map(|n| format!("{n},{cell}\n")).collect::<String>());
    let snapshot = lake.load(text).await;
    let rows = lake.rows(&snapshot).await;
    assert_eq!(rows.len(), 60);
    assert_eq!(rows[59], json!([59, cell]));
}

/// A cell of any kind: numbers, words, dates, or text with everything that needs care.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(|value| format!("{value:?}")),
        (-1_000_i64..1_000).prop_map(|value| value.to_string()),
        any::<bool>().prop_map(|value| value.to_string()),
        (1_u32..9_999, 1_u32..=12, 1_u32..=28).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}")),
        "[a-z0-9가-힣 ,;\"'\r\n\t|+-]{0,12}",
    ]
}

/// Columns of one kind and columns of any kinds.
fn table() -> impl Strategy<Value = Vec<Vec<String>>> {
    let column = |rows| {
        prop_oneof![
            prop::collection::vec(cell(), rows),
            prop::collection::vec((-99_i64..99).prop_map(|value| value.to_string()), rows),
            prop::collection::vec(any::<f32>().prop_filter("finite", |v| v.is_finite()).prop_map(|value| format!("{value:?}")), rows),
        ]
    };
    (1_usize..5, 0_usize..30).prop_flat_map(move |(columns, rows)| prop::collection::vec(column(rows), columns))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn cells_come_back_equal(columns in table()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let lake = TestLake::new();
            let rows = columns[0].len();
            let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
            let mut text = (0..columns.len()).map(|c| format!("c{c}")).collect::<Vec<_>>().join(",") + "\n";
            for row in 0..rows {
                text += &(columns.iter().map(|column| quote(&column[row])).collect::<Vec<_>>().join(",") + "\n");
            }
            let snapshot = lake.load(&text).await;
            let found = raw(lake.engine.read(&snapshot, &ReadOptions::default(), &madang_lake::Limits::default()).await.unwrap()).await;
            assert_eq!(found.len(), rows);
            for (row, values) in found.iter().enumerate() {
                for (column, value) in columns.iter().zip(values) {
                    assert!(same(&column[row], value.get()), "{:?} became {value}", column[row]);
                }
            }
        });
    }
}

/// The JSON text of each cell.
async fn raw(rows: RowStream) -> Vec<Vec<Box<RawValue>>> {
    let mut text = b"[".to_vec();
    for batch in batches(rows).await.unwrap() {
        write_json_rows(&batch, &mut text).unwrap(); // few rows: one batch
    }
    text.push(b']');
    serde_json::from_slice(&text).unwrap()
}

/// Whether a JSON text says what the cell said.
fn same(cell: &str, json: &str) -> bool {
    match json {
        "null" => cell.is_empty(),
        "true" | "false" => cell.eq_ignore_ascii_case(json),
        text if text.starts_with('"') => {
            let text: String = serde_json::from_str(text).unwrap();
            cell == text || cell.replace(' ', "T") == text
        }
        number => match (cell.parse::<i64>(), number.parse::<i64>()) {
            (Ok(cell), Ok(number)) => cell == number,
            _ => cell.parse::<f64>().unwrap().to_bits() == number.parse::<f64>().unwrap().to_bits(),
        },
    }
}
