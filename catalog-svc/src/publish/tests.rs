//! The journal against crashes between its steps, and what each change can stand.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use madang_kit::{Clock, Context, Db, Id, Principal, db::Durability};
use madang_lake::{ColumnType, Filter, FilterOp, Format, Input, Limits, Merge, Positions, ReadOptions, Rewrite, write_json_rows};
use madang_lake_engine::{Engine, EngineOptions};
use serde_json::{Value, json};

use super::*;
use crate::{rewriting::Rewriting, spool::Spool, store::MIGRATIONS, upload::Ids};

const KINDS: [WriteMode; 6] =
    [WriteMode::Append, WriteMode::Overwrite, WriteMode::Merge, WriteMode::Delete, WriteMode::Widen, WriteMode::Compact];

/// A catalogue on a folder; opened again, it knows what the disk knows.
async fn open(folder: &Path) -> Catalog {
    let url = format!("sqlite:{}", folder.join("catalog.db").display());
    let db = Db::connect(&url, Durability::Fast).await.expect("a database");
    db.migrate(&MIGRATIONS).await.expect("tables");
    let scratch = folder.join("scratch");
    std::fs::create_dir_all(&scratch).expect("a folder");
    let options = EngineOptions { scratch, durability: madang_lake_engine::Durability::Fast, ..EngineOptions::new(folder.join("root")) };
    let engine = Engine::open(options).expect("an engine");
    Catalog {
        loads: madang_kit::bell::Bell::new("loads", &db, &madang_kit::Drain::default()),
        db,
        files: engine.files(),
        fetch_allow: Arc::default(),
        lake: Arc::new(engine),
        spool: Spool::open(folder.join("spool"), 1 << 20, 1 << 20).await.expect("a spool"),
        limits: Limits::STEP,
        clock: Clock::default(),
        site: Arc::default(),
        rewriting: Rewriting::default(),
        search: crate::search::Search::new(folder.join("search")),
        tails: crate::tail::Tails::default(),
    }
}

struct Place {
    folder: tempfile::TempDir,
    dataset: Id,
    table: TableId,
}

impl Place {
    /// A dataset with a table of two files in version 2.
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Self { folder, dataset: Id::generate(), table: Id::generate().to_string().parse().expect("an id") };
        let catalog = place.open().await;
        let mut tx = catalog.db.begin().await.expect("a transaction");
        let now = catalog.clock.now();
        let row = dataset::Dataset {
            id: place.dataset.to_string(),
            name: place.dataset.prefixed("ds"),
            title: "표".to_owned(),
            description: None,
            alias: None,
            kind: "table".to_owned(),
            columns: None,
            column_metadata: None,
            options: "{}".to_owned(),
            organization_id: None,
            visibility: "signed-in".to_owned(),
            revision: 1,
            created_by: Id::NIL.to_string(),
            created_at: now,
            modified_at: now,
        };
        dataset::insert(&mut tx, &row).await.expect("a dataset");
        tx.commit().await.expect("done");
        for (text, made_for) in [("k,a\n1,1\n2,2\n", None), ("k,a\n3,3\n", Some(columns()))] {
            let files = place.stage(&catalog, text, &columns(), false).await.files;
            let change =
                Change { made_for, ..place.change(WriteMode::Append, None, Rewrite { staged: staged(files), ..Rewrite::default() }) };
            place.decide(&catalog, &change).await.expect("decided");
            roll_forward(&catalog, &place.table).await.expect("applied");
        }
        place
    }

    async fn open(&self) -> Catalog {
        open(self.folder.path()).await
    }

    async fn stage(&self, catalog: &Catalog, text: &str, schema: &Schema, for_merge: bool) -> Staged {
        let path = self.folder.path().join(Id::generate().to_string());
        std::fs::write(&path, text).expect("a file");
        let input = Input { path, format: Format::Csv, delimiter: None };
        let (positions, ids) = (Positions::default(), Ids::new(catalog, &self.table).expect("ids"));
        let ids: &dyn madang_lake::RowIds = if for_merge { &positions } else { &ids };
        catalog.lake.stage(&self.table, &input, schema, &Limits::default(), ids).await.expect("staged")
    }

    fn change(&self, mode: WriteMode, base: Option<&Snapshot>, rewrite: Rewrite) -> Change {
        Change {
            table: self.table.clone(),
            dataset: self.dataset,
            mode,
            made_for: Some(base.map_or_else(columns, |base| base.schema.clone())),
            made_from: base.map(|base| base.version),
            schema: base.map_or_else(columns, |base| base.schema.clone()),
            files: rewrite.staged.files,
            leaving: rewrite.leaving,
            parameters: BTreeMap::new(),
            resource_name: "rows.csv".to_owned(),
            unique_key: Vec::new(),
        }
    }

    /// A change of a kind, made from a version.
    async fn prepare(&self, catalog: &Catalog, kind: WriteMode, base: &Snapshot) -> Change {
        let (lake, limits) = (&catalog.lake, Limits::default());
        let rewrite = match kind {
            WriteMode::Append | WriteMode::Overwrite => {
                Rewrite { staged: self.stage(catalog, "k,a\n7,7\n", &base.schema, false).await, ..Rewrite::default() }
            }
            WriteMode::Merge => {
                let keys = vec!["k".to_owned()];
                let schema = base.schema.for_merge(&["k".to_owned(), "a".to_owned()], &keys).expect("columns");
                let staged = self.stage(catalog, "k,a\n2,22\n7,7\n", &schema, true).await;
                let ids = Ids::new(catalog, &self.table).expect("ids");
                lake.merge(base, &Merge { staged, schema, keys }, &limits, &ids).await.expect("merged")
            }
            WriteMode::Delete => {
                let two = Filter { column: "k".to_owned(), op: FilterOp::Eq, values: vec!["2".to_owned()] };
                lake.delete(base, &[two], &limits).await.expect("deleted")
            }
            WriteMode::Widen => lake.widen(base, &wide()).await.expect("widened"),
            WriteMode::Compact => lake.compact(base, &base.files).await.expect("compacted"),
        };
        let change = self.change(kind, Some(base), rewrite);
        if kind == WriteMode::Widen { Change { schema: wide(), ..change } } else { change }
    }

    async fn decide(&self, catalog: &Catalog, change: &Change) -> Result<()> {
        let mut tx = catalog.db.begin().await?;
        let context = Context::new(Principal::service("catalog"));
        decide(catalog, &mut tx, &context, std::slice::from_ref(change), None).await?;
        Ok(tx.commit().await?)
    }

    /// The rows as they are for somebody who starts now, and what was applied as which version.
    async fn rows(&self) -> Value {
        let catalog = self.open().await;
        let newest = roll_forward(&catalog, &self.table).await.expect("a snapshot");
        let rows = catalog.lake.read(&newest, &ReadOptions::default(), &Limits::default()).await.expect("rows");
        let batches: Vec<_> = futures::TryStreamExt::try_collect(rows.batches).await.expect("batches");
        let mut all = Vec::new();
        for batch in batches {
            let mut text = b"[".to_vec();
            write_json_rows(&batch, &mut text).expect("JSON");
            text.push(b']');
            all.extend(serde_json::from_slice::<Vec<Value>>(&text).expect("JSON"));
        }
        Value::from(all)
    }

    async fn applied(&self) -> Vec<(i64, Option<i64>)> {
        let catalog = self.open().await;
        let text = "SELECT number, version FROM publish_change WHERE table_id = $1 ORDER BY number";
        catalog.db.query(text).bind(self.table.to_string()).all().await.expect("rows")
    }
}

