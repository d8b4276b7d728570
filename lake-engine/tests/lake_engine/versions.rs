//! Versions: commits that win or lose whole, old ones that stay, columns that grow, logs that lie.

use std::fs;

use madang_lake::{ColumnType, CommitInfo, Error, Lake, WriteMode};
use madang_lake_engine::Durability;
use serde_json::{Value, json};

use crate::support::{TestLake, change, column, refusal, schema, table_id};

#[tokio::test]
async fn old_versions_stay_readable() {
    let lake = TestLake::new();
    let one = lake.load("a\n1\n").await;
    let two = lake.append(&one, "a\n2\n").await.unwrap();
    let staged = lake.stage(&two.table, "a\n3\n", &two.schema).await.unwrap();
    let three = lake.commit(&two, WriteMode::Overwrite, staged).await.unwrap();
    let engine = lake.again();
    for (version, rows) in [(0, json!([])), (1, json!([[1]])), (2, json!([[1], [2]])), (3, json!([[3]]))] {
        for engine in [&lake.engine, &engine] {
            let snapshot = engine.snapshot(&one.table, Some(version)).await.unwrap();
            assert_eq!(snapshot.version, version);
            assert_eq!(Value::from(lake.rows(&snapshot).await), rows);
        }
    }
    assert_eq!(engine.snapshot(&one.table, None).await.unwrap(), three);
    assert_eq!(lake.engine.snapshot(&one.table, None).await.unwrap(), three);
    for version in [-1, 4, i64::MAX] {
        assert!(matches!(lake.engine.snapshot(&one.table, Some(version)).await, Err(Error::NotFound(_))));
    }
}

