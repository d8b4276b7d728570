//! Buckets on the local disk. Every part of a path is looked at before it is used: a symbolic link is as good as absent, so that
//! nothing outside a bucket is ever read or written through it.

use std::{
    fs::{self, File, FileType, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use madang_lake::{Error, Object, Objects, Place, Result, check_bucket};
use tokio::{io::AsyncWriteExt, task::spawn_blocking};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::{OBJECTS, STAGING, absent, check, stage_file, stage_path};
use crate::storage;

/// Bytes of a piece that is read.
const PIECE: usize = 256 << 10;
/// How deep folders of a bucket are looked into: no key has more segments.
const DEEPEST: usize = 512;
/// How often a folder is made again that somebody removed as empty meanwhile.
const ATTEMPTS: usize = 5;

/// Buckets as folders.
#[derive(Clone, Debug)]
pub(crate) struct Folder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    sync: bool,
}

impl Folder {
    pub(crate) fn open(root: &Path, sync: bool) -> Result<Self> {
        fs::create_dir_all(root.join(OBJECTS)).map_err(storage)?;
        Ok(Self(Arc::new(Inner { root: root.canonicalize().map_err(storage)?, sync })))
    }

    /// Does something that blocks.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> Result<T> + Send + 'static) -> Result<T> {
        let inner = self.0.clone();
        spawn_blocking(move || work(&inner)).await.map_err(storage)?
    }
}

#[async_trait]
impl Objects for Folder {
    async fn buckets(&self) -> Result<Vec<String>> {
        self.blocking(|inner| {
            let mut names = Vec::new();
            for (name, kind) in entries(&inner.objects())? {
                if kind.is_dir() && check_bucket(&name).is_ok() {
                    names.push(name);
                }
            }
            names.sort_unstable();
            Ok(names)
        })
        .await
    }

    async fn has_bucket(&self, bucket: &str) -> Result<bool> {
        let bucket = bucket.to_owned();
        self.blocking(move |inner| Ok(inner.bucket(&bucket)?.is_some())).await
    }

    async fn make_bucket(&self, bucket: &str) -> Result<bool> {
        check_bucket(bucket)?;
        let bucket = bucket.to_owned();
        self.blocking(move |inner| match fs::create_dir(inner.objects().join(bucket)) {
            Ok(()) => inner.settle(&inner.objects()).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(storage(error)),
        })
        .await
    }

