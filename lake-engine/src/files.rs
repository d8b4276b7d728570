//! Files by key: `<folder>/<two letters>/<key>` below the root, in a folder or an object store.

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use madang_lake::{Error, Files, Result, check_file_key};
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, buffered::BufWriter, path::Path};
use tokio::io::AsyncWriteExt;

use crate::storage;

/// The folders below the root: what was uploaded to the catalogue, and what flows bring and make.
pub(crate) const FILES: &str = "files";
pub(crate) const FLOWS: &str = "flows";
/// Letters of a key that name its folder: the last ones, which are random.
const FAN: usize = 2;

/// Files by key.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Below the root.
    pub(crate) folder: &'static str,
}

#[async_trait]
impl Files for Stored {
    async fn put(&self, key: &str, mut bytes: BoxStream<'static, Result<Bytes>>) -> Result<u64> {
        let path = self.path(key)?;
        let mut sink = BufWriter::new(self.store.clone(), path);
        let mut written = 0;
        while let Some(piece) = bytes.next().await {
            let put = match piece {
                Ok(piece) => {
                    written += piece.len() as u64;
                    sink.put(piece).await.map_err(storage)
                }
                Err(error) => Err(error),
            };
            if let Err(error) = put {
                let _ = sink.abort().await; // nothing of it is visible
                return Err(error);
            }
        }
        sink.shutdown().await.map_err(storage)?;
        Ok(written)
    }

    async fn get(&self, key: &str, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        if range.is_empty() {
            self.store.head(&self.path(key)?).await.map_err(|error| missing(error, key))?;
            return Ok(futures::stream::empty().boxed());
        }
        let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
        let found = self.store.get_opts(&self.path(key)?, options).await.map_err(|error| missing(error, key))?;
        Ok(found.into_stream().map_err(storage).boxed())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        match self.store.delete(&self.path(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(storage(error)),
        }
    }
}

impl Stored {
    fn path(&self, key: &str) -> Result<Path> {
        check_file_key(key)?;
        let fan = key.get(key.len().saturating_sub(FAN)..).unwrap_or_default();
        Ok(Path::from_iter([self.folder, fan, key]))
    }
}

fn missing(error: object_store::Error, key: &str) -> Error {
    match error {
        object_store::Error::NotFound { .. } => Error::NotFound(format!("file '{key}'")),
        other => storage(other),
    }
}
