//! Every kind of change against a store that fails at each of its steps: whatever happened before, repeating leads to the same end.

use std::{
    fmt,
    ops::Range,
    path::Path as FsPath,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use madang_lake::{Change, ColumnType, Filter, FilterOp, Lake, Limits, Snapshot, WriteMode};
use madang_lake_engine::{Durability, Engine, EngineOptions, Root};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result, local::LocalFileSystem, path::Path,
};
use serde_json::Value;

use crate::support::{TestLake, change, exchange, schema};

/// Fails a write once a number of them went well: before it is done, or after, as when its answer gets lost.
#[derive(Debug)]
struct Failing {
    inner: LocalFileSystem,
    left: AtomicI64,
    after: bool,
}

impl Failing {
    fn fails(&self) -> bool {
        self.left.fetch_sub(1, Ordering::SeqCst) == 0
    }
}

fn broken() -> object_store::Error {
    object_store::Error::Generic { store: "Failing", source: "it was told to".into() }
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Failing")
    }
}

#[async_trait]
impl ObjectStore for Failing {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fails = self.fails();
        if fails && !self.after {
            return Err(broken());
        }
        let put = self.inner.put_opts(location, payload, options).await;
        if fails { Err(broken()) } else { put }
    }

    async fn put_multipart_opts(&self, location: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        if self.fails() { Err(broken()) } else { self.inner.put_multipart_opts(location, options).await }
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        use futures::{StreamExt, TryStreamExt};
        let listing = self.inner.list(prefix);
        let sorted = async move {
            let mut all: Vec<ObjectMeta> = listing.try_collect().await?;
            all.sort_unstable_by(|a, b| a.location.cmp(&b.location));
            Ok::<_, object_store::Error>(futures::stream::iter(all.into_iter().map(Ok)))
        };
        futures::stream::once(sorted).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn engine(root: &FsPath, left: i64, after: bool) -> Engine {
    let inner = LocalFileSystem::new_with_prefix(root).unwrap();
    let scratch = root.parent().unwrap().join("scratch");
    let store: Arc<dyn ObjectStore> = Arc::new(Failing { inner, left: AtomicI64::new(left), after });
    Engine::open(EngineOptions { root: Root::Store(store), durability: Durability::Fast, scratch }).unwrap()
}

const KINDS: [WriteMode; 6] =
    [WriteMode::Append, WriteMode::Overwrite, WriteMode::Merge, WriteMode::Delete, WriteMode::Widen, WriteMode::Compact];

/// A change of a kind, made from a version; publish 3, as the catalogue would count it.
async fn prepared(lake: &TestLake, engine: &Engine, base: &Snapshot, kind: WriteMode) -> madang_lake::Result<Change> {
    let limits = Limits::default();
    let mut wanted = match kind {
        WriteMode::Append | WriteMode::Overwrite => {
            change(base, kind, engine.stage(&base.table, &lake.csv("k,a\n7,7\n"), &base.schema, &limits, &lake.ids).await?)
        }
        WriteMode::Merge => {
            let rows = lake.rows_to_merge(base, "k,a\n2,22\n7,7\n", &["k"]).await?;
            exchange(base, kind, engine.merge(base, &rows, &limits, &lake.ids).await?)
        }
        WriteMode::Delete => {
            let filter = Filter { column: "k".to_owned(), op: FilterOp::Eq, values: vec!["2".to_owned()] };
            exchange(base, kind, engine.delete(base, &[filter], &limits).await?)
        }
        WriteMode::Widen => {
            let wide = schema(&[("k", ColumnType::Int64, true), ("a", ColumnType::Double, true)]);
            let mut wanted = exchange(base, kind, engine.widen(base, &wide).await?);
            wanted.schema = wide;
            wanted
        }
        WriteMode::Compact => exchange(base, kind, engine.compact(base, &base.files).await?),
    };
    wanted.info.publish = 3;
    Ok(wanted)
}

/// What the table holds in the end.
fn expected(kind: WriteMode) -> Value {
    match kind {
        WriteMode::Append => serde_json::json!([[1, 1], [2, 2], [3, 3], [7, 7]]),
        WriteMode::Overwrite => serde_json::json!([[7, 7]]),
        WriteMode::Merge => serde_json::json!([[1, 1], [2, 22], [3, 3], [7, 7]]),
        WriteMode::Delete => serde_json::json!([[1, 1], [3, 3]]),
        WriteMode::Widen => serde_json::json!([[1, 1.0], [2, 2.0], [3, 3.0]]),
        WriteMode::Compact => serde_json::json!([[1, 1], [2, 2], [3, 3]]),
    }
}

/// A table of two files, made by publishes 1 and 2.
async fn two_publishes(lake: &TestLake) -> Snapshot {
    let columns = schema(&[("k", ColumnType::Int64, true), ("a", ColumnType::Int64, true)]);
    let table = crate::support::table_id();
    let mut last = lake.engine.create(&table, &columns, &madang_lake::CommitInfo::default()).await.unwrap();
    for (publish, text) in [(1, "k,a\n1,1\n2,2\n"), (2, "k,a\n3,3\n")] {
        let mut wanted = change(&last, WriteMode::Append, lake.stage(&table, text, &columns).await.unwrap());
        wanted.info.publish = publish;
        last = lake.engine.commit(&table, wanted).await.unwrap();
    }
    last
}

async fn rows(lake: &TestLake, snapshot: &Snapshot) -> Value {
    Value::from(lake.rows(snapshot).await)
}

#[tokio::test]
async fn whatever_fails_staging_leaves_the_table_as_it_was() {
    for kind in KINDS {
        for left in 0..10 {
            let lake = TestLake::new();
            let base = two_publishes(&lake).await;
            let failing = engine(&lake.folder.path().join("root"), left, false);
            if prepared(&lake, &failing, &base, kind).await.is_ok() {
                break; // so many writes went well that all did
            }
            assert!(left < 9, "{kind:?} never succeeds");
            let found = lake.again().snapshot(&base.table, None).await.unwrap();
            assert_eq!(found, base);
            let change = prepared(&lake, &lake.engine, &base, kind).await.unwrap();
            let after = lake.engine.commit(&base.table, change).await.unwrap();
            assert_eq!(rows(&lake, &after).await, expected(kind), "{kind:?} after a failure at write {left}");
        }
    }
}

#[tokio::test]
async fn whatever_fails_a_commit_repeating_ends_it() {
    for kind in KINDS {
        for after in [false, true] {
            for left in 0..10 {
                let lake = TestLake::new();
                let base = two_publishes(&lake).await;
                let change = prepared(&lake, &lake.engine, &base, kind).await.unwrap();
                let failing = engine(&lake.folder.path().join("root"), left, after);
                let first = failing.commit(&base.table, change.clone()).await;
                let between = lake.again().snapshot(&base.table, None).await.unwrap();
                let found = rows(&lake, &between).await;
                assert!(between == base || found == expected(kind), "{kind:?}: half a version: {found}");
                // as the journal does after a restart: again, on what is there now
                for _ in 0..2 {
                    let engine = lake.again();
                    let base = engine.snapshot(&base.table, None).await.unwrap().version;
                    let newest = engine.commit(&between.table, Change { base, ..change.clone() }).await.unwrap();
                    assert_eq!((newest.version, rows(&lake, &newest).await), (3, expected(kind)), "{kind:?}, write {left}");
                }
                if first.is_ok() && left > 0 {
                    break;
                }
            }
        }
    }
}
