//! Buckets in an object store: keys as they are.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::Utc;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use madang_lake::{Error, Object, Objects, Place, Result, check_bucket};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, buffered::BufWriter, path::Path};
use tokio::io::AsyncWriteExt;

use super::{OBJECTS, STAGING, absent, check, stage_file, stage_path};
use crate::storage;

/// Marks a bucket that has no objects yet; no key of a user's can be this one.
const MARK: &str = ".bucket";

/// Buckets by prefix.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) store: Arc<dyn ObjectStore>,
}

#[async_trait]
impl Objects for Remote {
    async fn buckets(&self) -> Result<Vec<String>> {
        let found = self.store.list_with_delimiter(Some(&Path::from(OBJECTS))).await.map_err(storage)?;
        let names = found.common_prefixes.iter().filter_map(|prefix| prefix.filename().map(str::to_owned));
        let mut names: Vec<String> = names.filter(|name| check_bucket(name).is_ok()).collect();
        names.sort_unstable();
        Ok(names)
    }

    async fn has_bucket(&self, bucket: &str) -> Result<bool> {
        if check_bucket(bucket).is_err() {
            return Ok(false);
        }
        let mut found = self.store.list(Some(&folder(bucket)?));
        Ok(found.try_next().await.map_err(storage)?.is_some())
    }

    async fn make_bucket(&self, bucket: &str) -> Result<bool> {
        check_bucket(bucket)?;
        if self.has_bucket(bucket).await? {
            return Ok(false);
        }
        self.store.put(&folder(bucket)?.join(MARK), Bytes::new().into()).await.map_err(storage)?;
        Ok(true)
    }

    async fn remove_bucket(&self, bucket: &str) -> Result<bool> {
        if !self.list(bucket, "", "", 1).await?.is_empty() {
            return Ok(false);
        }
        self.remove(&folder(bucket)?.join(MARK)).await?;
        Ok(true)
    }

    async fn list(&self, bucket: &str, prefix: &str, after: &str, limit: usize) -> Result<Vec<Object>> {
        let folder = folder(bucket)?;
        let skip = folder.as_ref().len() + 1;
        let mut all = if after.is_empty() {
            self.store.list(Some(&folder))
        } else {
            self.store.list_with_offset(Some(&folder), &path(bucket, after)?)
        };
        let mut found = Vec::new();
        while let Some(meta) = all.try_next().await.map_err(storage)? {
            let Some(key) = meta.location.as_ref().get(skip..).map(str::to_owned) else { continue };
            if key != MARK && key.starts_with(prefix) && key.as_str() > after {
                found.push(object(bucket, key, &meta));
            }
        }
        found.sort_unstable_by(|one, two| one.key.cmp(&two.key));
        found.truncate(limit);
        Ok(found)
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Object> {
        check(bucket, key)?;
        let found = self.store.head(&path(bucket, key)?).await.map_err(|error| missing(error, bucket, key))?;
        Ok(object(bucket, key.to_owned(), &found))
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<(Object, BoxStream<'static, Result<Bytes>>)> {
        check(bucket, key)?;
        let found = self.store.get(&path(bucket, key)?).await.map_err(|error| missing(error, bucket, key))?;
        let object = object(bucket, key.to_owned(), &found.meta);
        Ok((object, found.into_stream().map_err(storage).boxed()))
    }

    async fn put(&self, bucket: &str, key: &str, mut bytes: BoxStream<'static, Result<Bytes>>) -> Result<Object> {
        check(bucket, key)?;
        if !self.has_bucket(bucket).await? {
            return Err(Error::NotFound(format!("bucket '{bucket}'")));
        }
        let mut sink = BufWriter::new(self.store.clone(), path(bucket, key)?);
        while let Some(piece) = bytes.next().await {
            let written = match piece {
                Ok(piece) => sink.put(piece).await.map_err(storage),
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                let _ = sink.abort().await;
                return Err(error);
            }
        }
        sink.shutdown().await.map_err(storage)?;
        self.head(bucket, key).await
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<()> {
        check(bucket, key)?;
        self.remove(&path(bucket, key)?).await
    }

    async fn publish(&self, stage: &Place, file: &str, bucket: &str, key: &str) -> Result<()> {
        check(bucket, key)?;
        let from = stage_file(stage, file)?;
        match self.store.copy(&from, &path(bucket, key)?).await {
            Ok(()) => self.remove(&from).await,
            Err(object_store::Error::NotFound { .. }) => self.head(bucket, key).await.map(drop),
            Err(error) => Err(storage(error)),
        }
    }

    async fn clear(&self, stage: &Place) -> Result<()> {
        self.remove_all(self.store.list(Some(&stage_path(stage)?))).await
    }

    async fn sweep_stages(&self, older_than: Duration) -> Result<()> {
        let before = Utc::now() - older_than;
        let old = self.store.list(Some(&Path::from(STAGING))).try_filter(move |meta| std::future::ready(meta.last_modified < before));
        self.remove_all(old.boxed()).await
    }
}

impl Remote {
    async fn remove(&self, path: &Path) -> Result<()> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(storage(error)),
        }
    }

    async fn remove_all(&self, found: BoxStream<'static, object_store::Result<ObjectMeta>>) -> Result<()> {
        let found: Vec<ObjectMeta> = found.try_collect().await.map_err(storage)?;
        let removing: Vec<_> = found.iter().map(|meta| self.remove(&meta.location)).collect();
        let mut removing = stream::iter(removing).buffer_unordered(8);
        while let Some(removed) = removing.next().await {
            removed?;
        }
        Ok(())
    }
}

fn folder(bucket: &str) -> Result<Path> {
    check_bucket(bucket)?;
    Path::parse(format!("{OBJECTS}/{bucket}")).map_err(|_| Error::invalid("the bucket's name has characters that the store does not take"))
}

fn path(bucket: &str, key: &str) -> Result<Path> {
    Path::parse(format!("{}/{key}", folder(bucket)?)).map_err(|_| Error::invalid("the key has characters that the store does not take"))
}

fn object(bucket: &str, key: String, meta: &ObjectMeta) -> Object {
    let tag = meta.e_tag.clone().unwrap_or_else(|| format!("{}-{}", meta.last_modified.timestamp_micros(), meta.size));
    Object { bucket: bucket.to_owned(), key, bytes: meta.size, modified_ms: meta.last_modified.timestamp_millis(), tag }
}

fn missing(error: object_store::Error, bucket: &str, key: &str) -> Error {
    match error {
        object_store::Error::NotFound { .. } => absent(bucket, key),
        other => storage(other),
    }
}