#[tokio::test]
async fn many_versions_cross_a_checkpoint() {
    let lake = TestLake::new();
    let mut last = lake.load("a\n0\n").await;
    for value in 1..55 {
        last = lake.append(&last, format!("a\n{value}\n")).await.unwrap();
    }
    let log: Vec<_> =
        fs::read_dir(lake.table_folder(&last.table).join("_delta_log")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(log.iter().any(|name| name.to_string_lossy().ends_with("50.checkpoint.parquet")), "{log:?}");
    let fresh = lake.again();
    assert_eq!(fresh.snapshot(&last.table, None).await.unwrap(), last);
    assert_eq!(fresh.snapshot(&last.table, Some(3)).await.unwrap().rows(), 3);
    assert_eq!(fresh.snapshot(&last.table, Some(52)).await.unwrap().rows(), 52);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_commits_one_wins() {
    let lake = std::sync::Arc::new(TestLake::with(Durability::Full));
    let base = lake.load("a\n1\n").await;
    let engines: Vec<_> = (0..8).map(|_| std::sync::Arc::new(lake.again())).collect();
    let mut tasks = Vec::new();
    for engine in engines {
        let staged = lake.stage(&base.table, "a\n2\n", &base.schema).await.unwrap();
        let (table, change) = (base.table.clone(), change(&base, WriteMode::Append, staged));
        tasks.push(tokio::spawn(async move { engine.commit(&table, change).await }));
    }
    let (mut won, mut lost) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(snapshot) => {
                assert_eq!(snapshot.version, 2);
                won += 1;
            }
            Err(Error::Conflict { expected: 1, actual: 2 }) => lost += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((won, lost), (1, 7));
    assert_eq!(lake.rows(&lake.engine.snapshot(&base.table, None).await.unwrap()).await, [json!([1]), json!([2])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn create_leaves_a_table_alone() {
    let lake = TestLake::new();
    let columns = schema(&[("a", ColumnType::Int64, true)]);
    let table = table_id();
    let engines = [lake.again(), lake.again(), lake.again(), lake.again()];
    let info = CommitInfo::default();
    let made = futures::future::join_all(engines.iter().map(|engine| engine.create(&table, &columns, &info))).await;
    assert!(made.into_iter().all(|snapshot| snapshot.unwrap().version == 0));
    let empty = lake.engine.snapshot(&table, None).await.unwrap();
    lake.append(&empty, "a\n1\n").await.unwrap();
    let other = schema(&[("b", ColumnType::String, true)]);
    let there = lake.engine.create(&table, &other, &info).await.unwrap();
    assert_eq!((there.version, there.schema), (1, columns));
}

#[tokio::test]
async fn a_stale_base_is_a_conflict_and_changes_nothing() {
    let lake = TestLake::new();
    let one = lake.load("a\n1\n").await;
    let two = lake.append(&one, "a\n2\n").await.unwrap();
    let staged = lake.stage(&one.table, "a\n9\n", &one.schema).await.unwrap();
    let lost = lake.commit(&one, WriteMode::Append, staged.clone()).await;
    assert!(matches!(lost, Err(Error::Conflict { expected: 1, actual: 2 })), "{lost:?}");
    assert_eq!(lake.engine.snapshot(&one.table, None).await.unwrap(), two);
    let again = lake.commit(&two, WriteMode::Append, staged).await.unwrap();
    assert_eq!(lake.rows(&again).await, [json!([1]), json!([2]), json!([9])]);
}

#[tokio::test]
async fn staged_files_must_be_there_whole_and_apart() {
    let lake = TestLake::new();
    let one = lake.load("a\n1\n").await;
    let staged = lake.stage(&one.table, "a\n2\n", &one.schema).await.unwrap();
    let twice = madang_lake::Staged { files: [&staged.files[..], &staged.files[..]].concat(), columns: 1 };
    assert_eq!(refusal(lake.commit(&one, WriteMode::Append, twice).await), "the staged files have overlapping ranges of row ids");
    let mut other = staged.clone();
    other.files[0].bytes += 1;
    assert!(matches!(lake.commit(&one, WriteMode::Append, other).await, Err(Error::Storage(_))));
    lake.engine.discard(&one.table, &staged).await.unwrap();
    assert!(matches!(lake.commit(&one, WriteMode::Append, staged).await, Err(Error::Storage(_))));
    assert_eq!(lake.engine.snapshot(&one.table, None).await.unwrap().version, 1);
}

#[tokio::test]
async fn an_append_may_add_nullable_columns() {
    let lake = TestLake::new();
    let one = lake.load("a\n1\n").await;
    let mut grown = one.schema.clone();
    grown.columns.push(column("새 열(°C)", ColumnType::LocalTimestamp, true));
    let staged = lake.stage(&one.table, "새 열(°C),a\n2026-03-01 05:00:00,2\n", &grown).await.unwrap();
    let mut wanted = change(&one, WriteMode::Append, staged);
    wanted.schema = grown.clone();
    let two = lake.engine.commit(&one.table, wanted).await.unwrap();
    assert_eq!(lake.rows(&two).await, [json!([1, null]), json!([2, "2026-03-01T05:00:00"])]);
    let fresh = lake.again();
    assert_eq!(fresh.snapshot(&one.table, None).await.unwrap(), two);
    assert_eq!(fresh.snapshot(&one.table, Some(1)).await.unwrap(), one);
    let three = lake.append(&two, "a\n3\n").await.unwrap();
    assert_eq!(lake.rows(&three).await[2], json!([3, null]));
}

#[tokio::test]
async fn an_append_may_not_bend_columns() {
    let lake = TestLake::new();
    let one = lake.load("a,b\n1,\n").await; // a: int64, b: string, may be null
    let refused = [
        (schema(&[("a", ColumnType::Int64, false)]), "column 'b' can't be removed"),
        (schema(&[("a", ColumnType::String, false), ("b", ColumnType::String, true)]), "column 'a' can't change from int64 to string"),
        (
            schema(&[("a", ColumnType::Int64, false), ("b", ColumnType::String, false)]),
            "column 'b' may be empty already and can't become mandatory",
        ),
        (
            schema(&[("a", ColumnType::Int64, false), ("b", ColumnType::String, true), ("c", ColumnType::Bool, false)]),
            "the new column 'c' must be nullable",
        ),
        (
            schema(&[("a", ColumnType::Int64, false), ("b", ColumnType::String, true), ("B", ColumnType::Bool, true)]),
            "the column name 'B' appears twice (upper and lower case count as equal)",
        ),
    ];
    for (columns, why) in refused {
        let mut wanted = change(&one, WriteMode::Append, madang_lake::Staged::default());
        wanted.schema = columns;
        assert_eq!(refusal(lake.engine.commit(&one.table, wanted).await), why);
    }
    let mut other = change(&one, WriteMode::Overwrite, madang_lake::Staged::default());
    other.schema = schema(&[("z", ColumnType::Date, false)]);
    let two = lake.engine.commit(&one.table, other.clone()).await.unwrap();
    assert_eq!((two.schema, two.files.len()), (other.schema, 0));
}

#[tokio::test]
async fn only_local_timestamps_raise_the_protocol() {
    let lake = TestLake::new();
    let log =
        |table: &madang_lake::TableId| fs::read_to_string(lake.table_folder(table).join("_delta_log/00000000000000000000.json")).unwrap();
    let plain = lake.load("a\n2026-03-01T05:00:00Z\n").await;
    assert!(log(&plain.table).contains(r#""minReaderVersion":1,"minWriterVersion":2"#), "{}", log(&plain.table));
    let local = lake.load("a\n2026-03-01T05:00:00\n").await;
    assert!(log(&local.table).contains(r#""readerFeatures":["timestampNtz"]"#), "{}", log(&local.table));
    assert_eq!(lake.rows(&local).await, [json!(["2026-03-01T05:00:00"])]);
}

#[tokio::test]
async fn the_history_tells_when_and_by_which_run() {
    let lake = TestLake::new();
    let one = lake.load("a\n1\n").await;
    let staged = lake.stage(&one.table, "a\n2\n", &one.schema).await.unwrap();
    let mut wanted = change(&one, WriteMode::Overwrite, staged);
    wanted.info.run = Some("batch-1".to_owned());
    lake.engine.commit(&one.table, wanted).await.unwrap();
    let entry = fs::read_to_string(lake.table_folder(&one.table).join("_delta_log/00000000000000000002.json")).unwrap();
    let lines: Vec<Value> = entry.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let info = &lines[0]["commitInfo"];
    assert_eq!(info["timestamp"], 1_772_341_200_000_i64);
    assert_eq!(info["operation"], "WRITE");
    assert_eq!(info["operationParameters"], json!({ "mode": "Overwrite" }));
    assert_eq!((&info["readVersion"], &info["run"]), (&json!(1), &json!("batch-1")));
    assert_eq!(lines.iter().filter(|line| line.get("remove").is_some()).count(), 1);
    assert_eq!(lines.iter().filter(|line| line.get("add").is_some()).count(), 1);
}

#[tokio::test]
async fn a_broken_log_is_a_storage_error() {
    let lake = TestLake::new();
    for broken in ["", "{}", "no json", "{\"add\":{\"path\":\"x\"}}", "\u{0}\u{0}"] {
        let one = lake.load("a\n1\n").await;
        let log = lake.table_folder(&one.table).join("_delta_log/00000000000000000001.json");
        fs::write(&log, broken).unwrap();
        match lake.again().snapshot(&one.table, None).await {
            Err(Error::Storage(_)) => {}
            Ok(snapshot) => assert!(snapshot.files.is_empty(), "{broken:?}: {snapshot:?}"),
            Err(other) => panic!("{broken:?}: {other:?}"),
        }
    }
    let one = lake.load("a\n1\n").await;
    let log = lake.table_folder(&one.table).join("_delta_log/00000000000000000001.json");
    let entry = fs::read_to_string(&log).unwrap().replace("numRecords", "noRecords");
    fs::write(&log, entry).unwrap();
    assert!(matches!(lake.again().snapshot(&one.table, None).await, Err(Error::Storage(_))));
}

#[tokio::test]
async fn another_engines_commits_are_seen() {
    let lake = TestLake::new();
    let other = lake.again();
    let one = lake.load("a\n1\n").await;
    assert_eq!(other.snapshot(&one.table, None).await.unwrap(), one);
    let two = lake.append(&one, "a\n2\n").await.unwrap();
    assert_eq!(other.snapshot(&one.table, None).await.unwrap(), two);
    let staged = lake.stage(&two.table, "a\n3\n", &two.schema).await.unwrap();
    let three = other.commit(&two.table, change(&two, WriteMode::Append, staged)).await.unwrap();
    assert_eq!(lake.engine.snapshot(&one.table, None).await.unwrap(), three);
}

#[tokio::test]
async fn a_publish_is_applied_once() {
    let lake = TestLake::new();
    let one = lake.load("a\n1\n").await;
    let staged = lake.stage(&one.table, "a\n2\n", &one.schema).await.unwrap();
    let mut wanted = change(&one, WriteMode::Append, staged);
    wanted.info.publish = 7;
    let two = lake.engine.commit(&one.table, wanted.clone()).await.unwrap();
    assert_eq!(lake.engine.commit(&one.table, wanted.clone()).await.unwrap(), two);
    assert_eq!(lake.again().commit(&one.table, wanted.clone()).await.unwrap(), two);
    let three = lake.append(&two, "a\n3\n").await.unwrap(); // counted by nobody
    for publish in [6, 7] {
        wanted.info.publish = publish;
        assert_eq!(lake.engine.commit(&one.table, wanted.clone()).await.unwrap(), three);
        assert_eq!(lake.again().commit(&one.table, wanted.clone()).await.unwrap(), three);
    }
    wanted.info.publish = 8;
    assert!(matches!(lake.again().commit(&one.table, wanted.clone()).await, Err(Error::Conflict { expected: 1, actual: 3 })));
    wanted.base = 3;
    wanted.staged = lake.stage(&one.table, "a\n4\n", &one.schema).await.unwrap();
    let engines = [lake.again(), lake.again(), lake.again()];
    let all = futures::future::join_all(engines.iter().map(|engine| engine.commit(&one.table, wanted.clone()))).await;
    assert!(all.into_iter().all(|snapshot| snapshot.unwrap().version == 4));
}