    async fn remove_bucket(&self, bucket: &str) -> Result<bool> {
        let bucket = bucket.to_owned();
        self.blocking(move |inner| {
            let Some(folder) = inner.bucket(&bucket)? else { return Ok(true) };
            match fs::remove_dir(folder) {
                Ok(()) => inner.settle(&inner.objects()).map(|()| true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
                Err(error) => Err(storage(error)),
            }
        })
        .await
    }

    async fn list(&self, bucket: &str, prefix: &str, after: &str, limit: usize) -> Result<Vec<Object>> {
        let (bucket, prefix, after) = (bucket.to_owned(), prefix.to_owned(), after.to_owned());
        self.blocking(move |inner| {
            let Some(folder) = inner.bucket(&bucket)? else { return Ok(Vec::new()) };
            let mut listing = Listing { bucket: &bucket, prefix: &prefix, after: &after, limit, found: Vec::new() };
            listing.walk(&folder, "", 0)?;
            Ok(listing.found)
        })
        .await
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Object> {
        check(bucket, key)?;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.blocking(move |inner| Ok(object(&bucket, &key, &inner.find(&bucket, &key)?.1))).await
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<(Object, BoxStream<'static, Result<Bytes>>)> {
        check(bucket, key)?;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let (object, file) = self
            .blocking(move |inner| {
                let (path, _) = inner.find(&bucket, &key)?;
                let file = File::open(path).map_err(|error| missing(error, &bucket, &key))?;
                Ok((object(&bucket, &key, &file.metadata().map_err(storage)?), file))
            })
            .await?;
        let pieces = ReaderStream::with_capacity(tokio::fs::File::from_std(file), PIECE).map(|piece| piece.map_err(storage));
        Ok((object, pieces.boxed()))
    }

    async fn local(&self, bucket: &str, key: &str) -> Result<Option<PathBuf>> {
        check(bucket, key)?;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.blocking(move |inner| inner.find(&bucket, &key).map(|(path, _)| Some(path))).await
    }

    async fn put(&self, bucket: &str, key: &str, mut bytes: BoxStream<'static, Result<Bytes>>) -> Result<Object> {
        check(bucket, key)?;
        let stage = Place { run: format!("put-{}", Uuid::now_v7()), output: 0 };
        let file = self.0.staged(&stage, "object")?;
        let parent = file.parent().map(Path::to_owned).unwrap_or_default();
        tokio::fs::create_dir_all(&parent).await.map_err(storage)?;
        let written = async {
            let mut open = tokio::fs::File::create_new(&file).await.map_err(storage)?;
            while let Some(piece) = bytes.next().await {
                open.write_all(&piece?).await.map_err(storage)?;
            }
            open.flush().await.map_err(storage)?;
            if self.0.sync { open.sync_all().await.map_err(storage) } else { Ok(()) }
        };
        let published = match written.await {
            Ok(()) => self.publish(&stage, "object", bucket, key).await,
            Err(error) => Err(error),
        };
        self.clear(&stage).await?;
        published?;
        self.head(bucket, key).await
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<()> {
        check(bucket, key)?;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.blocking(move |inner| match inner.find(&bucket, &key) {
            Ok((path, _)) => inner.remove(&bucket, &path),
            Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        })
        .await
    }

    async fn publish(&self, stage: &Place, file: &str, bucket: &str, key: &str) -> Result<()> {
        check(bucket, key)?;
        let from = self.0.staged(stage, file)?;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.blocking(move |inner| {
            if !from.exists() {
                return inner.find(&bucket, &key).map(drop);
            }
            for attempt in 1.. {
                let target = inner.ready(&bucket, &key)?;
                match fs::rename(&from, &target) {
                    Ok(()) => return inner.settle(target.parent().unwrap_or(&inner.root)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => {}
                    Err(error) if error.kind() == io::ErrorKind::IsADirectory => return Err(taken(&key)),
                    Err(error) => return Err(storage(error)),
                }
            }
            Ok(())
        })
        .await
    }

    async fn clear(&self, stage: &Place) -> Result<()> {
        let folder = self.0.root.join(stage_path(stage)?.as_ref());
        self.blocking(move |_| {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(storage(error)),
                _ => {}
            }
            let _ = folder.parent().map(fs::remove_dir); // refused while the run has other stages
            Ok(())
        })
        .await
    }

    async fn sweep_stages(&self, older_than: Duration) -> Result<()> {
        self.blocking(move |inner| {
            let staging = inner.root.join(STAGING);
            for (name, _) in entries(&staging)? {
                let path = staging.join(name);
                let old = |found: Metadata| found.modified().ok()?.elapsed().ok().filter(|age| *age > older_than);
                let Ok(found) = fs::symlink_metadata(&path) else { continue };
                let is_folder = found.is_dir();
                if old(found).is_some() {
                    if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.map_err(storage)?;
                }
            }
            Ok(())
        })
        .await
    }
}

impl Inner {
    fn objects(&self) -> PathBuf {
        self.root.join(OBJECTS)
    }

    fn staged(&self, stage: &Place, file: &str) -> Result<PathBuf> {
        Ok(self.root.join(stage_file(stage, file)?.as_ref()))
    }

    /// A bucket's folder, if it is one.
    fn bucket(&self, bucket: &str) -> Result<Option<PathBuf>> {
        if check_bucket(bucket).is_err() {
            return Ok(None);
        }
        let folder = self.objects().join(bucket);
        Ok(kind(&folder)?.filter(FileType::is_dir).map(|_| folder))
    }

    /// The file of an object: every part before it is a folder, it is a file, nothing is a link.
    fn find(&self, bucket: &str, key: &str) -> Result<(PathBuf, Metadata)> {
        let mut path = self.bucket(bucket)?.ok_or_else(|| absent(bucket, key))?;
        for segment in key.split('/') {
            if !kind(&path)?.is_some_and(|kind| kind.is_dir()) {
                return Err(absent(bucket, key));
            }
            path.push(segment);
        }
        let found = fs::symlink_metadata(&path).map_err(|error| missing(error, bucket, key))?;
        if found.is_file() { Ok((path, found)) } else { Err(absent(bucket, key)) }
    }

    /// Makes the folders of an object and gives its path.
    fn ready(&self, bucket: &str, key: &str) -> Result<PathBuf> {
        let mut path = self.bucket(bucket)?.ok_or_else(|| Error::NotFound(format!("bucket '{bucket}'")))?;
        let (folders, name) = key.rsplit_once('/').unwrap_or(("", key));
        for segment in folders.split('/').filter(|segment| !segment.is_empty()) {
            let parent = path.clone();
            path.push(segment);
            match fs::create_dir(&path) {
                Ok(()) => self.settle(&parent)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(storage(error)),
            }
            if !kind(&path)?.is_some_and(|kind| kind.is_dir()) {
                return Err(taken(key));
            }
        }
        path.push(name);
        match kind(&path)? {
            Some(kind) if !kind.is_file() => Err(taken(key)),
            _ => Ok(path),
        }
    }

    /// Removes a file, and the folders that are empty without it.
    fn remove(&self, bucket: &str, path: &Path) -> Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(storage(error)),
            _ => {}
        }
        let bucket = self.objects().join(bucket);
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != bucket) {
            if fs::remove_dir(folder).is_err() {
                return self.settle(folder);
            }
        }
        self.settle(&bucket)
    }

    /// Syncs a folder.
    fn settle(&self, folder: &Path) -> Result<()> {
        if !self.sync {
            return Ok(());
        }
        match File::open(folder).and_then(|folder| folder.sync_all()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(storage(error)),
            _ => Ok(()),
        }
    }
}

/// A walk over a bucket in the order of keys.
struct Listing<'a> {
    bucket: &'a str,
    prefix: &'a str,
    after: &'a str,
    limit: usize,
    found: Vec<Object>,
}

