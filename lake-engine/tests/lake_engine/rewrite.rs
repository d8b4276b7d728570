//! Deletes, wider columns and compaction: rows keep their ids, old versions their files.

use std::fs;

use madang_lake::{ColumnType, CommitInfo, Error, Filter, FilterOp, Lake, Limits, Rewrite, Snapshot, Staged, WriteMode};
use serde_json::{Value, json};

use crate::support::{TestLake, change, column, exchange, refusal, schema, table_id};

fn filter(column: &str, op: FilterOp, value: &str) -> Filter {
    Filter { column: column.to_owned(), op, values: vec![value.to_owned()] }
}

/// A table of ten files of three rows each.
async fn ten_files(lake: &TestLake) -> Snapshot {
    let mut last = lake.load("n,text\n0,a\n1,b\n2,\n").await;
    for file in 1..10 {
        let n = file * 3;
        last = lake.append(&last, format!("n,text\n{n},a\n{},b\n{},\n", n + 1, n + 2)).await.unwrap();
    }
    last
}

async fn numbers(lake: &TestLake, snapshot: &Snapshot) -> Vec<i64> {
    lake.rows(snapshot).await.iter().map(|row| row[0].as_i64().unwrap()).collect()
}

/// The newest entry of a table's log.
fn last_entry(lake: &TestLake, snapshot: &Snapshot) -> Vec<Value> {
    let path = lake.table_folder(&snapshot.table).join(format!("_delta_log/{:020}.json", snapshot.version));
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn only_files_with_deleted_rows_change() {
    let lake = TestLake::new();
    let base = ten_files(&lake).await;
    let filters = [filter("n", FilterOp::Ge, "4"), filter("n", FilterOp::Lt, "10"), filter("text", FilterOp::Ne, "zz")];
    let rewrite = lake.engine.delete(&base, &filters, &Limits::default()).await.unwrap();
    assert_eq!((rewrite.rows, rewrite.leaving.len()), (4, 3), "4, 6, 7, 9; an empty cell is not unequal");
    let after = lake.exchange(&base, WriteMode::Delete, rewrite).await.unwrap();
    let kept: Vec<i64> = (0..30).filter(|n| ![4, 6, 7, 9].contains(n)).collect();
    assert_eq!(numbers(&lake, &after).await, kept);
    assert_eq!(lake.stored(&after).await.iter().map(|row| row[0].as_i64().unwrap() - 1).collect::<Vec<_>>(), kept, "ids stay");
    let stays = base.files.iter().filter(|file| after.files.contains(file)).count();
    assert_eq!((stays, after.files.len()), (7, 10));
    assert_eq!(numbers(&lake, &lake.engine.snapshot(&base.table, Some(base.version)).await.unwrap()).await.len(), 30);
    let fresh = lake.again();
    assert_eq!(fresh.snapshot(&base.table, None).await.unwrap(), after);
    assert_eq!(lake.engine.history(&base.table, None, 1).await.unwrap()[0].operation, "DELETE");
    assert_eq!(lake.page(&after, 4, 2).await, [json!([5, null]), json!([8, null])]);
}

#[tokio::test]
async fn whole_files_just_leave() {
    let lake = TestLake::new();
    let base = ten_files(&lake).await;
    let rewrite = lake.engine.delete(&base, &[filter("n", FilterOp::Lt, "6")], &Limits::default()).await.unwrap();
    assert_eq!((rewrite.rows, rewrite.leaving.len(), rewrite.staged.files.len()), (6, 2, 0));
    let none = lake.engine.delete(&base, &[filter("n", FilterOp::Eq, "77")], &Limits::default()).await.unwrap();
    assert_eq!(none, Rewrite::default());
    let all = lake.engine.delete(&base, &[filter("n", FilterOp::Ge, "0")], &Limits::default()).await.unwrap();
    let after = lake.exchange(&base, WriteMode::Delete, all).await.unwrap();
    assert_eq!((after.rows(), numbers(&lake, &after).await), (0, Vec::new()));
    let more = lake.append(&after, "n,text\n5,x\n").await.unwrap();
    assert_eq!(lake.stored(&more).await, [json!([31, 5, "x"])]);
}

#[tokio::test]
async fn conditions_at_fault_are_refused() {
    let lake = TestLake::new();
    let base = lake.load("n\n1\n").await;
    let delete = async |filters: &[Filter]| refusal(lake.engine.delete(&base, filters, &Limits::default()).await);
    assert_eq!(delete(&[]).await, "there is no condition");
    assert_eq!(delete(&[filter("x", FilterOp::Eq, "1")]).await, "the table has no column 'x'");
    assert_eq!(delete(&[filter("n", FilterOp::Eq, "x")]).await, "filter on 'n': a value is no int64");
}

#[tokio::test]
async fn numbers_become_wider() {
    let lake = TestLake::new();
    let table = table_id();
    let narrow = schema(&[("i", ColumnType::Int32, true), ("l", ColumnType::Int64, true), ("f", ColumnType::Float, true)]);
    let empty = lake.engine.create(&table, &narrow, &CommitInfo::default()).await.unwrap();
    let one = lake.append(&empty, "i,l,f\n1,9007199254740992,0.1\n,,\n").await.unwrap();
    let two = lake.append(&one, "i,l,f\n-2147483648,-1152921504606846976,1.5\n").await.unwrap();
    let wide = schema(&[
        ("l", ColumnType::Double, true),
        ("i", ColumnType::Double, true),
        ("f", ColumnType::Double, true),
        ("new", ColumnType::Date, true),
    ]);
    let rewrite = lake.engine.widen(&two, &wide).await.unwrap();
    let mut wanted = exchange(&two, WriteMode::Widen, rewrite);
    wanted.schema = wide.clone();
    let three = lake.engine.commit(&table, wanted).await.unwrap();
    let tenth = f64::from(0.1_f32);
    let rows = [
        json!([1, 9_007_199_254_740_992.0, 1.0, tenth, null]),
        json!([2, null, null, null, null]),
        json!([3, -1_152_921_504_606_846_976.0, -2_147_483_648.0, 1.5, null]),
    ];
    assert_eq!(lake.stored(&three).await, rows);
    let fresh = lake.again();
    assert_eq!(fresh.snapshot(&table, None).await.unwrap(), three);
    let old = fresh.snapshot(&table, Some(two.version)).await.unwrap();
    assert_eq!((&old.schema, old == two), (&narrow, true));
    assert_eq!(lake.rows(&old).await[0][1], json!(9_007_199_254_740_992_i64));
    let four = lake.append(&three, "i,l,f,new\n0.5,0.5,0.5,2026-03-01\n").await.unwrap();
    assert_eq!(lake.rows(&four).await.len(), 4);
}

#[tokio::test]
async fn a_value_that_would_change_refuses_the_wider_type() {
    let lake = TestLake::new();
    let base = lake.load("a\n1\n9007199254740993\n").await;
    let files = lake.data_files(&base.table);
    let double = schema(&[("a", ColumnType::Double, true)]);
    assert_eq!(refusal(lake.engine.widen(&base, &double).await), "column 'a': 9007199254740993 does not fit double");
    let text = schema(&[("a", ColumnType::String, true)]);
    assert_eq!(refusal(lake.engine.widen(&base, &text).await), "column 'a' can't change from int64 to string");
    assert_eq!(lake.data_files(&base.table), files);
}

#[tokio::test]
async fn compaction_changes_files_and_nothing_else() {
    let lake = TestLake::new();
    let base = ten_files(&lake).await;
    let rewrite = lake.engine.compact(&base, &base.files[2..9]).await.unwrap();
    let after = lake.exchange(&base, WriteMode::Compact, rewrite).await.unwrap();
    assert_eq!((after.files.len(), after.rows()), (4, 30));
    assert_eq!(lake.stored(&after).await, lake.stored(&base).await);
    assert_eq!(lake.page(&after, 5, 20).await, lake.page(&base, 5, 20).await);
    let entry = last_entry(&lake, &after);
    assert_eq!(entry[0]["commitInfo"]["operation"], "OPTIMIZE");
    for kind in ["add", "remove"] {
        let actions: Vec<_> = entry.iter().filter_map(|action| action.get(kind)).collect();
        assert_eq!(actions.len(), if kind == "add" { 1 } else { 7 });
        assert!(actions.iter().all(|action| action["dataChange"] == json!(false)), "{actions:?}");
    }
    assert!(lake.engine.compact(&after, &[after.files[0].clone(), after.files[2].clone()]).await.is_err(), "they are no neighbours");
    let one = lake.engine.compact(&after, &after.files).await.unwrap();
    let one = lake.exchange(&after, WriteMode::Compact, one).await.unwrap();
    assert_eq!((one.files.len(), lake.stored(&one).await), (1, lake.stored(&base).await));
}

/// A change that does not fit the version it is put on is refused whole.
#[tokio::test]
async fn files_that_do_not_fit_are_refused() {
    let lake = TestLake::new();
    let base = ten_files(&lake).await;
    let rewrite = lake.engine.compact(&base, &base.files[..4]).await.unwrap();
    let after = lake.exchange(&base, WriteMode::Compact, rewrite.clone()).await.unwrap();
    let again = exchange(&after, WriteMode::Compact, rewrite.clone());
    assert_eq!(refusal(lake.engine.commit(&base.table, again).await), "a file that is to leave is not there");
    let mut lossy = exchange(&after, WriteMode::Compact, Rewrite::default());
    lossy.leaving = vec![after.files[0].path.clone()];
    assert_eq!(refusal(lake.engine.commit(&base.table, lossy).await), "the new files have another number of rows than those that leave");
    let partly = change(&after, WriteMode::Widen, Staged::default());
    assert_eq!(refusal(lake.engine.commit(&base.table, partly).await), "a file of narrower columns would stay");
    let mut append = change(&after, WriteMode::Append, Staged::default());
    append.leaving = vec![after.files[0].path.clone()];
    assert_eq!(refusal(lake.engine.commit(&base.table, append).await), "an append takes no file out");
    let stale = exchange(&base, WriteMode::Delete, Rewrite::default());
    assert!(matches!(lake.engine.commit(&base.table, stale).await, Err(Error::Conflict { .. })));
    let mut grown = after.schema.clone();
    grown.columns.push(column("c", ColumnType::Int64, true));
    assert_eq!(lake.engine.snapshot(&base.table, None).await.unwrap(), after);
}
