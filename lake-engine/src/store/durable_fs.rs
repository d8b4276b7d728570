//! A folder as an object store that acknowledges a write only when it would survive a power failure.
//!
//! `object_store`'s own [`LocalFileSystem`] never syncs. Here a file is written under a hidden name, synced, given its
//! name by rename (or by hard link, which fails if the name is taken) and its folder is synced. Reads are passed on.

use std::{
    collections::HashSet,
    fmt,
    fs::{self, File},
    io::{self, Seek, SeekFrom, Write},
    path::{Path as FsPath, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use madang_lake::Result as LakeResult;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart, local::LocalFileSystem, path::Path,
};
use tokio::task::spawn_blocking;

use super::{Durability, SCRATCH};
use crate::storage;

/// The store; all paths are relative to its folder.
#[derive(Debug)]
pub(crate) struct DurableFs {
    files: LocalFileSystem,
    disk: Arc<Disk>,
}

impl DurableFs {
    /// Opens a folder, making it if it is absent.
    pub(crate) fn open(folder: &FsPath, durability: Durability) -> LakeResult<Self> {
        let sync = durability == Durability::Full;
        fs::create_dir_all(folder).map_err(storage)?;
        let root = folder.canonicalize().map_err(storage)?;
        if let (true, Some(parent)) = (sync, root.parent()) {
            sync_folder(parent).map_err(storage)?;
        }
        let files = LocalFileSystem::new_with_prefix(&root).map_err(storage)?;
        Ok(Self { files, disk: Arc::new(Disk { root, sync, made: Mutex::default() }) })
    }
}

impl fmt::Display for DurableFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DurableFs")
    }
}