impl Listing<'_> {
    /// Folders are sorted as if their names ended with a slash, which is how their keys sort.
    fn walk(&mut self, folder: &Path, before: &str, depth: usize) -> Result<()> {
        if depth > DEEPEST {
            return Ok(());
        }
        let mut names: Vec<String> =
            entries(folder)?
                .into_iter()
                .filter_map(|(name, kind)| {
                    if kind.is_dir() { Some(format!("{before}{name}/")) } else { kind.is_file().then(|| format!("{before}{name}")) }
                })
                .filter(|key| key.starts_with(self.prefix) || self.prefix.starts_with(key.as_str()))
                .collect();
        names.sort_unstable();
        for key in names {
            if self.found.len() >= self.limit {
                return Ok(());
            }
            let path = folder.join(key.trim_end_matches('/').rsplit('/').next().unwrap_or_default());
            if key.ends_with('/') {
                if self.after < key.as_str() || self.after.starts_with(&key) {
                    self.walk(&path, &key, depth + 1)?;
                }
            } else if key.as_str() > self.after && key.starts_with(self.prefix) {
                match fs::symlink_metadata(&path) {
                    Ok(found) if found.is_file() => self.found.push(object(self.bucket, &key, &found)),
                    _ => {} // gone meanwhile
                }
            }
        }
        Ok(())
    }
}

/// Names and kinds; names that are not UTF-8 and those that no key has are left out.
fn entries(folder: &Path) -> Result<Vec<(String, FileType)>> {
    let read = match fs::read_dir(folder) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(storage(error)),
    };
    let mut found = Vec::new();
    for entry in read {
        let entry = entry.map_err(storage)?;
        let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) else { continue };
        if madang_lake::check_key(&name).is_ok() {
            found.push((name, kind));
        }
    }
    Ok(found)
}

/// What lies at a path, links not followed.
fn kind(path: &Path) -> Result<Option<FileType>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found.file_type())),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(storage(error)),
    }
}

