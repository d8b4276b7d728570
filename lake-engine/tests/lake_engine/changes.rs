//! What came to a table between two versions, values in statements, and scratch tables.

use std::{collections::HashMap, time::Duration};

use madang_lake::{Lake, Limits, ReadOptions, RowStream, Schema, Snapshot, TableId, WriteMode};
use serde_json::{Value, json};

use crate::support::{Ids, TestLake, json, refusal};

impl TestLake {
    async fn changes(&self, from: &Snapshot, to: &Snapshot) -> Vec<Value> {
        let changes = self.engine.changes(from, to, &Limits::default()).await.unwrap();
        let rows = self.rows(&changes).await;
        assert_eq!(rows.len() as u64, changes.rows());
        self.engine.drop_scratch(&changes).await.unwrap();
        rows
    }

    /// The table with these rows in new files, numbered from 1 again: what a compaction or a merge leaves behind.
    async fn rewritten(&self, before: &Snapshot, text: &str) -> Snapshot {
        let staged = self.engine.stage(&before.table, &self.csv(text), &before.schema, &Limits::default(), &Ids::default()).await.unwrap();
        self.commit(before, WriteMode::Overwrite, staged).await.unwrap()
    }

    fn scratch_files(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("root/scratch")).map_or(0, Iterator::count)
    }
}

#[tokio::test]
async fn appended_files_are_the_changes() {
    let lake = TestLake::new();
    let first = lake.load("n,s\n1,a\n2,b\n").await;
    let second = lake.append(&first, "n,s\n3,c\n").await.unwrap();
    let third = lake.append(&second, "n,s\n4,\n").await.unwrap();
    assert_eq!(lake.changes(&first, &third).await, [json!([3, "c"]), json!([4, null])]);
    assert_eq!(lake.changes(&second, &third).await, [json!([4, null])]);
    assert!(lake.changes(&third, &third).await.is_empty());
    assert_eq!(lake.scratch_files(), 0, "whole files need no copy");
}

#[tokio::test]
async fn a_rewrite_gives_what_differs_and_nothing_else() {
    let lake = TestLake::new();
    let text = "n,s,x\n1,a,0.5\n2,,\n3,c,1\n4,d,\n";
    let first = lake.load(text).await;
    let compacted = lake.rewritten(&first, text).await;
    assert_ne!(first.files, compacted.files);
    assert!(lake.changes(&first, &compacted).await.is_empty(), "empty cells are equal");
    let merged = lake.rewritten(&first, "n,s,x\n1,a,0.5\n2,now,\n3,c,1\n4,d,7\n5,new,\n").await;
    assert_eq!(lake.changes(&first, &merged).await, [json!([2, "now", null]), json!([4, "d", 7.0]), json!([5, "new", null])]);
    let emptied = lake.rewritten(&merged, "n,s,x\n1,a,0.5\n2,,\n3,c,1\n").await;
    assert_eq!(lake.changes(&merged, &emptied).await, [json!([2, null, null])], "removed rows are no changes");
    assert_eq!(lake.scratch_files(), 0);
}

/// New columns are empty in old rows; a replaced table with other columns is new as a whole.
#[tokio::test]
async fn columns_may_grow_in_between() {
    let lake = TestLake::new();
    let first = lake.load("n\n1\n2\n").await;
    let wider = Schema {
        columns: [first.schema.columns.clone(), vec![crate::support::column("s", madang_lake::ColumnType::String, true)]].concat(),
    };
    let grown = Snapshot { schema: wider, ..first.clone() };
    let rewritten = lake.rewritten(&grown, "n,s\n1,\n2,b\n").await;
    assert_eq!(lake.changes(&first, &Snapshot { schema: grown.schema.clone(), ..rewritten }).await, [json!([2, "b"])]);
    let other = lake.load("s\nx\n").await;
    assert_eq!(lake.changes(&first, &other).await, [json!(["x"])], "another table");
}

#[tokio::test]
async fn values_are_bound() {
    let lake = TestLake::new();
    let tables = HashMap::from([("t".to_owned(), lake.load("n,s,d\n1,a,2026-03-01\n2,b,2026-03-02\n").await)]);
    let query = async |sql: &str, values: Value| {
        let values: HashMap<String, Value> = serde_json::from_value(values).unwrap();
        match lake.engine.query_with(sql, &values, &tables, &Limits::default()).await {
            Ok(rows) => json(rows).await,
            Err(error) => Err(error),
        }
    };
    for (sql, values, expected) in [
        ("SELECT n FROM t WHERE n = $n", json!({"n": 2}), json!([[2]])),
        ("SELECT n FROM t WHERE s = $s OR s = $s", json!({"s": "b"}), json!([[2]])),
        ("SELECT n FROM t WHERE s = $s", json!({"s": "' OR true --"}), json!([])),
        ("SELECT n FROM t WHERE d >= $since", json!({"since": "2026-03-02"}), json!([[2]])),
        ("SELECT $s AS s, $x AS x, $yes AS yes FROM t LIMIT 1", json!({"s": "글", "x": 1.5, "yes": true}), json!([["글", 1.5, true]])),
        ("SELECT n FROM t WHERE n = COALESCE($n, 1)", json!({"n": null}), json!([[1]])),
    ] {
        assert_eq!(json!(query(sql, values).await.unwrap()), expected, "{sql}");
    }
    assert!(refusal(query("SELECT $n AS n", json!({"n": [1]})).await).contains("$n"));
    assert!(!refusal(query("SELECT n FROM t WHERE n = $n", json!({})).await).is_empty());
    assert_eq!(lake.engine.values_in("SELECT $b, (SELECT max(n) FROM t WHERE n > $a) FROM t WHERE s = $b").unwrap(), ["b", "a"]);
}

#[tokio::test]
async fn scratch_tables_hold_rows_in_their_order_until_they_are_dropped() {
    let lake = TestLake::new();
    let loaded = lake.load("n\n3\n1\n2\n").await;
    let stream = async || -> RowStream { lake.engine.read(&loaded, &ReadOptions::default(), &Limits::default()).await.unwrap() };
    let kept = lake.engine.scratch(stream().await).await.unwrap();
    assert!(kept.table.is_scratch() && !loaded.table.is_scratch());
    assert_eq!(lake.rows(&kept).await, [json!([3]), json!([1]), json!([2])]);
    let tables = HashMap::from([("t".to_owned(), kept.clone())]);
    let counted = lake.engine.query("SELECT sum(n) AS n FROM t", &tables, &Limits::default()).await.unwrap();
    assert_eq!(json(counted).await.unwrap(), [json!([6])]);
    lake.engine.drop_scratch(&loaded).await.unwrap();
    assert_eq!(lake.rows(&loaded).await.len(), 3, "no other table's files");
    lake.engine.drop_scratch(&kept).await.unwrap();
    assert_eq!(lake.scratch_files(), 0);

    let left = lake.engine.scratch(stream().await).await.unwrap();
    lake.engine.sweep_scratch(Duration::from_hours(1)).await.unwrap();
    assert_eq!(lake.rows(&left).await.len(), 3, "young ones stay");
    tokio::time::sleep(Duration::from_millis(20)).await;
    lake.engine.sweep_scratch(Duration::ZERO).await.unwrap();
    assert_eq!(lake.scratch_files(), 0);
    assert!(TableId::new_scratch().is_scratch());
}
