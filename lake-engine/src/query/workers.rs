//! Threads of one query. A query may compute for long without a pause; on threads of its own it holds up nobody else.
//! When it is given up they end; when it came to its end, they wait for the next one.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use madang_lake::Result;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result as StoreResult, path::Path,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
};

use crate::storage;

/// Stack of each thread. Planning needs some for every level of a statement; memory is taken only as it is used.
const STACK: usize = 128 << 20;
/// How many sets of threads wait for a query at most.
const SPARE: usize = 4;

static IDLE: Mutex<Vec<Runtime>> = Mutex::new(Vec::new());

/// The threads of one query at a time. Dropped, they end as soon as what they do pauses.
#[derive(Debug)]
pub(super) struct Workers(Option<Runtime>);

impl Workers {
    pub(super) fn new() -> Result<Self> {
        if let Some(rested) = idle().pop() {
            return Ok(Self(Some(rested)));
        }
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let runtime = Builder::new_multi_thread()
            .thread_name("lake-query")
            .worker_threads(threads)
            .thread_stack_size(STACK)
            .enable_all()
            .build()
            .map_err(storage)?;
        Ok(Self(Some(runtime)))
    }

    /// Starts work; it is given up when the workers are dropped.
    pub(super) fn start<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<JoinHandle<T>> {
        self.0.as_ref().map(|runtime| runtime.spawn(work)).ok_or_else(|| storage("the workers have ended"))
    }

    /// Lets them work for others: their query came to its end.
    pub(super) fn rest(&mut self) {
        let mut idle = idle();
        if idle.len() < SPARE {
            idle.extend(self.0.take());
        }
    }
}

fn idle() -> MutexGuard<'static, Vec<Runtime>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner) // a list is whole after every step
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The store as a query sees it: it can read, and its I/O happens on the runtime that outlives the query, where
/// connections are kept.
#[derive(Debug)]
pub(super) struct ReadOnly {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) home: Handle,
}

impl fmt::Display for ReadOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadOnly")
    }
}

#[async_trait]
impl ObjectStore for ReadOnly {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        let (store, location) = (self.store.clone(), location.clone());
        self.home.spawn(async move { store.get_opts(&location, options).await }).await?
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        let (store, location, ranges) = (self.store.clone(), location.clone(), ranges.to_vec());
        self.home.spawn(async move { store.get_ranges(&location, &ranges).await }).await?
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> StoreResult<PutResult> {
        Err(refused("put"))
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> StoreResult<Box<dyn MultipartUpload>> {
        Err(refused("put_multipart"))
    }

    fn delete_stream(&self, _: BoxStream<'static, StoreResult<Path>>) -> BoxStream<'static, StoreResult<Path>> {
        Box::pin(futures::stream::once(async { Err(refused("delete")) }))
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        Box::pin(futures::stream::once(async { Err(refused("list")) }))
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> StoreResult<ListResult> {
        Err(refused("list"))
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> StoreResult<()> {
        Err(refused("copy"))
    }
}

fn refused(operation: &str) -> object_store::Error {
    object_store::Error::NotImplemented { operation: operation.to_owned(), implementer: "ReadOnly".to_owned() }
}
