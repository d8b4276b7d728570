//! Merges: who is matched keeps id and place, who is not comes last, and only the files concerned are written anew.

use std::collections::{BTreeMap, HashMap};

use madang_lake::{Column, ColumnType, CommitInfo, Lake, Limits, Merge, Positions, Schema, Snapshot, WriteMode};
use serde_json::{Value, json};

use crate::support::{TestLake, column, refusal, schema, table_id};

/// Three files: ids 1 to 2, 3 to 4, 5.
async fn three_files(lake: &TestLake) -> Snapshot {
    let columns = schema(&[("k", ColumnType::Int64, true), ("a", ColumnType::Int64, true), ("b", ColumnType::String, true)]);
    let empty = lake.engine.create(&table_id(), &columns, &CommitInfo::default()).await.unwrap();
    let one = lake.append(&empty, "k,a,b\n1,10,x\n2,20,y\n").await.unwrap();
    let two = lake.append(&one, "k,a,b\n3,30,\n4,40,z\n").await.unwrap();
    lake.append(&two, "k,a,b\n5,50,w\n").await.unwrap()
}

fn paths(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.files.iter().map(|file| file.path.as_str()).collect()
}

#[tokio::test]
async fn matched_rows_keep_id_place_and_other_cells() {
    let lake = TestLake::new();
    let base = three_files(&lake).await;
    let merged = lake.merge(&base, "k,a\n4,41\n9,90\n3,\n4,42\n8,80\n", &["k"]).await.unwrap();
    let rows = [
        json!([1, 1, 10, "x"]),
        json!([2, 2, 20, "y"]),
        json!([3, 3, null, null]),
        json!([4, 4, 42, "z"]),
        json!([5, 5, 50, "w"]),
        json!([6, 9, 90, null]),
        json!([7, 8, 80, null]),
    ];
    assert_eq!(lake.stored(&merged).await, rows);
    let (old, new) = (paths(&base), paths(&merged));
    assert_eq!((new[0], new[2]), (old[0], old[2]), "files without a matched row stay");
    assert!(!new.contains(&old[1]));
    assert_eq!(lake.stored(&lake.engine.snapshot(&base.table, Some(base.version)).await.unwrap()).await.len(), 5, "older versions stay");
    let history = lake.engine.history(&base.table, None, 1).await.unwrap();
    assert_eq!(history[0].operation, "MERGE");
    assert_eq!(lake.data_files(&base.table).len(), 3 + 2, "what was staged for the merge is gone");
}

#[tokio::test]
async fn a_merge_into_nothing_keeps_the_last_of_each_key() {
    let lake = TestLake::new();
    let table = table_id();
    let columns = schema(&[("k", ColumnType::String, true), ("n", ColumnType::Int64, true)]);
    let empty = lake.engine.create(&table, &columns, &CommitInfo::default()).await.unwrap();
    let merged = lake.merge(&empty, "k,n\na,1\nb,2\na,3\nA,4\n", &["k"]).await.unwrap();
    assert_eq!(lake.stored(&merged).await, [json!([1, "b", 2]), json!([2, "a", 3]), json!([3, "A", 4])]);
    let same = lake.merge(&merged, "k,n\n", &["k"]).await.unwrap();
    assert_eq!((same.version, paths(&same)), (merged.version + 1, paths(&merged)));
}

#[tokio::test]
async fn only_equal_keys_match() {
    let lake = TestLake::new();
    let columns = schema(&[("x", ColumnType::Double, true), ("y", ColumnType::String, true), ("n", ColumnType::Int64, true)]);
    let table = table_id();
    let empty = lake.engine.create(&table, &columns, &CommitInfo::default()).await.unwrap();
    // CSV has no NaN, but results of queries do
    let rows = async |text: &str| {
        let sql = format!("SELECT CAST(x AS DOUBLE) AS x, y, n FROM (VALUES {text}) AS t (x, y, n)");
        lake.engine.query(&sql, &HashMap::new(), &Limits::default()).await.unwrap()
    };
    let there = "('0.0', 'a', 1), ('NaN', 'a', 2), (NULL, 'a', 3), ('1.5', NULL, 4), ('1.5', 'b', 5), ('1.5', 'b', 6), ('1.5', 'B', 7)";
    let staged = lake.engine.stage_rows(&table, rows(there).await, &columns, &lake.ids).await.unwrap();
    let base = lake.commit(&empty, WriteMode::Append, staged).await.unwrap();
    let new = rows("('-0.0', 'a', 10), ('NaN', 'a', 20), ('1.5', 'b', 50), ('1.5', 'b ', 80)").await;
    let keys = vec!["y".to_owned(), "x".to_owned()];
    let columns = columns.for_merge(&["x", "y", "n"].map(str::to_owned), &keys).unwrap();
    let staged = lake.engine.stage_rows(&table, new, &columns, &Positions::default()).await.unwrap();
    let merge = Merge { staged, schema: columns, keys };
    let rewrite = lake.engine.merge(&base, &merge, &Limits::default(), &lake.ids).await.unwrap();
    let merged = lake.exchange(&base, WriteMode::Merge, rewrite).await.unwrap();
    let numbers: Vec<Value> = lake.rows(&merged).await.into_iter().map(|row| row[2].clone()).collect();
    assert_eq!(numbers, [10, 20, 3, 4, 50, 50, 7, 80].map(Value::from), "an empty cell is equal to none");
}