#[async_trait]
impl ObjectStore for DurableFs {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let create = match opts.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => return self.files.put_opts(location, payload, opts).await, // not supported there either
        };
        let target = self.files.path_to_filesystem(location)?;
        let disk = self.disk.clone();
        spawn_blocking(move || disk.put(&target, &payload, create)).await??;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let target = self.files.path_to_filesystem(location)?;
        let disk = self.disk.clone();
        let (file, hidden) = {
            let target = target.clone();
            spawn_blocking(move || disk.hidden(&target)).await?.map_err(failed)?
        };
        Ok(Box::new(Upload { disk: self.disk.clone(), target, hidden: Some(hidden), file: Arc::new(Mutex::new(file)), offset: 0 }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        sorted(self.files.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        sorted(self.files.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await?;
        self.settle(to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.files.rename_opts(from, to, options).await?;
        self.settle(to).await
    }
}

impl DurableFs {
    /// Syncs a file that got its name by copy or rename, and its folders.
    async fn settle(&self, location: &Path) -> Result<()> {
        let target = self.files.path_to_filesystem(location)?;
        let disk = self.disk.clone();
        let settled = spawn_blocking(move || {
            disk.ready(&target)?;
            if disk.sync {
                File::open(&target)?.sync_all()?;
            }
            disk.sync_parent(&target)
        });
        settled.await?.map_err(failed)
    }
}

/// The kernel of Delta reads a listing of any scheme but `file` as sorted; the file system promises nothing.
fn sorted(listing: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
    let all = async move {
        let mut all: Vec<ObjectMeta> = listing.try_collect().await?;
        all.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        Ok::<_, Error>(stream::iter(all.into_iter().map(Ok)))
    };
    stream::once(all).try_flatten().boxed()
}

/// The blocking half: what really happens on the disk.
#[derive(Debug)]
struct Disk {
    root: PathBuf,
    sync: bool,
    /// Folders whose entry in every parent is known to be on the disk.
    made: Mutex<HashSet<PathBuf>>,
}

impl Disk {
    fn put(&self, target: &FsPath, payload: &PutPayload, create: bool) -> Result<()> {
        let (mut file, hidden) = self.hidden(target).map_err(failed)?;
        let written = payload.iter().try_for_each(|bytes| file.write_all(bytes)).map_err(failed);
        let published = written.and_then(|()| self.publish(&file, &hidden, target, create));
        if create || published.is_err() {
            let _ = fs::remove_file(&hidden); // after a link the name is there twice; after a failure it is litter
        }
        published
    }

    /// Gives a written file its name.
    fn publish(&self, file: &File, hidden: &FsPath, target: &FsPath, create: bool) -> Result<()> {
        if self.syncs(target) {
            file.sync_all().map_err(failed)?;
        }
        if create {
            fs::hard_link(hidden, target).map_err(|source| named(source, target))?;
        } else {
            fs::rename(hidden, target).map_err(failed)?;
        }
        self.sync_parent(target).map_err(failed)
    }

    /// A new file next to `target` under a name that listings leave out.
    fn hidden(&self, target: &FsPath) -> io::Result<(File, PathBuf)> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unique = format!("#{}{:06}", since.as_nanos(), COUNTER.fetch_add(1, Ordering::Relaxed) % 1_000_000);
        let mut hidden = target.as_os_str().to_owned();
        hidden.push(unique);
        let hidden = PathBuf::from(hidden);
        self.ready(target)?;
        let made = File::options().read(true).write(true).create_new(true).open(&hidden);
        match made {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.forget(target); // somebody removed the folder since we made it
                self.ready(target)?;
                Ok((File::options().read(true).write(true).create_new(true).open(&hidden)?, hidden))
            }
            other => Ok((other?, hidden)),
        }
    }

    /// Makes the folder of `target` and syncs its entry in every parent, once.
    fn ready(&self, target: &FsPath) -> io::Result<()> {
        let Some(folder) = target.parent() else { return Ok(()) };
        if self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(folder) {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        if self.sync {
            for parent in folder.ancestors().skip(1).take_while(|parent| parent.starts_with(&self.root)) {
                sync_folder(parent)?;
            }
        }
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
        Ok(())
    }

    fn forget(&self, target: &FsPath) {
        if let Some(folder) = target.parent() {
            self.made.lock().unwrap_or_else(PoisonError::into_inner).remove(folder);
        }
    }

    fn sync_parent(&self, target: &FsPath) -> io::Result<()> {
        match target.parent() {
            Some(folder) if self.syncs(target) => sync_folder(folder),
            _ => Ok(()),
        }
    }

    /// What a run keeps between its steps is made again after a power failure.
    fn syncs(&self, target: &FsPath) -> bool {
        self.sync && !target.starts_with(self.root.join(SCRATCH))
    }
}

fn sync_folder(folder: &FsPath) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) } // elsewhere a folder can't be opened
}

/// A file in parts. Dropped before `complete`, it leaves nothing.
#[derive(Debug)]
struct Upload {
    disk: Arc<Disk>,
    target: PathBuf,
    hidden: Option<PathBuf>,
    file: Arc<Mutex<File>>,
    offset: u64,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let offset = self.offset;
        self.offset += data.content_length() as u64;
        let file = self.file.clone();
        Box::pin(async move {
            spawn_blocking(move || {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(offset))?;
                data.iter().try_for_each(|bytes| file.write_all(bytes))
            })
            .await?
            .map_err(failed)
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let hidden = self.hidden.clone().ok_or_else(|| failed("the upload is over"))?;
        let (disk, file, target) = (self.disk.clone(), self.file.clone(), self.target.clone());
        spawn_blocking(move || {
            let file = file.lock().unwrap_or_else(PoisonError::into_inner);
            disk.publish(&file, &hidden, &target, false)
        })
        .await??;
        self.hidden = None;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        match self.hidden.take() {
            Some(hidden) => spawn_blocking(move || fs::remove_file(hidden)).await?.map_err(failed),
            None => Ok(()),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(hidden) = self.hidden.take() {
            let _ = fs::remove_file(hidden);
        }
    }
}

fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: "DurableFs", source: source.into() }
}

/// A failed link: the name being taken has an error of its own, on which commits rely.
fn named(source: io::Error, target: &FsPath) -> Error {
    let path = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if source.kind() == io::ErrorKind::AlreadyExists { Error::AlreadyExists { path, source: source.into() } } else { failed(source) }
}