fn staged(files: Vec<DataFile>) -> Staged {
    Staged { files, columns: 0 }
}

fn column(name: &str, kind: ColumnType) -> madang_lake::Column {
    madang_lake::Column { name: name.to_owned(), kind, nullable: true }
}

fn columns() -> Schema {
    Schema { columns: vec![column("k", ColumnType::Int64), column("a", ColumnType::Int64)] }
}

fn wide() -> Schema {
    Schema { columns: vec![column("k", ColumnType::Int64), column("a", ColumnType::Double)] }
}

fn expected(kind: WriteMode) -> Value {
    match kind {
        WriteMode::Append => json!([[1, 1], [2, 2], [3, 3], [7, 7]]),
        WriteMode::Overwrite => json!([[7, 7]]),
        WriteMode::Merge => json!([[1, 1], [2, 22], [3, 3], [7, 7]]),
        WriteMode::Delete => json!([[1, 1], [3, 3]]),
        WriteMode::Widen => json!([[1, 1.0], [2, 2.0], [3, 3.0]]),
        WriteMode::Compact => json!([[1, 1], [2, 2], [3, 3]]),
    }
}

#[tokio::test]
async fn a_crash_after_any_step_leads_to_the_right_end() {
    for kind in KINDS {
        for crash_after in ["staging", "the commit record", "the version", "everything"] {
            let place = Place::new().await;
            let catalog = place.open().await;
            let base = roll_forward(&catalog, &place.table).await.expect("a snapshot");
            let change = place.prepare(&catalog, kind, &base).await;
            if crash_after != "staging" {
                place.decide(&catalog, &change).await.expect("decided");
            }
            if crash_after == "the version" {
                let info = CommitInfo { publish: 3, timestamp_ms: catalog.clock.now_ms(), ..CommitInfo::default() };
                let change = change.clone();
                let wanted = madang_lake::Change {
                    base: base.version,
                    mode: kind,
                    schema: change.schema,
                    staged: staged(change.files),
                    leaving: change.leaving,
                    info,
                };
                catalog.lake.commit(&place.table, wanted).await.expect("a version");
            }
            if crash_after == "everything" {
                roll_forward(&catalog, &place.table).await.expect("applied");
            }
            drop(catalog);
            let again = place.open().await;
            roll_forward_all(&again).await.expect("rolled forward");
            let done = crash_after != "staging";
            let wanted = if done { expected(kind) } else { json!([[1, 1], [2, 2], [3, 3]]) };
            assert_eq!(place.rows().await, wanted, "{kind:?}, crash after {crash_after}");
            let versions: Vec<_> = [(1, Some(1)), (2, Some(2)), (3, Some(3))].into_iter().take(if done { 3 } else { 2 }).collect();
            assert_eq!(place.applied().await, versions, "{kind:?}, crash after {crash_after}");
        }
    }
}