fn object(bucket: &str, key: &str, found: &Metadata) -> Object {
    let since = found.modified().unwrap_or(UNIX_EPOCH).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Object {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        bytes: found.len(),
        modified_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        tag: format!("{}-{}-{}", found.ino(), since.as_nanos(), found.len()),
    }
}

fn missing(error: io::Error, bucket: &str, key: &str) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => absent(bucket, key),
        _ => storage(error),
    }
}

fn taken(key: &str) -> Error {
    Error::invalid(format!("the key '{key}' can't be stored: on this disk a key can't lie below another object, nor have others below it"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn bytes(text: &str) -> BoxStream<'static, Result<Bytes>> {
        futures::stream::iter([Ok(Bytes::copy_from_slice(text.as_bytes()))]).boxed()
    }

    async fn keys(folder: &Folder, prefix: &str, after: &str, limit: usize) -> Vec<String> {
        folder.list("b", prefix, after, limit).await.expect("listed").into_iter().map(|object| object.key).collect()
    }

    #[tokio::test]
    async fn objects_are_listed_by_key() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(home.path(), false).expect("opened");
        assert!(folder.make_bucket("b").await.expect("made") && !folder.make_bucket("b").await.expect("there"));
        for key in ["a/1", "a/b/2", "a.txt", "a0", "원본/주문 1.csv", "z"] {
            folder.put("b", key, bytes("x")).await.expect("put");
        }
        assert_eq!(keys(&folder, "", "", 10).await, ["a.txt", "a/1", "a/b/2", "a0", "z", "원본/주문 1.csv"]);
        assert_eq!(keys(&folder, "a/", "", 10).await, ["a/1", "a/b/2"]);
        assert_eq!(keys(&folder, "", "a/1", 2).await, ["a/b/2", "a0"]);
        folder.delete("b", "a/b/2").await.expect("deleted");
        assert!(!home.path().join("objects/b/a/b").exists(), "an empty folder is no object");
        assert!(!folder.remove_bucket("b").await.expect("asked"));
    }

    #[tokio::test]
    async fn links_and_odd_paths_lead_nowhere() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(home.path(), false).expect("opened");
        folder.make_bucket("b").await.expect("made");
        fs::create_dir(home.path().join("lake")).expect("a folder");
        fs::write(home.path().join("lake/secret"), "x").expect("a file");
        symlink(home.path().join("lake"), home.path().join("objects/b/inside")).expect("a link");
        symlink(home.path().join("lake/secret"), home.path().join("objects/b/file")).expect("a link");
        symlink(home.path().join("lake"), home.path().join("objects/linked")).expect("a link");
        assert!(keys(&folder, "", "", 10).await.is_empty());
        for key in ["inside/secret", "file"] {
            assert!(matches!(folder.head("b", key).await, Err(Error::NotFound(_))), "{key}");
            assert!(folder.put("b", key, bytes("y")).await.is_err(), "{key}");
        }
        for key in ["../../lake/secret", "/etc/passwd", "a/../../x", ""] {
            assert!(matches!(folder.head("b", key).await, Err(Error::Invalid(_))), "{key}");
        }
        assert_eq!(folder.buckets().await.expect("listed"), ["b"]);
        assert!(folder.head("..", "lake/secret").await.is_err() && folder.head("linked", "secret").await.is_err());
        assert_eq!(fs::read_to_string(home.path().join("lake/secret")).expect("there"), "x");
    }

    #[tokio::test]
    async fn publishing_twice_does_nothing() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(home.path(), false).expect("opened");
        folder.make_bucket("b").await.expect("made");
        let stage = Place { run: "r-1".to_owned(), output: 3 };
        let path = folder.0.staged(&stage, "part-00000").expect("plain");
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, "rows").expect("written");
        for _ in 0..2 {
            folder.publish(&stage, "part-00000", "b", "out/part-00000.csv").await.expect("published");
        }
        assert!(folder.publish(&stage, "part-00001", "b", "out/part-00001.csv").await.is_err());
        assert!(folder.publish(&stage, "../../x", "b", "y").await.is_err());
        folder.clear(&stage).await.expect("cleared");
    }
}