#[tokio::test]
async fn every_type_may_be_a_key() {
    let lake = TestLake::new();
    let text = "b,i,d,s,day,at,local,n\n\
        true,1,0.5,가,2026-03-01,2026-03-01T09:00:00+09:00,2026-03-01 09:00:00,1\n\
        false,1,0.5,가,2026-03-01,2026-03-01T09:00:00+09:00,2026-03-01 09:00:00,2\n";
    let base = lake.load(text).await;
    let again = text.replace("+09:00,2026-03-01 09:00:00,2", "+09:00,2026-03-01 09:00:00,3");
    let merged = lake.merge(&base, again, &["b", "i", "d", "s", "day", "at", "local"]).await.unwrap();
    assert_eq!(lake.rows(&merged).await.iter().map(|row| row[7].clone()).collect::<Vec<_>>(), [json!(1), json!(3)]);
}

#[tokio::test]
async fn bad_rows_are_refused_and_leave_nothing() {
    let lake = TestLake::new();
    let base = three_files(&lake).await;
    let files = lake.data_files(&base.table).len();
    let refused = [
        ("k,a\n1,2\n,3\n", &["k"][..], "row 2, column 'k': it must not be empty"),
        ("a\n1\n", &["k"], "the file lacks the key column 'k'"),
        ("k,z\n1,2\n", &["k"], "the file has a column 'z', the table has none"),
        ("k,a\n1,x\n", &["k"], "row 1, column 'a': 'x' does not fit int64"),
        ("k\n1\n", &["x"], "the key 'x' is no column of the table"),
    ];
    for (text, keys, why) in refused {
        assert_eq!(refusal(lake.rows_to_merge(&base, text, keys).await), why);
    }
    assert_eq!(lake.data_files(&base.table).len(), files);
}

#[tokio::test]
async fn a_mandatory_column_is_needed_by_new_rows_only() {
    let lake = TestLake::new();
    let table = table_id();
    let columns = schema(&[("k", ColumnType::Int64, false), ("must", ColumnType::Int64, false), ("a", ColumnType::Int64, true)]);
    let empty = lake.engine.create(&table, &columns, &CommitInfo::default()).await.unwrap();
    let base = lake.append(&empty, "k,must,a\n1,1,1\n").await.unwrap();
    let merged = lake.merge(&base, "k,a\n1,2\n", &["k"]).await.unwrap();
    assert_eq!(lake.rows(&merged).await, [json!([1, 1, 2])]);
    let files = lake.data_files(&table).len();
    assert_eq!(refusal(lake.merge(&merged, "k,a\n1,3\n2,2\n", &["k"]).await), "the rows lack the column 'must', which must not be empty");
    assert_eq!(lake.data_files(&table).len(), files);
}

/// The rows of a merge by hand.
fn by_hand(rows: &mut Vec<(i64, i64, i64)>, new: &[(i64, i64)]) {
    let last: BTreeMap<i64, (usize, i64)> = new.iter().enumerate().map(|(at, (key, value))| (*key, (at, *value))).collect();
    let there: std::collections::BTreeSet<i64> = rows.iter().map(|row| row.0).collect();
    for row in rows.iter_mut() {
        if let Some((_, value)) = last.get(&row.0) {
            row.1 = *value;
        }
    }
    let mut added: Vec<_> = last.into_iter().filter(|(key, _)| !there.contains(key)).collect();
    added.sort_by_key(|(_, (at, _))| *at);
    rows.extend(added.into_iter().map(|(key, (_, value))| (key, value, -1)));
}

fn csv(head: &str, rows: impl Iterator<Item = (i64, i64)>) -> String {
    rows.fold(format!("{head}\n"), |text, (key, value)| format!("{text}{key},{value}\n"))
}

/// Both ways to join, against a merge by hand, with keys all over the table and little memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_merges_are_right_and_bounded() {
    let lake = TestLake::new();
    let mut rows: Vec<(i64, i64, i64)> = (0..150_000).map(|n| (n * 7 % 150_000, n, -1)).collect();
    let columns =
        Schema { columns: ["k", "v", "w"].map(|name| Column { nullable: true, ..column(name, ColumnType::Int64, true) }).to_vec() };
    let table = table_id();
    let empty = lake.engine.create(&table, &columns, &CommitInfo::default()).await.unwrap();
    let text = rows.iter().fold("k,v,w\n".to_owned(), |text, (k, v, w)| text + &format!("{k},{v},{w}\n"));
    let mut snapshot = lake.append(&empty, text).await.unwrap();
    for (count, step, memory_bytes) in [(5_000_i64, 61, 1 << 30), (120_000, 3, 64 << 20)] {
        let new: Vec<(i64, i64)> = (0..count).map(|n| (n * step % 200_000, -n)).collect();
        by_hand(&mut rows, &new);
        for row in rows.iter_mut().filter(|row| row.2 == -1 && row.0 >= 150_000) {
            row.2 = i64::MIN; // never written: empty
        }
        let merge = lake.rows_to_merge(&snapshot, csv("k,v", new.into_iter()), &["k"]).await.unwrap();
        let limits = Limits { memory_bytes, ..Limits::default() };
        let rewrite = lake.engine.merge(&snapshot, &merge, &limits, &lake.ids).await.unwrap();
        snapshot = lake.exchange(&snapshot, WriteMode::Merge, rewrite).await.unwrap();
        let found = lake.rows(&snapshot).await;
        let cell = |value: i64| if value == i64::MIN { Value::Null } else { json!(value) };
        assert_eq!(found.len(), rows.len());
        assert!(found.iter().zip(&rows).all(|(found, (k, v, w))| *found == json!([k, v, cell(*w)])));
    }
}
