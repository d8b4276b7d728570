//! Any page, in ingestion order, across files and row groups.

use std::sync::Arc;

use madang_lake::{CommitInfo, Format, Input, Lake, Limits, Page, ReadOptions, WriteMode};
use madang_lake_engine::{Engine, EngineOptions};
use object_store::{ObjectStore, memory::InMemory};
use serde_json::json;

use crate::support::{Ids, TestLake, change, refusal, table_id};

fn numbers(from: usize, to: usize) -> String {
    let mut text = String::from("번호,글\n");
    (from..to).for_each(|row| text.push_str(&format!("{row},r{row}\n")));
    text
}

#[tokio::test]
async fn pages_reach_the_last_row() {
    let lake = TestLake::new();
    let first = lake.load(numbers(0, 300_000)).await; // three row groups
    let second = lake.append(&first, numbers(300_000, 300_007)).await.unwrap();
    let third = lake.append(&second, numbers(300_007, 450_000)).await.unwrap();
    assert_eq!((third.files.len(), third.rows()), (3, 450_000));
    for offset in [0, 1, 8_191, 8_192, 131_071, 131_072, 299_995, 300_000, 300_006, 300_007, 431_079, 449_990] {
        let rows = lake.page(&third, offset, 10).await;
        let wanted: Vec<_> = (offset..offset + 10).map(|row| json!([row, format!("r{row}")])).collect();
        assert_eq!(rows, wanted, "offset {offset}");
    }
    assert_eq!(lake.page(&third, 449_995, 10).await.len(), 5);
    assert_eq!(lake.page(&third, 450_000, 10).await.len(), 0);
    assert_eq!(lake.page(&third, u64::MAX, u64::MAX).await.len(), 0);
    assert_eq!(lake.page(&third, 0, 0).await.len(), 0);
    let all = lake.rows(&third).await;
    assert_eq!(all.len(), 450_000);
    assert!(all.iter().enumerate().all(|(index, row)| row[0] == json!(index)));
}

#[tokio::test]
async fn columns_come_in_the_wanted_order() {
    let lake = TestLake::new();
    let snapshot = lake.load("a,b,c\n1,2,3\n4,5,6\n").await;
    let read = async |columns: &[&str]| {
        let columns = Some(columns.iter().map(|name| (*name).to_owned()).collect());
        lake.read(&snapshot, &ReadOptions { columns, ..ReadOptions::default() }).await
    };
    assert_eq!(read(&["c", "a"]).await.unwrap(), [json!([3, 1]), json!([6, 4])]);
    assert_eq!(read(&["b", "_id"]).await.unwrap(), [json!([2, 1]), json!([5, 2])]);
    assert_eq!(refusal(read(&["a", "a"]).await), "the column 'a' is wanted twice");
    assert_eq!(read(&[]).await.unwrap(), [json!([]), json!([])]);
    assert_eq!(refusal(read(&["a", "x"]).await), "the table has no column 'x'");
}

#[tokio::test]
async fn row_ids_have_no_gaps_and_interleaved_uploads_stay_apart() {
    let lake = TestLake::new();
    let first = lake.load(numbers(0, 10)).await;
    let text = numbers(10, 300_010);
    let (a, b) = tokio::join!(lake.stage(&first.table, &text, &first.schema), lake.stage(&first.table, &text, &first.schema));
    let second = lake.commit(&first, WriteMode::Append, a.unwrap()).await.unwrap();
    let third = lake.commit(&second, WriteMode::Append, b.unwrap()).await.unwrap();
    assert!(third.files.windows(2).all(|pair| pair[0].last_row_id < pair[1].first_row_id));
    assert!(third.files.iter().all(|file| file.rows == u64::try_from(file.last_row_id - file.first_row_id + 1).unwrap()));
    let columns = Some(vec!["_id".to_owned()]);
    let ids = lake.read(&third, &ReadOptions { columns, ..ReadOptions::default() }).await.unwrap();
    assert!(ids.iter().enumerate().all(|(index, row)| row[0] == json!(index + 1)));
    assert_eq!(ids.len(), 600_010);
}

#[tokio::test]
async fn a_snapshot_is_enough_for_another_engine() {
    let lake = TestLake::new();
    let snapshot = lake.load(numbers(0, 100)).await;
    let text = serde_json::to_string(&snapshot).unwrap();
    let copied = serde_json::from_str(&text).unwrap();
    let options = ReadOptions { page: Some(Page { offset: 98, limit: 5 }), ..ReadOptions::default() };
    let rows = crate::support::json(lake.again().read(&copied, &options, &Limits::default()).await.unwrap()).await.unwrap();
    assert_eq!(rows, [json!([98, "r98"]), json!([99, "r99"])]);
}

#[tokio::test]
async fn a_file_that_is_gone_is_a_storage_error() {
    let lake = TestLake::new();
    let mut snapshot = lake.load(numbers(0, 5)).await;
    snapshot.files[0].path = "part-gone.parquet".to_owned();
    let error = lake.read(&snapshot, &ReadOptions::default()).await.unwrap_err();
    assert!(matches!(error, madang_lake::Error::Storage(_)), "{error}");
    assert!(matches!(lake.engine.snapshot(&table_id(), None).await, Err(madang_lake::Error::NotFound(_))));
}

#[tokio::test]
async fn any_object_store_will_do() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let open = || Engine::open(EngineOptions { scratch: folder.path().to_owned(), ..EngineOptions::new(store.clone()) }).unwrap();
    let (engine, ids, table) = (open(), Ids::default(), table_id());
    let path = folder.path().join("input");
    std::fs::write(&path, numbers(0, 1_000)).unwrap();
    let input = Input { path, format: Format::Csv, delimiter: None };
    let columns = engine.inspect(&input, &Limits::default()).await.unwrap().schema;
    let mut last = engine.create(&table, &columns, &CommitInfo::default()).await.unwrap();
    for _ in 0..12 {
        let staged = engine.stage(&table, &input, &columns, &Limits::default(), &ids).await.unwrap();
        last = engine.commit(&table, change(&last, WriteMode::Append, staged)).await.unwrap();
    }
    assert_eq!(open().snapshot(&table, None).await.unwrap(), last);
    let tables = [("t".to_owned(), last)].into();
    let found = open().query("SELECT count(*), max(번호) FROM t", &tables, &Limits::default()).await.unwrap();
    assert_eq!(crate::support::json(found).await.unwrap(), [json!([12_000, 999])]);
}