/// Two changes made from the same version: the second is refused if it can't stand the first, whether that is applied or only
/// decided; else both count.
#[tokio::test]
async fn a_change_is_refused_if_it_cannot_stand_the_one_before() {
    use WriteMode::{Append, Compact, Delete, Merge, Overwrite, Widen};
    for first in KINDS {
        for second in KINDS {
            for applied in [false, true] {
                let place = Place::new().await;
                let catalog = place.open().await;
                let base = roll_forward(&catalog, &place.table).await.expect("a snapshot");
                let one = place.prepare(&catalog, first, &base).await;
                let two = place.prepare(&catalog, second, &base).await;
                place.decide(&catalog, &one).await.expect("decided");
                if applied {
                    roll_forward(&catalog, &place.table).await.expect("applied");
                }
                let stands = matches!((first, second), (Compact, Append | Overwrite) | (Append, Delete | Compact));
                match place.decide(&catalog, &two).await {
                    Ok(()) => assert!(stands, "{second:?} after {first:?}"),
                    Err(error) => assert!(!stands && is_moved(&error), "{second:?} after {first:?}: {error}"),
                }
                let wanted = match (first, second) {
                    (Compact, Append | Overwrite) => expected(second),
                    (Append, Delete) => json!([[1, 1], [3, 3], [7, 7]]),
                    (Append | Overwrite | Merge | Delete | Widen | Compact, _) => expected(first),
                };
                assert_eq!(place.rows().await, wanted, "{second:?} after {first:?}");
                assert!(place.applied().await.iter().all(|(number, version)| Some(*number) == *version), "none was set aside");
            }
        }
    }
}

/// Appends that nobody made from a version stand everything but other columns.
#[tokio::test]
async fn an_append_stands_what_keeps_the_columns() {
    for first in KINDS {
        let place = Place::new().await;
        let catalog = place.open().await;
        let base = roll_forward(&catalog, &place.table).await.expect("a snapshot");
        let one = place.prepare(&catalog, first, &base).await;
        let two = Change { made_from: None, ..place.prepare(&catalog, WriteMode::Append, &base).await };
        place.decide(&catalog, &one).await.expect("decided");
        assert_eq!(place.decide(&catalog, &two).await.is_ok(), first != WriteMode::Widen, "{first:?}");
        let rows = place.rows().await;
        let last = rows.as_array().and_then(|rows| rows.last()).expect("a row");
        assert!(first == WriteMode::Widen || *last == json!([7, 7]), "{first:?}: {rows}");
    }
}

/// Row ids that were reserved long ago may lie between those of one compacted file: their rows are staged again.
#[tokio::test]
async fn rows_staged_too_long_ago_are_refused() {
    let place = Place::new().await;
    let catalog = place.open().await;
    let base = roll_forward(&catalog, &place.table).await.expect("a snapshot");
    let old = Change { made_from: None, ..place.prepare(&catalog, WriteMode::Append, &base).await };
    for now in [1, 2] {
        let mut tx = catalog.db.begin().await.expect("a transaction");
        table::settle(&mut tx, place.table.as_str(), now, now).await.expect("settled");
        tx.commit().await.expect("done");
    }
    assert!(is_moved(&place.decide(&catalog, &old).await.expect_err("refused")));
    let young = Change { made_from: None, ..place.prepare(&catalog, WriteMode::Append, &base).await };
    place.decide(&catalog, &young).await.expect("decided");
    let mut aged = Change { made_from: None, ..place.prepare(&catalog, WriteMode::Append, &base).await };
    aged.files[0].path = "part-01900000-0000-7000-8000-000000000000.parquet".to_owned();
    assert!(is_moved(&place.decide(&catalog, &aged).await.expect_err("refused")));
    assert_eq!(place.rows().await, expected(WriteMode::Append));
}

/// Whoever rolls a change forward a second time does not take over the version of a later one.
#[tokio::test]
async fn each_publish_keeps_its_version() {
    let place = Place::new().await;
    let catalog = place.open().await;
    let base = roll_forward(&catalog, &place.table).await.expect("a snapshot");
    for _ in 0..2 {
        let change = Change { made_from: None, ..place.prepare(&catalog, WriteMode::Append, &base).await };
        place.decide(&catalog, &change).await.expect("decided");
    }
    let others = [place.open().await, place.open().await, place.open().await];
    let all = futures::future::join_all(others.iter().map(|other| roll_forward(other, &place.table))).await;
    assert!(all.into_iter().all(|snapshot| snapshot.expect("applied").version == 4));
    assert_eq!(place.applied().await, (1..=4).map(|number| (number, Some(number))).collect::<Vec<_>>());
}
