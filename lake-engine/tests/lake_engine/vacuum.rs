//! What may go goes, what is needed stays.

use std::collections::HashSet;

use madang_lake::{Error, Filter, FilterOp, Lake, Limits, WriteMode};
use serde_json::json;

use crate::support::TestLake;

fn now() -> i64 {
    i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[tokio::test]
async fn staged_files_that_nobody_names_go() {
    let lake = TestLake::new();
    let before = now() - 1_000;
    let one = lake.load("a\n1\n").await;
    let two = lake.append(&one, "a\n2\n").await.unwrap();
    let compacted = lake.engine.compact(&two, &two.files).await.unwrap();
    let three = lake.exchange(&two, WriteMode::Compact, compacted).await.unwrap();
    let lost = lake.stage(&one.table, "a\n3\n", &one.schema).await.unwrap();
    let open = lake.stage(&one.table, "a\n4\n", &one.schema).await.unwrap();
    let keep: HashSet<String> = open.files.iter().map(|file| file.path.clone()).collect();
    assert_eq!(lake.engine.sweep(&one.table, before, before + 1, &keep).await.unwrap(), 0, "they are younger");
    assert_eq!(lake.engine.sweep(&one.table, now() + 1_000, now() + 2_000, &keep).await.unwrap(), 0, "they are older");
    assert_eq!(lake.engine.sweep(&one.table, before, now() + 1_000, &keep).await.unwrap(), 1);
    let there = lake.data_files(&one.table);
    assert!(!there.contains(&lost.files[0].path) && there.contains(&open.files[0].path));
    assert_eq!(there.len(), 4);
    for snapshot in [one, two, three] {
        let found = lake.again().snapshot(&snapshot.table, Some(snapshot.version)).await.unwrap();
        assert_eq!(lake.rows(&found).await.len() as u64, snapshot.rows());
    }
}

#[tokio::test]
async fn files_that_left_go_with_the_versions_that_need_them() {
    let lake = TestLake::new();
    let one = lake.load("a\n1\n2\n").await;
    let two = lake.append(&one, "a\n3\n").await.unwrap();
    let filter = Filter { column: "a".to_owned(), op: FilterOp::Eq, values: vec!["1".to_owned()] };
    let deleted = lake.engine.delete(&two, &[filter], &Limits::default()).await.unwrap();
    let three = lake.exchange(&two, WriteMode::Delete, deleted).await.unwrap();
    let compacted = lake.engine.compact(&three, &three.files).await.unwrap();
    let four = lake.exchange(&three, WriteMode::Compact, compacted).await.unwrap();
    assert_eq!(lake.engine.expire(&one.table, 0, 2).await.unwrap(), 0, "no version up to 2 took a file out");
    assert_eq!(lake.engine.expire(&one.table, 2, 3).await.unwrap(), 1);
    assert_eq!(lake.engine.expire(&one.table, 2, 3).await.unwrap(), 0, "it is gone already");
    assert_eq!(lake.rows(&three).await, [json!([2]), json!([3])]);
    assert_eq!(lake.engine.expire(&one.table, 3, 4).await.unwrap(), 2);
    assert_eq!(lake.rows(&four).await, [json!([2]), json!([3])]);
    assert_eq!(lake.data_files(&one.table).len(), 1);
}

#[tokio::test]
async fn a_removed_table_is_gone() {
    let lake = TestLake::new();
    let (one, other) = (lake.load("a\n1\n").await, lake.load("a\n2\n").await);
    let mut tables = lake.engine.tables().await.unwrap();
    tables.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    assert_eq!(tables, [one.table.clone(), other.table.clone()]);
    assert_eq!(lake.engine.remove(&one.table).await.unwrap(), 3);
    assert!(matches!(lake.engine.snapshot(&one.table, None).await, Err(Error::NotFound(_))));
    assert!(matches!(lake.engine.snapshot(&one.table, Some(1)).await, Err(Error::NotFound(_))));
    assert_eq!(lake.rows(&other).await, [json!([2])]);
    assert_eq!(lake.engine.remove(&one.table).await.unwrap(), 0);
}
